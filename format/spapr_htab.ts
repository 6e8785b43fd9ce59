/**
 * The payload of `spapr/htab` sections: the hash page table of a ppc64 pseries guest.
 *
 * ```text
 * payload = be32 header [ { chunk } end ]
 *
 * header                          START               PART, END
 *   ffffffff  no table (radix)    nothing follows     nothing follows
 *   18..46    log2 of its bytes   nothing follows     -
 *   0                             -                   chunks follow
 *
 * chunk                                          end = 8 zero bytes
 *   0  4 be32  index of the first entry
 *   4  2 be16  n_valid
 *   6  2 be16  n_invalid: entries behind the valid ones that are cleared
 *   8          n_valid entries of 16 bytes (two be64)
 * ```
 *
 * @module
 */

import {
  badPayload,
  type ChunkData,
  type ChunkPlace,
  inChunk,
  NO_DATA,
  shown,
  skipRest,
} from "./chunk.ts";
import type { ByteReader } from "./reader.ts";
import { SECTION_TYPE, type SectionType } from "./section.ts";
import { hex } from "./text.ts";
import type { ByteWriter } from "./writer.ts";

/** Name of the section's entry. */
export const SPAPR_HTAB_IDSTR = "spapr/htab";
/** The only version of the section. */
export const SPAPR_HTAB_VERSION = 1;
/** Header that says that the guest has no hash table. */
export const SPAPR_HTAB_NO_TABLE = 0xffffffff;
/** Header that chunks follow. */
export const SPAPR_HTAB_CHUNKS = 0;
/** Smallest and largest log2 of the table's bytes. */
export const SPAPR_HTAB_SHIFT_RANGE = { min: 18, max: 46 } as const;
/** Bytes of an entry (`HASH_PTE_SIZE_64`). */
export const SPAPR_HTAB_ENTRY_BYTES = 16;

/** Consecutive entries; its data are the valid ones. */
export interface SpaprHtabChunk {
  /** Index of the first entry in the table. */
  readonly index: number;
  /** Entries in the data. */
  readonly validEntries: number;
  /** Entries behind those that are cleared. */
  readonly invalidEntries: number;
}

/** What the sections of a stream refer to. It outlives sections. */
export interface SpaprHtabState {
  /** Entries of the table, `undefined` if no START section told a size. */
  tableEntries: number | undefined;
}

/** What to know for decoding a section. */
export interface SpaprHtabOptions {
  /** Type of the section; QEMU takes FULL for START. */
  readonly type: SectionType;
  /** What earlier sections of the stream said. */
  readonly state: SpaprHtabState;
}

/** A section in numbers. */
export interface SpaprHtabSummary {
  /** The header: log2 of the table's bytes, {@link SPAPR_HTAB_NO_TABLE} or {@link SPAPR_HTAB_CHUNKS}. */
  readonly header: number;
  /** Chunks, the end marker not counted. */
  chunks: number;
  /** Entries that came. */
  validEntries: number;
  /** Entries that are cleared. */
  invalidEntries: number;
  /** Bytes of entries. */
  dataBytes: number;
}

/** Decodes the payload of a section. The visitor does not see the end marker. */
export function readSpaprHtab(
  reader: ByteReader,
  options: SpaprHtabOptions,
  onChunk?: (chunk: SpaprHtabChunk & ChunkPlace) => void,
): SpaprHtabSummary {
  const { type, state } = options;
  const header = decodeHeader(reader, type === "start" || type === "full");
  if (type === "start" || type === "full") {
    state.tableEntries = header === SPAPR_HTAB_NO_TABLE ? undefined : entriesOf(header);
  }
  const summary = { header, chunks: 0, validEntries: 0, invalidEntries: 0, dataBytes: 0 };
  if (header !== SPAPR_HTAB_CHUNKS) return summary;
  try {
    for (;;) {
      const chunk = decodeSpaprHtabChunk(reader);
      if (isEnd(chunk)) return summary;
      checkRange(reader, chunk, state.tableEntries);
      onChunk?.(chunk);
      skipRest(reader, chunk, "hash table entries");
      summary.chunks++;
      summary.validEntries += chunk.validEntries;
      summary.invalidEntries += chunk.invalidEntries;
      summary.dataBytes += chunk.dataBytes;
    }
  } catch (error) {
    throw inChunk(reader, summary.chunks, error);
  }
}

function entriesOf(shift: number): number {
  return 2 ** shift / SPAPR_HTAB_ENTRY_BYTES;
}

function isSize(header: number): boolean {
  return header >= SPAPR_HTAB_SHIFT_RANGE.min && header <= SPAPR_HTAB_SHIFT_RANGE.max;
}

function isEnd(chunk: SpaprHtabChunk): boolean {
  return chunk.index === 0 && chunk.validEntries === 0 && chunk.invalidEntries === 0;
}

function decodeHeader(reader: ByteReader, first: boolean): number {
  const offset = reader.offset;
  const header = reader.u32("hash table header");
  if (header === SPAPR_HTAB_NO_TABLE) return header;
  if (first ? isSize(header) : header === SPAPR_HTAB_CHUNKS) return header;
  const { min, max } = SPAPR_HTAB_SHIFT_RANGE;
  throw badPayload(reader, "Cannot decode spapr/htab section: wrong header", {
    offset,
    expected: `${hex(SPAPR_HTAB_NO_TABLE)} or ${first ? `${min}..${max}` : "0"}`,
    found: shown(header),
    rule: "HTB-001",
  });
}

function checkRange(
  reader: ByteReader,
  chunk: SpaprHtabChunk & ChunkPlace,
  tableEntries: number | undefined,
): void {
  const end = chunk.index + chunk.validEntries + chunk.invalidEntries;
  if (tableEntries === undefined || end <= tableEntries) return;
  throw badPayload(reader, "Cannot decode spapr/htab chunk: it leaves the table", {
    offset: chunk.offset,
    expected: `an end of at most ${tableEntries} entries`,
    found: String(end),
    // A footer instead of the end marker.
    rule: chunk.index >>> 24 === SECTION_TYPE.FOOTER ? "HTB-003" : "HTB-002",
  });
}

/** Decodes a chunk or the end marker; afterwards the reader stands at its data. */
export function decodeSpaprHtabChunk(reader: ByteReader): SpaprHtabChunk & ChunkPlace {
  const offset = reader.offset;
  const index = reader.u32("index of hash table entries");
  const validEntries = reader.u16("number of valid hash table entries");
  const invalidEntries = reader.u16("number of invalid hash table entries");
  const dataBytes = validEntries * SPAPR_HTAB_ENTRY_BYTES;
  return { index, validEntries, invalidEntries, offset, dataOffset: offset + 8, dataBytes };
}

/** Encodes a chunk with its entries as `data`. */
export function encodeSpaprHtabChunk(writer: ByteWriter, chunk: SpaprHtabChunk & ChunkData): void {
  const data = chunk.data ?? NO_DATA;
  if (data.length !== chunk.validEntries * SPAPR_HTAB_ENTRY_BYTES) {
    throw writer.error(
      "Cannot encode spapr/htab chunk: the data do not fit the number of valid entries",
      `${chunk.validEntries * SPAPR_HTAB_ENTRY_BYTES} bytes`,
      `${data.length} bytes`,
    );
  }
  writer.u32(chunk.index, "index of hash table entries");
  writer.u16(chunk.validEntries, "number of valid hash table entries");
  writer.u16(chunk.invalidEntries, "number of invalid hash table entries");
  writer.bytes(data);
}

/** Encodes a section's payload: the header and, where it says so, chunks and the end marker. */
export function encodeSpaprHtabSection(
  writer: ByteWriter,
  header: number,
  chunks: readonly (SpaprHtabChunk & ChunkData)[] = [],
): void {
  writer.u32(header, "hash table header");
  if (header !== SPAPR_HTAB_CHUNKS) {
    if (chunks.length === 0 && (header === SPAPR_HTAB_NO_TABLE || isSize(header))) return;
    throw writer.error("Cannot encode spapr/htab section: wrong header", "0", shown(header));
  }
  for (const chunk of chunks) {
    if (isEnd(chunk)) {
      throw writer.error("Cannot encode spapr/htab chunk: it is an end marker", "entries", "none");
    }
    encodeSpaprHtabChunk(writer, chunk);
  }
  writer.zeros(8);
}
