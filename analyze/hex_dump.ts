/**
 * Bytes as a table of hexadecimal digits and ASCII, as `hexdump -C` prints it.
 *
 * ```text
 * 000f0000  31 c0 8e d8 8e c0 8e d0  bc 00 70 00 00 ea 5b e0  |1.........p...[.|
 * 000f0010  00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00  |................|
 * *
 * 000f0040
 * ```
 *
 * A line that repeats the one before is a `*` for it and all that follow like it; the last line says where the bytes end.
 *
 * @module
 */

import { AsciiBuffer } from "./ascii_buffer.ts";

/** Bytes in a line. */
export const DUMP_LINE_BYTES = 16;

/** Columns of the bytes: three a byte, and one in the middle. */
const HEX_COLUMNS = 3 * DUMP_LINE_BYTES + 1;

/** Prints bytes piece by piece. */
export class HexDump {
  readonly #out: AsciiBuffer;
  /** The line before, to be compared with. */
  readonly #last = new Uint8Array(DUMP_LINE_BYTES);
  #lastIsWhole = false;
  #isRepeating = false;
  #address: number;

  /** Writes to `write`, which must not keep the array; the first byte stands at `address`. */
  constructor(address: number, write: (bytes: Uint8Array) => void) {
    this.#address = address;
    this.#out = new AsciiBuffer(write);
  }

  /** Adds bytes. All pieces but the last have a multiple of {@link DUMP_LINE_BYTES}. */
  write(bytes: Uint8Array): void {
    for (let start = 0; start < bytes.length; start += DUMP_LINE_BYTES) {
      const end = Math.min(bytes.length, start + DUMP_LINE_BYTES);
      if (this.#repeats(bytes, start, end)) {
        if (!this.#isRepeating) this.#out.text("*\n");
        this.#isRepeating = true;
      } else {
        this.#line(bytes, start, end);
        this.#isRepeating = false;
        this.#last.set(bytes.subarray(start, end));
        this.#lastIsWhole = end - start === DUMP_LINE_BYTES;
      }
      this.#address += end - start;
    }
  }

  #repeats(bytes: Uint8Array, start: number, end: number): boolean {
    if (!this.#lastIsWhole || end - start < DUMP_LINE_BYTES) return false;
    for (let at = 0; at < DUMP_LINE_BYTES; at++) {
      if (bytes[start + at] !== this.#last[at]) return false;
    }
    return true;
  }

  #line(bytes: Uint8Array, start: number, end: number): void {
    const out = this.#out;
    const middle = Math.min(end, start + DUMP_LINE_BYTES / 2);
    out.text(`${addressText(this.#address)}  `);
    out.spacedHex(bytes, start, middle);
    if (end > middle) out.text("  ");
    out.spacedHex(bytes, middle, end);
    const columns = 3 * (end - start) - 1 + (end > middle ? 1 : 0);
    out.text(`${" ".repeat(HEX_COLUMNS - columns + 1)}|${printable(bytes, start, end)}|\n`);
  }

  /** Prints where the bytes end, and hands on what is left. */
  end(): void {
    this.#out.text(`${addressText(this.#address)}\n`);
    this.#out.flush();
  }
}

function addressText(address: number): string {
  return address.toString(16).padStart(8, "0");
}

function printable(bytes: Uint8Array, start: number, end: number): string {
  let text = "";
  for (let at = start; at < end; at++) {
    const byte = bytes[at]!;
    text += byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : ".";
  }
  return text;
}
