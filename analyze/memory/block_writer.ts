/**
 * Where the bytes of a RAM block are written: files that keep zeros as holes, and the page-wise logic on top of them.
 *
 * @module
 */

import { PageSet } from "./page_set.ts";

/** A file that can be written and read at any position. */
export interface RandomAccessFile {
  /** Writes all of `bytes` at `position`. */
  writeAt(position: number, bytes: Uint8Array): void;
  /** Fills `into` from `position` on; what was never written reads as zeros. */
  readAt(position: number, into: Uint8Array): void;
}

/** Bytes gathered for one write. */
export const STAGING_BYTES: number = 1 << 20;

/** Writes the pages of one block to a file, at their addresses; pages of zeros that were never anything else stay holes. */
export class BlockWriter {
  readonly #file: RandomAccessFile;
  readonly #pageBytes: number;
  /** Pages where something but zeros may stand. */
  readonly #written = new PageSet();

  /** Writes pages of `pageBytes` to `file`. */
  constructor(file: RandomAccessFile, pageBytes: number) {
    this.#file = file;
    this.#pageBytes = pageBytes;
  }

  /** Writes whole pages from page `first` on. `bytes` begins at a multiple of 4 of its buffer. */
  write(first: number, bytes: Uint8Array): void {
    const pageBytes = this.#pageBytes;
    const count = bytes.length / pageBytes;
    const words = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
    const wordsPerPage = pageBytes / 4;
    let start = 0;
    for (let page = 0; page <= count; page++) {
      const skip = page < count && isZero(words, page * wordsPerPage, wordsPerPage) &&
        !this.#written.has(first + page);
      if (page < count && !skip) continue;
      if (page > start) {
        const part = bytes.subarray(start * pageBytes, page * pageBytes);
        this.#file.writeAt((first + start) * pageBytes, part);
        this.#written.addRange(first + start, page - start);
      }
      start = page + 1;
    }
  }

  /** Fills `count` pages from page `first` on with one byte. */
  fill(first: number, count: number, value: number): void {
    const pageBytes = this.#pageBytes;
    if (value === 0 && !this.#written.hasAny(first, count)) return;
    const bytes = new Uint8Array(Math.min(count * pageBytes, STAGING_BYTES)).fill(value);
    for (let done = 0; done < count;) {
      const pages = Math.min(count - done, bytes.length / pageBytes);
      // Where nothing was written there are zeros already.
      if (value !== 0 || this.#written.hasAny(first + done, pages)) {
        this.#file.writeAt((first + done) * pageBytes, bytes.subarray(0, pages * pageBytes));
      }
      done += pages;
    }
    if (value === 0) this.#written.deleteRange(first, count);
    else this.#written.addRange(first, count);
  }

  /** Makes the pages from `first` to before `end` zero again; only those that were ever written cost anything. */
  drop(first: number, end: number): void {
    for (const page of this.#written.between(first, end)) this.fill(page, 1, 0);
  }

  /** Copies a bit for each page where something but zeros may stand, as in a mapped-ram bitmap. */
  copyWritten(bitmap: Uint8Array): void {
    this.#written.copyTo(bitmap);
  }

  /** Reads one page as it is so far. */
  read(page: number, into: Uint8Array): void {
    if (this.#written.has(page)) this.#file.readAt(page * this.#pageBytes, into);
    else into.fill(0);
  }
}

/** Whether `count` words from `start` on are zero; most pages that aren't show it in their first words. */
function isZero(words: Uint32Array, start: number, count: number): boolean {
  for (let at = start; at < start + count; at++) if (words[at] !== 0) return false;
  return true;
}
