/**
 * Files as byte sources.
 *
 * @module
 */

import type { ByteSource } from "../format/source.ts";

/** A {@link ByteSource} over a file that can be read at any position. */
export class FileSource implements ByteSource, Disposable {
  /** Size of the file in bytes when it was opened. */
  readonly sizeBytes: number;
  /** Always true. */
  readonly seekable = true;
  readonly #file: Deno.FsFile;
  #position = 0;

  /** Takes an open file; it is closed with the source. */
  constructor(file: Deno.FsFile, sizeBytes: number) {
    this.#file = file;
    this.sizeBytes = sizeBytes;
  }

  /** Reads up to `into.length` bytes at `offset`. */
  readAt(offset: number, into: Uint8Array): number {
    if (offset >= this.sizeBytes) return 0;
    if (offset !== this.#position) this.#file.seekSync(offset, Deno.SeekMode.Start);
    const got = this.#file.readSync(into) ?? 0;
    this.#position = offset + got;
    return got;
  }

  /** Closes the file. */
  [Symbol.dispose](): void {
    this.#file.close();
  }
}
