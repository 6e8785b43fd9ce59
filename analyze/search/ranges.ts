/**
 * The ranges of a block that have to be searched: everything but long stretches of zeros, in which nothing is found.
 *
 * @module
 */

import type { RamBlock } from "../../format/ram.ts";
import type { MemoryView } from "../memory/memory_view.ts";
import { PAGE_KIND } from "../memory/page_table.ts";

/** Bytes from `start` on, up to `end`. */
export interface AddressRange {
  /** Address in the block of the first byte. */
  readonly start: number;
  /** Address behind the last byte. */
  readonly end: number;
}

/** A memory to be searched. */
export interface SearchableMemory extends MemoryView {
  /** The byte that fills a page of kind ZERO. Default: always 0. */
  fillAt?(block: RamBlock, page: number): number;
}

/** Zeros between two ranges that are rather searched than jumped over. */
const GAP_BYTES = 64 * 1024;

/**
 * Ranges outside of which there is nothing but zeros, in order, apart from each other.
 *
 * @param reach Bytes around something else than zeros in which a match may begin or end.
 * @param withEnds Whether the ends of the block are wanted in any case: a pattern may know where memory begins and ends.
 */
export function* searchRanges(
  memory: SearchableMemory,
  block: RamBlock,
  reach: number,
  withEnds: boolean,
): Generator<AddressRange, void, undefined> {
  const size = block.usedLengthBytes;
  let open: { start: number; end: number } | undefined;
  for (const { start, end } of contentRanges(memory, block, withEnds)) {
    const from = Math.max(0, start - reach);
    const to = Math.min(size, end + reach);
    if (open === undefined) open = { start: from, end: to };
    else if (from - open.end <= GAP_BYTES) open.end = Math.max(open.end, to);
    else {
      yield open;
      open = { start: from, end: to };
    }
  }
  if (open !== undefined) yield open;
}

function* contentRanges(
  memory: SearchableMemory,
  block: RamBlock,
  withEnds: boolean,
): Generator<AddressRange, void, undefined> {
  const { pageBytes } = memory;
  const size = block.usedLengthBytes;
  if (withEnds) yield { start: 0, end: 0 };
  for (const { first, count, kind } of memory.runs(block)) {
    if (kind === PAGE_KIND.ABSENT) continue;
    if (kind !== PAGE_KIND.ZERO) {
      yield { start: first * pageBytes, end: (first + count) * pageBytes };
    } else if (block.mapped === undefined && memory.fillAt !== undefined) {
      // A file without bitmaps has a record for each of these pages, so that looking at each is no more than was read. Before QEMU 2
      // a page could be filled with another byte than 0.
      for (let page = first; page < first + count; page++) {
        if (memory.fillAt(block, page) === 0) continue;
        yield { start: page * pageBytes, end: (page + 1) * pageBytes };
      }
    }
  }
  if (withEnds) yield { start: size, end: size };
}
