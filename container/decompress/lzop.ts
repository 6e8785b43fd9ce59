/**
 * lzop files: a header, then blocks of LZO1X with checksums of their own. All numbers are big-endian.
 *
 * ```text
 * header   magic 9 | version 2 | library 2 | [needed 2] | method 1 | [level 1] | flags 4 | [filter 4] | mode 4 | time 4 | [time, high 4]
 *          | name length 1 | name | checksum of all this but the magic 4 | [extra: length 4, bytes, checksum 4]
 * block    size 4 (0: the end) | stored size 4 | [Adler-32 4] [CRC-32 4] of the block | [the same of what is stored] | stored bytes
 * ```
 *
 * What is in brackets depends on the version or the flags. A block that LZO would not make smaller is stored as it is, with one set of
 * checksums.
 *
 * @module
 */

import type { ByteReader } from "../../format/reader.ts";
import { adler32 } from "./checksums.ts";
import {
  agrees,
  damaged,
  type Decoder,
  guarded,
  MemberFinder,
  type MemberMagic,
} from "./decompressor.ts";
import { decodeLzo1x } from "./lzo1x.ts";

const MAGIC_NUMBERS: readonly number[] = [0x89, 0x4c, 0x5a, 0x4f, 0x00, 0x0d, 0x0a, 0x1a, 0x0a];

const MAGIC: MemberMagic = {
  name: "lzop",
  member: "file",
  bytes: MAGIC_NUMBERS.length,
  matches: (head) => agrees(head, MAGIC_NUMBERS),
};

/** Flags of a header. */
const FLAG = {
  /** Adler-32 of a block, and of what is stored. */
  ADLER32_D: 0x1,
  ADLER32_C: 0x2,
  EXTRA_FIELD: 0x40,
  /** CRC-32 of a block, and of what is stored. */
  CRC32_D: 0x100,
  CRC32_C: 0x200,
  MULTIPART: 0x400,
  FILTER: 0x800,
  /** The header's checksum is a CRC-32, not an Adler-32. */
  HEADER_CRC32: 0x1000,
} as const;

/** The first version that wrote what version it needs, the level and a longer time. */
const VERSION_LONG = 0x0940;
/** LZO1X by three compressors; one decompressor reads what all of them write. */
const METHODS: readonly number[] = [1, 2, 3];
/** Larger blocks than lzop itself accepts. */
const MAX_BLOCK_BYTES = 64 * 1024 * 1024;
/** LZO1X makes at most 255 bytes of one; a few more at the beginning and the end. */
const MAX_RATIO = 256;

type Checksum = (bytes: Uint8Array) => number;

/** Decompresses lzop files. */
export class LzopDecoder implements Decoder {
  readonly #reader: ByteReader;
  readonly #crc32: Checksum;
  readonly #files: MemberFinder;
  #flags: number | undefined;
  /** The current block, and how much of it was given away. */
  #block: Uint8Array = new Uint8Array(0);
  #given = 0;
  /** Room for blocks, used again. */
  #room: Uint8Array = new Uint8Array(0);

  private constructor(reader: ByteReader, notes: string[], crc32: Checksum) {
    this.#reader = reader;
    this.#crc32 = crc32;
    this.#files = new MemberFinder(reader, MAGIC, notes);
  }

  /** Loads the runtime's CRC-32 and starts at the reader's cursor. */
  static async open(reader: ByteReader, notes: string[]): Promise<LzopDecoder> {
    const { crc32 } = await import("node:zlib");
    return new LzopDecoder(reader, notes, (bytes) => crc32(bytes));
  }

  /** Writes the next bytes. */
  decode(into: Uint8Array): number {
    while (this.#given === this.#block.length) {
      if (this.#flags === undefined) {
        if (!this.#files.next()) return 0;
        this.#flags = this.#header();
      }
      if (!this.#nextBlock(this.#flags)) this.#flags = undefined;
    }
    const part = this.#block.subarray(this.#given, this.#given + into.length);
    into.set(part);
    this.#given += part.length;
    return part.length;
  }

  #header(): number {
    const reader = this.#reader;
    reader.skip(MAGIC_NUMBERS.length, "lzop header");
    const header = new RecordingReader(reader);
    const version = header.number(2);
    header.number(2);
    if (version >= VERSION_LONG) header.number(2);
    const methodOffset = reader.offset;
    const method = header.number(1);
    if (version >= VERSION_LONG) header.number(1);
    const flags = header.number(4);
    const filter = (flags & FLAG.FILTER) !== 0 ? header.number(4) : 0;
    header.number(4);
    header.number(4);
    if (version >= VERSION_LONG) header.number(4);
    header.text(header.number(1));
    const isCrc = (flags & FLAG.HEADER_CRC32) !== 0;
    this.#check("the header", isCrc ? this.#crc32 : adler32, header.bytes);
    // Only now: a header that is damaged may claim anything.
    if (!METHODS.includes(method) || filter !== 0 || (flags & FLAG.MULTIPART) !== 0) {
      throw damaged(reader, "lzop", "it is of a kind that is not supported", {
        offset: methodOffset,
        expected: "LZO1X (methods 1 to 3), without filter, in one part",
        found: `method ${method}, filter ${filter}, flags 0x${flags.toString(16)}`,
      });
    }
    if ((flags & FLAG.EXTRA_FIELD) !== 0) {
      reader.skip(reader.u32("lzop extra field"), "lzop extra field");
      reader.skip(4, "lzop extra field");
    }
    return flags;
  }

  /** Reads a block; false at the end of the file. */
  #nextBlock(flags: number): boolean {
    const reader = this.#reader;
    const start = reader.offset;
    const size = reader.u32("lzop block size");
    if (size === 0) return false;
    const storedSize = reader.u32("lzop stored size");
    const most = Math.min(MAX_BLOCK_BYTES, (storedSize + 1) * MAX_RATIO);
    if (storedSize === 0 || storedSize > size || size > most) {
      throw damaged(reader, "lzop", "a block's sizes are impossible", {
        offset: start,
        found: `${size} byte(s), stored as ${storedSize}`,
      });
    }
    const isStored = storedSize === size;
    const sums = this.#sums(flags & FLAG.ADLER32_D, flags & FLAG.CRC32_D);
    const storedSums = isStored ? [] : this.#sums(flags & FLAG.ADLER32_C, flags & FLAG.CRC32_C);
    const stored = reader.bytes(storedSize, "lzop block");
    for (const { sum, expected } of storedSums) this.#compare(sum(stored), expected, start);
    this.#block = isStored ? stored : this.#expand(stored, size, start);
    this.#given = 0;
    for (const { sum, expected } of sums) this.#compare(sum(this.#block), expected, start);
    return true;
  }

  #sums(hasAdler: number, hasCrc: number): { sum: Checksum; expected: number }[] {
    const reader = this.#reader;
    const sums: { sum: Checksum; expected: number }[] = [];
    if (hasAdler !== 0) sums.push({ sum: adler32, expected: reader.u32("lzop checksum") });
    if (hasCrc !== 0) sums.push({ sum: this.#crc32, expected: reader.u32("lzop checksum") });
    return sums;
  }

  #expand(stored: Uint8Array, size: number, offset: number): Uint8Array {
    if (this.#room.length < size) this.#room = new Uint8Array(size);
    const block = this.#room.subarray(0, size);
    guarded(this.#reader, "lzop", offset, () => decodeLzo1x(stored, block));
    return block;
  }

  #check(what: string, sum: Checksum, bytes: Uint8Array): void {
    const offset = this.#reader.offset;
    const expected = this.#reader.u32(`checksum of ${what}`);
    this.#compare(sum(bytes), expected, offset);
  }

  #compare(found: number, expected: number, offset: number): void {
    if (found === expected) return;
    throw damaged(this.#reader, "lzop", "a checksum is wrong", {
      offset,
      expected: `0x${expected.toString(16)}`,
      found: `0x${found.toString(16)}`,
    });
  }

  /** Forgets the blocks. */
  [Symbol.dispose](): void {
    this.#block = new Uint8Array(0);
    this.#room = this.#block;
    this.#given = 0;
  }
}

/** Reads a header and remembers its bytes, for the checksum. */
class RecordingReader {
  readonly #reader: ByteReader;
  readonly #recorded: number[] = [];

  constructor(reader: ByteReader) {
    this.#reader = reader;
  }

  get bytes(): Uint8Array {
    return Uint8Array.from(this.#recorded);
  }

  number(sizeBytes: number): number {
    let value = 0;
    for (let count = 0; count < sizeBytes; count++) value = value * 256 + this.#byte();
    return value;
  }

  text(lengthBytes: number): void {
    for (let count = 0; count < lengthBytes; count++) this.#byte();
  }

  #byte(): number {
    const byte = this.#reader.u8("lzop header");
    this.#recorded.push(byte);
    return byte;
  }
}
