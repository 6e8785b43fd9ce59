/**
 * For each page of a guest: what it was last, and where its content stands. Typed arrays, a few bytes a page, allocated in
 * chunks as pages come.
 *
 * @module
 */

import {
  type BitmapByteOrder,
  bitmapHas,
  countBitmapBits,
  guessBitmapByteOrder,
  isElsewhere,
} from "../../format/mapped_ram.ts";
import type { RamBlock } from "../../format/ram.ts";

/** What a page was when it was last sent. */
export const PAGE_KIND = {
  /** Never sent, or dropped again. */
  ABSENT: 0,
  /** Filled with one byte, which is 0 since QEMU 2. */
  ZERO: 1,
  /** Sent whole. */
  NORMAL: 2,
  /** Sent as the difference to its content before. */
  DELTA: 3,
  /** Sent compressed. */
  COMPRESSED: 4,
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
  #bitmap: { bytes: Uint8Array; order: BitmapByteOrder } | undefined;

  /** An empty table; locations are kept if asked for. */
  constructor(block: RamBlock, pageBytes: number, withLocations: boolean) {
    this.block = block;
    this.pages = block.usedLengthBytes / pageBytes;
    this.#withLocations = withLocations;
    this.#counts = [this.pages, 0, 0, 0, 0];
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
      return bitmapHas(bytes, page, order) ? PAGE_KIND.NORMAL : PAGE_KIND.ZERO;
    }
    const chunk = this.#chunks.get(Math.floor(page / CHUNK_PAGES));
    return (chunk?.kinds[page % CHUNK_PAGES] ?? PAGE_KIND.ABSENT) as PageKind;
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
    const [absent = 0, zero = 0, normal = 0, delta = 0, compressed = 0] = this.#counts;
    return { total: this.pages, normal, zero, delta, compressed, absent };
  }
}
