/**
 * ASCII text as bytes. Dumps are megabytes of short pieces; writing their bytes is several times faster than joining strings.
 *
 * @module
 */

const CAPACITY = 64 * 1024;
/** Room that a single piece may take without another check. */
const RESERVE = 1024;

const HEX_DIGITS = Uint8Array.from("0123456789abcdef", (digit) => digit.charCodeAt(0));
const SPACE = 0x20;

/** Collects ASCII text and hands it on in large pieces. */
export class AsciiBuffer {
  readonly #write: (bytes: Uint8Array) => void;
  readonly #bytes = new Uint8Array(CAPACITY);
  #length = 0;

  /** Hands text on to `write`, which must not keep the array. */
  constructor(write: (bytes: Uint8Array) => void) {
    this.#write = write;
  }

  /** Adds text, which is ASCII only. */
  text(text: string): void {
    for (let start = 0; start < text.length; start += RESERVE) {
      if (this.#length + RESERVE > CAPACITY) this.flush();
      const end = Math.min(text.length, start + RESERVE);
      for (let at = start; at < end; at++) this.#bytes[this.#length++] = text.charCodeAt(at);
    }
  }

  /** Adds bytes as hexadecimal digits without anything between them. */
  hex(bytes: Uint8Array, start: number, end: number): void {
    for (let at = start; at < end; at++) {
      if (this.#length + 2 > CAPACITY) this.flush();
      const byte = bytes[at]!;
      this.#bytes[this.#length++] = HEX_DIGITS[byte >> 4]!;
      this.#bytes[this.#length++] = HEX_DIGITS[byte & 15]!;
    }
  }

  /** Adds bytes as two-digit hexadecimal numbers with single spaces between them. */
  spacedHex(bytes: Uint8Array, start: number, end: number): void {
    for (let at = start; at < end; at++) {
      if (this.#length + 3 > CAPACITY) this.flush();
      const byte = bytes[at]!;
      if (at > start) this.#bytes[this.#length++] = SPACE;
      this.#bytes[this.#length++] = HEX_DIGITS[byte >> 4]!;
      this.#bytes[this.#length++] = HEX_DIGITS[byte & 15]!;
    }
  }

  /** Hands on what is there. */
  flush(): void {
    if (this.#length > 0) this.#write(this.#bytes.subarray(0, this.#length));
    this.#length = 0;
  }
}
