/**
 * Fixtures as annotated hexadecimal text, and what every test of a payload's codec needs.
 *
 * ```text
 * 1c 05 "disk0"     # bytes, and text in double quotes; a comment up to the line's end
 * 00*8              # a byte repeated
 * ```
 */
import { assertThrows } from "@std/assert";
import { FormatError } from "../format/error.ts";
import { ByteReader } from "../format/reader.ts";
import { type ByteSource, BytesSource } from "../format/source.ts";
import { ByteWriter } from "../format/writer.ts";

/** The bytes of annotated hexadecimal text. */
export function annotated(text: string): Uint8Array {
  const bytes: number[] = [];
  const tokens = text.replace(/#.*$/gm, "").matchAll(/"([^"]*)"|([0-9a-f]{2})(?:\*(\d+))?/g);
  for (const [, quoted, byte = "", repeat = "1"] of tokens) {
    if (quoted !== undefined) bytes.push(...new TextEncoder().encode(quoted));
    else bytes.push(...new Array<number>(Number(repeat)).fill(parseInt(byte, 16)));
  }
  return Uint8Array.from(bytes);
}

/** A reader over bytes in memory. */
export function readerOf(bytes: Uint8Array): ByteReader {
  return new ByteReader(new BytesSource(bytes));
}

/** What `write` writes. */
export function written(write: (writer: ByteWriter) => void): Uint8Array {
  const writer = new ByteWriter();
  write(writer);
  return writer.finish();
}

/** The error that `action` must throw, as `code` and one line. */
export function failureOf(action: () => unknown): string {
  return assertThrows(action, FormatError).describe();
}

/** A pipe: it gives a few bytes at a time, only forward, and does not know its size. */
export class PipeSource implements ByteSource {
  /** Not known. */
  readonly sizeBytes = undefined;
  /** Never. */
  readonly seekable = false;
  readonly #bytes: Uint8Array;
  readonly #atOnce: number;
  #at = 0;

  /** Gives at most `atOnce` bytes a read. */
  constructor(bytes: Uint8Array, atOnce: number) {
    this.#bytes = bytes;
    this.#atOnce = atOnce;
  }

  /** Fails unless it continues where the last read ended. */
  readAt(offset: number, into: Uint8Array): number {
    if (offset !== this.#at) throw new RangeError(`Cannot read at ${offset}, is at ${this.#at}`);
    const part = this.#bytes.subarray(offset, offset + Math.min(into.length, this.#atOnce));
    into.set(part);
    this.#at += part.length;
    return part.length;
  }
}
