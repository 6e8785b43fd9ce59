/**
 * What the decoders of payloads made of chunks (dirty bitmaps, hash table, storage keys, disks, VFIO) have in common.
 *
 * A payload may be longer than memory, so each chunk goes to a visitor, one by one, and its bulk data stay where they are:
 *
 * ```text
 * | chunk head | data                    | next chunk head ...
 * ^ offset     ^ dataOffset              ^ dataOffset + dataBytes
 *              visitor is called here: it may read up to dataBytes with the reader; the rest is skipped
 * ```
 *
 * A visitor of an input that can be read at any position may as well ignore the reader and come back to the data later.
 *
 * @module
 */

import { FormatError } from "./error.ts";
import type { ByteReader } from "./reader.ts";
import { SECTION_TYPE } from "./section.ts";
import { decodeText, hex } from "./text.ts";

/** Where a decoded chunk and its bulk data stand. */
export interface ChunkPlace {
  /** Absolute offset of the chunk's first byte. */
  readonly offset: number;
  /** Absolute offset of its bulk data, which are its last bytes. */
  readonly dataOffset: number;
  /** Bytes of bulk data; 0 if it has none. */
  readonly dataBytes: number;
}

/** The bulk data of a chunk that is to be encoded. */
export interface ChunkData {
  /** The data; absent means none. */
  readonly data?: Uint8Array;
}

/** The data of a chunk that has none. */
export const NO_DATA: Uint8Array = new Uint8Array(0);

/** Skips what the visitor has left of a chunk's data, which must exist to their last byte. */
export function skipRest(reader: ByteReader, place: ChunkPlace, what: string): void {
  const rest = place.dataOffset + place.dataBytes - reader.offset;
  if (rest < 0) throw new RangeError(`Cannot skip ${what}: the visitor read past their end`);
  reader.skip(rest, what);
}

/** Makes the error for a malformed payload: `found` stands at `offset` instead of `expected`. */
export function badPayload(
  reader: ByteReader,
  message: string,
  details: {
    readonly offset: number;
    readonly expected: string;
    readonly found: string;
    readonly rule?: string;
  },
): FormatError {
  return reader.error("bad-payload", message, details);
}

/** Fails if a footer stands where a 64-bit word of a payload belongs: the word that ends the payload is missing. */
export function checkNotEnded(reader: ByteReader, what: string, rule: string): void {
  // No word begins with this byte: it would be an address of 2^62.
  if (reader.peekU8() !== SECTION_TYPE.FOOTER) return;
  throw badPayload(reader, `Cannot decode ${what}: a footer stands before the word that ends it`, {
    offset: reader.offset,
    expected: "a word, the last one with EOS",
    found: "a footer",
    rule,
  });
}

/** A number as errors show it. */
export function shown(value: number): string {
  return value < 10 ? String(value) : hex(value);
}

/**
 * The error to throw on for one that happened in chunk number `index`: with the chunk in its path. Only an error pays for
 * that text; the loop over the chunks has no part in it.
 */
export function inChunk(reader: ByteReader, index: number, error: unknown): unknown {
  if (!(error instanceof FormatError)) return error;
  const depth = reader.path.length;
  return new FormatError(error.code, error.message, {
    offset: error.offset,
    path: [...error.path.slice(0, depth), `chunk ${index}`, ...error.path.slice(depth)],
    ...(error.expected === undefined ? {} : { expected: error.expected }),
    ...(error.found === undefined ? {} : { found: error.found }),
    rule: error.rule,
    cause: error,
  });
}

/** Reads counted strings that mostly repeat: a name equal to the one before costs no new string. */
export class RepeatedName {
  #bytes: Uint8Array = NO_DATA;
  #text = "";

  /** Reads a counted string; `what` names it in errors. */
  read(reader: ByteReader, what: string): string {
    const length = reader.u8(what);
    reader.need(length, what);
    const start = reader.head;
    reader.head += length;
    if (this.#repeats(reader.buffer, start, length)) return this.#text;
    this.#bytes = reader.buffer.slice(start, start + length);
    this.#text = decodeText(this.#bytes);
    return this.#text;
  }

  #repeats(buffer: Uint8Array, start: number, length: number): boolean {
    if (length !== this.#bytes.length) return false;
    for (let at = 0; at < length; at++) {
      if (buffer[start + at] !== this.#bytes[at]) return false;
    }
    return true;
  }
}
