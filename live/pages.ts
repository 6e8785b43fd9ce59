/**
 * The pages of a guest in the order in which they are sent: those with content in batches, zero pages apart.
 *
 * @module
 */

import type { MemoryView } from "../analyze/memory/memory_view.ts";
import { PAGE_KIND } from "../analyze/memory/page_table.ts";
import type { RamBlock } from "../format/ram.ts";

/** Pages with content, all of one block. */
export interface PageBatch {
  /** The block. */
  readonly block: RamBlock;
  /** Their addresses in the block. */
  readonly addresses: readonly number[];
  /** Their contents, in the same order. */
  readonly content: Uint8Array;
}

/** How a page is sent: as content, as a zero page, or not at all. */
type Sending = "content" | "zero" | "nothing";

function sendingOf(block: RamBlock, kind: number): Sending {
  if (kind === PAGE_KIND.ZERO) return "zero";
  if (kind !== PAGE_KIND.ABSENT) return "content";
  // A clear bit of a mapped-ram bitmap is a zero page, unless the block is a shared one that was left out. What a classic stream lacks
  // is not the guest's to have.
  return block.mapped !== undefined && block.guestAddress === undefined ? "zero" : "nothing";
}

/** The batches of at most `batchPages` pages, and the memory that they need, once. */
export function* contentBatches(
  memory: MemoryView,
  batchPages: number,
): Generator<PageBatch, void, undefined> {
  const { pageBytes } = memory;
  for (const block of memory.blocks) {
    let addresses: number[] = [];
    let content = new Uint8Array(batchPages * pageBytes);
    for (const { first, count, kind } of memory.runs(block)) {
      if (sendingOf(block, kind) !== "content") continue;
      for (let done = 0; done < count;) {
        const used = addresses.length;
        const take = Math.min(count - done, batchPages - used);
        const address = (first + done) * pageBytes;
        memory.read(block, address, content.subarray(used * pageBytes, (used + take) * pageBytes));
        for (let page = 0; page < take; page++) addresses.push(address + page * pageBytes);
        done += take;
        if (addresses.length < batchPages) continue;
        yield { block, addresses, content };
        addresses = [];
        // Others may still be sending the last one.
        content = new Uint8Array(batchPages * pageBytes);
      }
    }
    if (addresses.length === 0) continue;
    yield { block, addresses, content: content.subarray(0, addresses.length * pageBytes) };
  }
}

/** Zero pages that follow each other. */
export interface ZeroRun {
  /** The block. */
  readonly block: RamBlock;
  /** Number of the first page. */
  readonly first: number;
  /** Number of pages. */
  readonly count: number;
}

/** The zero pages. */
export function* zeroRuns(memory: MemoryView): Generator<ZeroRun, void, undefined> {
  for (const block of memory.blocks) {
    for (const { first, count, kind } of memory.runs(block)) {
      if (sendingOf(block, kind) === "zero") yield { block, first, count };
    }
  }
}
