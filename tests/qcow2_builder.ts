/**
 * Builds qcow2 images with saved states, for what no QEMU writes: compressed states, holes, clusters in any order, several tables, damage.
 *
 * @module
 */

import { deflateRawSync, zstdCompressSync } from "node:zlib";

/** A snapshot to be built. */
export interface SnapshotSpec {
  readonly id: string;
  readonly name: string;
  /** Its state; empty for a snapshot of the disk alone. */
  readonly state: Uint8Array;
  /** Length of its extra data: 0, 8, 16 or 24. */
  readonly extraBytes?: number;
}

/** An image to be built. */
export interface ImageSpec {
  readonly version?: 2 | 3;
  readonly clusterBits?: number;
  readonly extendedL2?: boolean;
  /** Compresses every third cluster. */
  readonly compression?: "deflate" | "zstd";
  /** Puts every second cluster elsewhere than behind the one before. */
  readonly scattered?: boolean;
  readonly diskBytes?: number;
  readonly snapshots: readonly SnapshotSpec[];
}

/** An image, and where its structures are. */
export interface BuiltImage {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly view: DataView<ArrayBuffer>;
  /** Offset of the snapshot table. */
  readonly table: number;
  /** Offsets of the L1 entries that states begin with, by snapshot. */
  readonly l1: readonly number[];
  /** Offsets of all L2 tables of states. */
  readonly l2: readonly number[];
}

const SECTOR_BYTES = 512;
const SUBCLUSTERS = 32;
const COPIED = 1n << 63n;
const COMPRESSED = 1n << 62n;

/** Builds an image. Parts of the state that are zero become clusters that are missing, or marked as zero, in turn. */
export function buildImage(spec: ImageSpec): BuiltImage {
  return new Builder(spec).build();
}

class Builder {
  readonly #spec: ImageSpec;
  readonly #version: number;
  readonly #clusterBytes: number;
  readonly #entryBytes: number;
  readonly #tableEntries: number;
  readonly #diskBytes: number;
  readonly #l1: number[] = [];
  readonly #l2: number[] = [];
  #bytes: Uint8Array<ArrayBuffer>;
  #packed = { at: 0, end: 0 };

  constructor(spec: ImageSpec) {
    this.#spec = spec;
    this.#version = spec.version ?? 3;
    this.#clusterBytes = 2 ** (spec.clusterBits ?? 12);
    this.#entryBytes = spec.extendedL2 ? 16 : 8;
    this.#tableEntries = this.#clusterBytes / this.#entryBytes;
    this.#diskBytes = spec.diskBytes ?? 1 << 20;
    this.#bytes = new Uint8Array(this.#clusterBytes);
  }

  get #view(): DataView<ArrayBuffer> {
    return new DataView(this.#bytes.buffer);
  }

  /** Appends clusters and gives the offset of the first one. */
  #allocate(bytes: number): number {
    const offset = this.#bytes.length;
    const grown = new Uint8Array(
      offset + Math.ceil(bytes / this.#clusterBytes) * this.#clusterBytes,
    );
    grown.set(this.#bytes);
    this.#bytes = grown;
    return offset;
  }

  build(): BuiltImage {
    const { snapshots } = this.#spec;
    const table = this.#allocate(snapshots.length * 200);
    this.#header(table);
    let at = table;
    for (const snapshot of snapshots) at = this.#snapshot(at, snapshot);
    const [l1, l2] = [this.#l1, this.#l2];
    return { bytes: this.#bytes, view: this.#view, table, l1, l2 };
  }

  #header(table: number): void {
    const view = this.#view;
    const { snapshots, extendedL2, compression } = this.#spec;
    view.setUint32(0, 0x514649fb);
    view.setUint32(4, this.#version);
    view.setUint32(20, Math.log2(this.#clusterBytes));
    view.setBigUint64(24, BigInt(this.#diskBytes));
    view.setUint32(60, snapshots.length);
    view.setBigUint64(64, BigInt(table));
    if (this.#version === 2) return;
    const isZstd = compression === "zstd";
    view.setBigUint64(72, (extendedL2 ? 16n : 0n) | (isZstd ? 8n : 0n));
    view.setUint32(96, 4);
    view.setUint32(100, 112);
    view.setUint8(104, isZstd ? 1 : 0);
  }

  /** Writes an entry of the snapshot table, and the tables of its state; gives the offset behind the entry. */
  #snapshot(at: number, { id, name, state, extraBytes = 24 }: SnapshotSpec): number {
    const coverage = this.#clusterBytes * this.#tableEntries;
    const first = Math.ceil(this.#diskBytes / coverage);
    const entries = first + Math.ceil(state.length / coverage);
    const l1 = this.#allocate(entries * 8);
    this.#l1.push(l1 + 8 * first);
    for (let index = first; index < entries; index++) {
      const from = (index - first) * coverage;
      this.#table(l1 + 8 * index, state.subarray(from, from + coverage));
    }
    const view = this.#view;
    const text = new TextEncoder().encode(id + name);
    view.setBigUint64(at, BigInt(l1));
    view.setUint32(at + 8, entries);
    view.setUint16(at + 12, id.length);
    view.setUint16(at + 14, text.length - id.length);
    view.setUint32(at + 16, 1_700_000_000);
    view.setUint32(at + 20, 250_000_000);
    view.setBigUint64(at + 24, 3_725_500_000_000n);
    view.setUint32(at + 32, extraBytes >= 8 ? 0 : state.length);
    view.setUint32(at + 36, extraBytes);
    if (extraBytes >= 8) view.setBigUint64(at + 40, BigInt(state.length));
    if (extraBytes >= 16) view.setBigUint64(at + 48, BigInt(this.#diskBytes));
    if (extraBytes >= 24) view.setBigUint64(at + 56, 0xffffffffffffffffn);
    this.#bytes.set(text, at + 40 + extraBytes);
    return at + Math.ceil((40 + extraBytes + text.length) / 8) * 8;
  }

  #table(l1Entry: number, state: Uint8Array): void {
    const table = this.#allocate(this.#clusterBytes);
    this.#l2.push(table);
    this.#view.setBigUint64(l1Entry, BigInt(table) | COPIED);
    for (let index = 0; index * this.#clusterBytes < state.length; index++) {
      const from = index * this.#clusterBytes;
      const part = new Uint8Array(this.#clusterBytes);
      part.set(state.subarray(from, from + this.#clusterBytes));
      this.#cluster(table + index * this.#entryBytes, part, index);
    }
  }

  #cluster(entry: number, bytes: Uint8Array, index: number): void {
    const { extendedL2 = false, compression, scattered = false } = this.#spec;
    const isZero = bytes.every((byte) => byte === 0);
    if (isZero) {
      if (index % 2 === 0) return;
      if (extendedL2) this.#view.setBigUint64(entry + 8, 0xffffffff00000000n);
      // A cluster that is marked as zero may have a place all the same.
      else if (this.#version === 3) this.#place(entry, new Uint8Array(bytes.length).fill(0xee), 1n);
      return;
    }
    if (compression !== undefined && index % 3 === 1) return this.#compress(entry, bytes);
    if (scattered && index % 2 === 1) this.#allocate(this.#clusterBytes);
    this.#place(entry, bytes, 0n);
    if (extendedL2) this.#subclusters(entry, bytes);
  }

  #place(entry: number, bytes: Uint8Array, flags: bigint): void {
    const host = this.#allocate(this.#clusterBytes);
    this.#bytes.set(bytes, host);
    this.#view.setBigUint64(entry, BigInt(host) | COPIED | flags);
  }

  /** Subclusters of zeros become missing or marked ones, and what is at their places is not zero. */
  #subclusters(entry: number, bytes: Uint8Array): void {
    const size = this.#clusterBytes / SUBCLUSTERS;
    const host = Number(this.#view.getBigUint64(entry) & 0x00fffffffffffe00n);
    let [there, zero] = [0, 0];
    for (let index = 0; index < SUBCLUSTERS; index++) {
      const part = bytes.subarray(index * size, (index + 1) * size);
      if (part.some((byte) => byte !== 0)) there |= 1 << index;
      else {
        if (index % 2 === 0) zero |= 1 << index;
        this.#bytes.fill(0xee, host + index * size, host + (index + 1) * size);
      }
    }
    this.#view.setUint32(entry + 8, zero >>> 0);
    this.#view.setUint32(entry + 12, there >>> 0);
  }

  /** Compressed clusters lie one behind the other, at any byte. */
  #compress(entry: number, bytes: Uint8Array): void {
    const packed = this.#spec.compression === "zstd"
      ? zstdCompressSync(bytes)
      : deflateRawSync(bytes, { windowBits: 12 });
    if (this.#packed.at + packed.length > this.#packed.end) {
      const at = this.#allocate(this.#clusterBytes * 2);
      this.#packed = { at: at + 13, end: at + this.#clusterBytes * 2 };
    }
    const { at } = this.#packed;
    this.#bytes.set(packed, at);
    this.#packed.at += packed.length;
    const sectors = Math.floor((at + packed.length - 1) / SECTOR_BYTES) -
      Math.floor(at / SECTOR_BYTES);
    const offsetBits = BigInt(62 - (Math.log2(this.#clusterBytes) - 8));
    this.#view.setBigUint64(entry, COMPRESSED | BigInt(sectors) << offsetBits | BigInt(at));
  }
}
