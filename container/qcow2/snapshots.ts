/**
 * The snapshot table of a qcow2 image.
 *
 * ```text
 *    0  8 be64  offset of the snapshot's L1 table
 *    8  4 be32  its entries
 *   12  2 be16  length of the id, 14  2 be16  length of the name
 *   16  4 be32  date: seconds, 20  4 be32  nanoseconds
 *   24  8 be64  guest clock in nanoseconds
 *   32  4 be32  size of the vm state; 0 if it needs 64 bits
 *   36  4 be32  length of the extra data
 *   40    bytes extra data: be64 size of the vm state, be64 size of the disk, be64 instruction count; as many as fit
 *         bytes id, name; padding to a multiple of 8
 * ```
 *
 * @module
 */

import type { ByteReader } from "../../format/reader.ts";
import { decodeText } from "../../format/text.ts";
import type { Qcow2Snapshot } from "../wrapper.ts";
import { badImage, type Qcow2Header } from "./header.ts";

const ENTRY_MIN_BYTES = 40;
/** Most snapshots that QEMU reads. */
const MAX_SNAPSHOTS = 65536;
const MAX_EXTRA_BYTES = 1024;
const MAX_TABLE_BYTES = 64 * 1024 * 1024;

/** An entry of the table, with what only the reader of the vm state needs. */
export interface SnapshotEntry extends Qcow2Snapshot {
  /** Offset of the entry in the input. */
  readonly entryOffset: number;
  /** Offset of the snapshot's L1 table in the image. */
  readonly l1Offset: number;
  /** Entries of that table. */
  readonly l1Entries: number;
}

/** Decodes the table; the reader is at the image's beginning, `base`. */
export function decodeSnapshotTable(
  reader: ByteReader,
  header: Qcow2Header,
  base: number,
): SnapshotEntry[] {
  const { snapshotCount, snapshotsOffset, clusterBytes } = header;
  if (snapshotCount === 0) return [];
  if (snapshotCount > MAX_SNAPSHOTS) {
    const most = `at most ${MAX_SNAPSHOTS}`;
    throw badImage(reader, "too many snapshots", base + 60, most, String(snapshotCount));
  }
  if (snapshotsOffset === 0 || snapshotsOffset % clusterBytes !== 0) {
    const expected = `a multiple of ${clusterBytes}`;
    throw badImage(
      reader,
      "misplaced snapshot table",
      base + 64,
      expected,
      String(snapshotsOffset),
    );
  }
  const { end } = reader;
  const lastOffset = base + snapshotsOffset + snapshotCount * ENTRY_MIN_BYTES;
  if (end !== undefined && lastOffset > end) {
    const found = `${snapshotCount} snapshots at ${snapshotsOffset}`;
    throw badImage(
      reader,
      "the snapshot table leaves the file",
      base + 60,
      `the end ${end}`,
      found,
    );
  }
  reader.seek(base + snapshotsOffset);
  const entries: SnapshotEntry[] = [];
  for (let index = 0; index < snapshotCount; index++) {
    entries.push(decodeEntry(reader, header));
    if (reader.offset - base - snapshotsOffset > MAX_TABLE_BYTES) {
      throw reader.error("limit-exceeded", "Cannot decode qcow2 image: snapshot table too long", {
        expected: `at most ${MAX_TABLE_BYTES} bytes`,
      });
    }
  }
  return entries;
}

function decodeEntry(reader: ByteReader, header: Qcow2Header): SnapshotEntry {
  const entryOffset = reader.offset;
  const l1Offset = reader.u64("snapshot's L1 offset");
  const l1Entries = reader.u32("snapshot's L1 size");
  const idBytes = reader.u16("length of the snapshot's id");
  const nameBytes = reader.u16("length of the snapshot's name");
  const dateSeconds = reader.u32("snapshot's date");
  const dateNanoseconds = reader.u32("snapshot's date");
  const guestClockNanoseconds = reader.bigU64("snapshot's guest clock");
  const stateBytes32 = reader.u32("size of the vm state");
  const extraBytes = reader.u32("length of the snapshot's extra data");
  if (extraBytes > MAX_EXTRA_BYTES) {
    const at = entryOffset + 36;
    throw badImage(reader, "long extra data", at, `at most ${MAX_EXTRA_BYTES}`, `${extraBytes}`);
  }
  const extraEnd = reader.offset + extraBytes;
  const stateBytes = extraBytes >= 8 ? reader.u64("size of the vm state") : stateBytes32;
  const diskBytes = extraBytes >= 16 ? reader.u64("snapshot's disk size") : header.diskBytes;
  reader.skip(extraEnd - reader.offset, "snapshot's extra data");
  const id = decodeText(reader.bytes(idBytes, "snapshot's id"));
  const name = decodeText(reader.bytes(nameBytes, "snapshot's name"));
  const paddingBytes = -(reader.offset - entryOffset) & 7;
  // The last entry's padding may lie behind the file's end.
  if (reader.fill(paddingBytes) >= paddingBytes) reader.skip(paddingBytes, "padding");
  return {
    id,
    name,
    dateSeconds,
    dateNanoseconds,
    guestClockNanoseconds,
    stateBytes,
    diskBytes,
    entryOffset,
    l1Offset,
    l1Entries,
  };
}
