/**
 * What compresses and decompresses the payloads of multifd channels. A runtime's zlib and zstd are below `format/`'s horizon, so these
 * are interfaces.
 *
 * @module
 */

import type { MultifdMethod } from "./flags.ts";

/** Decompresses the payloads of one channel, in their order: with zlib and zstd they are one continuous stream. */
export interface MultifdDecompressor extends Disposable {
  /**
   * Decompresses a payload to exactly the bytes of its pages.
   *
   * @param method What it is compressed with; not `none`.
   * @param payload All of it.
   * @param into Room for the normal pages, all of which is filled.
   * @param pageBytes Target page size in bytes.
   * @throws {Error} with the reason, if it does not give exactly so many bytes, or is not used up by that, or is damaged. The offset of
   * a `FormatError` counts from the payload's first byte. A `TypeError` is no fault of the data.
   */
  decompress(
    method: MultifdMethod,
    payload: Uint8Array,
    into: Uint8Array,
    pageBytes: number,
  ): void;
}

/** Compresses the payloads of one channel, in their order. */
export interface MultifdCompressor extends Disposable {
  /** What it compresses with. */
  readonly method: MultifdMethod;
  /** Compresses the normal pages of one packet, at most 512 KiB. The result is valid until the next call. */
  compress(pages: Uint8Array): Uint8Array;
}
