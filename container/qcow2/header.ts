/**
 * The header of a qcow2 image, versions 2 and 3, as far as reading a snapshot needs it.
 *
 * ```text
 *    0  4 be32  magic "QFI\xfb"
 *    4  4 be32  version: 2 or 3
 *    8  8 be64  offset of the backing file's name, 16  4 be32  its length
 *   20  4 be32  cluster bits: a cluster has 1 << bits bytes
 *   24  8 be64  size of the virtual disk
 *   32  4 be32  encryption: 0 none, 1 AES, 2 LUKS
 *   36  4 be32  entries of the active L1 table, 40  8 be64  its offset
 *   48  8 be64  offset of the refcount table, 56  4 be32  its clusters
 *   60  4 be32  number of snapshots, 64  8 be64  offset of the snapshot table
 *   72  8 be64  version 3: incompatible features; 80, 88: compatible and autoclear features
 *   96  4 be32  version 3: refcount order, 100  4 be32  header length
 *  104  1 u8    version 3, where the header is longer: compression type
 * ```
 *
 * @module
 */

import type { FormatError } from "../../format/error.ts";
import type { ByteReader } from "../../format/reader.ts";
import { hex } from "../../format/text.ts";

/** The first four bytes. */
export const QCOW2_MAGIC = 0x514649fb;

/** Features that a program has to know before it reads an image. */
export const QCOW2_INCOMPATIBLE = {
  DIRTY: 1,
  CORRUPT: 2,
  EXTERNAL_DATA_FILE: 4,
  COMPRESSION_TYPE: 8,
  EXTENDED_L2: 16,
} as const;

const KNOWN_FEATURES = 31;
const MIN_CLUSTER_BITS = 9;
const MAX_CLUSTER_BITS = 21;
/** A cluster of an image with extended L2 entries has 32 subclusters of at least a sector. */
const MIN_EXTENDED_CLUSTER_BITS = 14;
const HEADER_3_BYTES = 104;
const ENCRYPTIONS = ["none", "AES", "LUKS"];
const COMPRESSION_TYPES = ["deflate", "zstd"] as const;

/** What a header says. */
export interface Qcow2Header {
  /** 2 or 3. */
  readonly version: number;
  /** Bytes of a cluster. */
  readonly clusterBytes: number;
  /** Bytes of the virtual disk. */
  readonly diskBytes: number;
  /** Number of snapshots. */
  readonly snapshotCount: number;
  /** Offset of the snapshot table in the image. */
  readonly snapshotsOffset: number;
  /** Whether L2 entries have a bitmap of subclusters. */
  readonly hasExtendedL2: boolean;
  /** How compressed clusters are compressed. */
  readonly compression: "deflate" | "zstd";
  /** What deserves attention. */
  readonly notes: readonly string[];
}

/**
 * Decodes the header. Fails with `bad-container` where a number is impossible or the state can't be read from the image: it is encrypted,
 * or in another file.
 */
export function decodeQcow2Header(reader: ByteReader): Qcow2Header {
  const start = reader.offset;
  const u32 = (what: string) => reader.u32(`qcow2 ${what}`);
  const u64 = (what: string) => reader.u64(`qcow2 ${what}`);
  const fail = (problem: string, at: number, expected: string, found: string) =>
    badImage(reader, problem, start + at, expected, found);

  const magic = u32("magic");
  if (magic !== QCOW2_MAGIC) throw fail("wrong magic", 0, hex(QCOW2_MAGIC), hex(magic, 8));
  const version = u32("version");
  if (version !== 2 && version !== 3) throw fail("unknown version", 4, "2 or 3", String(version));
  // A backing file never holds a vm state: its name does not matter here.
  reader.skip(12, "qcow2 backing file");
  const clusterBits = u32("cluster bits");
  if (clusterBits < MIN_CLUSTER_BITS || clusterBits > MAX_CLUSTER_BITS) {
    throw fail("impossible cluster bits", 20, "9 to 21", String(clusterBits));
  }
  const diskBytes = u64("disk size");
  const encryption = u32("encryption method");
  if (encryption !== 0) {
    const found = `${encryption} (${ENCRYPTIONS[encryption] ?? "unknown"})`;
    throw fail("the image is encrypted", 32, "0: not encrypted", found);
  }
  reader.skip(24, "qcow2 tables");
  const snapshotCount = u32("number of snapshots");
  const snapshotsOffset = u64("snapshot table offset");
  const features = version === 2 ? BASE_FEATURES : decodeFeatures(reader, start, clusterBits);
  const clusterBytes = 2 ** clusterBits;
  return { version, clusterBytes, diskBytes, snapshotCount, snapshotsOffset, ...features };
}

type Features = Pick<Qcow2Header, "hasExtendedL2" | "compression" | "notes">;

const BASE_FEATURES: Features = { hasExtendedL2: false, compression: "deflate", notes: [] };

/** What version 3 adds. */
function decodeFeatures(reader: ByteReader, start: number, clusterBits: number): Features {
  const features = reader.bigU64("qcow2 incompatible features");
  const has = (feature: number) => (features & BigInt(feature)) !== 0n;
  const fail = (problem: string, at: number, expected: string, found: string) =>
    badImage(reader, problem, start + at, expected, found);
  if (features > KNOWN_FEATURES) {
    throw fail("unknown incompatible features", 72, "bits 0 to 4 only", hex(features));
  }
  if (has(QCOW2_INCOMPATIBLE.EXTERNAL_DATA_FILE)) {
    const expected = "an image that holds its data itself";
    throw fail("the state is in an external data file", 72, expected, hex(features));
  }
  const hasExtendedL2 = has(QCOW2_INCOMPATIBLE.EXTENDED_L2);
  if (hasExtendedL2 && clusterBits < MIN_EXTENDED_CLUSTER_BITS) {
    throw fail("clusters too small for subclusters", 20, "14 to 21", String(clusterBits));
  }
  reader.skip(20, "qcow2 features");
  const length = reader.u32("qcow2 header length");
  if (length < HEADER_3_BYTES || length % 8 !== 0 || length > 2 ** clusterBits) {
    throw fail("impossible header length", 100, "104 or more, a multiple of 8", String(length));
  }
  const type = length > HEADER_3_BYTES ? reader.u8("qcow2 compression type") : 0;
  const compression = COMPRESSION_TYPES[type];
  if (compression === undefined) {
    throw fail("unknown compression type", 104, "0 (deflate) or 1 (zstd)", String(type));
  }
  const notes: string[] = [];
  if (has(QCOW2_INCOMPATIBLE.DIRTY)) notes.push("the qcow2 image was not closed properly (dirty)");
  if (has(QCOW2_INCOMPATIBLE.CORRUPT)) notes.push("the qcow2 image is marked as corrupt");
  return { hasExtendedL2, compression, notes };
}

/** An error about the image, with the reader's path. */
export function badImage(
  reader: ByteReader,
  problem: string,
  offset: number,
  expected: string,
  found: string,
): FormatError {
  const message = `Cannot decode qcow2 image: ${problem}`;
  return reader.error("bad-container", message, { offset, expected, found, rule: "QCW-004" });
}
