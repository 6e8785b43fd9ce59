/**
 * For each page of a guest: what it was last, and where its content stands. Typed arrays, a few bytes a page, allocated in
 * chunks as pages come.
 *
 * @module
 */

import {
  type BitmapByteOrder,
  bitmapHas,
  bitmapRunEnd,
  countBitmapBits,
  guessBitmapByteOrder,
  isElsewhere,
} from "../../format/mapped_ram.ts";
import type { RamBlock } from "../../format/ram.ts";
import type { PageRun } from "./memory_view.ts";

/**
 * What a page was when it was last sent.
 *
 * @example
 * ```ts
 * import { openInput, PAGE_KIND, readGuestMemory } from "@migstream/migstream";
 *
 * using input = await openInput("testdata/pc.mig");
 * using guest = readGuestMemory(input);
 * const runs = guest.memory.blocks.flatMap((block) => [...guest.memory.runs(block)]);
 * console.log(runs.filter(({ kind }) => kind === PAGE_KIND.NORMAL).length);
 * ```
 */
export const PAGE_KIND = {
  /** Never sent, or dropped again. */
  ABSENT: 0,
  /** Filled with zeros. */
  ZERO: 1,
  /** Sent whole. */
  NORMAL: 2,
  /** Sent as the difference to its content before. */
  DELTA: 3,
  /** Sent compressed. */
  COMPRESSED: 4,
  /** Not part of the memory, but something may stand at its place in a mapped-ram file. Only where slack is asked for. */
  SLACK: 5,
  /** Filled with one byte that isn't 0, as only QEMU before 2.0 sent pages. */
  FILLED: 6,
  /** Sent whole, but compressed together with others, so that it had to be stored. */
  STORED: 7,
} as const;

/** A value of {@link PAGE_KIND}. */
export type PageKind = typeof PAGE_KIND[keyof typeof PAGE_KIND];

/** Number of pages of a block by what they were last. */
export interface PageCounts {
  /** All pages of the block. */
  total: number;
  /** Pages sent whole. */
  normal: number;
  /** Pages filled with one byte. */
  zero: number;
  /** Pages sent as a difference. */
  delta: number;
  /** Pages sent compressed. */
  compressed: number;
  /** Pages never sent, or dropped again. */
  absent: number;
}

const CHUNK_PAGES = 1 << 15;

interface Chunk {
  readonly kinds: Uint8Array;
  readonly locations: Float64Array | undefined;
}

/** The pages of one block. */
export class BlockPages {
  /** The block. */
  readonly block: RamBlock;
  /** Number of pages. */
  readonly pages: number;
  /** By number; a map, because the input decides how many there could be. */
  readonly #chunks = new Map<number, Chunk>();
  readonly #withLocations: boolean;
  readonly #counts: number[];
  /** What a page of a mapped-ram file is whose bit is clear. */
  readonly #clearKind: PageKind;
  #bitmap: { bytes: Uint8Array; order: BitmapByteOrder } | undefined;

  /**
   * An empty table.
   *
   * @param withLocations Whether it is kept where contents stand.
   * @param withSlack Whether a page of a mapped-ram file whose bit is clear is SLACK rather than ZERO.
   */
  constructor(block: RamBlock, pageBytes: number, withLocations: boolean, withSlack = false) {
    this.block = block;
    this.#clearKind = withSlack ? PAGE_KIND.SLACK : PAGE_KIND.ZERO;
    this.pages = block.usedLengthBytes / pageBytes;
    this.#withLocations = withLocations;
    this.#counts = [this.pages, 0, 0, 0, 0, 0, 0, 0];
  }

  /** Takes a mapped-ram bitmap: pages whose bit is set are normal, the others are zero. */
  setBitmap(bytes: Uint8Array): void {
    const order = guessBitmapByteOrder(bytes, this.pages);
    this.#bitmap = { bytes, order };
    const normal = countBitmapBits(bytes, this.pages, order);
    this.#counts[PAGE_KIND.ABSENT] = 0;
    this.#counts[PAGE_KIND.ZERO] = this.pages - normal;
    this.#counts[PAGE_KIND.NORMAL] = normal;
  }

  #chunk(page: number): Chunk {
    const index = Math.floor(page / CHUNK_PAGES);
    let chunk = this.#chunks.get(index);
    if (chunk === undefined) {
      chunk = {
        kinds: new Uint8Array(CHUNK_PAGES),
        locations: this.#withLocations ? new Float64Array(CHUNK_PAGES) : undefined,
      };
      this.#chunks.set(index, chunk);
    }
    return chunk;
  }

  /**
   * Sets `count` pages from `first` on; their contents stand `stride` bytes apart, the first at `location`. Returns how many of
   * them had been absent.
   */
  set(first: number, count: number, kind: PageKind, location = 0, stride = 0): number {
    const absent = this.#counts[PAGE_KIND.ABSENT]!;
    for (let done = 0; done < count;) {
      const chunk = this.#chunk(first + done);
      const at = (first + done) % CHUNK_PAGES;
      const here = Math.min(count - done, CHUNK_PAGES - at);
      this.#setKinds(chunk.kinds, at, here, kind);
      if (chunk.locations !== undefined) {
        for (let index = 0; index < here; index++) {
          chunk.locations[at + index] = location + (done + index) * stride;
        }
      }
      done += here;
    }
    return absent - this.#counts[PAGE_KIND.ABSENT]!;
  }

  /** Makes pages absent again; only those that were ever set cost anything. */
  drop(first: number, count: number): void {
    const end = first + count;
    for (const [index, { kinds }] of this.#chunks) {
      const base = index * CHUNK_PAGES;
      const from = Math.max(first, base) - base;
      const to = Math.min(end, base + CHUNK_PAGES) - base;
      if (to > from) this.#setKinds(kinds, from, to - from, PAGE_KIND.ABSENT);
    }
  }

  #setKinds(kinds: Uint8Array, at: number, count: number, kind: PageKind): void {
    const counts = this.#counts;
    for (let index = at; index < at + count; index++) counts[kinds[index]!]! -= 1;
    kinds.fill(kind, at, at + count);
    counts[kind]! += count;
  }

  /** What a page was last. */
  kindAt(page: number): PageKind {
    if (this.#bitmap !== undefined) {
      const { bytes, order } = this.#bitmap;
      return bitmapHas(bytes, page, order) ? PAGE_KIND.NORMAL : this.#clearKind;
    }
    const chunk = this.#chunks.get(Math.floor(page / CHUNK_PAGES));
    return (chunk?.kinds[page % CHUNK_PAGES] ?? PAGE_KIND.ABSENT) as PageKind;
  }

  /** The runs of pages of one kind, from the first page to the last. */
  *runs(): Generator<PageRun, void, undefined> {
    let open: { first: number; count: number; kind: PageKind } | undefined;
    for (const piece of this.#bitmap === undefined ? this.#chunkRuns() : this.#bitmapRuns()) {
      if (piece.kind === open?.kind) open.count += piece.count;
      else {
        if (open !== undefined) yield open;
        open = piece;
      }
    }
    if (open !== undefined) yield open;
  }

  *#bitmapRuns(): Generator<PageRun, void, undefined> {
    const { bytes, order } = this.#bitmap!;
    for (let first = 0; first < this.pages;) {
      const end = bitmapRunEnd(bytes, first, this.pages, order);
      yield { first, count: end - first, kind: this.kindAt(first) };
      first = end;
    }
  }

  /** Runs that may end at a chunk's border. Where no page was ever set, there is one run, however long. */
  *#chunkRuns(): Generator<PageRun, void, undefined> {
    let page = 0;
    for (const index of [...this.#chunks.keys()].sort((a, b) => a - b)) {
      const start = index * CHUNK_PAGES;
      if (start > page) yield { first: page, count: start - page, kind: PAGE_KIND.ABSENT };
      const { kinds } = this.#chunks.get(index)!;
      const pages = Math.min(CHUNK_PAGES, this.pages - start);
      for (let first = 0; first < pages;) {
        const kind = kinds[first]! as PageKind;
        let end = first + 1;
        while (end < pages && kinds[end] === kind) end += 1;
        yield { first: start + first, count: end - first, kind };
        first = end;
      }
      page = start + pages;
    }
    if (page < this.pages) {
      yield { first: page, count: this.pages - page, kind: PAGE_KIND.ABSENT };
    }
  }

  /** Where a page's content stands, as it was set; in a mapped-ram file by the page's number. */
  locationAt(page: number): number {
    const { mapped } = this.block;
    if (this.#bitmap !== undefined && mapped !== undefined) {
      return mapped.pagesOffset + page * mapped.pageBytes;
    }
    const chunk = this.#chunks.get(Math.floor(page / CHUNK_PAGES));
    return chunk?.locations?.[page % CHUNK_PAGES] ?? 0;
  }

  /** Whether the content is not in the stream at all (x-ignore-shared). */
  get isElsewhere(): boolean {
    return this.block.mapped !== undefined && isElsewhere(this.block.mapped);
  }

  /** Number of pages by kind. */
  get counts(): PageCounts {
    const count = (kind: PageKind): number => this.#counts[kind]!;
    return {
      total: this.pages,
      normal: count(PAGE_KIND.NORMAL) + count(PAGE_KIND.STORED),
      zero: count(PAGE_KIND.ZERO) + count(PAGE_KIND.FILLED),
      delta: count(PAGE_KIND.DELTA),
      compressed: count(PAGE_KIND.COMPRESSED),
      absent: count(PAGE_KIND.ABSENT),
    };
  }
}
