/**
 * Where bytes come from: the smallest interface that a file, a pipe, memory or a snapshot inside an image
 * can all offer.
 *
 * @module
 */

/**
 * Positioned, synchronous reads. Nothing shares a seek position: every read says where it reads.
 *
 * Offsets are absolute in the input, because a mapped-ram stream stores absolute file offsets.
 */
export interface ByteSource {
  /** Size of the input in bytes, or `undefined` where only its end will tell (a pipe). */
  readonly sizeBytes: number | undefined;
  /** Whether any offset can be read at any time. If not, reads may only go forward. */
  readonly seekable: boolean;
  /** What the offsets count in where that is not the input itself: `gzip data`; errors say it. */
  readonly label?: string | undefined;
  /**
   * Reads up to `into.length` bytes at `offset` and returns how many came; fewer than asked for does not
   * mean the end, 0 does.
   */
  readAt(offset: number, into: Uint8Array): number;
  /**
   * For a source that can't seek: from now on keep the bytes from `offset` on, so that they can be read again. `ahead` holds bytes
   * from `offset` on that were read already. Called again with a later offset, the bytes before it may be forgotten.
   */
  retain?(offset: number, ahead: Uint8Array): void;
  /** For a source that can't seek: from now on forget bytes once they are read. */
  release?(): void;
}

/**
 * A {@link ByteSource} over bytes in memory.
 *
 * @example
 * ```ts
 * import { BytesSource, StreamReader } from "@migstream/migstream";
 *
 * const source = new BytesSource(await Deno.readFile("testdata/none.mig"));
 * console.log([...new StreamReader(source).items()].length);
 * ```
 */
export class BytesSource implements ByteSource {
  /** Size of the input in bytes. */
  readonly sizeBytes: number;
  /** Always true. */
  readonly seekable = true;
  readonly #bytes: Uint8Array;

  /** Reads from `bytes`, which are not copied. */
  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.sizeBytes = bytes.length;
  }

  /** Reads up to `into.length` bytes at `offset`. */
  readAt(offset: number, into: Uint8Array): number {
    if (offset >= this.#bytes.length) return 0;
    const part = this.#bytes.subarray(offset, offset + into.length);
    into.set(part);
    return part.length;
  }
}
