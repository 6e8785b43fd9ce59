/**
 * The bits of dirty bitmaps: whole bitmaps put together from the chunks of a stream.
 *
 * ```text
 * data of a BITS chunk:  bit i, least significant bit of each byte first, stands for
 *                        granule  first sector * 512 / granularity + i
 *
 * 01 00 00 00 00 00 03 00 ...   from sector 0 on: granules 0, 48 and 49 are dirty
 * ```
 *
 * @module
 */

import type { ChunkPlace } from "./chunk.ts";
import type { DirtyBitmapBits, DirtyBitmapChunk } from "./dirty_bitmap_chunk.ts";
import { DIRTY_BITMAP_SECTOR_BYTES, granuleRange } from "./dirty_granules.ts";
import { FormatError } from "./error.ts";

/** A bitmap put together from its chunks. */
export interface CollectedDirtyBitmap {
  /** Name (or alias) of the block node. */
  readonly node: string;
  /** Name (or alias) of the bitmap. */
  readonly bitmap: string;
  /** Bytes of disk per bit. */
  readonly granularityBytes: number;
  /** Flags of the START chunk. */
  readonly bitmapFlags: number;
  /** Whether a COMPLETE chunk came. */
  readonly complete: boolean;
  /** End of the last range that came, in sectors of 512 bytes: the disk's size once the bitmap is complete. */
  readonly endSector: number;
  /** Number of bits that are set. */
  readonly dirtyGranules: number;
  /** Bytes of disk that the set bits stand for, a last granule beyond the disk's end counted whole, as QEMU counts. */
  readonly dirtyBytes: number;
}

/** Ceiling on the bits of all bitmaps of a stream together, in bytes. */
export const DIRTY_BITS_LIMIT_BYTES = 268435456;

interface Collecting {
  readonly node: string;
  readonly bitmap: string;
  readonly granularityBytes: number;
  readonly bitmapFlags: number;
  complete: boolean;
  endSector: number;
  bits: Uint8Array;
}

/**
 * Puts bitmaps together from the chunks of a stream's `dirty-bitmap` sections. Memory grows with the highest bit that a chunk with data reaches,
 * up to a limit; chunks of zeroes cost none.
 */
export class DirtyBitmapCollector {
  readonly #limitBytes: number;
  readonly #nodes = new Map<string, Map<string, Collecting>>();
  #allocatedBytes = 0;

  /** Starts without bitmaps; all bits together may take `limitBytes`. */
  constructor(limitBytes: number = DIRTY_BITS_LIMIT_BYTES) {
    this.#limitBytes = limitBytes;
  }

  /**
   * Adds a chunk; `data` are the bytes of a BITS chunk. Chunks of a bitmap without a START chunk are passed over, as QEMU does.
   */
  add(chunk: DirtyBitmapChunk & ChunkPlace, data: Uint8Array): void {
    if (chunk.kind === "start") return this.#start(chunk.node, chunk.bitmap, chunk);
    const bitmap = this.#nodes.get(chunk.node)?.get(chunk.bitmap);
    if (bitmap === undefined) return;
    if (chunk.kind === "complete") bitmap.complete = true;
    else if (chunk.kind === "bits") this.#addBits(bitmap, chunk, data);
  }

  #start(
    node: string,
    bitmap: string,
    start: { readonly granularityBytes: number; readonly bitmapFlags: number },
  ): void {
    const { granularityBytes, bitmapFlags } = start;
    let bitmaps = this.#nodes.get(node);
    if (bitmaps === undefined) this.#nodes.set(node, bitmaps = new Map());
    this.#allocatedBytes -= bitmaps.get(bitmap)?.bits.length ?? 0;
    const bits = new Uint8Array(0);
    const kind = { node, bitmap, granularityBytes, bitmapFlags };
    bitmaps.set(bitmap, { ...kind, complete: false, endSector: 0, bits });
  }

  #addBits(bitmap: Collecting, chunk: DirtyBitmapBits & ChunkPlace, data: Uint8Array): void {
    const { startSector, sectorCount } = chunk;
    const sectors = bitmap.granularityBytes / DIRTY_BITMAP_SECTOR_BYTES;
    const { first, end } = granuleRange(bitmap.granularityBytes, startSector, sectorCount);
    if (
      startSector % sectors !== 0 || first % 8 !== 0
    ) {
      throw new FormatError("bad-payload", "Cannot place dirty bits: they begin inside a byte", {
        offset: chunk.offset,
        expected: `a multiple of ${sectors * 8} sectors`,
        found: `sector ${startSector}`,
      });
    }
    bitmap.endSector = Math.max(bitmap.endSector, startSector + sectorCount);
    const from = first / 8;
    const to = Math.ceil(end / 8);
    if (data.length === 0) {
      bitmap.bits.fill(0, from, to);
      return;
    }
    this.#grow(bitmap, to, chunk.offset);
    bitmap.bits.fill(0, from, to);
    bitmap.bits.set(data.subarray(0, to - from), from);
    // Bits behind the range are padding.
    if (end % 8 !== 0 && data.length >= to - from) bitmap.bits[to - 1]! &= (1 << end % 8) - 1;
  }

  #grow(bitmap: Collecting, bytes: number, offset: number): void {
    const before = bitmap.bits.length;
    if (bytes <= before) return;
    const room = this.#limitBytes - this.#allocatedBytes + before;
    if (bytes > room) {
      throw new FormatError(
        "limit-exceeded",
        "Cannot collect dirty bits: they need too much memory",
        {
          offset,
          expected: `at most ${this.#limitBytes} bytes for all bitmaps`,
          found: `${this.#allocatedBytes - before + bytes} bytes`,
        },
      );
    }
    const grown = new Uint8Array(Math.min(room, Math.max(bytes, before * 2)));
    grown.set(bitmap.bits);
    bitmap.bits = grown;
    this.#allocatedBytes += grown.length - before;
  }

  /** The bitmaps, node by node, in the order of their START chunks. */
  bitmaps(): CollectedDirtyBitmap[] {
    const result: CollectedDirtyBitmap[] = [];
    for (const bitmaps of this.#nodes.values()) {
      for (const { bits, ...rest } of bitmaps.values()) {
        const dirty = countBits(bits);
        result.push({ ...rest, dirtyGranules: dirty, dirtyBytes: dirty * rest.granularityBytes });
      }
    }
    return result;
  }

  /**
   * All bits of a bitmap from the disk's start to its end, in whole words of 8 bytes: the bytes whose SHA-256 QEMU's
   * `x-debug-block-dirty-bitmap-sha256` tells. `undefined` if no START chunk announced it.
   */
  bits(node: string, bitmap: string): Uint8Array | undefined {
    const found = this.#nodes.get(node)?.get(bitmap);
    if (found === undefined) return undefined;
    const { end } = granuleRange(found.granularityBytes, 0, found.endSector);
    const bytes = Math.ceil(end / 64) * 8;
    this.#grow(found, bytes, 0);
    return found.bits.slice(0, bytes);
  }
}

function countBits(bytes: Uint8Array): number {
  const whole = bytes.length & ~3;
  const words = new Uint32Array(bytes.buffer, bytes.byteOffset, whole / 4);
  let count = 0;
  for (const word of words) {
    let bits = word - ((word >>> 1) & 0x55555555);
    bits = (bits & 0x33333333) + ((bits >>> 2) & 0x33333333);
    count += Math.imul((bits + (bits >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
  }
  for (let byte = 0, at = whole; at < bytes.length; at++) {
    for (byte = bytes[at]!; byte !== 0; byte &= byte - 1) count++;
  }
  return count;
}
