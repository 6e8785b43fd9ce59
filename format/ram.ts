/**
 * The words of a RAM section: an address and flags, and what they say about the bytes behind them.
 *
 * ```text
 * record = be64 word [counted string block name] [body]
 * word   = address | flags        address: multiple of the target page size P, flags: below P
 * ```
 *
 * | flag | name          | body                                     |
 * |------|---------------|------------------------------------------|
 * | 0x02 | ZERO          | u8 fill byte                             |
 * | 0x04 | MEM_SIZE      | block list; the address is its total     |
 * | 0x08 | PAGE          | P bytes                                  |
 * | 0x10 | EOS           | ends the payload                         |
 * | 0x20 | CONTINUE      | modifier: no name, the last block again  |
 * | 0x40 | XBZRLE        | u8 1, be16 length, delta                 |
 * | 0x80 | HOOK          | RDMA only, no bytes                      |
 * | 0x100| COMPRESS_PAGE | be32 length, zlib stream (QEMU 2.4-9.0)  |
 * | 0x200| MULTIFD_FLUSH | none                                     |
 *
 * @module
 */

import type { MappedRamHeader } from "./mapped_ram.ts";
import type { ByteWriter } from "./writer.ts";

/** Flags in a RAM word (`RAM_SAVE_FLAG_*`). */
export const RAM_SAVE_FLAG = {
  /** Obsolete since 2009. */
  FULL: 0x01,
  ZERO: 0x02,
  MEM_SIZE: 0x04,
  PAGE: 0x08,
  EOS: 0x10,
  CONTINUE: 0x20,
  XBZRLE: 0x40,
  HOOK: 0x80,
  COMPRESS_PAGE: 0x100,
  MULTIFD_FLUSH: 0x200,
} as const;

/** The only version of a `ram` section that QEMU takes. */
export const RAM_SECTION_VERSION = 4;

/** Name of the RAM section's entry. */
export const RAM_SECTION_IDSTR = "ram";

/** Smallest and largest target page size in bytes: QEMU's targets have 8 bits (AVR, up to QEMU 10) to 16 bits. */
export const PAGE_BYTES_RANGE = { min: 256, max: 65536 } as const;

/** Whether a target page can have this size in bytes: a power of two in {@link PAGE_BYTES_RANGE}. */
export function isPageBytes(value: number): boolean {
  return value >= PAGE_BYTES_RANGE.min && value <= PAGE_BYTES_RANGE.max &&
    Number.isInteger(Math.log2(value));
}

/** The lowest number above all flags. With smaller pages, the upper flags can't be said and their bits belong to the address. */
export const RAM_FLAGS_END = 0x400;

/** An encoding flag before an XBZRLE delta (`ENCODING_FLAG_XBZRLE`). */
export const XBZRLE_ENCODING_FLAG = 1;

/** Which kind of record a word begins. */
export type RamRecordKind =
  | "zero"
  | "page"
  | "xbzrle"
  | "compressed"
  | "block-list"
  | "flush"
  | "hook"
  | "eos";

/** The kind of each legal flag value, CONTINUE taken away. */
export const RAM_RECORD_KINDS: ReadonlyMap<number, RamRecordKind> = new Map([
  [RAM_SAVE_FLAG.ZERO, "zero"],
  [RAM_SAVE_FLAG.PAGE, "page"],
  [RAM_SAVE_FLAG.XBZRLE, "xbzrle"],
  [RAM_SAVE_FLAG.COMPRESS_PAGE, "compressed"],
  [RAM_SAVE_FLAG.MEM_SIZE, "block-list"],
  [RAM_SAVE_FLAG.MULTIFD_FLUSH, "flush"],
  [RAM_SAVE_FLAG.HOOK, "hook"],
  [RAM_SAVE_FLAG.EOS, "eos"],
]);

/** A RAM block (QEMU's RAMBlock) as the block list announces it. */
export interface RamBlock {
  /** Name (idstr). */
  readonly name: string;
  /** Position in the block list. */
  readonly index: number;
  /** Bytes of memory that the stream may carry for it. */
  readonly usedLengthBytes: number;
  /** Absolute offset of the block's entry in the list. */
  readonly entryOffset: number;
  /** Bytes of the entry: name, length and the optional fields, the mapped-ram header included. */
  readonly entryBytes: number;
  /** Page size of the memory behind the block in bytes; only with postcopy, where it isn't the usual one. */
  readonly hostPageBytes?: number;
  /** Guest-physical address of the block's region, with x-ignore-shared. */
  readonly guestAddress?: number;
  /** Where bitmap and pages stand, with mapped-ram. */
  readonly mapped?: MappedRamHeader;
}

/** Encodes the word and name of a record that concerns a page, or a word alone. `name` is left out with CONTINUE. */
export function encodeRamWord(
  writer: ByteWriter,
  address: number,
  flags: number,
  name?: string,
): void {
  writer.u64(address + flags, "RAM word");
  if (name !== undefined) writer.countedString(name, "RAM block name");
}

/** What the records about pages have in common, for writing. */
export interface RamPageTarget {
  /** Name of the block, or `undefined` to write CONTINUE. */
  readonly block: string | undefined;
  /** Byte offset of the page in its block; a multiple of the target page size. */
  readonly address: number;
}

function encodePageWord(writer: ByteWriter, target: RamPageTarget, flag: number): void {
  const flags = target.block === undefined ? flag | RAM_SAVE_FLAG.CONTINUE : flag;
  encodeRamWord(writer, target.address, flags, target.block);
}

/** Encodes a ZERO record: a page filled with one byte, which QEMU accepts only if it is 0. */
export function encodeZeroPage(writer: ByteWriter, target: RamPageTarget, fill = 0): void {
  encodePageWord(writer, target, RAM_SAVE_FLAG.ZERO);
  writer.u8(fill, "fill byte");
}

/** Encodes a PAGE record; `page` has the target page size. */
export function encodePage(writer: ByteWriter, target: RamPageTarget, page: Uint8Array): void {
  encodePageWord(writer, target, RAM_SAVE_FLAG.PAGE);
  writer.bytes(page);
}

/** Encodes an XBZRLE record; `delta` comes from `encodeXbzrle`. */
export function encodeXbzrlePage(
  writer: ByteWriter,
  target: RamPageTarget,
  delta: Uint8Array,
): void {
  encodePageWord(writer, target, RAM_SAVE_FLAG.XBZRLE);
  writer.u8(XBZRLE_ENCODING_FLAG, "XBZRLE encoding flag");
  writer.u16(delta.length, "XBZRLE length");
  writer.bytes(delta);
}

/** Encodes a COMPRESS_PAGE record; `deflated` is a whole zlib stream of one page. */
export function encodeCompressedPage(
  writer: ByteWriter,
  target: RamPageTarget,
  deflated: Uint8Array,
): void {
  encodePageWord(writer, target, RAM_SAVE_FLAG.COMPRESS_PAGE);
  writer.u32(deflated.length, "compressed length");
  writer.bytes(deflated);
}

/** Encodes the word that ends a RAM payload. */
export function encodeRamEos(writer: ByteWriter): void {
  encodeRamWord(writer, 0, RAM_SAVE_FLAG.EOS);
}

/** Encodes the mark of a multifd synchronisation point. */
export function encodeMultifdFlush(writer: ByteWriter): void {
  encodeRamWord(writer, 0, RAM_SAVE_FLAG.MULTIFD_FLUSH);
}

/** Longest zlib stream that one page of `pageBytes` may become (zlib's compressBound). */
export function compressedPageMaxBytes(pageBytes: number): number {
  return pageBytes + (pageBytes >> 12) + (pageBytes >> 14) + (pageBytes >> 25) + 13;
}
