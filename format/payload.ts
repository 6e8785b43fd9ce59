/**
 * The payloads whose format is known without a description: which entry has which, and how it is read.
 *
 * @module
 */

import {
  BLOCK_MIGRATION_IDSTR,
  BLOCK_MIGRATION_VERSION,
  type BlockMigrationChunk,
  type BlockMigrationSummary,
  readBlockMigration,
} from "./block_migration.ts";
import type { ChunkPlace } from "./chunk.ts";
import {
  DIRTY_BITMAP_IDSTR,
  DIRTY_BITMAP_VERSION,
  type DirtyBitmapSummary,
  readDirtyBitmap,
} from "./dirty_bitmap.ts";
import { type DirtyBitmapChunk, DirtyBitmapState } from "./dirty_bitmap_chunk.ts";
import type { CompatRecord } from "./header.ts";
import type { Limits } from "./limits.ts";
import { PBS_STATE_IDSTR, PBS_STATE_VERSION, readPbsState } from "./pbs_state.ts";
import { RAM_SECTION_IDSTR, RAM_SECTION_VERSION, type RamBlock } from "./ram.ts";
import type { MappedRamVisitor } from "./ram_blocks.ts";
import { newRamContext, type RamContext, type RamRun, RamScanner } from "./ram_scanner.ts";
import type { ByteReader } from "./reader.ts";
import {
  readStorageAttributes,
  STORAGE_ATTRIBUTES_IDSTR,
  STORAGE_ATTRIBUTES_VERSION,
  type StorageAttributesChunk,
  type StorageAttributesSummary,
} from "./s390_storage_attributes.ts";
import type { SectionIdentity, SectionType } from "./section.ts";
import {
  readSpaprHtab,
  SPAPR_HTAB_IDSTR,
  SPAPR_HTAB_VERSION,
  type SpaprHtabChunk,
  type SpaprHtabState,
  type SpaprHtabSummary,
} from "./spapr_htab.ts";
import {
  readVfio,
  VFIO_IDSTR_SUFFIX,
  VFIO_VERSION,
  type VfioChunk,
  type VfioSummary,
} from "./vfio.ts";

/** Called while sections of our own knowledge are read, for those who want more than the items. */
export interface StreamVisitor extends MappedRamVisitor {
  /** Called before a payload of our own knowledge is read, one of a RAM section too. */
  payload?(type: SectionType, section: SectionIdentity): void;
  /** Called before the payload of a RAM section is read, with the payload's offset. */
  section?(type: SectionType, offset: number, section: SectionIdentity): void;
  /** Called with the blocks of the list, once it was read. */
  blockList?(blocks: readonly RamBlock[]): void;
  /**
   * Called with each run of records; the object is reused, and the content lies in its buffer only during the call. The page size in
   * bytes is known (not 0) for records about pages.
   */
  run?(run: RamRun, pageBytes: number): void;
  /** Called when pages that were sent before are dropped: a range of bytes of a block. */
  discard?(block: RamBlock, startAddress: number, lengthBytes: number, pageBytes: number): void;
  /** Called with each chunk of dirty bitmaps; the reader stands at its bits. */
  dirtyBitmap?(reader: ByteReader, chunk: DirtyBitmapChunk & ChunkPlace): void;
  /** Called with each chunk of a hash page table but the end marker; the reader stands at its entries. */
  hashTable?(reader: ByteReader, chunk: SpaprHtabChunk & ChunkPlace): void;
  /** Called with each word of s390 storage attributes; the reader stands at its attributes. */
  storageAttributes?(reader: ByteReader, chunk: StorageAttributesChunk & ChunkPlace): void;
  /** Called with each word of legacy block migration; the reader stands at its data. */
  diskBlock?(reader: ByteReader, chunk: BlockMigrationChunk & ChunkPlace): void;
  /** Called with each tag of a live VFIO section; the reader stands at its data. */
  vfio?(reader: ByteReader, chunk: VfioChunk & ChunkPlace): void;
  /** Called with the length of a `pbs-state`; the reader stands at its bytes. */
  pbsState?(reader: ByteReader, place: ChunkPlace): void;
  /** Called with the head of a record of the obsolete stream version 2; the reader stands at its bytes. */
  compatRecord?(reader: ByteReader, record: CompatRecord): void;
  /** Called with the bytes behind a stream or behind the EOF of a package, run by run; they are valid during the call. */
  trailing?(bytes: Uint8Array): void;
}

/** What stood in the payload of a RAM section. */
export interface RamSummary {
  /** The block list, in the section that has it. */
  blocks?: readonly RamBlock[];
  /** Pages in ZERO records. */
  zeroPages: number;
  /** Pages in PAGE records. */
  normalPages: number;
  /** Pages in XBZRLE records. */
  deltaPages: number;
  /** Pages in COMPRESS_PAGE records. */
  compressedPages: number;
  /** MULTIFD_FLUSH words. */
  flushes: number;
  /** HOOK words. */
  hooks: number;
}

/** The decoded payload of an entry of our own knowledge: what it is, and a few numbers about it. */
export type KnownPayload =
  | { readonly kind: "ram"; readonly summary: RamSummary }
  | { readonly kind: "dirty-bitmap"; readonly summary: DirtyBitmapSummary }
  | { readonly kind: "spapr/htab"; readonly summary: SpaprHtabSummary }
  | { readonly kind: "s390-storage_attributes"; readonly summary: StorageAttributesSummary }
  | { readonly kind: "block"; readonly summary: BlockMigrationSummary }
  | { readonly kind: "vfio"; readonly summary: VfioSummary }
  | { readonly kind: "pbs-state"; readonly summary: ChunkPlace };

/** What the payloads of one stream have to remember. */
export interface PayloadContext {
  /** RAM blocks, page size, the last block. */
  readonly ram: RamContext;
  /** Names and granularities of dirty bitmaps. */
  readonly dirtyBitmaps: DirtyBitmapState;
  /** Size of the hash page table. */
  readonly htab: SpaprHtabState;
  /** Who wants to see RAM records. */
  readonly visitor: StreamVisitor;
  /** Ceilings. */
  readonly limits: Limits;
}

/** A context for a new stream. */
export function newPayloadContext(visitor: StreamVisitor, limits: Limits): PayloadContext {
  return {
    ram: newRamContext(),
    dirtyBitmaps: new DirtyBitmapState(),
    htab: { tableEntries: undefined },
    visitor,
    limits,
  };
}

type PayloadReader = (
  reader: ByteReader,
  type: SectionType,
  section: SectionIdentity,
  context: PayloadContext,
) => KnownPayload;

const READERS = new Map<string, PayloadReader>([
  [RAM_SECTION_IDSTR, (reader, type, section, context) => ({
    kind: "ram",
    summary: readRam(reader, type, section, context),
  })],
  [DIRTY_BITMAP_IDSTR, (reader, _type, section, context) => {
    expectVersion(reader, section, DIRTY_BITMAP_VERSION);
    const { dirtyBitmaps: state, visitor } = context;
    const onChunk = visitor.dirtyBitmap?.bind(visitor, reader);
    return { kind: "dirty-bitmap", summary: readDirtyBitmap(reader, { state }, onChunk) };
  }],
  [SPAPR_HTAB_IDSTR, (reader, type, section, context) => {
    expectVersion(reader, section, SPAPR_HTAB_VERSION);
    const { htab: state, visitor } = context;
    const onChunk = visitor.hashTable?.bind(visitor, reader);
    return { kind: "spapr/htab", summary: readSpaprHtab(reader, { type, state }, onChunk) };
  }],
  [STORAGE_ATTRIBUTES_IDSTR, (reader, _type, section, { visitor }) => {
    expectVersion(reader, section, STORAGE_ATTRIBUTES_VERSION);
    const onChunk = visitor.storageAttributes?.bind(visitor, reader);
    const summary = readStorageAttributes(reader, {}, onChunk);
    return { kind: "s390-storage_attributes", summary };
  }],
  [BLOCK_MIGRATION_IDSTR, (reader, _type, section, { visitor }) => {
    expectVersion(reader, section, BLOCK_MIGRATION_VERSION);
    const onChunk = visitor.diskBlock?.bind(visitor, reader);
    return { kind: "block", summary: readBlockMigration(reader, onChunk) };
  }],
  [PBS_STATE_IDSTR, (reader, _type, section, { visitor }) => {
    expectVersion(reader, section, PBS_STATE_VERSION);
    const onState = visitor.pbsState?.bind(visitor, reader);
    return { kind: "pbs-state", summary: readPbsState(reader, onState) };
  }],
]);

const readVfioPayload: PayloadReader = (reader, type, section, { visitor }) => {
  expectVersion(reader, section, VFIO_VERSION);
  const onChunk = visitor.vfio?.bind(visitor, reader);
  return { kind: "vfio", summary: readVfio(reader, { type }, onChunk) };
};

function readerOf(section: SectionIdentity, type: SectionType): PayloadReader | undefined {
  // Of a VFIO device only the live sections tell their length themselves.
  if (section.idstr.endsWith(VFIO_IDSTR_SUFFIX) && type !== "full") return readVfioPayload;
  return READERS.get(section.idstr);
}

/** Whether the entry's payload is of a format of our own knowledge. */
export function isKnownPayload(section: SectionIdentity, type: SectionType): boolean {
  return readerOf(section, type) !== undefined;
}

/** Reads a payload of our own knowledge ({@link isKnownPayload}); the cursor stands behind it afterwards. */
export function readKnownPayload(
  reader: ByteReader,
  type: SectionType,
  section: SectionIdentity,
  context: PayloadContext,
): KnownPayload {
  const read = readerOf(section, type);
  if (read === undefined) throw new Error(`no decoder for ${section.idstr}`);
  context.visitor.payload?.(type, section);
  return read(reader, type, section, context);
}

function expectVersion(reader: ByteReader, section: SectionIdentity, version: number): void {
  if (section.versionId === version) return;
  throw reader.error("bad-section", "Cannot decode section: unknown version", {
    expected: String(version),
    found: String(section.versionId),
    rule: "SEC-013",
  });
}

function readRam(
  reader: ByteReader,
  type: SectionType,
  section: SectionIdentity,
  context: PayloadContext,
): RamSummary {
  expectVersion(reader, section, RAM_SECTION_VERSION);
  const { visitor, ram } = context;
  visitor.section?.(type, reader.offset, section);
  const scanner = new RamScanner(reader, ram, context.limits, visitor);
  const summary: RamSummary = {
    zeroPages: 0,
    normalPages: 0,
    deltaPages: 0,
    compressedPages: 0,
    flushes: 0,
    hooks: 0,
  };
  for (;;) {
    const run = scanner.next();
    visitor.run?.(run, ram.pageBytes ?? 0);
    switch (run.kind) {
      case "page":
        summary.normalPages += run.count;
        break;
      case "zero":
        summary.zeroPages += run.count;
        break;
      case "xbzrle":
        summary.deltaPages += 1;
        break;
      case "compressed":
        summary.compressedPages += 1;
        break;
      case "flush":
        summary.flushes += 1;
        break;
      case "hook":
        summary.hooks += 1;
        break;
      case "block-list":
        summary.blocks = [...ram.blocks.values()];
        visitor.blockList?.(summary.blocks);
        break;
      case "eos":
        return summary;
    }
  }
}
