/**
 * The payload of `s390-storage_attributes` sections: the storage attributes (CMMA) of an s390x guest's pages.
 *
 * ```text
 * payload = { word [body] }                up to EOS
 * word    = be64  address | flag           address: multiple of 4096, flag: exactly one
 * ```
 *
 * | flag | name  | body                                                          |
 * |------|-------|---------------------------------------------------------------|
 * | 0x01 | EOS   | ends the payload                                              |
 * | 0x02 | MORE  | be64 count, then count bytes: one a page, from `address` on   |
 * | 0x04 | ERROR | the source could not send all; ends the payload, QEMU fails   |
 * | 0x08 | DONE  | all was sent; in the END section, before EOS                  |
 *
 * An emulated guest has no attributes: START and PART are `00 00 00 00 00 00 00 01`, END is that behind `00 00 00 00 00 00 00 08`.
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
  shown,
  skipRest,
} from "./chunk.ts";
import type { ByteReader } from "./reader.ts";
import type { ByteWriter } from "./writer.ts";

/** Name of the section's entry. */
export const STORAGE_ATTRIBUTES_IDSTR = "s390-storage_attributes";
/** The only version of the section. */
export const STORAGE_ATTRIBUTES_VERSION = 0;

/** Flags in a word (`STATTR_FLAG_*`). */
export const STORAGE_ATTRIBUTES_FLAG = {
  EOS: 0x01,
  MORE: 0x02,
  ERROR: 0x04,
  DONE: 0x08,
} as const;

/** Bytes of a page, and of the part of a word that holds the flag. */
export const S390_PAGE_BYTES = 4096;

/** A word; the data of one with MORE are the attributes, one byte a page. */
export interface StorageAttributesChunk {
  /** One of {@link STORAGE_ATTRIBUTES_FLAG}. */
  readonly flag: number;
  /** Guest address of the first page; 0 where it means nothing. */
  readonly startAddress: number;
}

/** What to know for decoding a section. */
export interface StorageAttributesOptions {
  /** Pages of 4096 bytes that the guest has, if known: attributes beyond them are an error. */
  readonly guestPages?: number;
}

/** A section in numbers. */
export interface StorageAttributesSummary {
  /** Words. */
  chunks: number;
  /** Pages whose attributes came. */
  pages: number;
  /** Whether DONE came. */
  done: boolean;
  /** Whether the source marked its data as incomplete; QEMU refuses to load them. */
  incomplete: boolean;
}

const { EOS, MORE, ERROR, DONE } = STORAGE_ATTRIBUTES_FLAG;

/** Decodes the payload of a section of any type. */
export function readStorageAttributes(
  reader: ByteReader,
  options: StorageAttributesOptions,
  onChunk?: (chunk: StorageAttributesChunk & ChunkPlace) => void,
): StorageAttributesSummary {
  const summary = { chunks: 0, pages: 0, done: false, incomplete: false };
  try {
    for (;;) {
      const chunk = decodeStorageAttributesChunk(reader, options);
      onChunk?.(chunk);
      skipRest(reader, chunk, "storage attributes");
      summary.chunks++;
      summary.pages += chunk.dataBytes;
      if (chunk.flag === DONE) summary.done = true;
      if (chunk.flag === ERROR) summary.incomplete = true;
      if (chunk.flag === EOS || chunk.flag === ERROR) return summary;
      if (chunk.flag === DONE && isEndOmitted(reader)) return summary;
    }
  } catch (error) {
    throw inChunk(reader, summary.chunks, error);
  }
}

/** Old releases may have ended with DONE: then a footer or another section follows, whose first byte no address can have. */
function isEndOmitted(reader: ByteReader): boolean {
  const next = reader.peekU8();
  return next !== undefined && next !== 0;
}

/** Decodes a word; afterwards the reader stands at its data. */
export function decodeStorageAttributesChunk(
  reader: ByteReader,
  options: StorageAttributesOptions = {},
): StorageAttributesChunk & ChunkPlace {
  const offset = reader.offset;
  checkNotEnded(reader, "s390-storage_attributes", "SAT-001");
  const word = reader.u64("storage attributes word");
  const flag = word % S390_PAGE_BYTES;
  const startAddress = word - flag;
  if (flag !== EOS && flag !== MORE && flag !== ERROR && flag !== DONE) {
    throw badPayload(reader, "Cannot decode s390-storage_attributes: wrong flag", {
      offset,
      expected: "one of 1, 2, 4 and 8 in the low 12 bits",
      found: shown(flag),
      rule: "SAT-001",
    });
  }
  const dataBytes = flag === MORE
    ? decodeS390PageCount(reader, "count of storage attributes", startAddress, options.guestPages)
    : 0;
  return { flag, startAddress, offset, dataOffset: reader.offset, dataBytes };
}

/** Decodes how many of `what` follow, one a page from `startAddress` on, and tests that the guest has those pages. */
export function decodeS390PageCount(
  reader: ByteReader,
  what: string,
  startAddress: number,
  guestPages: number = Infinity,
): number {
  const offset = reader.offset;
  const pages = reader.u64(what);
  const room = Math.max(0, guestPages - startAddress / S390_PAGE_BYTES);
  if (pages <= room) return pages;
  throw badPayload(reader, `Cannot decode ${what}: the guest has fewer pages`, {
    offset,
    expected: `at most ${room} pages from this address on`,
    found: String(pages),
    rule: "SAT-001",
  });
}

/** Encodes a word, with MORE the attributes in `data` too. */
export function encodeStorageAttributesChunk(
  writer: ByteWriter,
  chunk: StorageAttributesChunk & ChunkData,
): void {
  const { data = NO_DATA } = chunk;
  encodeStorageAttributesHead(writer, chunk, data.length);
  writer.bytes(data);
}

/** Encodes a word without the `dataBytes` attributes that belong behind it. */
export function encodeStorageAttributesHead(
  writer: ByteWriter,
  { flag, startAddress }: StorageAttributesChunk,
  dataBytes: number,
): void {
  if (flag >= S390_PAGE_BYTES || startAddress % S390_PAGE_BYTES !== 0) {
    throw writer.error(
      "Cannot encode s390-storage_attributes: the address is inside a page",
      `a multiple of ${S390_PAGE_BYTES}, and a flag below it`,
      `${shown(startAddress)}, ${shown(flag)}`,
    );
  }
  writer.u64(startAddress + flag, "storage attributes word");
  if (flag === MORE) writer.u64(dataBytes, "count of storage attributes");
  else if (dataBytes > 0) {
    throw writer.error("Cannot encode s390-storage_attributes", "no data", `${dataBytes} bytes`);
  }
}

/** Encodes a section's payload from its words, the last one included. */
export function encodeStorageAttributesSection(
  writer: ByteWriter,
  chunks: readonly (StorageAttributesChunk & ChunkData)[],
): void {
  for (const chunk of chunks) encodeStorageAttributesChunk(writer, chunk);
}
