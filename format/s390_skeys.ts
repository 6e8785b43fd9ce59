/**
 * The payload of the `s390-skeys` section: the storage keys of an s390x guest's pages. A FULL section of the old style: a description
 * of the stream knows only its total length.
 *
 * ```text
 * payload = { word [body] }                up to EOS or ERROR
 * word    = be64  address | flag           address: multiple of 4096
 * ```
 *
 * | flag | name  | body                                                        |
 * |------|-------|-------------------------------------------------------------|
 * | 0x01 | EOS   | ends the payload                                            |
 * | 0x02 | SKEYS | be64 count, then count keys: a byte a page, from `address`  |
 * | 0x04 | ERROR | the source could not send all; ends the payload, QEMU fails |
 *
 * A guest that never enabled its keys has only EOS, 8 bytes.
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
import { decodeS390PageCount, S390_PAGE_BYTES } from "./s390_storage_attributes.ts";
import type { ByteWriter } from "./writer.ts";

/** Name of the section's entry. */
export const STORAGE_KEYS_IDSTR = "s390-skeys";
/** The only version of the section. */
export const STORAGE_KEYS_VERSION = 1;

/** Flags in a word (`S390_SKEYS_SAVE_FLAG_*`). */
export const STORAGE_KEYS_FLAG = {
  EOS: 0x01,
  SKEYS: 0x02,
  ERROR: 0x04,
} as const;

/** A word; the data of one with SKEYS are the keys, one byte a page. */
export interface StorageKeysChunk {
  /** {@link STORAGE_KEYS_FLAG}; only EOS and ERROR may come together. */
  readonly flags: number;
  /** Guest address of the first page; 0 where it means nothing. */
  readonly startAddress: number;
}

/** What to know for decoding the section. */
export interface StorageKeysOptions {
  /** Pages of 4096 bytes that the guest has, if known: keys beyond them are an error. */
  readonly guestPages?: number;
}

/** The section in numbers. */
export interface StorageKeysSummary {
  /** Words. */
  chunks: number;
  /** Pages whose keys came. */
  pages: number;
  /** Whether the source marked its data as incomplete; QEMU refuses to load them. */
  incomplete: boolean;
}

const { EOS, SKEYS, ERROR } = STORAGE_KEYS_FLAG;

/** Decodes the payload. */
export function readStorageKeys(
  reader: ByteReader,
  options: StorageKeysOptions,
  onChunk?: (chunk: StorageKeysChunk & ChunkPlace) => void,
): StorageKeysSummary {
  const summary = { chunks: 0, pages: 0, incomplete: false };
  try {
    for (;;) {
      const chunk = decodeStorageKeysChunk(reader, options);
      onChunk?.(chunk);
      skipRest(reader, chunk, "storage keys");
      summary.chunks++;
      summary.pages += chunk.dataBytes;
      if (chunk.flags === SKEYS) continue;
      summary.incomplete = chunk.flags !== EOS;
      return summary;
    }
  } catch (error) {
    throw inChunk(reader, summary.chunks, error);
  }
}

/** Decodes a word; afterwards the reader stands at its data. */
export function decodeStorageKeysChunk(
  reader: ByteReader,
  options: StorageKeysOptions = {},
): StorageKeysChunk & ChunkPlace {
  const offset = reader.offset;
  const word = reader.u64("storage keys word");
  const flags = word % S390_PAGE_BYTES;
  const startAddress = word - flags;
  if (flags !== EOS && flags !== SKEYS && flags !== ERROR && flags !== (EOS | ERROR)) {
    throw badPayload(reader, "Cannot decode s390-skeys: wrong flags", {
      offset,
      expected: "1, 2, 4 or 5 in the low 12 bits",
      found: shown(flags),
      rule: "SAT-003",
    });
  }
  const dataBytes = flags === SKEYS
    ? decodeS390PageCount(reader, "count of storage keys", startAddress, options.guestPages)
    : 0;
  return { flags, startAddress, offset, dataOffset: reader.offset, dataBytes };
}

/** Encodes a word, with SKEYS the keys in `data` too. */
export function encodeStorageKeysChunk(
  writer: ByteWriter,
  chunk: StorageKeysChunk & ChunkData,
): void {
  const { flags, startAddress, data = NO_DATA } = chunk;
  if (flags >= S390_PAGE_BYTES || startAddress % S390_PAGE_BYTES !== 0) {
    throw writer.error(
      "Cannot encode s390-skeys: the address is inside a page",
      `a multiple of ${S390_PAGE_BYTES}, and flags below it`,
      `${shown(startAddress)}, ${shown(flags)}`,
    );
  }
  writer.u64(startAddress + flags, "storage keys word");
  if (flags === SKEYS) {
    writer.u64(data.length, "count of storage keys");
    writer.bytes(data);
  } else if (data.length > 0) {
    throw writer.error("Cannot encode s390-skeys", "no data", `${data.length} bytes`);
  }
}

/** Encodes the section's payload from its words, the last one included. */
export function encodeStorageKeysSection(
  writer: ByteWriter,
  chunks: readonly (StorageKeysChunk & ChunkData)[],
): void {
  for (const chunk of chunks) encodeStorageKeysChunk(writer, chunk);
}
