/**
 * Writes an image as a mapped-ram file: every page at its place, zero pages as holes.
 *
 * ```text
 * head      header, configuration with the capability, what stands before the RAM, START ram, MEM_SIZE word
 * block 0   entry, bitmap, hole, pages
 * block 1   ...
 * tail      EOS of the block list, PART and END ram without records, everything else
 * ```
 *
 * Pages begin at whole MiB of the file, so that it can be read with direct I/O and by several multifd channels at once; it is the same
 * file that QEMU writes with either of them.
 *
 * @module
 */

import { encodeConfiguration, withCapability } from "../../format/configuration.ts";
import { FormatError } from "../../format/error.ts";
import { encodeFileHeader, STREAM_VERSION } from "../../format/header.ts";
import {
  bitmapBytes,
  MAPPED_RAM_HEADER_BYTES,
  MAPPED_RAM_HEADER_VERSION,
  type MappedRamHeader,
  placeMappedRam,
} from "../../format/mapped_ram.ts";
import { encodeRamEos, encodeRamWord, RAM_SAVE_FLAG, type RamBlock } from "../../format/ram.ts";
import { encodeBlockEntry } from "../../format/ram_blocks.ts";
import { encodeFooter, encodeSectionHeader } from "../../format/section.ts";
import { encodeText } from "../../format/text.ts";
import { ByteWriter } from "../../format/writer.ts";
import { BlockWriter, type RandomAccessFile } from "../memory/block_writer.ts";
import { PAGE_KIND } from "../memory/page_table.ts";
import { type GuestImage, type ImagePart, partPieces, type RamPart } from "./image.ts";
import { pageChunks } from "./pages.ts";

/** The parts of an image that decide where a mapped-ram file's pages stand. */
export interface MappedHead {
  /** What the configuration says; a mapped-ram file has one. */
  readonly configuration: GuestImage["configuration"];
  /** Everything up to the START of the RAM, that included. */
  readonly parts: readonly ImagePart[];
  /** The RAM blocks. */
  readonly blocks: readonly RamBlock[];
  /** Target page size in bytes. */
  readonly pageBytes: number;
  /** Blocks whose content is in a file of their own (x-ignore-shared). */
  readonly elsewhere: ReadonlySet<RamBlock>;
}

/** A place for a block. */
interface PlacedBlock {
  readonly block: RamBlock;
  readonly entryOffset: number;
  readonly mapped: MappedRamHeader;
}

/** A mapped-ram file that is being written. */
export class MappedRamFile {
  readonly #file: RandomAccessFile;
  readonly #pageBytes: number;
  readonly #elsewhere: ReadonlySet<RamBlock>;
  readonly #places = new Map<RamBlock, PlacedBlock>();
  readonly #entriesOffset: number;
  #endOffset: number;

  /**
   * Decides where everything stands in `file`, whose first byte of the stream is at `baseOffset`. Of the head's blocks the length of the
   * list does not matter: more of them can be placed later.
   *
   * @throws {FormatError} `not-encodable` for a block that mapped-ram can't hold
   */
  constructor(file: RandomAccessFile, head: MappedHead, baseOffset = 0) {
    this.#file = file;
    this.#pageBytes = head.pageBytes;
    this.#elsewhere = head.elsewhere;
    this.#entriesOffset = baseOffset + headBytes(head).length;
    this.#endOffset = this.#entriesOffset;
    for (const block of head.blocks) this.place(block);
  }

  /** Places a block behind those that have their places, unless it is one of them. */
  place(block: RamBlock): void {
    if (this.#places.has(block)) return;
    const placed = placeBlock(block, this.#endOffset, this.#pageBytes, this.#elsewhere.has(block));
    this.#places.set(block, placed);
    this.#endOffset = endOf(placed);
  }

  /** The pages of a block as a file of their own, whose holes are holes in the whole one. */
  pagesOf(block: RamBlock): RandomAccessFile | undefined {
    const { mapped } = this.#places.get(block)!;
    if (mapped.pagesOffset === 0) return undefined;
    const file = this.#file;
    return {
      writeAt: (position, bytes) => file.writeAt(mapped.pagesOffset + position, bytes),
      readAt: (position, into) => file.readAt(mapped.pagesOffset + position, into),
    };
  }

  /** Writes what stands before the pages: `head` as it is now, with the same length as before, and the blocks' entries. */
  writeHead(head: MappedHead): void {
    const bytes = headBytes(head);
    const baseOffset = this.#entriesOffset - bytes.length;
    this.#file.writeAt(baseOffset, bytes);
    for (const { block, entryOffset, mapped } of this.#places.values()) {
      const writer = new ByteWriter(entryOffset);
      encodeBlockEntry(writer, entryOf(block, mapped));
      this.#file.writeAt(entryOffset, writer.written);
    }
  }

  /** Writes the bitmap of a block. */
  writeBitmap(block: RamBlock, bitmap: Uint8Array): void {
    const { mapped } = this.#places.get(block)!;
    if (mapped.bitmapOffset > 0) this.#file.writeAt(mapped.bitmapOffset, bitmap);
  }

  /** Writes what stands behind the pages, and returns the file's length in bytes. */
  writeTail(parts: readonly ImagePart[], hasFooters: boolean): number {
    let offset = this.#endOffset;
    const write = (bytes: Uint8Array) => {
      this.#file.writeAt(offset, bytes);
      offset += bytes.length;
    };
    const writer = new ByteWriter();
    const endSection = ({ section }: RamPart) => {
      encodeRamEos(writer);
      if (hasFooters) encodeFooter(writer, section.id);
      write(writer.written);
      writer.clear();
    };
    const start = startIndex(parts);
    for (const [index, part] of parts.entries()) {
      if (index < start) continue;
      if (part.kind === "bytes") { for (const { bytes } of partPieces(part)) write(bytes); }
      else {
        if (part.type !== "start") encodeSectionHeader(writer, part.type, part.section);
        endSection(part);
      }
    }
    return offset;
  }
}

function startIndex(parts: readonly ImagePart[]): number {
  return parts.findIndex((part) => part.kind === "ram" && part.type === "start");
}

/** Everything before the first block's entry. */
function headBytes({ configuration, parts, blocks }: MappedHead): Uint8Array {
  if (configuration === undefined) {
    throw notEncodable("the stream has no configuration that could announce it", "a machine type");
  }
  const writer = new ByteWriter();
  encodeFileHeader(writer, { version: STREAM_VERSION });
  encodeConfiguration(writer, withCapability(configuration, "mapped-ram", true));
  const start = startIndex(parts);
  for (const part of parts.slice(0, start)) {
    if (part.kind === "bytes") { for (const { bytes } of partPieces(part)) writer.bytes(bytes); }
  }
  const part = parts[start];
  if (part?.kind !== "ram") throw notEncodable("the stream has no RAM section", "a block list");
  encodeSectionHeader(writer, "start", part.section);
  const totalBytes = blocks.reduce((sum, block) => sum + block.usedLengthBytes, 0);
  encodeRamWord(writer, totalBytes, RAM_SAVE_FLAG.MEM_SIZE);
  return writer.finish();
}

function placeBlock(
  block: RamBlock,
  entryOffset: number,
  pageBytes: number,
  isElsewhere: boolean,
): PlacedBlock {
  const { name, usedLengthBytes, guestAddress } = block;
  if (pageBytes === 0 || usedLengthBytes % pageBytes !== 0) {
    throw notEncodable(`block ${name} is no multiple of the page size`, `pages of ${pageBytes}`);
  }
  if (isElsewhere) {
    const mapped = {
      version: MAPPED_RAM_HEADER_VERSION,
      pageBytes,
      bitmapOffset: 0,
      pagesOffset: 0,
    };
    return { block, entryOffset, mapped };
  }
  const addressBytes = guestAddress === undefined ? 0 : 8;
  const headerEnd = entryOffset + 1 + encodeText(name).length + 8 + addressBytes +
    MAPPED_RAM_HEADER_BYTES;
  return { block, entryOffset, mapped: placeMappedRam(headerEnd, usedLengthBytes, pageBytes) };
}

function endOf({ block, entryOffset, mapped }: PlacedBlock): number {
  if (mapped.pagesOffset > 0) return mapped.pagesOffset + block.usedLengthBytes;
  const writer = new ByteWriter(entryOffset);
  encodeBlockEntry(writer, entryOf(block, mapped));
  return writer.offset;
}

function entryOf(block: RamBlock, mapped: MappedRamHeader): RamBlock {
  const { hostPageBytes: _hostPageBytes, ...others } = block;
  return { ...others, mapped };
}

function notEncodable(problem: string, expected: string): FormatError {
  return new FormatError("not-encodable", `Cannot write mapped-ram: ${problem}`, {
    offset: 0,
    expected,
  });
}

/** Pages that are read at once. */
const CHUNK_PAGES = 256;

/**
 * Writes an image as a mapped-ram file whose stream begins at `baseOffset`, in steps of about a MiB; each gives the number of bytes of
 * memory so far. The result is the file's length in bytes.
 *
 * @throws {FormatError} `not-encodable` for an image that mapped-ram can't hold
 */
export function* mappedRamSteps(
  image: GuestImage,
  file: RandomAccessFile,
  baseOffset = 0,
): Generator<number, number, undefined> {
  const { configuration, parts, memory, hasFooters } = image;
  const { blocks, pageBytes } = memory;
  const elsewhere = sharedBlocks(image);
  const head = { configuration, parts, blocks, pageBytes, elsewhere };
  const mapped = new MappedRamFile(file, head, baseOffset);
  mapped.writeHead(head);
  const writers = new Map<RamBlock, BlockWriter>();
  for (const block of blocks) {
    const pages = mapped.pagesOf(block);
    if (pages !== undefined) writers.set(block, new BlockWriter(pages, pageBytes));
  }
  let doneBytes = 0;
  for (const { block, first, content } of pageChunks(memory, CHUNK_PAGES)) {
    if (content === undefined) continue;
    writers.get(block)?.write(first, content);
    doneBytes += content.length;
    yield doneBytes;
  }
  for (const [block, writer] of writers) {
    const bitmap = new Uint8Array(bitmapBytes(block.usedLengthBytes / pageBytes));
    writer.copyWritten(bitmap);
    mapped.writeBitmap(block, bitmap);
  }
  return mapped.writeTail(parts, hasFooters);
}

/** The blocks whose content is in files of their own: with x-ignore-shared those without a place, or without a page in a classic stream. */
function sharedBlocks({ memory }: GuestImage): Set<RamBlock> {
  const isElsewhere = (block: RamBlock) =>
    block.mapped === undefined
      ? [...memory.runs(block)].every(({ kind }) => kind === PAGE_KIND.ABSENT)
      : block.mapped.pagesOffset === 0;
  return new Set(
    memory.blocks.filter((block) => block.guestAddress !== undefined && isElsewhere(block)),
  );
}
