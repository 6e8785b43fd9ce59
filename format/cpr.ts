/**
 * The head of a CPR channel: the separate UNIX socket of the migration mode `cpr-transfer`, over which file descriptors go. What follows it
 * (QEMU's `CprState`) belongs to no stream.
 *
 * ```text
 *   0  4 be32  magic 0x51435052 "QCPR"
 *   4  4 be32  version 1
 * ```
 *
 * @module
 */

import type { ByteReader } from "./reader.ts";
import { hex } from "./text.ts";
import type { ByteWriter } from "./writer.ts";

/** The first four bytes (`QEMU_CPR_FILE_MAGIC`). */
export const CPR_MAGIC = 0x51435052;
/** The only version (`QEMU_CPR_FILE_VERSION`). */
export const CPR_VERSION = 1;

/** Decodes the head of a CPR channel. Fails with `bad-magic` or `unsupported-version`. */
export function decodeCprHeader(reader: ByteReader): void {
  const offset = reader.offset;
  const magic = reader.u32("CPR header");
  if (magic !== CPR_MAGIC) {
    throw reader.error("bad-magic", "Cannot decode CPR header: not a CPR channel", {
      offset,
      expected: `${hex(CPR_MAGIC)} ("QCPR")`,
      found: hex(magic, 8),
    });
  }
  const version = reader.u32("CPR version");
  if (version !== CPR_VERSION) {
    throw reader.error("unsupported-version", "Cannot decode CPR header: unknown version", {
      offset: offset + 4,
      expected: String(CPR_VERSION),
      found: String(version),
    });
  }
}

/** Encodes the head of a CPR channel. */
export function encodeCprHeader(writer: ByteWriter): void {
  writer.u32(CPR_MAGIC, "CPR magic");
  writer.u32(CPR_VERSION, "CPR version");
}
