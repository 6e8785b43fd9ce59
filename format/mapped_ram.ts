/**
 * mapped-ram: every page has a fixed place in the file.
 *
 * ```text
 * block list entry:  name, used_length, [gpa], header:
 *   0    4 be32  version 1
 *   4    8 be64  page_size: target page size
 *  12    8 be64  bitmap_offset: absolute file offset of the bitmap, directly behind the header
 *  20    8 be64  pages_offset: absolute file offset of page 0, a multiple of 1 MiB
 * then: bitmap | hole | pages (used_length bytes) | next entry
 * ```
 *
 * Bit n of the bitmap is set if page n stands in the file; otherwise the page is zero, whatever its place holds. The bitmap is
 * the source host's array of unsigned long: on a little-endian host bit n is bit `n & 7` of byte `n >> 3`.
 *
 * @module
 */

import type { FormatError } from "./error.ts";
import type { ByteReader } from "./reader.ts";
import { hex } from "./text.ts";
import type { ByteWriter } from "./writer.ts";

/** Version of the header (`MAPPED_RAM_HDR_VERSION`). */
export const MAPPED_RAM_HEADER_VERSION = 1;
/** Bytes of the header (`MappedRamHeader`). */
export const MAPPED_RAM_HEADER_BYTES = 28;
/** Alignment of `pages_offset` in the file (`MAPPED_RAM_FILE_OFFSET_ALIGNMENT`). */
export const MAPPED_RAM_ALIGNMENT_BYTES = 0x100000;
/** What stands for a number in a header that is too large to be said: a multiple of all page sizes. */
export const MAPPED_RAM_TOO_LARGE: number = 2 ** 53 - 65536;
/** Bytes of the words that a bitmap consists of, on all hosts of today. */
const BITMAP_WORD_BYTES = 8;

/** The header of a block (QEMU's `MappedRamHeader`). */
export interface MappedRamHeader {
  /** 1. */
  readonly version: number;
  /** Target page size in bytes. */
  readonly pageBytes: number;
  /** Absolute file offset of the bitmap; 0 together with `pagesOffset` where the content is elsewhere (x-ignore-shared). */
  readonly bitmapOffset: number;
  /** Absolute file offset of page 0. */
  readonly pagesOffset: number;
}

/** Takes what is wrong where reading can go on all the same. */
export type Complain = (error: FormatError) => void;

/** Throws what is wrong. */
export function raise(error: FormatError): never {
  throw error;
}

/**
 * Decodes a header; {@link checkMappedRamPlacement} tests the offsets.
 *
 * @param reader The cursor, at the header.
 * @param complain Takes what is wrong with the header; a number that is too large is then a lower one.
 */
export function decodeMappedRamHeader(
  reader: ByteReader,
  complain: Complain = raise,
): MappedRamHeader {
  const offset = reader.offset;
  const version = reader.u32("mapped-ram header version");
  if (version !== MAPPED_RAM_HEADER_VERSION) {
    complain(
      reader.error("bad-mapped-ram", "Cannot decode mapped-ram header: unknown version", {
        offset,
        expected: String(MAPPED_RAM_HEADER_VERSION),
        found: String(version),
        rule: "MAP-001",
      }),
    );
  }
  return {
    version,
    pageBytes: decodeU64(reader, "mapped-ram page_size", "MAP-002", complain),
    bitmapOffset: decodeU64(reader, "mapped-ram bitmap_offset", "MAP-003", complain),
    pagesOffset: decodeU64(reader, "mapped-ram pages_offset", "MAP-008", complain),
  };
}

function decodeU64(reader: ByteReader, what: string, rule: string, complain: Complain): number {
  const high = new DataView(reader.peek(8).slice().buffer);
  if (high.byteLength < 8 || high.getUint32(0) <= 0x1fffff) return reader.u64(what);
  const found = hex(high.getBigUint64(0));
  const message = `Cannot decode ${what}: the number is above 2^53 - 1`;
  complain(reader.error("out-of-range", message, { found, rule }));
  reader.skip(8, what);
  return MAPPED_RAM_TOO_LARGE;
}

/** Encodes a header. */
export function encodeMappedRamHeader(writer: ByteWriter, header: MappedRamHeader): void {
  writer.u32(header.version, "mapped-ram header version");
  writer.u64(header.pageBytes, "mapped-ram page_size");
  writer.u64(header.bitmapOffset, "mapped-ram bitmap_offset");
  writer.u64(header.pagesOffset, "mapped-ram pages_offset");
}

/** Whether a block's content is not in the file at all (x-ignore-shared from QEMU 11.0 on). */
export function isElsewhere(header: MappedRamHeader): boolean {
  return header.bitmapOffset === 0 && header.pagesOffset === 0;
}

/** Bytes of the bitmap of a block of `pages` pages. */
export function bitmapBytes(pages: number): number {
  return Math.ceil(pages / (BITMAP_WORD_BYTES * 8)) * BITMAP_WORD_BYTES;
}

/** Where QEMU puts bitmap and pages of a block whose header ends at absolute offset `headerEnd`. */
export function placeMappedRam(
  headerEnd: number,
  usedLengthBytes: number,
  pageBytes: number,
): MappedRamHeader {
  const bitmapEnd = headerEnd + bitmapBytes(usedLengthBytes / pageBytes);
  return {
    version: MAPPED_RAM_HEADER_VERSION,
    pageBytes,
    bitmapOffset: headerEnd,
    pagesOffset: Math.ceil(bitmapEnd / MAPPED_RAM_ALIGNMENT_BYTES) * MAPPED_RAM_ALIGNMENT_BYTES,
  };
}

/**
 * Tests a header that ends where the cursor stands against the block's length: bitmap behind the header, pages behind the bitmap,
 * pages on page borders. A file where that doesn't hold can't be read in one direction, nor cut into ranges without overlap.
 */
export function checkMappedRamPlacement(
  reader: ByteReader,
  header: MappedRamHeader,
  usedLengthBytes: number,
): void {
  const [problem] = mappedRamProblems(reader, header, usedLengthBytes);
  if (problem !== undefined) throw problem;
}

/** All that {@link checkMappedRamPlacement} finds, the first one first. */
export function mappedRamProblems(
  reader: ByteReader,
  header: MappedRamHeader,
  usedLengthBytes: number,
): FormatError[] {
  const problems: FormatError[] = [];
  const headerEnd = reader.offset;
  const { bitmapOffset, pagesOffset, pageBytes } = header;
  if (bitmapOffset < headerEnd) {
    const error = reader.error(
      "bad-mapped-ram",
      "Cannot decode mapped-ram header: bitmap_offset",
      {
        offset: headerEnd - 16,
        expected: `at least ${hex(headerEnd)}, the header's end`,
        found: hex(bitmapOffset),
        rule: isElsewhere(header) ? "MAP-015" : "MAP-004",
      },
    );
    if (isElsewhere(header)) return [error];
    problems.push(error);
  }
  const bitmapEnd = Math.max(bitmapOffset, headerEnd) + bitmapBytes(usedLengthBytes / pageBytes);
  if (pagesOffset < bitmapEnd || pagesOffset % pageBytes !== 0) {
    problems.push(
      reader.error("bad-mapped-ram", "Cannot decode mapped-ram header: pages_offset", {
        offset: headerEnd - 8,
        expected: `a multiple of the page size from ${hex(bitmapEnd)}, the bitmap's end, on`,
        found: hex(pagesOffset),
        rule: pagesOffset % pageBytes === 0 ? "MAP-007" : "MAP-005",
      }),
    );
  }
  if (pagesOffset + usedLengthBytes > Number.MAX_SAFE_INTEGER) {
    problems.push(
      reader.error("out-of-range", "Cannot decode mapped-ram header: pages beyond 2^53", {
        offset: headerEnd - 8,
        found: hex(pagesOffset),
        rule: "MAP-008",
      }),
    );
  }
  return problems;
}

/** Order of the bytes in a bitmap's 64-bit words. */
export type BitmapByteOrder = "little" | "big";

/**
 * The order of the bytes in a bitmap, which the stream doesn't say: little-endian unless bits behind the last page are set in that
 * reading and clear in the other.
 */
export function guessBitmapByteOrder(bitmap: Uint8Array, pages: number): BitmapByteOrder {
  return hasPaddingBits(bitmap, pages, "little") && !hasPaddingBits(bitmap, pages, "big")
    ? "big"
    : "little";
}

function hasPaddingBits(bitmap: Uint8Array, pages: number, order: BitmapByteOrder): boolean {
  for (let page = pages; page < bitmap.length * 8; page++) {
    if (bitmapHas(bitmap, page, order)) return true;
  }
  return false;
}

/** Whether the bit of a page is set. */
export function bitmapHas(
  bitmap: Uint8Array,
  page: number,
  order: BitmapByteOrder = "little",
): boolean {
  const byte = page >>> 3;
  const at = order === "little" ? byte : byte ^ (BITMAP_WORD_BYTES - 1);
  return (bitmap[at]! >> (page & 7) & 1) === 1;
}

/** The first page from `page` on whose bit differs from that of `page`; `pages` if there is none. */
export function bitmapRunEnd(
  bitmap: Uint8Array,
  page: number,
  pages: number,
  order: BitmapByteOrder = "little",
): number {
  const present = bitmapHas(bitmap, page, order);
  const uniform = present ? 0xff : 0;
  let end = page + 1;
  while (end < pages) {
    if ((end & 7) === 0) {
      const byte = end >>> 3;
      if (bitmap[order === "little" ? byte : byte ^ (BITMAP_WORD_BYTES - 1)] === uniform) {
        end += 8;
        continue;
      }
    }
    if (bitmapHas(bitmap, end, order) !== present) return end;
    end += 1;
  }
  return pages;
}

/** Sets or clears the bit of a page. */
export function setBitmapBit(
  bitmap: Uint8Array,
  page: number,
  present: boolean,
  order: BitmapByteOrder = "little",
): void {
  const byte = page >>> 3;
  const at = order === "little" ? byte : byte ^ (BITMAP_WORD_BYTES - 1);
  const mask = 1 << (page & 7);
  bitmap[at] = present ? bitmap[at]! | mask : bitmap[at]! & ~mask;
}

/** Number of bits set for the first `pages` pages. */
export function countBitmapBits(
  bitmap: Uint8Array,
  pages: number,
  order: BitmapByteOrder = "little",
): number {
  const wholeWords = Math.floor(pages / 64);
  let count = 0;
  for (let at = 0; at < wholeWords * BITMAP_WORD_BYTES; at++) count += POPULATION[bitmap[at]!]!;
  for (let page = wholeWords * 64; page < pages; page++) {
    if (bitmapHas(bitmap, page, order)) count += 1;
  }
  return count;
}

const POPULATION = Uint8Array.from({ length: 256 }, (_, byte) => {
  let count = 0;
  for (let rest = byte; rest !== 0; rest &= rest - 1) count += 1;
  return count;
});
