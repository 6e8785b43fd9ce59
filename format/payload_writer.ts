/**
 * Encodes what a stream's reader shows to its visitor, so that payloads of any length pass in constant memory.
 *
 * @module
 */

import { type BlockMigrationChunk, encodeBlockMigrationChunk } from "./block_migration.ts";
import { passBytes, writeSparse } from "./byte_runs.ts";
import type { ChunkPlace } from "./chunk.ts";
import { type DirtyBitmapChunk, encodeDirtyBitmapChunk } from "./dirty_bitmap_chunk.ts";
import { type CompatRecord, encodeCompatRecord } from "./header.ts";
import type { SectionItem } from "./items.ts";
import type { StreamVisitor } from "./payload.ts";
import { encodePbsStateHead } from "./pbs_state.ts";
import type { RamBlock } from "./ram.ts";
import type { MappedRamArea } from "./ram_blocks.ts";
import type { RamRun } from "./ram_scanner.ts";
import type { RamWriter } from "./ram_writer.ts";
import type { ByteReader } from "./reader.ts";
import {
  encodeStorageAttributesHead,
  type StorageAttributesChunk,
} from "./s390_storage_attributes.ts";
import { encodeSectionHeader, type SectionIdentity, type SectionType } from "./section.ts";
import type { BufferedSink } from "./sink.ts";
import { encodeSpaprHtabChunk, SPAPR_HTAB_CHUNKS, type SpaprHtabChunk } from "./spapr_htab.ts";
import { encodeVfioChunkHead, type VfioChunk } from "./vfio.ts";

/** Bytes of the mark behind the last chunk of a hash page table. */
const HTAB_END_BYTES = 8;

/** The visitor of a stream that is written anew. */
export class PayloadWriter implements StreamVisitor {
  readonly #out: BufferedSink;
  readonly #ram: RamWriter;
  /** The section whose header was written and whose item has not come yet. */
  #begun: SectionIdentity | undefined;
  /** Whether the header of a hash page table was written. */
  #hasTableHeader = false;
  /** Offset behind the last bytes that belong to an item without a payload: a record of version 2, or trailing bytes. */
  #looseEnd = -1;

  /** Writes into `out`, and records into `ram`, which writes there too. */
  constructor(out: BufferedSink, ram: RamWriter) {
    this.#out = out;
    this.#ram = ram;
  }

  /** The section whose payload is being written. */
  get begun(): SectionIdentity | undefined {
    return this.#begun;
  }

  /** Writes the header of a section. */
  payload(type: SectionType, section: SectionIdentity): void {
    this.#begun = section;
    this.#hasTableHeader = false;
    this.#out.encode((writer) => encodeSectionHeader(writer, type, section));
  }

  /** Ends the section of an item, whose payload went through this visitor. */
  endPayload({ section, payload }: SectionItem): void {
    if (this.#begun !== section) throw notSeen(`the payload of section ${section.id}`);
    this.#begun = undefined;
    if (payload?.kind !== "spapr/htab") return;
    const { header } = payload.summary;
    this.#tableHeader(header);
    if (header === SPAPR_HTAB_CHUNKS) this.#out.hole(HTAB_END_BYTES);
  }

  /** Ends an item whose bytes went through this visitor outside of a section. */
  endLoose(what: string): void {
    if (this.#looseEnd !== this.#out.offset) throw notSeen(what);
    this.#looseEnd = -1;
  }

  /** Writes the word before a block list. */
  beginBlockList(totalBytes: number, flags: number): void {
    this.#ram.beginBlockList(totalBytes, flags);
  }

  /** Writes an entry of a block list. */
  blockEntry(block: RamBlock): void {
    this.#ram.blockEntry(block);
  }

  /** Writes a bitmap, a hole or pages of mapped-ram, with whatever stands in holes and in place of absent pages. */
  area(reader: ByteReader, { kind, lengthBytes }: MappedRamArea): void {
    passBytes(reader, lengthBytes, kind, (bytes) => writeSparse(this.#out, bytes));
  }

  /** Writes records. */
  run(run: RamRun, pageBytes: number): void {
    if (run.kind !== "block-list") this.#ram.run(run, pageBytes);
  }

  /** Writes a chunk of dirty bitmaps. */
  dirtyBitmap(reader: ByteReader, chunk: DirtyBitmapChunk & ChunkPlace): void {
    const data = reader.bytes(chunk.dataBytes, "bits of a dirty bitmap");
    this.#out.encode((writer) => encodeDirtyBitmapChunk(writer, { ...chunk, data }));
  }

  /** Writes a chunk of a hash page table. */
  hashTable(reader: ByteReader, chunk: SpaprHtabChunk & ChunkPlace): void {
    this.#tableHeader(SPAPR_HTAB_CHUNKS);
    const data = reader.bytes(chunk.dataBytes, "hash table entries");
    this.#out.encode((writer) => encodeSpaprHtabChunk(writer, { ...chunk, data }));
  }

  #tableHeader(header: number): void {
    if (this.#hasTableHeader) return;
    this.#hasTableHeader = true;
    this.#out.encode((writer) => writer.u32(header, "hash table header"));
  }

  /** Writes a word of s390 storage attributes. */
  storageAttributes(reader: ByteReader, chunk: StorageAttributesChunk & ChunkPlace): void {
    this.#out.encode((writer) => encodeStorageAttributesHead(writer, chunk, chunk.dataBytes));
    this.#data(reader, chunk.dataBytes, "storage attributes");
  }

  /** Writes a word of legacy block migration. */
  diskBlock(reader: ByteReader, chunk: BlockMigrationChunk & ChunkPlace): void {
    const data = reader.bytes(chunk.dataBytes, "disk block");
    this.#out.encode((writer) => encodeBlockMigrationChunk(writer, { ...chunk, data }));
  }

  /** Writes a tag of a VFIO device. */
  vfio(reader: ByteReader, { tag, dataBytes }: VfioChunk & ChunkPlace): void {
    this.#out.encode((writer) => encodeVfioChunkHead(writer, tag, dataBytes));
    this.#data(reader, dataBytes, "VFIO device state");
  }

  /** Writes a `pbs-state`. */
  pbsState(reader: ByteReader, { dataBytes }: ChunkPlace): void {
    this.#out.encode((writer) => encodePbsStateHead(writer, dataBytes));
    this.#data(reader, dataBytes, "pbs-state");
  }

  /** Data without a structure that is known, of any length. */
  #data(reader: ByteReader, count: number, what: string): void {
    passBytes(reader, count, what, (bytes) => this.#out.write(bytes));
  }

  /** Writes a record of the obsolete stream version 2. */
  compatRecord(reader: ByteReader, record: CompatRecord): void {
    this.#out.encode((writer) => encodeCompatRecord(writer, record));
    this.#data(reader, record.lengthBytes, "record of stream version 2");
    this.#looseEnd = this.#out.offset;
  }

  /** Writes bytes behind a stream. */
  trailing(bytes: Uint8Array): void {
    this.#out.write(bytes);
    this.#looseEnd = this.#out.offset;
  }
}

function notSeen(what: string): Error {
  return new Error(
    `Cannot write ${what}: it did not pass through the writer's visitor, or items were not written as they came`,
  );
}
