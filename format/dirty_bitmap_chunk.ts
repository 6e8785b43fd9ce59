/**
 * A chunk of a `dirty-bitmap` section: block dirty bitmaps (capability `dirty-bitmaps`).
 *
 * ```text
 * chunk   = flags [node] [bitmap] [body]  names: counted strings
 * flags   = u8, or with bit 0x80 of it:  be16, or with bit 0x80 of that:  be32
 *
 * body START                              body BITS
 *   0  4 be32  granularity in bytes         0  8 be64  first sector (512 bytes)
 *   4  1 u8    bitmap flags                 8  4 be32  number of sectors
 *                                          12  8 be64  size          } not
 * body COMPLETE: nothing                   20          size bytes    } with ZEROES
 * ```
 *
 * | flag | name        | meaning                                              |
 * |------|-------------|------------------------------------------------------|
 * | 0x01 | EOS         | last chunk of the section                            |
 * | 0x02 | ZEROES      | a BITS chunk whose bits are all zero, without data   |
 * | 0x04 | BITMAP_NAME | the bitmap's name follows                            |
 * | 0x08 | DEVICE_NAME | the node's name follows                              |
 * | 0x10 | START       | announces a bitmap                                   |
 * | 0x20 | COMPLETE    | all of the bitmap was sent                           |
 * | 0x40 | BITS        | a part of the bitmap                                 |
 * | 0x80 | EXTRA       | a longer form of the flags; QEMU never wrote it      |
 *
 * Names that are missing are those of the chunk before, also of one in an earlier section. QEMU's load function keeps the low 8
 * bits of the flags in any of their forms, and so does this decoder where it asks what a chunk means.
 *
 * @module
 */

import {
  badPayload,
  type ChunkData,
  type ChunkPlace,
  NO_DATA,
  RepeatedName,
  shown,
} from "./chunk.ts";
import { dirtyBitsSize } from "./dirty_granules.ts";
import type { ByteReader } from "./reader.ts";
import { quoteText } from "./text.ts";
import type { ByteWriter } from "./writer.ts";

/** Flags of a chunk (`DIRTY_BITMAP_MIG_FLAG_*`, `DIRTY_BITMAP_MIG_EXTRA_FLAGS`). */
export const DIRTY_BITMAP_FLAG = {
  EOS: 0x01,
  ZEROES: 0x02,
  BITMAP_NAME: 0x04,
  DEVICE_NAME: 0x08,
  START: 0x10,
  COMPLETE: 0x20,
  BITS: 0x40,
  EXTRA: 0x80,
} as const;

/** Flags of a bitmap in its START chunk (`DIRTY_BITMAP_MIG_START_FLAG_*`). */
export const DIRTY_BITMAP_START_FLAG = {
  /** The bitmap records writes. */
  ENABLED: 0x01,
  /** The bitmap is stored in its image. */
  PERSISTENT: 0x02,
  /** Formerly "autoload"; ignored. */
  IGNORED: 0x04,
  /** Bits that must be 0. */
  RESERVED_MASK: 0xf8,
} as const;

/** The smallest granularity in bytes; QEMU aborts on less. */
export const DIRTY_BITMAP_MIN_GRANULARITY_BYTES = 512;
/** The most data that QEMU takes in one BITS chunk, in bytes (its own chunks have 1024). */
export const DIRTY_BITMAP_MAX_DATA_BYTES = 10240;
/** Ceiling on the bitmaps that a stream may announce; a qcow2 image can hold as many. */
export const DIRTY_BITMAP_MAX_BITMAPS = 65535;

const BODY_MASK = DIRTY_BITMAP_FLAG.START | DIRTY_BITMAP_FLAG.COMPLETE | DIRTY_BITMAP_FLAG.BITS;
const BODY_FLAGS = {
  start: DIRTY_BITMAP_FLAG.START,
  complete: DIRTY_BITMAP_FLAG.COMPLETE,
  bits: DIRTY_BITMAP_FLAG.BITS,
  end: 0,
} as const;

/** What all chunks have. */
export interface DirtyBitmapChunkHead {
  /** All bits of the flags, whose value also tells the form (1, 2 or 4 bytes); a real stream has one byte. */
  readonly flags: number;
  /** Name (or alias) of the block node that the chunk concerns; written only with DEVICE_NAME. */
  readonly node: string;
  /** Name (or alias) of the bitmap that the chunk concerns; written only with BITMAP_NAME. */
  readonly bitmap: string;
}

/** Announces a bitmap. */
export interface DirtyBitmapStart extends DirtyBitmapChunkHead {
  /** Which body. */
  readonly kind: "start";
  /** Bytes of disk per bit: a power of two of at least 512. */
  readonly granularityBytes: number;
  /** {@link DIRTY_BITMAP_START_FLAG}. */
  readonly bitmapFlags: number;
}

/** All of a bitmap was sent. */
export interface DirtyBitmapComplete extends DirtyBitmapChunkHead {
  /** Which body. */
  readonly kind: "complete";
}

/** A part of a bitmap; its data are the bits, none with ZEROES. */
export interface DirtyBitmapBits extends DirtyBitmapChunkHead {
  /** Which body. */
  readonly kind: "bits";
  /** First sector of the part (512 bytes each). */
  readonly startSector: number;
  /** Sectors of the part. */
  readonly sectorCount: number;
}

/** The end of a section without anything else. */
export interface DirtyBitmapEnd extends DirtyBitmapChunkHead {
  /** Which body. */
  readonly kind: "end";
}

/** A chunk. */
export type DirtyBitmapChunk =
  | DirtyBitmapStart
  | DirtyBitmapComplete
  | DirtyBitmapBits
  | DirtyBitmapEnd;

/** What the chunks of a stream refer to: the last names, and the bitmaps announced. It outlives sections. */
export class DirtyBitmapState {
  /** Name of the last chunk's node, `undefined` before the first. */
  node: string | undefined;
  /** Name of the last chunk's bitmap, `undefined` before the first. */
  bitmap: string | undefined;
  /** Recent names, so that a repeated one costs no string. */
  readonly nodeName: RepeatedName = new RepeatedName();
  /** As {@link nodeName}. */
  readonly bitmapName: RepeatedName = new RepeatedName();
  readonly #granularities = new Map<string, Map<string, number>>();
  #count = 0;

  /** Number of bitmaps announced so far. */
  get bitmapCount(): number {
    return this.#count;
  }

  /** Bytes of disk per bit of the current bitmap, `undefined` if no START chunk announced it. */
  get granularityBytes(): number | undefined {
    if (this.node === undefined || this.bitmap === undefined) return undefined;
    return this.#granularities.get(this.node)?.get(this.bitmap);
  }

  /** Remembers the granularity of the current bitmap. */
  announce(granularityBytes: number): void {
    const node = this.node ?? "";
    let bitmaps = this.#granularities.get(node);
    if (bitmaps === undefined) this.#granularities.set(node, bitmaps = new Map());
    const before = bitmaps.size;
    bitmaps.set(this.bitmap ?? "", granularityBytes);
    this.#count += bitmaps.size - before;
  }
}

/** Decodes a chunk; afterwards the reader stands at its data. */
export function decodeDirtyBitmapChunk(
  reader: ByteReader,
  state: DirtyBitmapState,
): DirtyBitmapChunk & ChunkPlace {
  const offset = reader.offset;
  const flags = decodeFlags(reader);
  const body = flags & BODY_MASK;
  checkFlags(reader, offset, flags, body);
  if ((flags & DIRTY_BITMAP_FLAG.DEVICE_NAME) !== 0) {
    state.node = state.nodeName.read(reader, "node name of a dirty bitmap");
  }
  if ((flags & DIRTY_BITMAP_FLAG.BITMAP_NAME) !== 0) {
    state.bitmap = state.bitmapName.read(reader, "name of a dirty bitmap");
  }
  if (body !== 0 && (state.node === undefined || state.bitmap === undefined)) {
    throw badPayload(reader, "Cannot decode dirty-bitmap chunk: nothing names its bitmap", {
      offset,
      expected: "the names of node and bitmap in the first chunk",
      found: `flags ${shown(flags)}`,
      rule: "DBM-002",
    });
  }
  const node = state.node ?? "";
  const bitmap = state.bitmap ?? "";
  if (body === DIRTY_BITMAP_FLAG.START) return decodeStart(reader, state, offset, flags);
  if (body === DIRTY_BITMAP_FLAG.BITS) return decodeBits(reader, state, offset, flags);
  const kind = body === 0 ? "end" : "complete";
  return { kind, flags, node, bitmap, offset, dataOffset: reader.offset, dataBytes: 0 };
}

function decodeFlags(reader: ByteReader): number {
  const first = reader.u8("dirty-bitmap chunk flags");
  if ((first & DIRTY_BITMAP_FLAG.EXTRA) === 0) return first;
  const second = reader.u8("dirty-bitmap chunk flags");
  const two = first * 0x100 + second;
  if ((second & DIRTY_BITMAP_FLAG.EXTRA) === 0) return two;
  return two * 0x10000 + reader.u16("dirty-bitmap chunk flags");
}

function encodeFlags(writer: ByteWriter, flags: number): void {
  const EXTRA = DIRTY_BITMAP_FLAG.EXTRA;
  if (flags < EXTRA) writer.u8(flags, "dirty-bitmap chunk flags");
  else if (flags >= 0x8000 && flags <= 0xffff && (flags & EXTRA) === 0) {
    writer.u16(flags, "dirty-bitmap chunk flags");
  } else if (flags >= 0x80800000 && (flags & (EXTRA << 16)) !== 0) {
    writer.u32(flags, "dirty-bitmap chunk flags");
  } else {
    throw writer.error(
      "Cannot encode dirty-bitmap chunk: the flags have no form",
      "below 0x80, or with EXTRA in the high bytes",
      shown(flags),
    );
  }
}

/** Exactly one body, or EOS and nothing else; in the longer forms also bits that nobody has defined. */
function checkFlags(reader: ByteReader, offset: number, flags: number, body: number): void {
  const oneBody = body !== 0 && (body & (body - 1)) === 0;
  if (oneBody || (flags & 0x7f) === DIRTY_BITMAP_FLAG.EOS) return;
  throw badPayload(reader, "Cannot decode dirty-bitmap chunk: impossible flags", {
    offset,
    expected: "one of START, COMPLETE and BITS, or only EOS",
    found: shown(flags),
    rule: "DBM-001",
  });
}

function decodeStart(
  reader: ByteReader,
  state: DirtyBitmapState,
  offset: number,
  flags: number,
): DirtyBitmapStart & ChunkPlace {
  const at = reader.offset;
  const granularityBytes = reader.u32("granularity of a dirty bitmap");
  if (
    granularityBytes < DIRTY_BITMAP_MIN_GRANULARITY_BYTES ||
    (granularityBytes & (granularityBytes - 1)) !== 0
  ) {
    throw badPayload(reader, "Cannot decode dirty-bitmap chunk: wrong granularity", {
      offset: at,
      expected: `a power of two of at least ${DIRTY_BITMAP_MIN_GRANULARITY_BYTES}`,
      found: String(granularityBytes),
      rule: "DBM-003",
    });
  }
  const bitmapFlags = reader.u8("flags of a dirty bitmap");
  if ((bitmapFlags & DIRTY_BITMAP_START_FLAG.RESERVED_MASK) !== 0) {
    throw badPayload(reader, "Cannot decode dirty-bitmap chunk: reserved bitmap flags", {
      offset: at + 4,
      expected: "0..7",
      found: shown(bitmapFlags),
      rule: "DBM-004",
    });
  }
  if (state.granularityBytes === undefined && state.bitmapCount >= DIRTY_BITMAP_MAX_BITMAPS) {
    throw reader.error("limit-exceeded", "Cannot decode dirty-bitmap chunk: too many bitmaps", {
      offset,
      expected: `at most ${DIRTY_BITMAP_MAX_BITMAPS}`,
    });
  }
  state.announce(granularityBytes);
  const { node = "", bitmap = "" } = state;
  const place = { offset, dataOffset: reader.offset, dataBytes: 0 };
  return { kind: "start", flags, node, bitmap, granularityBytes, bitmapFlags, ...place };
}

function decodeBits(
  reader: ByteReader,
  state: DirtyBitmapState,
  offset: number,
  flags: number,
): DirtyBitmapBits & ChunkPlace {
  const startSector = reader.u64("first sector of dirty bits");
  const sectorCount = reader.u32("number of sectors of dirty bits");
  const dataBytes = (flags & DIRTY_BITMAP_FLAG.ZEROES) === 0
    ? decodeBitsSize(reader, state, startSector, sectorCount)
    : 0;
  const { node = "", bitmap = "" } = state;
  const place = { offset, dataOffset: reader.offset, dataBytes };
  return { kind: "bits", flags, node, bitmap, startSector, sectorCount, ...place };
}

function decodeBitsSize(
  reader: ByteReader,
  state: DirtyBitmapState,
  startSector: number,
  sectorCount: number,
): number {
  const offset = reader.offset;
  const size = reader.u64("size of dirty bits");
  if (size > DIRTY_BITMAP_MAX_DATA_BYTES) {
    throw badPayload(reader, "Cannot decode dirty-bitmap chunk: too many bits", {
      offset,
      expected: `at most ${DIRTY_BITMAP_MAX_DATA_BYTES} bytes`,
      found: String(size),
      rule: "DBM-005",
    });
  }
  const { granularityBytes } = state;
  if (granularityBytes === undefined) return size;
  const { minBytes, maxBytes } = dirtyBitsSize(granularityBytes, startSector, sectorCount);
  if (size < minBytes || size > maxBytes) {
    throw badPayload(
      reader,
      "Cannot decode dirty-bitmap chunk: the size does not fit the sectors",
      {
        offset,
        expected: `${minBytes}..${maxBytes} bytes for ${sectorCount} sectors`,
        found: String(size),
        rule: "DBM-006",
      },
    );
  }
  return size;
}

/** Encodes a chunk: what its flags say, with `data` as bits. */
export function encodeDirtyBitmapChunk(
  writer: ByteWriter,
  chunk: DirtyBitmapChunk & ChunkData,
): void {
  const { flags } = chunk;
  if ((flags & BODY_MASK) !== BODY_FLAGS[chunk.kind]) {
    throw writer.error(
      "Cannot encode dirty-bitmap chunk: the flags belong to another kind",
      `${shown(BODY_FLAGS[chunk.kind])} of ${shown(BODY_MASK)} for "${chunk.kind}"`,
      shown(flags),
    );
  }
  encodeFlags(writer, flags);
  if ((flags & DIRTY_BITMAP_FLAG.DEVICE_NAME) !== 0) {
    writer.countedString(chunk.node, "node name of a dirty bitmap");
  }
  if ((flags & DIRTY_BITMAP_FLAG.BITMAP_NAME) !== 0) {
    writer.countedString(chunk.bitmap, "name of a dirty bitmap");
  }
  if (chunk.kind === "start") {
    writer.u32(chunk.granularityBytes, "granularity of a dirty bitmap");
    writer.u8(chunk.bitmapFlags, "flags of a dirty bitmap");
  } else if (chunk.kind === "bits") encodeBits(writer, chunk);
}

function encodeBits(writer: ByteWriter, chunk: DirtyBitmapBits & ChunkData): void {
  const data = chunk.data ?? NO_DATA;
  writer.u64(chunk.startSector, "first sector of dirty bits");
  writer.u32(chunk.sectorCount, "number of sectors of dirty bits");
  const zeroes = (chunk.flags & DIRTY_BITMAP_FLAG.ZEROES) !== 0;
  if (data.length > (zeroes ? 0 : DIRTY_BITMAP_MAX_DATA_BYTES)) {
    throw writer.error(
      `Cannot encode dirty-bitmap chunk ${quoteText(chunk.bitmap)}: too many bits`,
      zeroes ? "no data with ZEROES" : `at most ${DIRTY_BITMAP_MAX_DATA_BYTES} bytes`,
      `${data.length} bytes`,
    );
  }
  if (zeroes) return;
  writer.u64(data.length, "size of dirty bits");
  writer.bytes(data);
}
