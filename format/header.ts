/**
 * The file header of a stream, and the records of the obsolete version 2.
 *
 * ```text
 * off size type
 *   0    4 be32  magic 0x5145564d "QEVM"
 *   4    4 be32  stream version: 3 (2 is obsolete, QEMU before 0.13)
 * ```
 *
 * Version 2 goes on with `be64 total length`, then records of `counted string name, be32 instance id, be32 version id, be32 length,
 * bytes`. QEMU itself refuses version 2; its layout is known from history only.
 *
 * @module
 */

import type { ByteReader } from "./reader.ts";
import { hex } from "./text.ts";
import type { ByteWriter } from "./writer.ts";

/** The first four bytes of every stream (`QEMU_VM_FILE_MAGIC`). */
export const STREAM_MAGIC = 0x5145564d;
/** The only living stream version (`QEMU_VM_FILE_VERSION`). */
export const STREAM_VERSION = 3;
/** The obsolete stream version (`QEMU_VM_FILE_VERSION_COMPAT`). */
export const STREAM_VERSION_COMPAT = 2;

/** The file header. */
export interface FileHeader {
  /** 3, or 2 for the obsolete format. */
  readonly version: number;
  /** Only in version 2: bytes of all records together. */
  readonly compatTotalBytes?: number;
}

/** Decodes the file header. Fails with `bad-magic` or `unsupported-version`. */
export function decodeFileHeader(reader: ByteReader): FileHeader {
  const offset = reader.offset;
  const magic = reader.u32("file header");
  if (magic !== STREAM_MAGIC) {
    throw reader.error("bad-magic", "Cannot decode file header: not a migration stream", {
      offset,
      expected: `${hex(STREAM_MAGIC)} ("QEVM")`,
      found: hex(magic, 8),
      rule: "STR-001",
    });
  }
  const version = reader.u32("stream version");
  if (version === STREAM_VERSION) return { version };
  if (version === STREAM_VERSION_COMPAT) {
    return { version, compatTotalBytes: reader.u64("total length") };
  }
  throw reader.error("unsupported-version", "Cannot decode file header: unknown stream version", {
    offset: offset + 4,
    expected: "3 (or 2, obsolete)",
    found: String(version),
    rule: "STR-002",
  });
}

/** Encodes the file header. */
export function encodeFileHeader(writer: ByteWriter, header: FileHeader): void {
  writer.u32(STREAM_MAGIC, "magic");
  writer.u32(header.version, "stream version");
  if (header.version === STREAM_VERSION_COMPAT) {
    writer.u64(header.compatTotalBytes ?? 0, "total length");
  }
}

/** The head of a record of the obsolete version 2; the record's bytes follow it. */
export interface CompatRecord {
  /** Name of the entry (idstr). */
  readonly idstr: string;
  /** Distinguishes entries of equal name. */
  readonly instanceId: number;
  /** Version of the entry's format. */
  readonly versionId: number;
  /** Bytes that follow. */
  readonly lengthBytes: number;
}

/** Decodes the head of a version 2 record. */
export function decodeCompatRecord(reader: ByteReader): CompatRecord {
  return {
    idstr: reader.countedString("record name"),
    instanceId: reader.u32("record instance id"),
    versionId: reader.u32("record version id"),
    lengthBytes: reader.u32("record length"),
  };
}

/** Encodes the head of a version 2 record. */
export function encodeCompatRecord(writer: ByteWriter, record: CompatRecord): void {
  writer.countedString(record.idstr, "record name");
  writer.u32(record.instanceId, "record instance id");
  writer.u32(record.versionId, "record version id");
  writer.u32(record.lengthBytes, "record length");
}
