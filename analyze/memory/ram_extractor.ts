/**
 * Writes the RAM blocks of a stream to files while the stream is read, so that a pipe is enough.
 *
 * A block's file always holds the block's content so far: later records overwrite, differences are applied to what is there. Pages
 * of zeros stay holes.
 *
 * @module
 */

import type { Inflate } from "../../container/inflate.ts";
import {
  type BitmapByteOrder,
  bitmapHas,
  bitmapRunEnd,
  guessBitmapByteOrder,
} from "../../format/mapped_ram.ts";
import type { StreamVisitor } from "../../format/payload.ts";
import type { RamBlock } from "../../format/ram.ts";
import type { RamRun } from "../../format/ram_scanner.ts";
import type { ByteReader } from "../../format/reader.ts";
import { decodeXbzrle } from "../../format/xbzrle.ts";
import { BlockWriter, type RandomAccessFile, STAGING_BYTES } from "./block_writer.ts";
import { inflatePage } from "./guest_memory.ts";

/**
 * Gives the file of a block when its first page comes, already as long as the block, or `undefined` for a block that is not wanted.
 */
export type FileOfBlock = (block: RamBlock) => RandomAccessFile | undefined;

/** Writes RAM blocks to files, as the visitor of a stream's reader. */
export class RamExtractor implements StreamVisitor {
  readonly #fileOf: FileOfBlock;
  readonly #inflate: Inflate;
  readonly #writers = new Map<RamBlock, BlockWriter | undefined>();
  readonly #bitmaps = new Map<RamBlock, Uint8Array>();
  readonly #staging = new Uint8Array(STAGING_BYTES);
  #bytesWritten = 0;

  /** Writes to the files that `fileOf` gives. */
  constructor(fileOf: FileOfBlock, inflate: Inflate) {
    this.#fileOf = fileOf;
    this.#inflate = inflate;
  }

  /** Bytes of pages that were taken so far, also those that came again. */
  get bytesTaken(): number {
    return this.#bytesWritten;
  }

  #writerOf(block: RamBlock, pageBytes: number): BlockWriter | undefined {
    if (!this.#writers.has(block)) {
      const file = this.#fileOf(block);
      this.#writers.set(block, file === undefined ? undefined : new BlockWriter(file, pageBytes));
    }
    return this.#writers.get(block);
  }

  /** Takes a run of records. */
  run(run: RamRun, pageBytes: number): void {
    if (run.block === undefined) return;
    const writer = this.#writerOf(run.block, pageBytes);
    this.#bytesWritten += run.count * pageBytes;
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
  bitmap(block: RamBlock, bitmap: Uint8Array): void {
    this.#bitmaps.set(block, bitmap);
  }

  /** Copies the pages of a mapped-ram block whose bit is set. */
  pages(block: RamBlock, reader: ByteReader): void {
    const bitmap = this.#bitmaps.get(block);
    const { pageBytes } = block.mapped!;
    const writer = this.#writerOf(block, pageBytes);
    if (bitmap === undefined) return;
    this.#bitmaps.delete(block);
    if (writer === undefined) return;
    const pages = block.usedLengthBytes / pageBytes;
    const order = guessBitmapByteOrder(bitmap, pages);
    for (const [first, end] of presentRuns(bitmap, pages, order)) {
      this.#copy(block, reader, writer, first, end);
    }
  }

  #copy(
    block: RamBlock,
    reader: ByteReader,
    writer: BlockWriter,
    first: number,
    end: number,
  ): void {
    const { pageBytes, pagesOffset } = block.mapped!;
    const atOnce = this.#staging.length / pageBytes;
    reader.seek(pagesOffset + first * pageBytes);
    for (let page = first; page < end; page += atOnce) {
      const bytes = this.#staging.subarray(0, Math.min(atOnce, end - page) * pageBytes);
      reader.readInto(bytes, "pages");
      writer.write(page, bytes);
      this.#bytesWritten += bytes.length;
    }
  }

  /** Drops pages that were sent before. */
  discard(block: RamBlock, startAddress: number, lengthBytes: number, pageBytes: number): void {
    const first = Math.ceil(startAddress / pageBytes);
    const end = Math.floor((startAddress + lengthBytes) / pageBytes);
    this.#writerOf(block, pageBytes)?.drop(first, end);
  }
}

/** The runs of pages whose bit is set, as first page and page behind the last. */
function* presentRuns(
  bitmap: Uint8Array,
  pages: number,
  order: BitmapByteOrder,
): Generator<[first: number, end: number], void, undefined> {
  for (let page = 0; page < pages;) {
    const end = bitmapRunEnd(bitmap, page, pages, order);
    if (bitmapHas(bitmap, page, order)) yield [page, end];
    page = end;
  }
}

function content(run: RamRun): Uint8Array {
  return run.buffer.subarray(run.dataStart, run.dataStart + run.dataBytes);
}
