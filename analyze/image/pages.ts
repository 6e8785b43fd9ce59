/**
 * The pages of a guest in the order in which they are sent: those with content in batches, zero pages apart.
 *
 * @module
 */

import type { MemoryView } from "../memory/memory_view.ts";
import { PAGE_KIND } from "../memory/page_table.ts";
import type { RamBlock } from "../../format/ram.ts";

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
  // A clear bit of a mapped-ram bitmap is a zero page; a shared block that was left out has no bitmap. What a classic stream lacks is not
  // the guest's to have.
  return block.mapped !== undefined && block.mapped.pagesOffset > 0 ? "zero" : "nothing";
}

/** The batches of at most `batchPages` pages; their contents are valid until the next one is taken. */
export function* contentBatches(
  memory: MemoryView,
  batchPages: number,
): Generator<PageBatch, void, undefined> {
  const { pageBytes } = memory;
  const content = new Uint8Array(batchPages * pageBytes);
  for (const block of memory.blocks) {
    let addresses: number[] = [];
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
      }
    }
    if (addresses.length === 0) continue;
    yield { block, addresses, content: content.subarray(0, addresses.length * pageBytes) };
  }
}

/** Consecutive pages of a block, all zero or all with content. */
export interface PageChunk {
  /** The block. */
  readonly block: RamBlock;
  /** Number of the first page. */
  readonly first: number;
  /** Number of pages. */
  readonly count: number;
  /** Their contents, which may be zeros as well; `undefined` for pages that are known to be zero. */
  readonly content: Uint8Array | undefined;
}

/**
 * All pages in their order, those with content in chunks of at most `chunkPages`; the contents are valid until the next chunk is taken.
 */
export function* pageChunks(
  memory: MemoryView,
  chunkPages: number,
): Generator<PageChunk, void, undefined> {
  const { pageBytes } = memory;
  const buffer = new Uint8Array(chunkPages * pageBytes);
  for (const block of memory.blocks) {
    for (const { first, count, kind } of memory.runs(block)) {
      const sending = sendingOf(block, kind);
      if (sending === "nothing") continue;
      const most = sending === "zero" ? ZERO_CHUNK_PAGES : chunkPages;
      for (let done = 0; done < count; done += most) {
        const here = Math.min(most, count - done);
        const content = sending === "zero" ? undefined : buffer.subarray(0, here * pageBytes);
        if (content !== undefined) memory.read(block, (first + done) * pageBytes, content);
        yield { block, first: first + done, count: here, content };
      }
    }
  }
}

/** Zero pages of one chunk: what is made of them is short. */
const ZERO_CHUNK_PAGES = 1 << 14;

/** Whether a page is zero; most pages that aren't show it in their first words. `page` begins at a multiple of 4 of its buffer. */
export function isZero(page: Uint8Array): boolean {
  const words = new Uint32Array(page.buffer, page.byteOffset, page.length / 4);
  for (let at = 0; at < words.length; at++) if (words[at] !== 0) return false;
  return true;
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

/** The pages that are known to be zero, in runs of no more than some thousand. */
export function* zeroRuns(memory: MemoryView): Generator<ZeroRun, void, undefined> {
  for (const block of memory.blocks) {
    for (const { first, count, kind } of memory.runs(block)) {
      if (sendingOf(block, kind) !== "zero") continue;
      for (let done = 0; done < count; done += ZERO_CHUNK_PAGES) {
        const here = Math.min(ZERO_CHUNK_PAGES, count - done);
        yield { block, first: first + done, count: here };
      }
    }
  }
}
