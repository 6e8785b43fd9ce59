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
    const index = Math.floor(page / CHUNK_PAGES);
    let chunk = this.#chunks.get(index);
    if (chunk === undefined) {
      chunk = new Uint8Array(CHUNK_PAGES / 8);
      this.#chunks.set(index, chunk);
    }
    const bit = page % CHUNK_PAGES;
    chunk[bit >> 3]! |= 1 << (bit & 7);
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
