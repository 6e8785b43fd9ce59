/**
 * The vm state of a qcow2 snapshot as a source of bytes.
 *
 * The state lies behind the virtual disk, at the next multiple of what one L2 table covers, and is mapped by the snapshot's own tables:
 *
 * ```text
 * L1 entry             bits  9-55 offset of the L2 table (0: none)
 * L2 entry             bit     62 compressed
 *                      bits  9-55 offset of the cluster (0: none, reads as zeros)
 *                      bit      0 reads as zeros (version 3)
 * compressed entry     bits  0-(x-1) offset, bits x-61 further sectors; x = 62 - (cluster bits - 8)
 * extended L2 entry    a second be64: bit n subcluster n is there, bit 32 + n it reads as zeros
 * ```
 *
 * @module
 */

import { FormatError, type FormatErrorCode } from "../../format/error.ts";
import type { ByteSource } from "../../format/source.ts";
import { hex, quoteText } from "../../format/text.ts";
import type { ClusterInflate } from "../decompress/cluster.ts";
import { ClusterMarks } from "./cluster_marks.ts";
import type { Qcow2Header } from "./header.ts";
import type { SnapshotEntry } from "./snapshots.ts";

/** L2 tables kept in memory. */
const CACHED_TABLES = 8;
/** Largest L1 table, in bytes. */
const L1_MAX_BYTES = 32 * 1024 * 1024;
const SECTOR_BYTES = 512;
const SUBCLUSTERS = 32;
const COMPRESSED_BIT = 0x40000000;
/** Bits of the upper and lower half of an entry that belong to an offset, and those that mean nothing. */
const OFFSET_HIGH = 0x00ffffff;
const OFFSET_LOW = 0xfffffe00;
const L1_RESERVED_HIGH = 0x7f000000;
const L2_RESERVED_HIGH = 0x3f000000;
const RESERVED_LOW = 0x1fe;

/** Places that are not in the file. */
const ZEROS = -1;
const COMPRESSED = -2;

/** An L2 table. */
interface Table {
  readonly view: DataView;
  /** Offset in the image. */
  readonly host: number;
}

/** A {@link ByteSource} over the vm state of one snapshot. Errors have the offset in the image's file. */
export class SnapshotStateSource implements ByteSource {
  /** Bytes of the state. */
  readonly sizeBytes: number;
  /** Always true. */
  readonly seekable = true;
  /** What offsets count in, for errors. */
  readonly label: string;
  readonly #image: ByteSource;
  readonly #base: number;
  readonly #header: Qcow2Header;
  readonly #snapshot: SnapshotEntry;
  readonly #inflate: ClusterInflate;
  readonly #entryBytes: number;
  readonly #tableEntries: number;
  /** Bytes that one L2 table covers. */
  readonly #coverage: number;
  /** Entry of the L1 table that the state begins with. */
  readonly #firstL1: number;
  /** The tables read last, the latest at the end. */
  readonly #tables = new Map<number, Table | undefined>();
  /** Entries of the L1 table whose tables were checked. */
  readonly #checked = new Set<number>();
  readonly #marks = new ClusterMarks();
  #inflated: { readonly cluster: number; readonly bytes: Uint8Array } | undefined;

  /**
   * Takes the image, which begins at `base` of its source.
   *
   * @throws {FormatError} `bad-container` if the snapshot's L1 table can't hold the state.
   */
  constructor(
    image: ByteSource,
    base: number,
    header: Qcow2Header,
    snapshot: SnapshotEntry,
    inflate: ClusterInflate,
  ) {
    this.#image = image;
    this.#base = base;
    this.#header = header;
    this.#snapshot = snapshot;
    this.#inflate = inflate;
    this.sizeBytes = snapshot.stateBytes;
    this.label = `state of snapshot ${quoteText(snapshot.name)}`;
    this.#entryBytes = header.hasExtendedL2 ? 16 : 8;
    this.#tableEntries = header.clusterBytes / this.#entryBytes;
    this.#coverage = header.clusterBytes * this.#tableEntries;
    this.#firstL1 = Math.ceil(snapshot.diskBytes / this.#coverage);
    this.#checkL1();
  }

  #checkL1(): void {
    const { l1Offset, l1Entries, entryOffset, stateBytes } = this.#snapshot;
    const { clusterBytes, snapshotsOffset } = this.#header;
    const needed = this.#firstL1 + Math.ceil(stateBytes / this.#coverage);
    if (needed > l1Entries || l1Entries * 8 > L1_MAX_BYTES) {
      const expected = `${needed} to ${L1_MAX_BYTES / 8} entries`;
      throw this.#bad("the L1 table can't hold the state", entryOffset + 8, expected, l1Entries);
    }
    if (l1Offset === 0 || l1Offset % clusterBytes !== 0) {
      const expected = `a multiple of ${clusterBytes}`;
      throw this.#bad("misplaced L1 table", entryOffset, expected, l1Offset);
    }
    this.#checkInside(l1Offset, l1Entries * 8, entryOffset, "the L1 table");
    this.#claim(0, entryOffset);
    const claimed = [[snapshotsOffset, 1], [l1Offset, Math.ceil(l1Entries * 8 / clusterBytes)]];
    for (const [offset, clusters] of claimed as [number, number][]) {
      for (let index = 0; index < clusters; index++) {
        this.#claim(offset + index * clusterBytes, entryOffset);
      }
    }
  }

  /** Fails where two things are in one cluster. `offset` is where the second one is referred to. */
  #claim(hostOffset: number, offset: number): void {
    if (this.#marks.mark(Math.floor(hostOffset / this.#header.clusterBytes), offset)) return;
    const found = `${hex(hostOffset)} once more`;
    throw this.#bad("a cluster is used twice", offset, "clusters of their own", found);
  }

  #checkInside(hostOffset: number, bytes: number, offset: number, what: string): void {
    const size = this.#image.sizeBytes;
    if (size === undefined || this.#base + hostOffset + bytes <= size) return;
    const found = `${bytes} bytes at ${hex(hostOffset)}`;
    throw this.#bad(`${what} leaves the file`, offset, `inside of ${size} bytes`, found);
  }

  #bad(problem: string, offset: number, expected: string, found: string | number): FormatError {
    return this.#error("bad-container", problem, offset, expected, String(found));
  }

  #error(
    code: FormatErrorCode,
    problem: string,
    offset: number,
    expected: string,
    found: string,
  ): FormatError {
    const path = this.#image.label === undefined ? [] : [this.#image.label];
    path.push("qcow2 image", this.label);
    const message = `Cannot read qcow2 image: ${problem}`;
    return new FormatError(code, message, { offset, path, expected, found, rule: "QCW-005" });
  }

  /** Reads up to `into.length` bytes at `offset` of the state: what lies side by side in the image comes with one read. */
  readAt(offset: number, into: Uint8Array): number {
    const wanted = Math.min(into.length, this.sizeBytes - offset);
    if (wanted <= 0) return 0;
    const { clusterBytes, hasExtendedL2 } = this.#header;
    const place = this.#place(offset);
    if (place === COMPRESSED) return this.#readCompressed(offset, into.subarray(0, wanted));
    const unitBytes = hasExtendedL2 ? clusterBytes / SUBCLUSTERS : clusterBytes;
    let count = unitBytes - offset % unitBytes;
    while (count < wanted) {
      const next = this.#place(offset + count);
      if (next !== (place === ZEROS ? ZEROS : place + count)) break;
      count += unitBytes;
    }
    const part = into.subarray(0, Math.min(count, wanted));
    if (place === ZEROS) {
      part.fill(0);
      return part.length;
    }
    return this.#readImage(place, part);
  }

  /** The first byte of the state that reads as zero because its cluster is not in the image; `undefined` if all are there. */
  firstHole(): number | undefined {
    const { clusterBytes, hasExtendedL2 } = this.#header;
    const unitBytes = hasExtendedL2 ? clusterBytes / SUBCLUSTERS : clusterBytes;
    for (let offset = 0; offset < this.sizeBytes; offset += unitBytes) {
      if (this.#place(offset) === ZEROS) return offset;
    }
    return undefined;
  }

  /** Reads from the image, which must have at least one of the bytes. */
  #readImage(hostOffset: number, into: Uint8Array): number {
    const got = this.#image.readAt(this.#base + hostOffset, into);
    if (got > 0 || into.length === 0) return got;
    const offset = this.#base + hostOffset;
    const problem = "the file ends inside of the state";
    throw this.#error("truncated", problem, offset, `${into.length} more bytes`, "the end");
  }

  #readFully(hostOffset: number, into: Uint8Array): void {
    for (let done = 0; done < into.length;) {
      done += this.#readImage(hostOffset + done, into.subarray(done));
    }
  }

  /** Offset in the image of a byte of the state, {@link ZEROS} or {@link COMPRESSED}. */
  #place(offset: number): number {
    const table = this.#table(Math.floor(offset / this.#coverage))?.view;
    if (table === undefined) return ZEROS;
    const { clusterBytes, hasExtendedL2 } = this.#header;
    const at = this.#entryBytes * Math.floor(offset % this.#coverage / clusterBytes);
    const high = table.getUint32(at);
    if ((high & COMPRESSED_BIT) !== 0) return COMPRESSED;
    const inCluster = offset % clusterBytes;
    const low = table.getUint32(at + 4);
    const host = entryOffset(high, low);
    if (hasExtendedL2) {
      const bit = 1 << Math.floor(inCluster / (clusterBytes / SUBCLUSTERS));
      return (table.getUint32(at + 12) & bit) === 0 ? ZEROS : host + inCluster;
    }
    return host === 0 || (low & 1) !== 0 ? ZEROS : host + inCluster;
  }

  /** The L2 table of a number counted from the state's beginning; `undefined` where there is none. */
  #table(number: number): Table | undefined {
    const cached = this.#tables.get(number);
    if (cached !== undefined || this.#tables.has(number)) return cached;
    const table = this.#readTable(number);
    if (this.#tables.size >= CACHED_TABLES) {
      for (const oldest of this.#tables.keys()) {
        this.#tables.delete(oldest);
        break;
      }
    }
    this.#tables.set(number, table);
    return table;
  }

  #readTable(number: number): Table | undefined {
    const { clusterBytes } = this.#header;
    const l1Entry = this.#snapshot.l1Offset + 8 * (this.#firstL1 + number);
    const entry = new DataView(new ArrayBuffer(8));
    this.#readFully(l1Entry, new Uint8Array(entry.buffer));
    const [high, low] = [entry.getUint32(0), entry.getUint32(4)];
    const host = entryOffset(high, low);
    const offset = this.#base + l1Entry;
    if ((high & L1_RESERVED_HIGH) !== 0 || (low & (RESERVED_LOW | 1)) !== 0) {
      throw this.#bad("reserved bits in an L1 entry", offset, "0", `${hex(high)} ${hex(low)}`);
    }
    if (host === 0) return undefined;
    if (host % clusterBytes !== 0) {
      throw this.#bad("misplaced L2 table", offset, `a multiple of ${clusterBytes}`, hex(host));
    }
    this.#checkInside(host, clusterBytes, offset, "an L2 table");
    const view = new DataView(new ArrayBuffer(clusterBytes));
    this.#readFully(host, new Uint8Array(view.buffer));
    if (!this.#checked.has(number)) {
      this.#claim(host, offset);
      this.#checkTable(view, host, number);
      this.#checked.add(number);
    }
    return { view, host };
  }

  /** Checks the entries of a table that belong to the state. */
  #checkTable(table: DataView, host: number, number: number): void {
    const { clusterBytes } = this.#header;
    const clusters = Math.ceil((this.sizeBytes - number * this.#coverage) / clusterBytes);
    const entries = Math.min(this.#tableEntries, clusters);
    for (let index = 0; index < entries; index++) {
      const at = this.#entryBytes * index;
      if ((table.getUint32(at) & COMPRESSED_BIT) === 0) {
        this.#checkEntry(table, at, this.#base + host + at);
      }
    }
  }

  #checkEntry(table: DataView, at: number, offset: number): void {
    const { clusterBytes, version, hasExtendedL2 } = this.#header;
    const [high, low] = [table.getUint32(at), table.getUint32(at + 4)];
    const mayBeZero = version === 3 && !hasExtendedL2;
    const reserved = mayBeZero ? RESERVED_LOW : RESERVED_LOW | 1;
    if ((high & L2_RESERVED_HIGH) !== 0 || (low & reserved) !== 0) {
      throw this.#bad("reserved bits in an L2 entry", offset, "0", `${hex(high)} ${hex(low)}`);
    }
    const cluster = entryOffset(high, low);
    if (hasExtendedL2) {
      const [zero, there] = [table.getUint32(at + 8), table.getUint32(at + 12)];
      if ((zero & there) !== 0 || (there !== 0 && cluster === 0)) {
        const found = `${hex(zero, 8)} and ${hex(there, 8)}`;
        throw this.#bad("impossible subclusters", offset + 8, "each there or zero", found);
      }
    }
    if (cluster === 0) return;
    if (cluster % clusterBytes !== 0) {
      throw this.#bad("misplaced cluster", offset, `a multiple of ${clusterBytes}`, hex(cluster));
    }
    this.#checkInside(cluster, 1, offset, "a cluster");
    this.#claim(cluster, offset);
  }

  #readCompressed(offset: number, into: Uint8Array): number {
    const { clusterBytes } = this.#header;
    const cluster = Math.floor(offset / clusterBytes);
    if (this.#inflated?.cluster !== cluster) {
      this.#inflated = { cluster, bytes: this.#inflateCluster(cluster) };
    }
    const from = offset % clusterBytes;
    const part = this.#inflated.bytes.subarray(from, from + into.length);
    into.set(part);
    return part.length;
  }

  #inflateCluster(cluster: number): Uint8Array {
    const { clusterBytes, compression } = this.#header;
    const number = Math.floor(cluster / this.#tableEntries);
    const table = this.#table(number)!;
    const at = this.#entryBytes * (cluster % this.#tableEntries);
    const entry = table.view.getBigUint64(at);
    const offsetBits = BigInt(62 - (Math.log2(clusterBytes) - 8));
    const host = Number(BigInt.asUintN(Number(offsetBits), entry));
    const sectors = Number(BigInt.asUintN(62, entry) >> offsetBits) + 1;
    this.#checkInside(host, 1, this.#base + table.host + at, "a compressed cluster");
    const offset = this.#base + host;
    const available = (this.#image.sizeBytes ?? Infinity) - offset;
    const bytes = new Uint8Array(Math.min(sectors * SECTOR_BYTES - host % SECTOR_BYTES, available));
    this.#readFully(host, bytes);
    try {
      return this.#inflate(compression, bytes, clusterBytes);
    } catch (cause) {
      const found = cause instanceof Error ? cause.message : String(cause);
      throw this.#bad("a cluster does not inflate", offset, `${compression} data`, found);
    }
  }
}

/** The offset in an entry; inexact above 2^53, where no file is. */
function entryOffset(high: number, low: number): number {
  return (high & OFFSET_HIGH) * 0x100000000 + ((low & OFFSET_LOW) >>> 0);
}
