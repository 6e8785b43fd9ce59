/**
 * LZO1X, the compression inside of lzop files: a sequence of instructions that copy literals from the input, or matches from
 * the output. Written from the description in Linux's documentation ("LZO stream format as understood by Linux's LZO decompressor").
 *
 * ```text
 * first byte
 *   18..21     1..4 literals                22..255    (byte - 17) literals
 * instruction                              length                          distance
 *   0000LLLL                                3 + L literals, if the instruction before copied no literal
 *   0000DDSS  H                             2                               (H << 2) + D + 1, behind 1..3 literals
 *   0000DDSS  H                             3                               (H << 2) + D + 2049, behind a run of literals
 *   0001HLLL  DDDDDDSS DDDDDDDD             2 + L                           16384 + (H << 14) + D; 16384 is the end
 *   001LLLLL  DDDDDDSS DDDDDDDD             2 + L                           D + 1
 *   01LDDDSS  H                             3 + L                           (H << 3) + D + 1
 *   1LLDDDSS  H                             5 + L                           (H << 3) + D + 1
 * ```
 *
 * S literals follow a match. Where L is 0 in the forms with a length of their own, bytes follow that say it: the field's largest
 * value, 255 for each zero byte, and the first other byte.
 *
 * @module
 */

/** Bytes of the shortest end, `11 00 00`: no instruction stands nearer to the end than that. */
const END_BYTES = 3;
/** The distance that means the end. */
const END_DISTANCE = 16384;
/** From this length on, `copyWithin` is faster than a loop. */
const LONG_COPY_BYTES = 64;

/** What the instruction before copied last: nothing, 1 to 3 literals (the number), or a run of them. */
const AFTER_RUN = 4;

/**
 * Decompresses one block of LZO1X.
 *
 * @throws {Error} unless `input` is a whole block that fills `output` exactly; nothing is read or written outside of the two.
 */
export function decodeLzo1x(input: Uint8Array, output: Uint8Array): void {
  new Lzo1xBlock(input, output).decode();
}

class Lzo1xBlock {
  readonly #input: Uint8Array;
  readonly #output: Uint8Array;
  /** Index of the next byte of the input. */
  #at = 0;
  /** Index of the next byte of the output. */
  #to = 0;

  constructor(input: Uint8Array, output: Uint8Array) {
    this.#input = input;
    this.#output = output;
  }

  decode(): void {
    const input = this.#input;
    let state = this.#first();
    for (;;) {
      if (this.#at + END_BYTES > input.length) throw new Error("the LZO data has no end");
      const code = input[this.#at++]!;
      let length: number;
      let distance: number;
      let literals = code & 3;
      if (code >= 64) {
        length = code >= 128 ? 5 + ((code >> 5) & 3) : 3 + ((code >> 5) & 1);
        distance = (input[this.#at++]! << 3) + ((code >> 2) & 7) + 1;
      } else if (code >= 16) {
        const isNear = code >= 32;
        length = 2 + (isNear ? this.#length(code & 31, 31) : this.#length(code & 7, 7));
        if (this.#at + 2 > input.length) throw new Error("the LZO data has no end");
        const word = input[this.#at]! | (input[this.#at + 1]! << 8);
        this.#at += 2;
        literals = word & 3;
        distance = (word >> 2) + (isNear ? 1 : END_DISTANCE + ((code & 8) << 11));
        if (distance === END_DISTANCE) return this.#finish();
      } else if (state === 0) {
        this.#literals(3 + this.#length(code, 15));
        state = AFTER_RUN;
        continue;
      } else {
        length = state === AFTER_RUN ? 3 : 2;
        distance = (input[this.#at++]! << 2) + (code >> 2) + (state === AFTER_RUN ? 2049 : 1);
      }
      this.#match(distance, length);
      if (literals > 0) this.#literals(literals);
      state = literals;
    }
  }

  #first(): number {
    const code = this.#input[0] ?? 0;
    if (code <= 17) return 0;
    this.#at = 1;
    this.#literals(code - 17);
    return Math.min(code - 17, AFTER_RUN);
  }

  /** The length that a field says, or the bytes behind it. */
  #length(field: number, largest: number): number {
    if (field !== 0) return field;
    const input = this.#input;
    let length = largest;
    while (this.#at < input.length) {
      const byte = input[this.#at++]!;
      if (byte !== 0) return length + byte;
      length += 255;
    }
    throw new Error("the LZO data has no end");
  }

  #literals(count: number): void {
    const input = this.#input;
    const output = this.#output;
    let at = this.#at;
    let to = this.#to;
    if (at + count > input.length) throw new Error("the LZO data has no end");
    if (to + count > output.length) throw new Error("the LZO data is longer than its block");
    this.#at = at + count;
    this.#to = to + count;
    if (count >= LONG_COPY_BYTES) output.set(input.subarray(at, at + count), to);
    else while (count-- > 0) output[to++] = input[at++]!;
  }

  #match(distance: number, length: number): void {
    const output = this.#output;
    let to = this.#to;
    let from = to - distance;
    if (from < 0) throw new Error("the LZO data refers to bytes before its block");
    if (to + length > output.length) throw new Error("the LZO data is longer than its block");
    this.#to = to + length;
    if (length < LONG_COPY_BYTES) {
      while (length-- > 0) output[to++] = output[from++]!;
    } else if (distance === 1) {
      output.fill(output[from]!, to, to + length);
    } else {
      // What overlaps repeats itself: each copy may be as long as what is there already.
      while (length > 0) {
        const part = Math.min(length, to - from);
        output.copyWithin(to, from, from + part);
        to += part;
        length -= part;
      }
    }
  }

  #finish(): void {
    if (this.#at !== this.#input.length) throw new Error("bytes follow the end of the LZO data");
    if (this.#to !== this.#output.length) {
      throw new Error("the LZO data is shorter than its block");
    }
  }
}
