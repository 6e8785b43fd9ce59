/**
 * The sink of a stream that is encoded anew: compares it with its original.
 *
 * @module
 */

import type { ByteSink } from "../../format/sink.ts";
import type { Original } from "./original.ts";

/** Bytes of both sides that are shown at a difference. */
const SHOWN_BYTES = 16;
/** Zeros that are compared at once. */
const ZEROS = new Uint8Array(256 * 1024);

/** Thrown at the first byte that differs. */
export class DifferenceFound extends Error {
  /** Absolute offset of the first byte that differs. */
  readonly offset: number;
  /** The original's bytes from there on; none if it ends there. */
  readonly expected: Uint8Array;
  /** The encoded bytes from there on. */
  readonly found: Uint8Array;

  /** Makes the exception. */
  constructor(offset: number, expected: Uint8Array, found: Uint8Array) {
    super(`the encoding differs from the original at offset ${offset}`);
    this.name = "DifferenceFound";
    this.offset = offset;
    this.expected = expected;
    this.found = found;
  }
}

/** Compares what is written with an original. */
export class ComparingSink implements ByteSink {
  readonly #original: Original;
  readonly #onBytes: () => void;

  /** Compares with `original`, and calls `onBytes` whenever some more bytes were equal. */
  constructor(original: Original, onBytes: () => void = () => {}) {
    this.#original = original;
    this.#onBytes = onBytes;
  }

  /** Compares bytes. */
  write(bytes: Uint8Array): void {
    const index = this.#original.compare(bytes);
    if (index !== undefined) this.#fail(bytes.slice(index, index + SHOWN_BYTES));
    this.#onBytes();
  }

  /** Compares zeros. */
  hole(lengthBytes: number): void {
    for (let left = lengthBytes; left > 0; left -= ZEROS.length) {
      this.write(left < ZEROS.length ? ZEROS.subarray(0, left) : ZEROS);
    }
  }

  /** Fails unless the original ends here. */
  finish(): void {
    if (this.#original.peek(1).length > 0) this.#fail(new Uint8Array(0));
  }

  #fail(found: Uint8Array): never {
    const { position } = this.#original;
    // What is written next is not known yet: as many bytes of both are shown.
    const most = found.length === 0 ? SHOWN_BYTES : found.length;
    throw new DifferenceFound(position, this.#original.peek(most), found);
  }
}
