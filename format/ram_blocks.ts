/**
 * The RAM block list behind a MEM_SIZE word.
 *
 * ```text
 * word: total | 0x04, total = sum of all used lengths; then, until the lengths sum up to it:
 *   counted string  name
 *   be64            used_length
 *   be64            page size of the memory behind the block: with postcopy, where it isn't the usual one
 *   be64            guest-physical address: with x-ignore-shared
 *   28 bytes        mapped-ram header, after which the position jumps over bitmap and pages: with mapped-ram
 * ```
 *
 * @module
 */

import { DEFAULT_LIMITS, type Limits } from "./limits.ts";
import {
  bitmapBytes,
  checkMappedRamPlacement,
  type Complain,
  decodeMappedRamHeader,
  encodeMappedRamHeader,
  isElsewhere,
  type MappedRamHeader,
  raise,
} from "./mapped_ram.ts";
import type { FormatError } from "./error.ts";
import { repairMappedRam } from "./mapped_ram_repair.ts";
import { ruleOfEntry } from "./ram_diagnosis.ts";
import { isPageBytes, PAGE_BYTES_RANGE, type RamBlock } from "./ram.ts";
import type { ByteReader } from "./reader.ts";
import { hex, hexBytes, quoteText } from "./text.ts";
import type { ByteWriter } from "./writer.ts";

/** What the stream has said so far that decides which fields an entry has. */
export interface BlockListForm {
  /** The capability x-ignore-shared: entries carry a guest-physical address. */
  readonly ignoreShared: boolean;
  /** The capability mapped-ram: entries carry a mapped-ram header. */
  readonly mappedRam: boolean;
  /** From POSTCOPY_ADVISE: the page sizes of all blocks, combined by or. Entries may carry a page size. */
  readonly pageSizeSummary?: number;
  /** Target page size in bytes, where it is known already. */
  readonly pageBytes?: number;
}

/** Called while the blocks of a mapped-ram list are passed. */
export interface MappedRamVisitor {
  /**
   * Called with what is wrong where reading can go on all the same, as QEMU does or as the bytes around allow. Without this method, it is
   * thrown.
   */
  problem?(error: FormatError): void;
  /** Called with the word before a block list: the sum of the lengths, and the flags. */
  beginBlockList?(totalBytes: number, flags: number): void;
  /** Called with each entry of a block list, mapped-ram or not. */
  blockEntry?(block: RamBlock): void;
  /**
   * Called where a hole, a bitmap or a block's pages begin. The callee may read them up to their end; what it leaves is skipped. A
   * visitor with this method sees all of them here, and none in `bitmap` and `pages`.
   */
  area?(reader: ByteReader, area: MappedRamArea): void;
  /** Called with a block's bitmap; the bytes are the callee's to keep. */
  bitmap?(block: RamBlock, bitmap: Uint8Array): void;
  /** Called where a block's pages begin. The callee may read them up to the block's end; what it leaves is skipped. */
  pages?(block: RamBlock, reader: ByteReader): void;
}

/**
 * Decodes the entries of a block list whose lengths sum up to `totalBytes`, and puts them into `blocks` by name as they come, so that a
 * damaged entry does not take those before it along.
 */
export function decodeBlockList(
  reader: ByteReader,
  totalBytes: number,
  form: BlockListForm,
  blocks: Map<string, RamBlock>,
  visitor: MappedRamVisitor = {},
  limits: Limits = DEFAULT_LIMITS,
): void {
  let remaining = totalBytes;
  let pageBytes = form.pageBytes;
  const complain = visitor.problem?.bind(visitor);
  while (remaining > 0) {
    if (blocks.size === limits.ramBlocks) {
      throw reader.error("limit-exceeded", "Cannot decode block list: too many RAM blocks", {
        expected: `at most ${limits.ramBlocks}`,
      });
    }
    const entryForm = { ...form, pageBytes, blocks, complain };
    const block = decodeEntry(reader, blocks.size, remaining, entryForm);
    pageBytes ??= block.mapped?.pageBytes;
    if (blocks.has(block.name)) (complain ?? raise)(repeatedBlock(reader, block));
    else blocks.set(block.name, block);
    remaining -= block.usedLengthBytes;
    visitor.blockEntry?.(block);
    if (block.mapped !== undefined) skipAreas(reader, block, block.mapped, visitor, limits);
  }
}

function repeatedBlock(reader: ByteReader, { entryOffset, name, mapped }: RamBlock): FormatError {
  return reader.error("bad-ram-block", "Cannot decode block list: a block stands twice", {
    offset: entryOffset,
    found: quoteText(name),
    rule: mapped === undefined ? "RAM-004" : "MAP-021",
  });
}

interface EntryForm extends Omit<BlockListForm, "pageBytes"> {
  readonly pageBytes: number | undefined;
  readonly blocks: ReadonlyMap<string, RamBlock>;
  readonly complain: Complain | undefined;
}

function decodeEntry(
  reader: ByteReader,
  index: number,
  remaining: number,
  form: EntryForm,
): RamBlock {
  const entryOffset = reader.offset;
  const name = reader.countedString("RAM block name");
  const usedLengthBytes = decodeUsedLength(reader, entryOffset, name, remaining, form);
  const hostPageBytes = decodeHostPage(reader, form.pageSizeSummary);
  const guestAddress = form.ignoreShared ? decodeGuestAddress(reader) : undefined;
  const left = remaining - usedLengthBytes;
  const mapped = form.mappedRam
    ? decodeMapped(reader, name, { usedLengthBytes, left }, form)
    : undefined;
  return {
    name,
    index,
    usedLengthBytes,
    entryOffset,
    entryBytes: reader.offset - entryOffset,
    ...(hostPageBytes === undefined ? {} : { hostPageBytes }),
    ...(guestAddress === undefined ? {} : { guestAddress }),
    ...(mapped === undefined ? {} : { mapped }),
  };
}

function decodeUsedLength(
  reader: ByteReader,
  entryOffset: number,
  name: string,
  remaining: number,
  form: EntryForm,
): number {
  const offset = reader.offset;
  const length = reader.u64("RAM block used_length");
  const unit = form.pageBytes ?? PAGE_BYTES_RANGE.min;
  if (name === "" || length === 0 || length % unit !== 0 || length > remaining) {
    throw reader.error("bad-ram-block", `Cannot decode block list: entry ${quoteText(name)}`, {
      offset,
      expected: `a name, and a used length of 1..${hex(remaining)} that is a multiple of ${unit}`,
      found: hex(length),
      rule: ruleOfEntry(reader, { offset: entryOffset, name, length }, remaining, form),
    });
  }
  return length;
}

/**
 * The optional page size says nothing of its own presence. It is there for blocks on huge pages only; its value is
 * then one of the sizes that POSTCOPY_ADVISE announced. What else may stand here (the length of a name, a RAM word)
 * never has such a value.
 */
function decodeHostPage(reader: ByteReader, summary: number | undefined): number | undefined {
  if (summary === undefined || reader.fill(8) < 8) return undefined;
  const high = reader.view.getUint32(reader.head);
  const low = reader.view.getUint32(reader.head + 4);
  const value = high * 0x100000000 + low;
  const isPowerOfTwo = value > 0 && Number.isInteger(Math.log2(value));
  const announced = Math.floor(summary / value) % 2 === 1;
  if (!isPowerOfTwo || value < PAGE_BYTES_RANGE.min || !announced) return undefined;
  reader.head += 8;
  return value;
}

/** The high half of what would be an address shows whether it is one. */
function decodeGuestAddress(reader: ByteReader): number {
  const [first = 0] = reader.peek(8);
  if (first === 0) return reader.u64("RAM block guest address");
  throw reader.error("bad-ram-block", "Cannot decode block list: no guest address", {
    expected: "an address, because the capability x-ignore-shared is announced",
    found: hexBytes(reader.peek(8)),
    rule: "RAM-009",
  });
}

function decodeMapped(
  reader: ByteReader,
  name: string,
  sizes: { readonly usedLengthBytes: number; readonly left: number },
  form: EntryForm,
): MappedRamHeader {
  const offset = reader.offset;
  const { complain = raise } = form;
  const { usedLengthBytes } = sizes;
  const header = decodeMappedRamHeader(reader, complain);
  const { pageBytes } = header;
  const fits = isPageBytes(pageBytes) && usedLengthBytes % pageBytes === 0;
  const isRight = fits && (form.pageBytes === undefined || form.pageBytes === pageBytes);
  if (!isRight) {
    const known = form.pageBytes ?? (fits ? pageBytes : undefined);
    const error = reader.error(
      "bad-page-size",
      `Cannot decode mapped-ram header of ${quoteText(name)}`,
      {
        offset: offset + 4,
        expected: form.pageBytes === undefined ? "a target page size" : String(form.pageBytes),
        found: String(pageBytes),
        rule: "MAP-002",
      },
    );
    if (known === undefined) throw error;
    complain(error);
  }
  if (form.ignoreShared && isElsewhere(header)) return header;
  const placed = isRight ? header : { ...header, pageBytes: form.pageBytes ?? pageBytes };
  if (form.complain !== undefined) {
    return repairMappedRam(reader, placed, sizes, form.blocks, form.complain);
  }
  checkMappedRamPlacement(reader, placed, usedLengthBytes);
  return placed;
}

function skipAreas(
  reader: ByteReader,
  block: RamBlock,
  header: MappedRamHeader,
  visitor: MappedRamVisitor,
  limits: Limits,
): void {
  if (isElsewhere(header)) return;
  if (visitor.area !== undefined) {
    for (const each of mappedRamAreas(block)) {
      visitor.area(reader, each);
      const rest = each.offset + each.lengthBytes - reader.offset;
      reader.skip(rest, `${each.kind} of ${quoteText(block.name)}`);
    }
    return;
  }
  const bytes = bitmapBytes(block.usedLengthBytes / header.pageBytes);
  checkBitmapIsThere(reader, block, header.bitmapOffset + bytes);
  reader.skip(header.bitmapOffset - reader.offset, "hole before the bitmap");
  if (visitor.bitmap !== undefined && bytes > limits.bitmapBytes) {
    throw reader.error(
      "limit-exceeded",
      `Cannot read bitmap of ${quoteText(block.name)}: too long`,
      {
        expected: `at most ${limits.bitmapBytes} bytes`,
        found: String(bytes),
      },
    );
  }
  if (visitor.bitmap === undefined) reader.skip(bytes, "bitmap");
  else visitor.bitmap(block, reader.bytes(bytes, `bitmap of ${quoteText(block.name)}`));
  if (visitor.pages !== undefined) {
    reader.skip(header.pagesOffset - reader.offset, "hole before the pages");
    visitor.pages(block, reader);
  }
  const pagesEnd = header.pagesOffset + block.usedLengthBytes;
  reader.skip(pagesEnd - reader.offset, `pages of ${quoteText(block.name)}`);
}

function checkBitmapIsThere(reader: ByteReader, block: RamBlock, bitmapEnd: number): void {
  const { remaining } = reader;
  const needed = bitmapEnd - reader.offset;
  if (remaining === undefined || needed <= remaining) return;
  throw reader.truncated(needed, remaining, `bitmap of ${quoteText(block.name)}`, "MAP-003");
}

/** Encodes one entry of a block list; which optional fields it has is said by the block itself. */
export function encodeBlockEntry(writer: ByteWriter, block: RamBlock): void {
  writer.countedString(block.name, "RAM block name");
  writer.u64(block.usedLengthBytes, "RAM block used_length");
  if (block.hostPageBytes !== undefined) writer.u64(block.hostPageBytes, "RAM block page size");
  if (block.guestAddress !== undefined) writer.u64(block.guestAddress, "RAM block guest address");
  if (block.mapped !== undefined) encodeMappedRamHeader(writer, block.mapped);
}

/** A range of a mapped-ram section that is not part of its sequential payload. */
export interface MappedRamArea {
  /** What stands there. */
  readonly kind: "bitmap" | "hole" | "pages";
  /** The block it belongs to. */
  readonly block: RamBlock;
  /** Absolute offset. */
  readonly offset: number;
  /** Bytes; never 0. */
  readonly lengthBytes: number;
}

/** The areas behind a block's entry, in file order and without gaps. */
export function mappedRamAreas(block: RamBlock): MappedRamArea[] {
  const header = block.mapped;
  if (header === undefined || isElsewhere(header)) return [];
  const entryEnd = block.entryOffset + block.entryBytes;
  const bitmapEnd = header.bitmapOffset + bitmapBytes(block.usedLengthBytes / header.pageBytes);
  const pagesEnd = header.pagesOffset + block.usedLengthBytes;
  const areas: MappedRamArea[] = [
    area("hole", block, entryEnd, header.bitmapOffset),
    area("bitmap", block, header.bitmapOffset, bitmapEnd),
    area("hole", block, bitmapEnd, header.pagesOffset),
    area("pages", block, header.pagesOffset, pagesEnd),
  ];
  return areas.filter((each) => each.lengthBytes > 0);
}

function area(
  kind: MappedRamArea["kind"],
  block: RamBlock,
  offset: number,
  end: number,
): MappedRamArea {
  return { kind, block, offset, lengthBytes: end - offset };
}
