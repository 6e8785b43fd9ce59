/**
 * One block of bzip2 data. Four things were done to it, and are undone here from the last to the first: runs of four and
 * more equal bytes were shortened, the bytes sorted by what follows them (Burrows-Wheeler), moved to front with runs of zeros counted, and
 * written in up to six Huffman codes of which every 50 symbols choose one.
 *
 * ```text
 * bits  1       randomised: of no use since 1999, refused
 *       24      where the first byte stands in the sorted block
 *       16+     which bytes occur: 16 bits say which groups of 16 follow, each with 16 bits
 *       3, 15   number of codes, number of choices; then the choices, moved to front, in unary
 *       ...     for each code: 5 bits, then for each symbol the length as steps: 0 stay, 10 longer, 11 shorter
 *       ...     the symbols: 0 and 1 count a run of the front byte, then positions from 1 on, the last symbol is the end
 * ```
 *
 * @module
 */

import type { BitReader } from "./bit_reader.ts";
import { HuffmanCode } from "./huffman.ts";

/** Symbols for which a code is chosen at a time. */
const GROUP_SYMBOLS = 50;
const MAX_CODES = 6;
const MAX_CODE_BITS = 20;
const MAX_CHOICES = 1 << 15;
/** Equal bytes behind which a byte says how many more there are. */
const RUN_BYTES = 4;

/** A block: its sorted bytes with what follows them, and how far it was read. */
export class Bzip2Block {
  /** Lowest 8 bits: a byte of the sorted block; above: where the byte behind it stands. */
  #links: Uint32Array = new Uint32Array(0);
  readonly #choices = new Uint8Array(MAX_CHOICES);
  /** Bytes of the block not yet taken from `#links`. */
  #left = 0;
  #position = 0;
  /** The last byte, how many times it came, and how many more of it are due. */
  #last = -1;
  #repeats = 0;
  #due = 0;

  /**
   * Reads a block that has at most `maxBytes` before its runs are expanded.
   *
   * @throws {Error} with the reason if it is damaged.
   */
  load(bits: BitReader, maxBytes: number): void {
    if (bits.take(1) !== 0) throw new Error("a randomised block, as before bzip2 0.9.5");
    const origin = bits.take(24);
    const used = readUsedBytes(bits);
    const codes = this.#readCodes(bits, used.length + 2);
    if (this.#links.length < maxBytes) this.#links = new Uint32Array(maxBytes);
    const counts = new Uint32Array(256);
    const length = this.#readSymbols(bits, codes, used, counts, maxBytes);
    if (origin >= length) throw new Error("the block begins outside of itself");
    this.#link(counts, length, origin);
  }

  #readCodes(bits: BitReader, symbols: number): { codes: HuffmanCode[]; choices: number } {
    const count = bits.take(3);
    if (count < 2 || count > MAX_CODES) throw new Error("an impossible number of Huffman codes");
    const choices = bits.take(15);
    const order = Array.from({ length: count }, (_, index) => index);
    for (let at = 0; at < choices; at++) {
      let index = 0;
      while (bits.take(1) === 1) {
        if (++index === count) throw new Error("a choice of a Huffman code that does not exist");
      }
      const [chosen] = order.splice(index, 1);
      order.unshift(chosen!);
      this.#choices[at] = chosen!;
    }
    const codes = order.map(() => new HuffmanCode(readCodeLengths(bits, symbols), MAX_CODE_BITS));
    return { codes, choices };
  }

  /** Undoes the Huffman codes and the moving to front; returns the number of bytes in the block and counts each. */
  #readSymbols(
    bits: BitReader,
    { codes, choices }: { codes: readonly HuffmanCode[]; choices: number },
    used: Uint8Array,
    counts: Uint32Array,
    maxBytes: number,
  ): number {
    const links = this.#links;
    const end = used.length + 1;
    let length = 0;
    let run = 0;
    let weight = 1;
    for (let choice = 0; choice < choices; choice++) {
      const code = codes[this.#choices[choice]!]!;
      for (let index = 0; index < GROUP_SYMBOLS; index++) {
        const symbol = code.read(bits);
        if (symbol <= 1) {
          // Digits 1 and 2 of a number to the base 2, the lowest first.
          run += weight << symbol;
          weight *= 2;
          if (run > maxBytes) throw new Error("a run is longer than the block");
          continue;
        }
        if (run > 0) {
          if (length + run > maxBytes) throw new Error("a run is longer than the block");
          const byte = used[0]!;
          links.fill(byte, length, length + run);
          counts[byte]! += run;
          length += run;
          run = 0;
          weight = 1;
        }
        if (symbol === end) return length;
        if (length === maxBytes) throw new Error("the block is longer than its stream allows");
        const byte = moveToFront(used, symbol - 1);
        links[length++] = byte;
        counts[byte]! += 1;
      }
    }
    throw new Error("the block has no end");
  }

  /** Undoes the sorting: notes at each byte of the sorted block where the one behind it stands. */
  #link(counts: Uint32Array, length: number, origin: number): void {
    const links = this.#links;
    let sum = 0;
    for (let byte = 0; byte < 256; byte++) {
      const count = counts[byte]!;
      counts[byte] = sum;
      sum += count;
    }
    for (let at = 0; at < length; at++) {
      const byte = links[at]! & 0xff;
      links[counts[byte]!]! |= at << 8;
      counts[byte]! += 1;
    }
    this.#left = length;
    this.#position = links[origin]! >>> 8;
    this.#last = -1;
    this.#repeats = 0;
    this.#due = 0;
  }

  /** Writes the next bytes and says how many; 0 at the end of the block. */
  read(into: Uint8Array): number {
    const links = this.#links;
    let position = this.#position;
    let left = this.#left;
    let last = this.#last;
    let repeats = this.#repeats;
    let to = this.#writeDue(into);
    while (to < into.length && left > 0) {
      const link = links[position]!;
      const byte = link & 0xff;
      position = link >>> 8;
      left -= 1;
      if (repeats === RUN_BYTES) {
        repeats = 0;
        const count = Math.min(byte, into.length - to);
        into.fill(last, to, to + count);
        to += count;
        this.#due = byte - count;
        // Equal bytes behind a counted run begin a new one, and `last` must not join the two; but it is still due.
        if (this.#due > 0) break;
      } else {
        repeats = byte === last ? repeats + 1 : 1;
        last = byte;
        into[to++] = byte;
      }
    }
    this.#position = position;
    this.#left = left;
    this.#last = last;
    this.#repeats = repeats;
    return to;
  }

  #writeDue(into: Uint8Array): number {
    const count = Math.min(this.#due, into.length);
    into.fill(this.#last, 0, count);
    this.#due -= count;
    return count;
  }

  /** Forgets the block. */
  free(): void {
    this.#links = new Uint32Array(0);
    this.#left = 0;
    this.#due = 0;
  }
}

/** The bytes that occur in a block, in rising order. */
function readUsedBytes(bits: BitReader): Uint8Array {
  const groups = bits.take(16);
  const used: number[] = [];
  for (let group = 0; group < 16; group++) {
    if ((groups & (0x8000 >> group)) === 0) continue;
    const members = bits.take(16);
    for (let index = 0; index < 16; index++) {
      if ((members & (0x8000 >> index)) !== 0) used.push(group * 16 + index);
    }
  }
  if (used.length === 0) throw new Error("no byte occurs in the block");
  return Uint8Array.from(used);
}

function readCodeLengths(bits: BitReader, symbols: number): Uint8Array {
  const lengths = new Uint8Array(symbols);
  let length = bits.take(5);
  for (let symbol = 0; symbol < symbols; symbol++) {
    for (;;) {
      if (length < 1 || length > MAX_CODE_BITS) throw new Error("an impossible code length");
      if (bits.take(1) === 0) break;
      length += bits.take(1) === 0 ? 1 : -1;
    }
    lengths[symbol] = length;
  }
  return lengths;
}

/** Moves the byte at `index` to the front, and returns it. */
function moveToFront(bytes: Uint8Array, index: number): number {
  const byte = bytes[index]!;
  // A call costs more than a few steps, and much less than the many that random bytes take.
  if (index > 16) bytes.copyWithin(1, 0, index);
  else for (let at = index; at > 0; at--) bytes[at] = bytes[at - 1]!;
  bytes[0] = byte;
  return byte;
}
