/**
 * Reads pages' contents from where they stand in the input, in few reads.
 *
 * @module
 */

import { ByteReader } from "../../format/reader.ts";
import type { ByteSource } from "../../format/source.ts";

/** Bytes read at once where pages stand near each other. */
const WINDOW_BYTES = 512 * 1024;

/** Bytes between two contents that are rather read along than jumped over: a record's head is 8 bytes and a name. */
const GAP_BYTES = 512;

/** Reads contents by their absolute offsets. */
export class ContentReader {
  readonly #reader: ByteReader;
  readonly #source: ByteSource;
  #window: Uint8Array | undefined;

  /** Reads from `source`. */
  constructor(source: ByteSource) {
    this.#source = source;
    this.#reader = new ByteReader(source, { blockBytes: 4096 });
  }

  /** Fills `into` with pages of `pageBytes`; `locationOf` gives the absolute offset of each. */
  pages(into: Uint8Array, pageBytes: number, locationOf: (index: number) => number): void {
    const count = into.length / pageBytes;
    for (let first = 0; first < count;) {
      const start = locationOf(first);
      let end = start + pageBytes;
      let next = first + 1;
      let adjacent = true;
      while (next < count) {
        const location = locationOf(next);
        const fits = adjacent && location === end;
        const near = location >= end && location - end <= GAP_BYTES &&
          location + pageBytes - start <= WINDOW_BYTES;
        if (!fits && !near) break;
        adjacent &&= location === end;
        end = location + pageBytes;
        next += 1;
      }
      const part = into.subarray(first * pageBytes, next * pageBytes);
      if (adjacent) this.#exactly(start, part);
      else this.#scattered(start, end, part, pageBytes, (index) => locationOf(first + index));
      first = next;
    }
  }

  #scattered(
    start: number,
    end: number,
    into: Uint8Array,
    pageBytes: number,
    locationOf: (index: number) => number,
  ): void {
    this.#window ??= new Uint8Array(WINDOW_BYTES);
    const window = this.#window.subarray(0, end - start);
    this.#exactly(start, window);
    for (let index = 0; index * pageBytes < into.length; index++) {
      const at = locationOf(index) - start;
      into.set(window.subarray(at, at + pageBytes), index * pageBytes);
    }
  }

  #exactly(offset: number, into: Uint8Array): void {
    // Straight from the source: the reader is for errors and for what is short.
    for (let done = 0; done < into.length;) {
      const got = this.#source.readAt(offset + done, into.subarray(done));
      if (got === 0) {
        this.#reader.seek(offset + done);
        throw this.#reader.truncated(into.length - done, 0, "page");
      }
      done += got;
    }
  }

  /** The zlib stream that stands at `offset`, behind its length. */
  compressed(offset: number): Uint8Array {
    this.#reader.seek(offset - 4);
    const length = this.#reader.u32("compressed length");
    return this.#reader.bytes(length, "compressed page");
  }
}
