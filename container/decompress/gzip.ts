/**
 * gzip files (RFC 1952): the members are read here, what they hold is inflated by the runtime.
 *
 * ```text
 * 1f 8b | 08 | flags | time 4 | extra flags | system | [extra] [name] [comment] [CRC-16] | deflated | CRC-32 | length
 * ```
 *
 * Reading the members here and not in zlib tells what follows the last one, and where each ends.
 *
 * @module
 */

import type { ByteReader } from "../../format/reader.ts";
import {
  agrees,
  cutShort,
  damaged,
  type Decoder,
  guarded,
  MemberFinder,
  type MemberMagic,
} from "./decompressor.ts";
import { RuntimeStream } from "./runtime_stream.ts";

/** Flags of a member's header. */
const FLAG = { HEADER_CRC: 0x02, EXTRA: 0x04, NAME: 0x08, COMMENT: 0x10, RESERVED: 0xe0 } as const;

/** The only method that exists. */
const METHOD_DEFLATE = 8;

const MAGIC: MemberMagic = {
  name: "gzip",
  member: "member",
  bytes: 2,
  matches: (head) => agrees(head, [0x1f, 0x8b]),
};

type Crc32 = (bytes: Uint8Array, start: number) => number;

/** Decompresses gzip files. */
export class GzipDecoder implements Decoder {
  readonly #reader: ByteReader;
  readonly #inflate: RuntimeStream;
  readonly #crc32: Crc32;
  readonly #members: MemberFinder;
  #inMember = false;
  #crc = 0;
  #length = 0;

  private constructor(
    reader: ByteReader,
    notes: string[],
    inflate: RuntimeStream,
    crc32: Crc32,
  ) {
    this.#reader = reader;
    this.#inflate = inflate;
    this.#crc32 = crc32;
    this.#members = new MemberFinder(reader, MAGIC, notes);
  }

  /** Loads zlib and starts at the reader's cursor. */
  static async open(reader: ByteReader, notes: string[]): Promise<GzipDecoder> {
    const { crc32, createInflateRaw } = await import("node:zlib");
    return new GzipDecoder(reader, notes, new RuntimeStream(createInflateRaw()), crc32);
  }

  /** Writes the next bytes. */
  decode(into: Uint8Array): number {
    const reader = this.#reader;
    while (this.#inMember || this.#begin()) {
      // A trailer stands behind the deflated data, so that the end of the input is too early here in any case.
      if (reader.fill(1) === 0) throw cutShort(reader, "gzip");
      const { buffer, head, tail, offset } = reader;
      guarded(reader, "gzip", offset, () => this.#inflate.run(buffer, head, tail, into));
      const { consumed, produced } = this.#inflate;
      reader.head += consumed;
      if (produced > 0) {
        this.#crc = this.#crc32(into.subarray(0, produced), this.#crc);
        this.#length = (this.#length + produced) >>> 0;
        return produced;
      }
      // Given bytes and room, only an inflater that has come to the end of its data does nothing.
      if (consumed === 0) this.#end();
    }
    return 0;
  }

  #begin(): boolean {
    if (!this.#members.next()) return false;
    const reader = this.#reader;
    reader.skip(2, "gzip header");
    const method = reader.u8("gzip method");
    const flags = reader.u8("gzip flags");
    if (method !== METHOD_DEFLATE || (flags & FLAG.RESERVED) !== 0) {
      throw damaged(reader, "gzip", "the header is impossible", {
        offset: reader.offset - 2,
        expected: `method ${METHOD_DEFLATE} and no reserved flags`,
        found: `method ${method}, flags 0x${flags.toString(16)}`,
      });
    }
    reader.skip(6, "gzip header");
    if ((flags & FLAG.EXTRA) !== 0) {
      const low = reader.u8("gzip extra field");
      reader.skip(low + 256 * reader.u8("gzip extra field"), "gzip extra field");
    }
    if ((flags & FLAG.NAME) !== 0) this.#skipText("gzip file name");
    if ((flags & FLAG.COMMENT) !== 0) this.#skipText("gzip comment");
    if ((flags & FLAG.HEADER_CRC) !== 0) reader.skip(2, "gzip header checksum");
    this.#inMember = true;
    this.#crc = 0;
    this.#length = 0;
    return true;
  }

  #skipText(what: string): void {
    while (this.#reader.u8(what) !== 0);
  }

  #end(): void {
    const reader = this.#reader;
    reader.need(8, "gzip trailer");
    const crc = reader.view.getUint32(reader.head, true);
    const length = reader.view.getUint32(reader.head + 4, true);
    if (crc !== this.#crc || length !== this.#length) {
      throw damaged(reader, "gzip", "the checksum or the length is wrong", {
        expected: `CRC-32 0x${crc.toString(16)}, ${length} byte(s) modulo 2^32`,
        found: `CRC-32 0x${this.#crc.toString(16)}, ${this.#length} byte(s)`,
      });
    }
    reader.head += 8;
    this.#inflate.reset();
    this.#inMember = false;
  }

  /** Frees zlib's memory. */
  [Symbol.dispose](): void {
    this.#inflate[Symbol.dispose]();
  }
}
