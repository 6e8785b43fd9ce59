/**
 * The payload of `block` sections: disks copied along with the guest (legacy block migration, QEMU 0.12 to 9.0).
 *
 * ```text
 * payload = { word [body] }                 up to and including the first word with EOS
 * word    = be64  sector << 9 | flags
 * ```
 *
 * | flag | name         | body                                                               |
 * |------|--------------|--------------------------------------------------------------------|
 * | 0x01 | DEVICE_BLOCK | counted string device, then 1 MiB of data unless ZERO_BLOCK is set |
 * | 0x02 | EOS          | ends the payload, behind the body                                  |
 * | 0x04 | PROGRESS     | none; the sector field holds percent                               |
 * | 0x08 | ZERO_BLOCK   | with DEVICE_BLOCK: all zero, no data                               |
 *
 * The data are 1 MiB also where the disk ends inside of the block; what lies beyond its end means nothing. QEMU tests DEVICE_BLOCK before
 * PROGRESS.
 *
 * @module
 */

import {
  badPayload,
  checkNotEnded,
  type ChunkData,
  type ChunkPlace,
  inChunk,
  NO_DATA,
  RepeatedName,
  shown,
  skipRest,
} from "./chunk.ts";
import type { ByteReader } from "./reader.ts";
import { SECTION_TYPE } from "./section.ts";
import { hexBytes, quoteText } from "./text.ts";
import type { ByteWriter } from "./writer.ts";

/** Name of the section's entry. */
export const BLOCK_MIGRATION_IDSTR = "block";
/** The only version of the section. */
export const BLOCK_MIGRATION_VERSION = 1;

/** Flags in a word (`BLK_MIG_FLAG_*`). */
export const BLOCK_MIGRATION_FLAG = {
  DEVICE_BLOCK: 0x01,
  EOS: 0x02,
  PROGRESS: 0x04,
  ZERO_BLOCK: 0x08,
} as const;

/** Bytes of a sector (`BDRV_SECTOR_SIZE`), and of the part of a word that holds the flags. */
export const BLOCK_MIGRATION_SECTOR_BYTES = 512;
/** Bytes of data in a block (`BLK_MIG_BLOCK_SIZE`). */
export const BLOCK_MIGRATION_BLOCK_BYTES = 1048576;

/** A block of a disk; its data are 1 MiB, or nothing with ZERO_BLOCK. */
export interface DiskBlock {
  /** Which kind of word. */
  readonly kind: "block";
  /** {@link BLOCK_MIGRATION_FLAG}. */
  readonly flags: number;
  /** First sector of the block (512 bytes each). */
  readonly startSector: number;
  /** Name of the disk. */
  readonly device: string;
}

/** How much of the disks was sent. */
export interface DiskProgress {
  /** Which kind of word. */
  readonly kind: "progress";
  /** {@link BLOCK_MIGRATION_FLAG}. */
  readonly flags: number;
  /** Share of the disks, 0 to 100. */
  readonly percent: number;
}

/** The end of a section. */
export interface DiskBlocksEnd {
  /** Which kind of word. */
  readonly kind: "end";
  /** {@link BLOCK_MIGRATION_FLAG}. */
  readonly flags: number;
  /** The sector field, 0 in real streams. */
  readonly startSector: number;
}

/** A word with its body. */
export type BlockMigrationChunk = DiskBlock | DiskProgress | DiskBlocksEnd;

/** A section in numbers. */
export interface BlockMigrationSummary {
  /** Words, that with EOS included. */
  chunks: number;
  /** Blocks, those of zeros included. */
  blocks: number;
  /** Blocks of zeros without data. */
  zeroBlocks: number;
  /** Bytes of data. */
  dataBytes: number;
  /** The last PROGRESS, in percent. */
  percent: number | undefined;
}

const { DEVICE_BLOCK, EOS, PROGRESS, ZERO_BLOCK } = BLOCK_MIGRATION_FLAG;
const KNOWN_FLAGS = DEVICE_BLOCK | EOS | PROGRESS | ZERO_BLOCK;

/** Decodes the payload of a section of any type. */
export function readBlockMigration(
  reader: ByteReader,
  onChunk?: (chunk: BlockMigrationChunk & ChunkPlace) => void,
): BlockMigrationSummary {
  const summary: BlockMigrationSummary = {
    chunks: 0,
    blocks: 0,
    zeroBlocks: 0,
    dataBytes: 0,
    percent: undefined,
  };
  const deviceName = new RepeatedName();
  try {
    let last = false;
    while (!last) {
      const chunk = decodeBlockMigrationChunk(reader, deviceName);
      onChunk?.(chunk);
      skipRest(reader, chunk, "disk block");
      if (chunk.dataBytes > 0) checkBehindData(reader);
      summary.chunks++;
      summary.dataBytes += chunk.dataBytes;
      if (chunk.kind === "progress") summary.percent = chunk.percent;
      if (chunk.kind === "block") summary.blocks++;
      if (chunk.kind === "block" && chunk.dataBytes === 0) summary.zeroBlocks++;
      last = (chunk.flags & EOS) !== 0;
    }
  } catch (error) {
    throw inChunk(reader, summary.chunks, error);
  }
  return summary;
}

/** Bits of a word that are zero in one of a block: its sector is a multiple of a block's. */
const INSIDE_BLOCK_MASK = BLOCK_MIGRATION_BLOCK_BYTES - BLOCK_MIGRATION_SECTOR_BYTES;

/** Where no word at all stands behind data, these have not the length that they should. */
function checkBehindData(reader: ByteReader): void {
  const bytes = reader.peek(8);
  const [high = 0] = bytes;
  if (bytes.length < 8 || high === SECTION_TYPE.FOOTER) return;
  const low = reader.view.getUint32(reader.head + 4);
  const flags = low & (BLOCK_MIGRATION_SECTOR_BYTES - 1);
  if (high === 0 && ((flags & ~KNOWN_FLAGS) === 0 || (low & INSIDE_BLOCK_MASK) === 0)) return;
  throw badPayload(reader, "Cannot decode disk block: its data have another length", {
    offset: reader.offset,
    expected: `a word behind ${BLOCK_MIGRATION_BLOCK_BYTES} bytes of data`,
    found: hexBytes(bytes),
    rule: "BLK-002",
  });
}

/** Decodes a word; afterwards the reader stands at its data. */
export function decodeBlockMigrationChunk(
  reader: ByteReader,
  deviceName: RepeatedName = new RepeatedName(),
): BlockMigrationChunk & ChunkPlace {
  const offset = reader.offset;
  checkNotEnded(reader, "block section", "BLK-001");
  const word = reader.u64("disk block word");
  const flags = word % BLOCK_MIGRATION_SECTOR_BYTES;
  const startSector = (word - flags) / BLOCK_MIGRATION_SECTOR_BYTES;
  if ((flags & ~KNOWN_FLAGS) !== 0 || (flags & (DEVICE_BLOCK | EOS | PROGRESS)) === 0) {
    throw badPayload(reader, "Cannot decode disk block: wrong flags", {
      offset,
      expected: "DEVICE_BLOCK, PROGRESS or EOS in the low 9 bits, none above 8",
      found: shown(flags),
      rule: "BLK-001",
    });
  }
  if ((flags & DEVICE_BLOCK) !== 0) {
    const device = deviceName.read(reader, "device name of a disk block");
    const dataBytes = (flags & ZERO_BLOCK) === 0 ? BLOCK_MIGRATION_BLOCK_BYTES : 0;
    const place = { offset, dataOffset: reader.offset, dataBytes };
    return { kind: "block", flags, startSector, device, ...place };
  }
  const place = { offset, dataOffset: reader.offset, dataBytes: 0 };
  if ((flags & PROGRESS) !== 0) return { kind: "progress", flags, percent: startSector, ...place };
  return { kind: "end", flags, startSector, ...place };
}

function kindOf(flags: number): BlockMigrationChunk["kind"] {
  if ((flags & DEVICE_BLOCK) !== 0) return "block";
  return (flags & PROGRESS) !== 0 ? "progress" : "end";
}

/** Encodes a word, and for a block the device and `data`. */
export function encodeBlockMigrationChunk(
  writer: ByteWriter,
  chunk: BlockMigrationChunk & ChunkData,
): void {
  const { flags, data = NO_DATA } = chunk;
  const sector = chunk.kind === "progress" ? chunk.percent : chunk.startSector;
  if ((flags & ~KNOWN_FLAGS) !== 0 || kindOf(flags) !== chunk.kind) {
    throw writer.error("Cannot encode disk block: wrong flags", chunk.kind, shown(flags));
  }
  const dataBytes = chunk.kind === "block" && (flags & ZERO_BLOCK) === 0
    ? BLOCK_MIGRATION_BLOCK_BYTES
    : 0;
  if (data.length !== dataBytes) {
    const name = chunk.kind === "block" ? ` of ${quoteText(chunk.device)}` : "";
    throw writer.error(
      `Cannot encode disk block${name}: wrong amount of data`,
      `${dataBytes} bytes`,
      `${data.length} bytes`,
    );
  }
  writer.u64(sector * BLOCK_MIGRATION_SECTOR_BYTES + flags, "disk block word");
  if (chunk.kind !== "block") return;
  writer.countedString(chunk.device, "device name of a disk block");
  writer.bytes(data);
}

/** Encodes a section's payload. Its last word, and no other one, has EOS. */
export function encodeBlockMigrationSection(
  writer: ByteWriter,
  chunks: readonly (BlockMigrationChunk & ChunkData)[],
): void {
  const end = chunks.findIndex((chunk) => (chunk.flags & EOS) !== 0);
  if (end === -1 || end !== chunks.length - 1) {
    throw writer.error(
      "Cannot encode block section: it must end with its first EOS",
      `EOS in word ${chunks.length - 1}`,
      end === -1 ? "none" : `EOS in word ${end}`,
    );
  }
  for (const chunk of chunks) encodeBlockMigrationChunk(writer, chunk);
}
