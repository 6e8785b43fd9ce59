/**
 * Pages that the input does not hold as they are: in memory up to a bound, in a temporary file beyond it.
 *
 * @module
 */

import { spillTo, type TemporaryFile } from "../../container/temporary_file.ts";

/** Bytes of pages kept in memory before a temporary file takes the next ones. */
export const PAGE_STORE_MEMORY_BYTES: number = 32 * 1024 * 1024;

/** Numbered pages of one size. */
export class PageStore implements Disposable {
  readonly #pageBytes: number;
  readonly #memoryBytes: number;
  readonly #inMemory: Uint8Array[] = [];
  #count = 0;
  #file: TemporaryFile | undefined;

  /** An empty store for pages of `pageBytes`. */
  constructor(pageBytes: number, memoryBytes: number = PAGE_STORE_MEMORY_BYTES) {
    this.#pageBytes = pageBytes;
    this.#memoryBytes = memoryBytes;
  }

  /** Puts a page and returns its number; `offset` is where the input is, for errors. */
  add(page: Uint8Array, offset: number): number {
    const slot = this.#count++;
    this.replace(slot, page, offset);
    return slot;
  }

  /** Puts another page in the place of one. */
  replace(slot: number, page: Uint8Array, offset: number): void {
    if ((slot + 1) * this.#pageBytes <= this.#memoryBytes) {
      this.#inMemory[slot] = page.slice();
      return;
    }
    this.#file ??= spillTo("Too many compressed or changed pages", this.#memoryBytes, offset);
    this.#file.writeAt(slot * this.#pageBytes, page);
  }

  /** Reads a page. */
  read(slot: number, into: Uint8Array): void {
    const page = this.#inMemory[slot];
    if (page !== undefined) return into.set(page);
    for (let done = 0; done < this.#pageBytes;) {
      const position = slot * this.#pageBytes + done;
      const got = this.#file?.readAt(position, into.subarray(done, this.#pageBytes)) ?? 0;
      if (got === 0) throw new Error(`page ${slot} is not in the store`);
      done += got;
    }
  }

  /** Removes the temporary file. */
  [Symbol.dispose](): void {
    this.#file?.[Symbol.dispose]();
  }
}
