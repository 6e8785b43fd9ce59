/**
 * A source that knows how much of it was read: what comes out of a decompressor does not tell how much is left.
 *
 * @module
 */

import type { ByteSource } from "../format/source.ts";

/** A {@link ByteSource} of known size that counts. */
export class CountedSource implements ByteSource {
  /** Bytes in all. */
  readonly sizeBytes: number;
  /** Bytes up to the end of what was read last. */
  readBytes = 0;
  readonly #source: ByteSource;

  /** Counts what is read of `source`. */
  constructor(source: ByteSource, sizeBytes: number) {
    this.#source = source;
    this.sizeBytes = sizeBytes;
  }

  /** What the offsets count in, if that isn't the file. */
  get label(): string | undefined {
    return this.#source.label;
  }

  /** Whether it can be read at any position. */
  get seekable(): boolean {
    return this.#source.seekable;
  }

  /** Reads up to `into.length` bytes at `offset`. */
  readAt(offset: number, into: Uint8Array): number {
    const count = this.#source.readAt(offset, into);
    this.readBytes = offset + count;
    return count;
  }

  /** As the source itself. */
  retain(offset: number, ahead: Uint8Array): void {
    this.#source.retain?.(offset, ahead);
  }

  /** As the source itself. */
  release(): void {
    this.#source.release?.();
  }
}
