/**
 * zstd files (RFC 8878): the frames are followed here, what they hold is decompressed by the runtime.
 *
 * ```text
 * frame      28 b5 2f fd | header 2..14 | blocks | [checksum 4]
 * block      header 3, little-endian: bit 0 last, bits 1..2 type (0 raw, 1 RLE, 2 compressed), bits 3.. size | content
 * skippable  50..5f 2a 4d 18 | size 4 | content
 * ```
 *
 * The runtime does not tell whether a frame is complete, and needs as much memory as a frame's header says. Following the
 * frames block by block shows where they end, and refuses what would need too much.
 *
 * @module
 */

import { DEFAULT_LIMITS } from "../../format/limits.ts";
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

/** log2 of the largest window that zstd accepts unless it is told otherwise: that of `zstd --ultra -22` and `--long=27`. */
const USUAL_WINDOW_LOG = 27;
/** log2 of the largest window that it can have. */
const MAX_WINDOW_LOG = 31;

const MAGIC_BYTES = 4;
/** The last four bits of a skippable frame's magic number are free. */
const SKIPPABLE_MAGIC = 0x184d2a5;
const BLOCK_HEADER_BYTES = 3;
const BLOCK_RLE = 1;
const BLOCK_RESERVED = 3;
/** A block has no more bytes than this, whatever the window. */
const MAX_BLOCK_BYTES = 128 * 1024;

const MAGIC: MemberMagic = {
  name: "zstd",
  member: "frame",
  bytes: MAGIC_BYTES,
  matches: (head) =>
    agrees(head, [0x28, 0xb5, 0x2f, 0xfd]) ||
    agrees(head, [head[0]! & 0xf | 0x50, 0x2a, 0x4d, 0x18]),
};

/** Decompresses zstd files. */
export class ZstdDecoder implements Decoder {
  readonly #reader: ByteReader;
  readonly #stream: RuntimeStream;
  readonly #frames: MemberFinder;
  /** What follows when the bytes that are due have gone to the runtime. */
  #next: "frame" | "block" | "checksum" = "frame";
  /** Bytes of the current header, block or checksum that the runtime has not got yet. */
  #dueBytes = 0;
  #hasChecksum = false;
  /** Whether the runtime may hold bytes for which there was no room. */
  #isFull = false;

  private constructor(reader: ByteReader, notes: string[], stream: RuntimeStream) {
    this.#reader = reader;
    this.#stream = stream;
    this.#frames = new MemberFinder(reader, MAGIC, notes);
  }

  /** Loads zstd and starts at the reader's cursor. */
  static async open(reader: ByteReader, notes: string[]): Promise<ZstdDecoder> {
    const { constants, createZstdDecompress } = await import("node:zlib");
    const log = Math.ceil(Math.log2(DEFAULT_LIMITS.zstdWindowBytes));
    const windowLog = Math.min(MAX_WINDOW_LOG, Math.max(USUAL_WINDOW_LOG, log));
    const params = { [constants.ZSTD_d_windowLogMax]: windowLog };
    return new ZstdDecoder(reader, notes, new RuntimeStream(createZstdDecompress({ params })));
  }

  /** Writes the next bytes. */
  decode(into: Uint8Array): number {
    while (this.#isFull || this.#dueBytes > 0 || this.#advance()) {
      const produced = this.#dueBytes > 0 ? this.#feed(into) : this.#drain(into);
      if (produced > 0) return produced;
    }
    return 0;
  }

  #feed(into: Uint8Array): number {
    const reader = this.#reader;
    if (reader.fill(1) === 0) throw cutShort(reader, "zstd");
    const { buffer, head, offset } = reader;
    const end = Math.min(reader.tail, head + this.#dueBytes);
    guarded(reader, "zstd", offset, () => this.#stream.run(buffer, head, end, into));
    const { consumed, produced } = this.#stream;
    if (consumed === 0 && produced === 0) {
      throw damaged(reader, "zstd", "the frame ends before its last block");
    }
    reader.head += consumed;
    this.#dueBytes -= consumed;
    this.#isFull = produced === into.length;
    return produced;
  }

  #drain(into: Uint8Array): number {
    const reader = this.#reader;
    guarded(reader, "zstd", reader.offset, () => this.#stream.drain(into));
    this.#isFull = this.#stream.produced === into.length;
    return this.#stream.produced;
  }

  /** Finds what is due next; false at the end. */
  #advance(): boolean {
    switch (this.#next) {
      case "frame":
        if (!this.#skipToFrame()) return false;
        this.#frameHeader();
        break;
      case "block":
        this.#block();
        break;
      case "checksum":
        this.#dueBytes = 4;
        this.#next = "frame";
        break;
    }
    return true;
  }

  #skipToFrame(): boolean {
    const reader = this.#reader;
    while (this.#frames.next()) {
      const magic = reader.view.getUint32(reader.head, true);
      if (magic >>> 4 !== SKIPPABLE_MAGIC) return true;
      reader.need(8, "skippable zstd frame");
      const size = reader.view.getUint32(reader.head + 4, true);
      reader.skip(8 + size, "skippable zstd frame");
    }
    return false;
  }

  #frameHeader(): void {
    const reader = this.#reader;
    const what = "zstd frame header";
    reader.need(MAGIC_BYTES + 1, what);
    const descriptor = reader.buffer[reader.head + MAGIC_BYTES]!;
    const isSingle = (descriptor & 0b00_1_00000) !== 0;
    const sizeFlag = descriptor >> 6;
    const sizeBytes = sizeFlag === 0 ? (isSingle ? 1 : 0) : 1 << sizeFlag;
    const dictionaryBytes = [0, 1, 2, 4][descriptor & 0b11]!;
    const windowBytes = isSingle ? 0 : 1;
    const headerBytes = MAGIC_BYTES + 1 + windowBytes + dictionaryBytes + sizeBytes;
    reader.need(headerBytes, what);
    const window = isSingle
      ? contentBytes(reader.view, reader.head + headerBytes - sizeBytes, sizeBytes)
      : windowOf(reader.buffer[reader.head + MAGIC_BYTES + 1]!);
    const { zstdWindowBytes } = DEFAULT_LIMITS;
    if (window > zstdWindowBytes) {
      throw reader.error("limit-exceeded", "Cannot decompress zstd data: the window is too large", {
        expected: `at most ${zstdWindowBytes} bytes`,
        found: `${window} bytes`,
      });
    }
    this.#hasChecksum = (descriptor & 0b100) !== 0;
    this.#dueBytes = headerBytes;
    this.#next = "block";
  }

  #block(): void {
    const reader = this.#reader;
    reader.need(BLOCK_HEADER_BYTES, "zstd block header");
    const { buffer, head } = reader;
    const header = buffer[head]! | (buffer[head + 1]! << 8) | (buffer[head + 2]! << 16);
    const type = (header >> 1) & 3;
    const size = header >> 3;
    if (type === BLOCK_RESERVED || size > MAX_BLOCK_BYTES) {
      throw damaged(reader, "zstd", "a block header is impossible", {
        expected: `a known type and at most ${MAX_BLOCK_BYTES} byte(s)`,
        found: `type ${type}, ${size} byte(s)`,
      });
    }
    this.#dueBytes = BLOCK_HEADER_BYTES + (type === BLOCK_RLE ? 1 : size);
    if ((header & 1) !== 0) this.#next = this.#hasChecksum ? "checksum" : "frame";
  }

  /** Frees zstd's memory. */
  [Symbol.dispose](): void {
    this.#stream[Symbol.dispose]();
  }
}

/** The window size of a window descriptor. */
function windowOf(descriptor: number): number {
  const base = 2 ** (10 + (descriptor >> 3));
  return base + (base / 8) * (descriptor & 7);
}

/** The content size in a frame header; of two bytes it counts from 256 on. */
function contentBytes(view: DataView, at: number, sizeBytes: number): number {
  switch (sizeBytes) {
    case 1:
      return view.getUint8(at);
    case 2:
      return 256 + view.getUint16(at, true);
    case 4:
      return view.getUint32(at, true);
    default:
      return view.getUint32(at, true) + 2 ** 32 * view.getUint32(at + 4, true);
  }
}
