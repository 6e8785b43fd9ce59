/**
 * A set of page numbers: a bit a page, allocated in chunks as pages come.
 *
 * @module
 */

const CHUNK_PAGES = 1 << 18;

/** A set of page numbers. */
export class PageSet {
  readonly #chunks = new Map<number, Uint8Array>();

  /** Whether a page is in the set. */
  has(page: number): boolean {
    const chunk = this.#chunks.get(Math.floor(page / CHUNK_PAGES));
    const bit = page % CHUNK_PAGES;
    return chunk !== undefined && (chunk[bit >> 3]! >> (bit & 7) & 1) === 1;
  }

  /** Puts a page in. */
  add(page: number): void {
    const bit = page % CHUNK_PAGES;
    this.#chunk(Math.floor(page / CHUNK_PAGES))[bit >> 3]! |= 1 << (bit & 7);
  }

  #chunk(index: number): Uint8Array {
    let chunk = this.#chunks.get(index);
    if (chunk === undefined) {
      chunk = new Uint8Array(CHUNK_PAGES / 8);
      this.#chunks.set(index, chunk);
    }
    return chunk;
  }

  /** Puts `count` pages from `first` on in. */
  addRange(first: number, count: number): void {
    this.#eachPart(first, count, (index) => this.#chunk(index), (chunk, from, to) => {
      fillBits(chunk, from, to, true);
    });
  }

  /** Takes `count` pages from `first` on out. */
  deleteRange(first: number, count: number): void {
    this.#eachPart(first, count, (index) => this.#chunks.get(index), (chunk, from, to) => {
      fillBits(chunk, from, to, false);
    });
  }

  /** Whether any of `count` pages from `first` on is in the set. */
  hasAny(first: number, count: number): boolean {
    let found = false;
    this.#eachPart(first, count, (index) => this.#chunks.get(index), (chunk, from, to) => {
      for (let bit = from; bit < to && !found;) {
        if ((bit & 7) === 0 && to - bit >= 8) {
          found = chunk[bit >> 3] !== 0;
          bit += 8;
        } else {
          found = (chunk[bit >> 3]! >> (bit & 7) & 1) === 1;
          bit += 1;
        }
      }
    });
    return found;
  }

  /** How many of `count` pages from `first` on are in the set. */
  count(first: number, count: number): number {
    let found = 0;
    for (const _ of this.between(first, first + count)) found += 1;
    return found;
  }

  #eachPart(
    first: number,
    count: number,
    chunkOf: (index: number) => Uint8Array | undefined,
    action: (chunk: Uint8Array, from: number, to: number) => void,
  ): void {
    for (let done = 0; done < count;) {
      const from = (first + done) % CHUNK_PAGES;
      const here = Math.min(count - done, CHUNK_PAGES - from);
      const chunk = chunkOf(Math.floor((first + done) / CHUNK_PAGES));
      if (chunk !== undefined) action(chunk, from, from + here);
      done += here;
    }
  }

  /** Copies the bits: bit n of `bitmap` is bit `n & 7` of byte `n >> 3`; it has to be zero before, and long enough. */
  copyTo(bitmap: Uint8Array): void {
    for (const [index, chunk] of this.#chunks) {
      const start = index * CHUNK_PAGES / 8;
      bitmap.set(chunk.subarray(0, bitmap.length - start), start);
    }
  }

  /** Takes a page out. */
  delete(page: number): void {
    const chunk = this.#chunks.get(Math.floor(page / CHUNK_PAGES));
    const bit = page % CHUNK_PAGES;
    if (chunk !== undefined) chunk[bit >> 3]! &= ~(1 << (bit & 7));
  }

  /** The pages of the set from `first` to before `end`; only pages that were ever put in cost anything. */
  *between(first: number, end: number): Generator<number, void, undefined> {
    for (const index of this.#chunks.keys()) {
      const base = index * CHUNK_PAGES;
      const stop = Math.min(end, base + CHUNK_PAGES);
      for (let page = Math.max(first, base); page < stop; page++) {
        if (this.has(page)) yield page;
      }
    }
  }
}

function fillBits(chunk: Uint8Array, from: number, to: number, value: boolean): void {
  let bit = from;
  while (bit < to) {
    if ((bit & 7) === 0 && to - bit >= 8) {
      const bytes = (to - bit) >> 3;
      chunk.fill(value ? 0xff : 0, bit >> 3, (bit >> 3) + bytes);
      bit += bytes * 8;
      continue;
    }
    const mask = 1 << (bit & 7);
    chunk[bit >> 3] = value ? chunk[bit >> 3]! | mask : chunk[bit >> 3]! & ~mask;
    bit += 1;
  }
}
