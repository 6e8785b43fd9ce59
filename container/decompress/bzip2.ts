/**
 * bzip2 files: streams of blocks, each with a CRC-32 of what it holds.
 *
 * ```text
 * stream   "BZh" level "1".."9" | blocks | 17 72 45 38 50 90 | checksum 32 bits | up to the next whole byte
 * block    31 41 59 26 53 59 | CRC-32 | see bzip2_block.ts          no block begins at a byte border but the first
 * ```
 *
 * The packages for this take a whole file, or give out a whole block at once, which for a block of zeros is 45 MB, and are two to three times slower.
 *
 * @module
 */

import type { ByteReader } from "../../format/reader.ts";
import { BitReader } from "./bit_reader.ts";
import { Bzip2Block } from "./bzip2_block.ts";
import { bzip2Crc } from "./checksums.ts";
import {
  agrees,
  damaged,
  type Decoder,
  guarded,
  MemberFinder,
  type MemberMagic,
} from "./decompressor.ts";

const MAGIC: MemberMagic = {
  name: "bzip2",
  member: "stream",
  bytes: 4,
  matches: (head) =>
    agrees(head, [0x42, 0x5a, 0x68]) &&
    (head.length < 4 || (head[3]! >= 0x31 && head[3]! <= 0x39)),
};

/** Block size for each step of the level. */
const LEVEL_BYTES = 100_000;
/** The two halves of the numbers that stand before a block and at the end of a stream. */
const BLOCK_MARK = [0x314159, 0x265359] as const;
const END_MARK = [0x177245, 0x385090] as const;

/** Decompresses bzip2 files. */
export class Bzip2Decoder implements Decoder {
  readonly #reader: ByteReader;
  readonly #bits: BitReader;
  readonly #streams: MemberFinder;
  readonly #block = new Bzip2Block();
  #inStream = false;
  #inBlock = false;
  /** Largest number of bytes in a block of this stream, before its runs are expanded. */
  #blockBytes = 0;
  #blockOffset = 0;
  /** What the block's CRC-32 should be and, so far, is. */
  #expectedCrc = 0;
  #crc = 0;
  #streamCrc = 0;

  /** Starts at the reader's cursor. */
  constructor(reader: ByteReader, notes: string[]) {
    this.#reader = reader;
    this.#bits = new BitReader(reader, "bzip2 data");
    this.#streams = new MemberFinder(reader, MAGIC, notes);
  }

  /** Writes the next bytes. */
  decode(into: Uint8Array): number {
    for (;;) {
      if (this.#inBlock) {
        const produced = this.#block.read(into);
        if (produced > 0) {
          this.#crc = bzip2Crc(into.subarray(0, produced), this.#crc);
          return produced;
        }
        this.#endBlock();
      } else if (this.#inStream) {
        this.#nextBlock();
      } else if (!this.#begin()) {
        return 0;
      }
    }
  }

  #begin(): boolean {
    if (!this.#streams.next()) return false;
    const reader = this.#reader;
    reader.head += 3;
    this.#blockBytes = (reader.u8("bzip2 level") - 0x30) * LEVEL_BYTES;
    this.#streamCrc = 0;
    this.#inStream = true;
    return true;
  }

  #nextBlock(): void {
    const bits = this.#bits;
    const offset = this.#reader.offset;
    const high = bits.take(24);
    const low = bits.take(24);
    if (high === END_MARK[0] && low === END_MARK[1]) return this.#endStream(offset);
    if (high !== BLOCK_MARK[0] || low !== BLOCK_MARK[1]) {
      throw damaged(this.#reader, "bzip2", "neither a block nor the end of the stream", { offset });
    }
    this.#blockOffset = offset;
    this.#expectedCrc = bits.take32();
    guarded(this.#reader, "bzip2", offset, () => this.#block.load(bits, this.#blockBytes));
    this.#crc = -1;
    this.#inBlock = true;
  }

  #endBlock(): void {
    const crc = ~this.#crc >>> 0;
    this.#compare("block", crc, this.#expectedCrc, this.#blockOffset);
    this.#streamCrc = (((this.#streamCrc << 1) | (this.#streamCrc >>> 31)) ^ crc) >>> 0;
    this.#inBlock = false;
  }

  #endStream(offset: number): void {
    const expected = this.#bits.take32();
    this.#bits.align();
    this.#compare("stream", this.#streamCrc, expected, offset);
    this.#inStream = false;
  }

  #compare(what: string, found: number, expected: number, offset: number): void {
    if (found === expected) return;
    throw damaged(this.#reader, "bzip2", `the checksum of a ${what} is wrong`, {
      offset,
      expected: `0x${expected.toString(16)}`,
      found: `0x${found.toString(16)}`,
    });
  }

  /** Frees the block. */
  [Symbol.dispose](): void {
    this.#block.free();
  }
}
