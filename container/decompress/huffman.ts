/**
 * Canonical Huffman codes: codes of one length are consecutive numbers in the order of their symbols, behind those of shorter ones.
 *
 * @module
 */

import type { BitReader } from "./bit_reader.ts";

/** Codes of up to this many bits are looked up at once; longer ones are rare. */
const TABLE_BITS = 10;

/** A code made of the lengths that its symbols have. */
export class HuffmanCode {
  readonly #maxBits: number;
  /** For the next `TABLE_BITS` bits: the symbol's index in `#symbols` << 5 | its length, or 0 where the code is longer. */
  readonly #table = new Uint16Array(1 << TABLE_BITS);
  /** The symbols by code. */
  readonly #symbols: Uint16Array;
  /** For each length: behind the last code of it, and what to add to a code of it for the index in `#symbols`. */
  readonly #ends: Int32Array;
  readonly #toIndex: Int32Array;

  /** Makes the code; lengths are 1 to `maxBits`. */
  constructor(lengths: Uint8Array, maxBits: number) {
    this.#maxBits = maxBits;
    this.#symbols = new Uint16Array(lengths.length);
    this.#ends = new Int32Array(maxBits + 1);
    this.#toIndex = new Int32Array(maxBits + 1);
    let index = 0;
    let code = 0;
    for (let bits = 1; bits <= maxBits; bits++) {
      this.#toIndex[bits] = index - code;
      for (let symbol = 0; symbol < lengths.length; symbol++) {
        if (lengths[symbol] !== bits) continue;
        this.#symbols[index] = symbol;
        if (bits <= TABLE_BITS) this.#enter(code, bits, index);
        index += 1;
        code += 1;
      }
      this.#ends[bits] = code;
      // Too many short codes leave no room for longer ones: damage that the lookup must survive, and does.
      code *= 2;
    }
  }

  #enter(code: number, bits: number, index: number): void {
    const start = code << (TABLE_BITS - bits);
    this.#table.fill((index << 5) | bits, start, start + (1 << (TABLE_BITS - bits)));
  }

  /**
   * Reads a symbol.
   *
   * @throws {Error} for bits that are no code.
   */
  read(bits: BitReader): number {
    const entry = this.#table[bits.peek(TABLE_BITS)]!;
    if (entry !== 0) {
      bits.drop(entry & 31);
      return this.#symbols[entry >> 5]!;
    }
    for (let length = TABLE_BITS + 1; length <= this.#maxBits; length++) {
      const code = bits.peek(length);
      if (code >= this.#ends[length]!) continue;
      const symbol = this.#symbols[code + this.#toIndex[length]!];
      if (symbol === undefined) break;
      bits.drop(length);
      return symbol;
    }
    throw new Error("bits that are no Huffman code");
  }
}
