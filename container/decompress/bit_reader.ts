/**
 * Bits, the highest of each byte first.
 *
 * @module
 */

import type { ByteReader } from "../../format/reader.ts";

/** Reads bits through a {@link ByteReader}, never a byte more than the bits asked for need. */
export class BitReader {
  readonly #reader: ByteReader;
  readonly #what: string;
  /** The last bytes read; the lowest `#count` bits are still to be taken. */
  #bits = 0;
  #count = 0;

  /** Starts at the reader's cursor. `what` names the data in errors. */
  constructor(reader: ByteReader, what: string) {
    this.#reader = reader;
    this.#what = what;
  }

  /** Looks at the next `count` bits, at most 24, without taking them. */
  peek(count: number): number {
    const reader = this.#reader;
    while (this.#count < count) {
      if (reader.head === reader.tail) reader.need(1, this.#what);
      this.#bits = (this.#bits << 8) | reader.buffer[reader.head++]!;
      this.#count += 8;
    }
    return (this.#bits >>> (this.#count - count)) & ((1 << count) - 1);
  }

  /** Takes bits that {@link peek} has shown. */
  drop(count: number): void {
    this.#count -= count;
  }

  /** Takes the next `count` bits, at most 24. */
  take(count: number): number {
    const value = this.peek(count);
    this.#count -= count;
    return value;
  }

  /** Takes 32 bits. */
  take32(): number {
    return this.take(16) * 0x10000 + this.take(16);
  }

  /** Drops the rest of the current byte. */
  align(): void {
    this.#count -= this.#count & 7;
  }
}
