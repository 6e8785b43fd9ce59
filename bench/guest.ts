/**
 * The guest whose memory the benchmarks' streams hold: its RAM blocks, which of their pages are zero, and what
 * the others contain. All of it follows from a seed, so that every run measures the same bytes.
 *
 * @module
 */

import type { Recording } from "./recording.ts";

/** Target page size of the guest (x86) in bytes. */
export const PAGE_BYTES = 4096;

/** Different pages that non-zero content is taken from; each is stamped with its own number before it is written. */
const POOL_PAGES = 512;

/** A block of the guest. */
export interface GuestBlock {
  /** Name (idstr). */
  readonly name: string;
  /** Number of pages. */
  readonly pages: number;
}

/** Consecutive pages of a block that are all zero, or all not. */
export interface PageRun {
  /** First page in the block. */
  readonly firstPage: number;
  /** Number of pages; at least 1. */
  readonly pages: number;
  /** Whether the pages are zero. */
  readonly isZero: boolean;
}

/** How many pages of a stream are of which kind. */
export interface PageCounts {
  /** Pages that are zero. */
  zeroPages: number;
  /** Pages with content. */
  normalPages: number;
}

/** A guest. */
export interface Guest {
  /** Blocks in the order of the stream: the main memory first. */
  readonly blocks: readonly GuestBlock[];
  /** Longest run of zero pages. */
  readonly longestZeroRun: number;
  /** Longest run of pages with content. */
  readonly longestNormalRun: number;
  /** Start of the random numbers. */
  readonly seed: number;
}

/** Random numbers of 0..2^32-1 (Marsaglia's xorshift): quick, and the same everywhere. */
export function randomNumbers(seed: number): () => number {
  let state = (seed ^ 0x9e3779b9) >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>>= 0;
  };
}

/** A guest like the recorded one, but with `ramBytes` of main memory, about half of whose pages are zero. */
export function halfZeroGuest(recording: Recording, ramBytes: number): Guest {
  const blocks = blocksWithRam(recording, ramBytes);
  return { blocks, longestZeroRun: 64, longestNormalRun: 64, seed: 1 };
}

/** A guest like the recorded one, but with `ramBytes` of main memory, of which about one page in a thousand has content. */
export function sparseGuest(recording: Recording, ramBytes: number): Guest {
  const blocks = blocksWithRam(recording, ramBytes);
  return { blocks, longestZeroRun: 16384, longestNormalRun: 16, seed: 2 };
}

/** QEMU sorts blocks by size, so the enlarged memory comes first. */
function blocksWithRam(recording: Recording, ramBytes: number): GuestBlock[] {
  if (ramBytes <= 0 || ramBytes % PAGE_BYTES !== 0) {
    throw new RangeError(`The memory must be a positive multiple of ${PAGE_BYTES} bytes`);
  }
  const small = recording.blocks.filter(({ name }) => name !== recording.mainBlock);
  return [
    { name: recording.mainBlock, pages: ramBytes / PAGE_BYTES },
    ...small.map(({ name, usedLengthBytes }) => ({ name, pages: usedLengthBytes / PAGE_BYTES })),
  ];
}

/** The runs of the block at `index`: they cover it, zero and other ones in turn. */
export function* pageRuns(guest: Guest, index: number): Generator<PageRun, void, undefined> {
  const { pages } = guest.blocks[index]!;
  const random = randomNumbers(guest.seed * 1000 + index);
  let isZero = random() % 2 === 0;
  for (let firstPage = 0; firstPage < pages; isZero = !isZero) {
    const longest = isZero ? guest.longestZeroRun : guest.longestNormalRun;
    const count = Math.min(1 + random() % longest, pages - firstPage);
    yield { firstPage, pages: count, isZero };
    firstPage += count;
  }
}

/** Counts the pages of the guest. */
export function countPages(guest: Guest): PageCounts {
  const counts: PageCounts = { zeroPages: 0, normalPages: 0 };
  for (let index = 0; index < guest.blocks.length; index++) {
    for (const run of pageRuns(guest, index)) {
      counts[run.isZero ? "zeroPages" : "normalPages"] += run.pages;
    }
  }
  return counts;
}

/** The content of pages that are not zero. */
export class PageContents {
  readonly #pool = new Uint8Array(POOL_PAGES * PAGE_BYTES);
  readonly #view = new DataView(this.#pool.buffer);

  /** Half of the pages are random numbers, the others text-like: a short random pattern, repeated. */
  constructor(seed: number) {
    const random = randomNumbers(seed);
    const words = new Uint32Array(this.#pool.buffer);
    const wordsPerPage = PAGE_BYTES / 4;
    for (let page = 0; page < POOL_PAGES; page++) {
      const start = page * wordsPerPage;
      const patternWords = page % 2 === 0 ? wordsPerPage : 1 + random() % 64;
      for (let at = 0; at < wordsPerPage; at++) {
        words[start + at] = at < patternWords ? random() : words[start + at - patternWords]!;
      }
    }
  }

  /** The content of page `page` of block `index`: never zero, no two alike. Valid until the next call. */
  page(index: number, page: number): Uint8Array {
    const start = (page % POOL_PAGES) * PAGE_BYTES;
    this.#view.setUint32(start, 0xb10c0000 + index);
    this.#view.setUint32(start + 4, page);
    return this.#pool.subarray(start, start + PAGE_BYTES);
  }
}
