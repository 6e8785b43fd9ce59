/**
 * The counterpart of the reader: big-endian integers, counted strings and byte runs into a growing buffer. The methods have
 * the reader's names in the reader's order, so that a structure's decoder and encoder read alike.
 *
 * @module
 */

import { FormatError } from "./error.ts";
import { encodeText } from "./text.ts";

/**
 * A growing buffer of bytes.
 *
 * @example
 * ```ts
 * import { ByteWriter } from "./writer.ts";
 *
 * const writer = new ByteWriter();
 * writer.u32(0x5145564d, "magic");
 * writer.u32(3, "version");
 * console.log(writer.finish().length); // 8
 * ```
 */
export class ByteWriter {
  #buffer = new Uint8Array(256);
  #view = new DataView(this.#buffer.buffer);
  #length = 0;
  #baseOffset: number;

  /** Starts an empty buffer whose first byte will stand at `baseOffset` of the output. */
  constructor(baseOffset = 0) {
    this.#baseOffset = baseOffset;
  }

  /** Absolute offset of the first byte written, for structures that store absolute offsets. */
  get baseOffset(): number {
    return this.#baseOffset;
  }

  /** Bytes written so far. */
  get lengthBytes(): number {
    return this.#length;
  }

  /** Absolute offset of the next byte. */
  get offset(): number {
    return this.#baseOffset + this.#length;
  }

  #grow(count: number): number {
    const at = this.#length;
    const needed = at + count;
    if (needed > this.#buffer.length) {
      const grown = new Uint8Array(Math.max(needed, this.#buffer.length * 2));
      grown.set(this.#buffer.subarray(0, at));
      this.#buffer = grown;
      this.#view = new DataView(grown.buffer);
    }
    this.#length = needed;
    return at;
  }

  #check(value: number, max: number, what: string): void {
    if (Number.isInteger(value) && value >= 0 && value <= max) return;
    throw this.error(`Cannot encode ${what}: the number does not fit`, `0..${max}`, String(value));
  }

  /** Makes the error for a value that does not fit its field. */
  error(message: string, expected: string, found: string): FormatError {
    return new FormatError("not-encodable", message, { offset: this.offset, expected, found });
  }

  /** Writes an unsigned 8-bit integer. */
  u8(value: number, what: string): void {
    this.#check(value, 0xff, what);
    const at = this.#grow(1);
    this.#view.setUint8(at, value);
  }

  /** Writes an unsigned 16-bit big-endian integer. */
  u16(value: number, what: string): void {
    this.#check(value, 0xffff, what);
    const at = this.#grow(2);
    this.#view.setUint16(at, value);
  }

  /** Writes an unsigned 32-bit big-endian integer. */
  u32(value: number, what: string): void {
    this.#check(value, 0xffffffff, what);
    const at = this.#grow(4);
    this.#view.setUint32(at, value);
  }

  /** Writes an unsigned 64-bit big-endian integer of at most 2^53 - 1. */
  u64(value: number, what: string): void {
    this.#check(value, Number.MAX_SAFE_INTEGER, what);
    const at = this.#grow(8);
    this.#view.setUint32(at, Math.floor(value / 0x100000000));
    this.#view.setUint32(at + 4, value % 0x100000000);
  }

  /** Writes an unsigned 64-bit big-endian integer of any value. */
  bigU64(value: bigint, what: string): void {
    if (value < 0n || value > 0xffff_ffff_ffff_ffffn) {
      throw this.error(`Cannot encode ${what}: the number does not fit`, "0..2^64-1", `${value}`);
    }
    const at = this.#grow(8);
    this.#view.setBigUint64(at, value);
  }

  /** Writes bytes as they are. */
  bytes(bytes: Uint8Array): void {
    const at = this.#grow(bytes.length);
    this.#buffer.set(bytes, at);
  }

  /** Writes `count` zero bytes. */
  zeros(count: number): void {
    const at = this.#grow(count);
    this.#buffer.fill(0, at, at + count);
  }

  /** Writes a counted string: one length byte, then the bytes of `text`. */
  countedString(text: string, what: string): void {
    this.countedBytes(encodeText(text), what);
  }

  /** Writes a counted string given as bytes. */
  countedBytes(bytes: Uint8Array, what: string): void {
    if (bytes.length > 255) {
      throw this.error(`Cannot encode ${what}: too long`, "at most 255 bytes", `${bytes.length}`);
    }
    this.u8(bytes.length, what);
    this.bytes(bytes);
  }

  /** The bytes written, valid until something else is written. */
  get written(): Uint8Array {
    return this.#buffer.subarray(0, this.#length);
  }

  /** Forgets what was written, so that the buffer can be filled again, with what will stand at `baseOffset` of the output. */
  clear(baseOffset: number = this.#baseOffset): void {
    this.#baseOffset = baseOffset;
    this.#length = 0;
  }

  /** The bytes written, as an array of their own. */
  finish(): Uint8Array {
    return this.#buffer.slice(0, this.#length);
  }
}
