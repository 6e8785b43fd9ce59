/**
 * A byte of a RAM section: which word, name or page of a record, or with mapped-ram which page of a block, it belongs to.
 *
 * @module
 */

import { bitmapHas, guessBitmapByteOrder, type MappedRamHeader } from "../../format/mapped_ram.ts";
import { RAM_SAVE_FLAG, type RamBlock, type RamRecordKind } from "../../format/ram.ts";
import { mappedRamAreas } from "../../format/ram_blocks.ts";
import { type RamRun, recordOffset } from "../../format/ram_scanner.ts";
import { ByteReader } from "../../format/reader.ts";
import type { ByteSource } from "../../format/source.ts";
import { encodeText, escapeText, hex, quoteText } from "../../format/text.ts";
import { walkXbzrle } from "../../format/xbzrle.ts";
import { countedStringRanges, type FieldRange, integerText, type Trail } from "./trail.ts";

/** One record of a run, copied out of it. */
export interface RamRecord {
  /** Kind. */
  readonly kind: RamRecordKind;
  /** Flags of its word. */
  readonly flags: number;
  /** Absolute offset of its word. */
  readonly offset: number;
  /** Bytes, the word included. */
  readonly lengthBytes: number;
  /** The block, for records about pages. */
  readonly block: RamBlock | undefined;
  /** Byte offset of the page in its block; the address bits of the word for other kinds. */
  readonly address: number;
  /** Fill byte of a zero page. */
  readonly fill: number;
  /** Bytes of content: page, delta or zlib stream; they are the record's last ones. */
  readonly dataBytes: number;
  /** Target page size in bytes; 0 while it is unknown. */
  readonly pageBytes: number;
}

/** The record of a run that has the byte at `target`, which has to be in the run. */
export function recordAt(run: RamRun, target: number, pageBytes: number): RamRecord {
  const second = run.count > 1 ? recordOffset(run, 1) : Infinity;
  const index = target < second ? 0 : 1 + Math.floor((target - second) / run.strideBytes);
  const offset = recordOffset(run, index);
  const end = index + 1 < run.count ? recordOffset(run, index + 1) : run.offset + run.lengthBytes;
  return {
    kind: run.kind,
    flags: index === 0 ? run.flags : run.flags | RAM_SAVE_FLAG.CONTINUE,
    offset,
    lengthBytes: end - offset,
    block: run.block,
    address: run.address + index * pageBytes,
    fill: run.fill,
    dataBytes: run.dataBytes,
    pageBytes,
  };
}

/** The flags of a RAM word by their names. */
export function flagNames(flags: number): string {
  const names = Object.entries(RAM_SAVE_FLAG).filter(([, flag]) => (flags & flag) !== 0);
  return names.length === 0 ? "none" : names.map(([name]) => name).join("|");
}

/** Goes down to the field of a record that the target lies in, and says more about it than its value. */
export function explainRecord(trail: Trail, source: ByteSource, record: RamRecord): string {
  const { kind, block, address, offset, lengthBytes, dataBytes } = record;
  const where = block === undefined ? "" : ` ${escapeText(block.name)} ${hex(address)}`;
  trail.enter(`${kind} record${where}`, offset, lengthBytes, "");
  trail.enterOneOf(offset, recordRanges(record));
  const dataOffset = offset + lengthBytes - dataBytes;
  if (dataBytes === 0 || trail.target < dataOffset) return wordMeaning(trail, record);
  if (kind === "page") {
    return pageMeaning(record.block, address, record.pageBytes, trail.target - dataOffset);
  }
  return kind === "xbzrle" ? deltaMeaning(trail, source, record, dataOffset) : "";
}

function recordRanges(record: RamRecord): FieldRange[] {
  const { kind, flags, block, address } = record;
  const value = `address ${hex(address)}, flags ${hex(flags)} ${flagNames(flags)}`;
  const ranges: FieldRange[] = [["word", 8, value]];
  if (block !== undefined && (flags & RAM_SAVE_FLAG.CONTINUE) === 0) {
    ranges.push(...countedStringRanges("block name", block.name, encodeText(block.name).length));
  }
  if (kind === "zero") ranges.push(["fill byte", 1, integerText(record.fill)]);
  if (kind === "xbzrle") {
    ranges.push(["encoding flag", 1, "1"], ["delta length", 2, integerText(record.dataBytes)]);
  }
  if (kind === "compressed") ranges.push(["compressed length", 4, integerText(record.dataBytes)]);
  const content = kind === "xbzrle" ? "delta" : kind === "compressed" ? "zlib stream" : "page";
  if (record.dataBytes > 0) ranges.push([content, record.dataBytes, ""]);
  return ranges;
}

/** Address and flags share a word: which of them the byte has. */
function wordMeaning(trail: Trail, record: RamRecord): string {
  const index = trail.target - record.offset;
  if (index >= 8 || record.pageBytes === 0) return "";
  const flagBits = Math.log2(record.pageBytes);
  const low = 8 * (7 - index);
  if (low >= flagBits) return "bits of the address";
  return low + 8 <= flagBits ? "bits of the flags" : "bits of the address and of the flags";
}

function pageMeaning(
  block: RamBlock | undefined,
  address: number,
  pageBytes: number,
  index: number,
): string {
  const name = escapeText(block?.name ?? "");
  const page = Math.floor(address / pageBytes);
  return `page ${page} of ${name}, address ${hex(address + index)}`;
}

/** New bytes have an address, the lengths of runs have not. */
function deltaMeaning(
  trail: Trail,
  source: ByteSource,
  record: RamRecord,
  dataOffset: number,
): string {
  const delta = new ByteReader(source, { offset: dataOffset }).bytes(record.dataBytes, "delta");
  let meaning = "length of a run";
  walkXbzrle(delta, record.pageBytes, dataOffset, (position, start, end) => {
    if (!trail.isIn(dataOffset + start, end - start)) return;
    trail.enter("new bytes", dataOffset + start, end - start, "");
    const index = position + trail.target - dataOffset - start;
    meaning = pageMeaning(record.block, record.address, record.pageBytes, index);
  });
  return meaning;
}

/** A block list, or its beginning where the rest is damaged. */
export interface RamBlockList {
  /** Absolute offset of the word. */
  readonly offset: number;
  /** Bytes that the word announces, if the list was read to its end. */
  readonly totalBytes: number | undefined;
  /** Absolute offset behind the list, the areas of its blocks included. */
  readonly end: number;
  /** The blocks. */
  readonly blocks: readonly RamBlock[];
}

/** As {@link explainRecord} for a block list. */
export function explainBlockList(trail: Trail, source: ByteSource, list: RamBlockList): string {
  const { offset, end, totalBytes, blocks } = list;
  const total = totalBytes === undefined
    ? ""
    : `${hex(totalBytes)} bytes in ${blocks.length} blocks`;
  trail.enter("block list", offset, end - offset, total);
  const { MEM_SIZE } = RAM_SAVE_FLAG;
  const word = totalBytes === undefined ? "" : `total ${hex(totalBytes)}, flags 0x4 MEM_SIZE`;
  if (trail.enterOneOf(offset, [["word", 8, word]])) {
    return trail.target === offset + 7 ? `the flags: ${flagNames(MEM_SIZE)}` : "bits of the total";
  }
  for (const block of blocks) {
    const { entryOffset, entryBytes } = block;
    const name = `entry ${quoteText(block.name)}`;
    if (trail.isIn(entryOffset, entryBytes)) {
      trail.enter(name, entryOffset, entryBytes, `block ${block.index} of the list`);
      trail.enterOneOf(entryOffset, entryRanges(block));
      return "";
    }
    for (const area of mappedRamAreas(block)) {
      if (!trail.isIn(area.offset, area.lengthBytes)) continue;
      trail.enter(`${area.kind} of ${quoteText(block.name)}`, area.offset, area.lengthBytes, "");
      if (area.kind === "bitmap") return explainBitmap(trail, source, block, block.mapped!);
      if (area.kind === "pages") return explainMappedPage(trail, source, block, block.mapped!);
      return "nothing refers to these bytes";
    }
  }
  return "";
}

function entryRanges(block: RamBlock): FieldRange[] {
  const ranges: FieldRange[] = [
    ...countedStringRanges("block name", block.name, encodeText(block.name).length),
    ["used_length", 8, integerText(block.usedLengthBytes)],
  ];
  const { hostPageBytes, guestAddress, mapped } = block;
  if (hostPageBytes !== undefined) ranges.push(["page size", 8, integerText(hostPageBytes)]);
  if (guestAddress !== undefined) ranges.push(["guest address", 8, integerText(guestAddress)]);
  if (mapped === undefined) return ranges;
  return [
    ...ranges,
    ["mapped-ram header version", 4, integerText(mapped.version)],
    ["mapped-ram page_size", 8, integerText(mapped.pageBytes)],
    ["mapped-ram bitmap_offset", 8, integerText(mapped.bitmapOffset)],
    ["mapped-ram pages_offset", 8, integerText(mapped.pagesOffset)],
  ];
}

/** Eight bytes of a bitmap, and how they are to be read. */
function bitmapWord(source: ByteSource, block: RamBlock, mapped: MappedRamHeader, byte: number) {
  const pages = block.usedLengthBytes / mapped.pageBytes;
  const wordAt = (word: number): Uint8Array =>
    new ByteReader(source, { offset: mapped.bitmapOffset + 8 * word, blockBytes: 8 })
      .bytes(8, "bitmap");
  // Only the last word has padding bits, and only they tell the order.
  const last = Math.floor((pages - 1) / 64);
  const order = guessBitmapByteOrder(wordAt(last), pages - 64 * last);
  return { word: wordAt(Math.floor(byte / 8)), order, pages };
}

function explainBitmap(
  trail: Trail,
  source: ByteSource,
  block: RamBlock,
  mapped: MappedRamHeader,
): string {
  const byte = trail.target - mapped.bitmapOffset;
  const { word, order, pages } = bitmapWord(source, block, mapped, byte);
  const value = hex(word[byte % 8]!, 2);
  trail.enter(`byte ${byte}`, trail.target, 1, value);
  const first = 8 * (order === "little" ? byte : byte ^ 7);
  if (first >= pages) return "padding behind the last page";
  const last = Math.min(first + 7, pages - 1);
  const here: number[] = [];
  for (let page = first; page <= last; page++) {
    if (bitmapHas(word, page % 64, order)) here.push(page);
  }
  const which = here.length === 0
    ? "none is in the file, all are zero"
    : here.length === last - first + 1
    ? "all are in the file"
    : `in the file: ${here.join(", ")}; the others are zero`;
  return `pages ${first} to ${last} of ${escapeText(block.name)}: ${which}`;
}

function explainMappedPage(
  trail: Trail,
  source: ByteSource,
  block: RamBlock,
  mapped: MappedRamHeader,
): string {
  const { pagesOffset, pageBytes } = mapped;
  const page = Math.floor((trail.target - pagesOffset) / pageBytes);
  const address = page * pageBytes;
  const { word, order } = bitmapWord(source, block, mapped, 8 * Math.floor(page / 64));
  const isHere = bitmapHas(word, page % 64, order);
  trail.enter(`page ${page}`, pagesOffset + address, pageBytes, `address ${hex(address)}`);
  const meaning = pageMeaning(block, address, pageBytes, trail.target - pagesOffset - address);
  return isHere
    ? `${meaning}; its bit in the bitmap is set`
    : `${meaning}; its bit in the bitmap is clear: the page is zero, whatever stands here`;
}
