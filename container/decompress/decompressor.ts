/**
 * What all decompressors have in common: how they are read, how they fail, and what may follow the compressed data.
 *
 * A compressed file is one or more members (gzip's word; frames, streams or files elsewhere), one behind the other, and perhaps zeros
 * that fill a block or a tape. What follows the last member and begins like none is reported, not refused, as gzip, bzip2 and lzop do. xz
 * refuses it, and so does the decoder that we have for it.
 *
 * @module
 */

import { FormatError, isFormatError } from "../../format/error.ts";
import type { ByteReader } from "../../format/reader.ts";
import type { SyncReader } from "../pipe.ts";

/** Compressed data that is read as what it was before. */
export interface Decompressor extends SyncReader, Disposable {
  /** What deserves attention, e.g. bytes behind the data that belong to nothing. Complete once the end was reached. */
  readonly notes: readonly string[];
  /** Compressed bytes used up so far, for progress and ratios. */
  readonly consumedBytes: number;
}

/** The part of a decompressor that differs. */
export interface Decoder extends Disposable {
  /** Writes some bytes (never none) to the front of `into`, which is not empty, and says how many; 0 at the end of the data. */
  decode(into: Uint8Array): number;
}

/** Reads from a {@link Decoder}, keeps its first error, and lets nobody use it after its end. */
export class DecoderReader implements Decompressor {
  /** What deserves attention. */
  readonly notes: readonly string[];
  readonly #reader: ByteReader;
  readonly #decoder: Decoder;
  readonly #startOffset: number;
  #state: "open" | "ended" | "disposed" = "open";
  #error: unknown;

  /** Takes over a decoder that reads from `reader` and adds to `notes`. */
  constructor(reader: ByteReader, decoder: Decoder, notes: readonly string[]) {
    this.#reader = reader;
    this.#decoder = decoder;
    this.#startOffset = reader.offset;
    this.notes = notes;
  }

  /** Compressed bytes used up so far. */
  get consumedBytes(): number {
    return this.#reader.offset - this.#startOffset;
  }

  /**
   * Reads some bytes, or `null` at the end.
   *
   * @throws {FormatError} `bad-compression`, `truncated` or `limit-exceeded`; once it was thrown, every further call throws it again.
   */
  readSync(into: Uint8Array): number | null {
    if (this.#state === "disposed") throw new TypeError("The decompressor was disposed of");
    if (this.#error !== undefined) throw this.#error;
    if (this.#state === "ended") return null;
    if (into.length === 0) return 0;
    try {
      const got = this.#decoder.decode(into);
      if (got > 0) return got;
      this.#state = "ended";
      return null;
    } catch (error) {
      this.#error = ofCompression(error);
      throw this.#error;
    }
  }

  /** Frees what the decoder holds. */
  [Symbol.dispose](): void {
    if (this.#state === "disposed") return;
    this.#state = "disposed";
    this.#decoder[Symbol.dispose]();
  }
}

/** An error while compressed data was read; where it names no rule, the data is damaged or cut short. */
export function ofCompression(error: unknown): unknown {
  if (!isFormatError(error) || error.rule !== undefined || error.code === "limit-exceeded") {
    return error;
  }
  const { code, message, offset, path, expected, found } = error;
  return new FormatError(code, message, {
    offset,
    path,
    ...(expected === undefined ? {} : { expected }),
    ...(found === undefined ? {} : { found }),
    rule: "CON-008",
    cause: error,
  });
}

/** What notes about bytes behind compressed data end with. */
const IGNORED = ": ignored";

/** Whether a decompressor's note is about bytes behind the data that belong to nothing. */
export function isTrailingNote(note: string): boolean {
  return note.includes(" byte(s) behind the ") && note.endsWith(IGNORED);
}

/** The error for damaged data. `reason` completes "Cannot decompress gzip data: ...". */
export function damaged(
  reader: ByteReader,
  name: string,
  reason: string,
  details: { offset?: number; expected?: string; found?: string; cause?: unknown } = {},
): FormatError {
  return reader.error("bad-compression", `Cannot decompress ${name} data: ${reason}`, {
    ...details,
    rule: "CON-008",
  });
}

/** The error for data that ends inside a member. */
export function cutShort(reader: ByteReader, name: string): FormatError {
  return reader.error("truncated", `Cannot decompress ${name} data: the input ends too early`, {
    rule: "CON-008",
  });
}

/** Runs an engine that knows nothing of our errors, and makes its error one of ours, at `offset`. */
export function guarded<T>(reader: ByteReader, name: string, offset: number, run: () => T): T {
  try {
    return run();
  } catch (error) {
    if (isFormatError(error)) throw error;
    const found = error instanceof Error ? error.message : String(error);
    throw damaged(reader, name, "it is damaged", { offset, found, cause: error });
  }
}

/** How a member begins, for {@link MemberFinder}. */
export interface MemberMagic {
  /** Name of the compression. */
  readonly name: string;
  /** What a member is called there. */
  readonly member: string;
  /** Number of bytes of the magic number. */
  readonly bytes: number;
  /** Whether `head`, the first bytes of something and perhaps fewer than `bytes`, agrees with the magic number. */
  matches(head: Uint8Array): boolean;
}

/** Goes from member to member. */
export class MemberFinder {
  readonly #reader: ByteReader;
  readonly #magic: MemberMagic;
  readonly #notes: string[];
  #isFirst = true;

  /** Reports what lies behind the last member to `notes`. */
  constructor(reader: ByteReader, magic: MemberMagic, notes: string[]) {
    this.#reader = reader;
    this.#magic = magic;
    this.#notes = notes;
  }

  /**
   * Whether another member begins at the cursor, or behind zeros there.
   *
   * @throws {FormatError} `bad-compression` where not even the first one does, `truncated` where the input ends inside a magic number.
   */
  next(): boolean {
    const isFirst = this.#isFirst;
    this.#isFirst = false;
    const { name, member, bytes, matches } = this.#magic;
    const reader = this.#reader;
    if (!isFirst) this.#skipZeros();
    const head = reader.peek(bytes);
    if (matches(head)) {
      if (head.length === bytes) return true;
      if (head.length > 0 || isFirst) {
        reader.need(bytes, `magic number of ${name} data`);
      }
      return false;
    }
    if (isFirst) throw damaged(reader, name, "it does not begin with the magic number");
    const { remaining } = reader;
    const rest = remaining === undefined ? "The" : `${remaining}`;
    this.#notes.push(`${rest} byte(s) behind the ${name} data are no ${name} ${member}${IGNORED}`);
    return false;
  }

  #skipZeros(): void {
    const reader = this.#reader;
    while (reader.fill(1) > 0) {
      if (reader.buffer[reader.head] !== 0) return;
      reader.head += 1;
    }
  }
}

/** Whether `head`, or as much of it as there is, agrees with `magic`. */
export function agrees(head: Uint8Array, magic: readonly number[]): boolean {
  return head.every((byte, index) => magic[index] === undefined || byte === magic[index]);
}
