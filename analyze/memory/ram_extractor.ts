/**
 * Writes the RAM blocks of a stream to files while the stream is read, so that a pipe is enough.
 *
 * A block's file always holds the block's content so far: later records overwrite, differences are applied to what is there. Pages
 * of zeros stay holes.
 *
 * @module
 */

import type { Inflate } from "../../container/inflate.ts";
import { bitmapHas, bitmapRunEnd, guessBitmapByteOrder } from "../../format/mapped_ram.ts";
import type { RamBlock } from "../../format/ram.ts";
import type { RamRun } from "../../format/ram_scanner.ts";
import { ByteReader } from "../../format/reader.ts";
import type { ByteSource } from "../../format/source.ts";
import { decodeXbzrle } from "../../format/xbzrle.ts";
import { BlockWriter, type RandomAccessFile, STAGING_BYTES } from "./block_writer.ts";
import { inflatePage } from "./guest_memory.ts";
import { PageTracker } from "./page_tracker.ts";

/** Where the parts of a block go. Each is asked for once, when it is needed first; files are as long as the block already. */
export interface BlockFiles {
  /** The file of a block's memory; `undefined` for a block that is not wanted. */
  memoryOf(block: RamBlock, pageBytes: number): RandomAccessFile | undefined;
  /**
   * The file for what stands in a mapped-ram file at places of pages that are not part of the memory, each at the page's address. Without
   * this, nobody looks there.
   */
  slackOf?(block: RamBlock): RandomAccessFile | undefined;
}

/** How RAM blocks are extracted. */
export interface RamExtractorOptions {
  /**
   * The input, if it can be read at any position: mapped-ram pages are then copied by {@link RamExtractor.copyMapped} after the stream
   * was read, in steps, and not while it is read.
   */
  readonly source?: ByteSource;
}

/** Bytes copied between two steps. */
const STEP_BYTES = 16 << 20;

/** The mapped-ram pages of a block. */
interface MappedPages {
  readonly block: RamBlock;
  readonly bitmap: Uint8Array;
  readonly memory: BlockWriter;
}

/** Writes RAM blocks to files, as the visitor of a stream's reader; knows the last kind of each page, too. */
export class RamExtractor extends PageTracker {
  readonly #files: BlockFiles;
  readonly #inflate: Inflate;
  readonly #source: ByteSource | undefined;
  readonly #writers = new Map<RamBlock, BlockWriter | undefined>();
  readonly #bitmaps = new Map<RamBlock, Uint8Array>();
  readonly #deferred: MappedPages[] = [];
  readonly #staging = new Uint8Array(STAGING_BYTES);
  /** Bytes of the pages that were taken, also of those that came again. */
  bytesTaken = 0;
  /** Pages with slack by block. */
  readonly slackPages: Map<RamBlock, number> = new Map();
  /** Multifd synchronisation marks: with them, pages are in other channels. */
  multifdFlushes = 0;

  /** Writes to the files that `files` gives. */
  constructor(files: BlockFiles, inflate: Inflate, options: RamExtractorOptions = {}) {
    super();
    this.#files = files;
    this.#inflate = inflate;
    this.#source = options.source?.seekable === true ? options.source : undefined;
  }

  #writerOf(block: RamBlock, pageBytes: number): BlockWriter | undefined {
    if (!this.#writers.has(block)) {
      const file = this.#files.memoryOf(block, pageBytes);
      this.#writers.set(block, file === undefined ? undefined : new BlockWriter(file, pageBytes));
    }
    return this.#writers.get(block);
  }

  /** Copies a bit for each page of a block where something but zeros may stand, as in a mapped-ram bitmap. */
  copyWritten(block: RamBlock, bitmap: Uint8Array): void {
    this.#writers.get(block)?.copyWritten(bitmap);
  }

  /** Takes a run of records. */
  override run(run: RamRun, pageBytes: number): void {
    if (run.kind === "flush") this.multifdFlushes += 1;
    if (run.block === undefined) return;
    super.run(run, pageBytes);
    this.bytesTaken += run.count * pageBytes;
    const writer = this.#writerOf(run.block, pageBytes);
    if (writer === undefined) return;
    const first = run.address / pageBytes;
    switch (run.kind) {
      case "zero":
        return writer.fill(first, run.count, run.fill);
      case "page":
        return this.#pages(run, writer, pageBytes);
      case "xbzrle": {
        const page = new Uint8Array(pageBytes);
        writer.read(first, page);
        decodeXbzrle(content(run), page, run.dataOffset);
        return writer.write(first, page);
      }
      case "compressed": {
        const page = inflatePage(this.#inflate, content(run), pageBytes, run.dataOffset);
        // A library's bytes may begin anywhere in their buffer.
        return writer.write(first, page.slice());
      }
    }
  }

  #pages(run: RamRun, writer: BlockWriter, pageBytes: number): void {
    const first = run.address / pageBytes;
    const atOnce = this.#staging.length / pageBytes;
    // Pages stand a record's word apart in the stream and side by side in the file.
    for (let done = 0; done < run.count; done += atOnce) {
      const count = Math.min(atOnce, run.count - done);
      for (let index = 0; index < count; index++) {
        const start = run.dataStart + (done + index) * run.strideBytes;
        this.#staging.set(run.buffer.subarray(start, start + pageBytes), index * pageBytes);
      }
      writer.write(first + done, this.#staging.subarray(0, count * pageBytes));
    }
  }

  /** Takes a mapped-ram bitmap. */
  override bitmap(block: RamBlock, bitmap: Uint8Array): void {
    super.bitmap(block, bitmap);
    this.#bitmaps.set(block, bitmap);
  }

  /** Copies the pages of a mapped-ram block, or notes that they have to be copied. */
  pages(block: RamBlock, reader: ByteReader): void {
    const bitmap = this.#bitmaps.get(block);
    this.#bitmaps.delete(block);
    const memory = this.#writerOf(block, block.mapped!.pageBytes);
    if (bitmap === undefined || memory === undefined) return;
    const mapped = { block, bitmap, memory };
    if (this.#source !== undefined) this.#deferred.push(mapped);
    else for (const _ of this.#copy(mapped, reader));
  }

  /** Copies the mapped-ram pages that were left for later; a step is over after some MiB. */
  *copyMapped(): Generator<void, void, undefined> {
    if (this.#source === undefined) return;
    const reader = new ByteReader(this.#source);
    for (const mapped of this.#deferred.splice(0)) yield* this.#copy(mapped, reader);
  }

  /** The bytes that {@link copyMapped} has to copy. */
  get deferredBytes(): number {
    return this.#deferred.reduce((sum, { block }) => {
      const { pageBytes } = block.mapped!;
      return sum + this.table(block, pageBytes).counts.normal * pageBytes;
    }, 0);
  }

  *#copy(
    { block, bitmap, memory }: MappedPages,
    reader: ByteReader,
  ): Generator<void, void, undefined> {
    const { pageBytes, pagesOffset } = block.mapped!;
    const pages = block.usedLengthBytes / pageBytes;
    const order = guessBitmapByteOrder(bitmap, pages);
    const atOnce = this.#staging.length / pageBytes;
    const slack = this.#slackWriter(block, pageBytes);
    let sinceStep = 0;
    for (let first = 0, end = 0; first < pages; first = end) {
      end = bitmapRunEnd(bitmap, first, pages, order);
      const isMemory = bitmapHas(bitmap, first, order);
      const writer = isMemory ? memory : slack;
      if (writer === undefined) continue;
      reader.seek(pagesOffset + first * pageBytes);
      for (let page = first; page < end; page += atOnce) {
        const bytes = this.#staging.subarray(0, Math.min(atOnce, end - page) * pageBytes);
        reader.readInto(bytes, "pages");
        writer.write(page, bytes);
        if (isMemory) this.bytesTaken += bytes.length;
        sinceStep += bytes.length;
        if (sinceStep < STEP_BYTES) continue;
        sinceStep = 0;
        yield;
      }
    }
  }

  /** Writes slack; the file is made when there is some. */
  #slackWriter(block: RamBlock, pageBytes: number): BlockWriter | undefined {
    const { slackOf } = this.#files;
    if (slackOf === undefined) return undefined;
    let file: RandomAccessFile | undefined;
    const open = () => file ??= slackOf.call(this.#files, block);
    const count = (bytes: number) =>
      this.slackPages.set(block, (this.slackPages.get(block) ?? 0) + bytes / pageBytes);
    return new BlockWriter({
      writeAt: (position, bytes) => {
        count(bytes.length);
        open()?.writeAt(position, bytes);
      },
      readAt: (position, into) => open()?.readAt(position, into),
    }, pageBytes);
  }

  /** Drops pages that were sent before. */
  override discard(
    block: RamBlock,
    startAddress: number,
    lengthBytes: number,
    pageBytes: number,
  ): void {
    super.discard(block, startAddress, lengthBytes, pageBytes);
    const first = Math.ceil(startAddress / pageBytes);
    const end = Math.floor((startAddress + lengthBytes) / pageBytes);
    this.#writerOf(block, pageBytes)?.drop(first, end);
  }
}

function content(run: RamRun): Uint8Array {
  return run.buffer.subarray(run.dataStart, run.dataStart + run.dataBytes);
}
