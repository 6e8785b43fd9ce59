/**
 * A pipe, or what comes out of a decompressor, that was read to its end and kept, so that it can be read like a file.
 *
 * @module
 */

import type { ByteSource } from "../format/source.ts";
import type { PipeSource } from "./pipe.ts";

const BLOCK_BYTES = 256 * 1024;

/** A {@link ByteSource} over a pipe whose bytes are all there. */
export class KeptPipe implements ByteSource {
  /** Bytes that came. */
  readonly sizeBytes: number;
  /** Always true. */
  readonly seekable = true;
  /** What the offsets count in, as for the pipe. */
  readonly label: string | undefined;
  readonly #pipe: PipeSource;

  /** Reads a pipe to its end and keeps what comes from `from` on, of which nothing was read yet; calls `onBlock` now and then. */
  constructor(pipe: PipeSource, from: number, onBlock: () => void = () => {}) {
    this.#pipe = pipe;
    this.label = pipe.label;
    pipe.keepAll();
    const block = new Uint8Array(BLOCK_BYTES);
    let size = from;
    for (let got = pipe.readAt(size, block); got > 0; got = pipe.readAt(size, block)) {
      size += got;
      onBlock();
    }
    this.sizeBytes = size;
  }

  /** Reads up to `into.length` bytes at `offset`. */
  readAt(offset: number, into: Uint8Array): number {
    return offset >= this.sizeBytes ? 0 : this.#pipe.readAt(offset, into);
  }
}
