/**
 * Writes the RAM blocks of a stream to files while the stream is read, so that a pipe is enough.
 *
 * A block's file always holds the block's content so far: later records overwrite, differences are applied to what is there. Pages
 * that were always zero stay holes.
 *
 * @module
 */

import type { Inflate } from "../../container/inflate.ts";
import type { OutputFolder, PendingFile } from "../../container/output_folder.ts";
import { type BitmapByteOrder, bitmapHas, guessBitmapByteOrder } from "../../format/mapped_ram.ts";
import type { StreamVisitor } from "../../format/payload.ts";
import type { RamBlock } from "../../format/ram.ts";
import type { RamRun } from "../../format/ram_scanner.ts";
import type { ByteReader } from "../../format/reader.ts";
import { decodeXbzrle } from "../../format/xbzrle.ts";
import { inflatePage } from "./guest_memory.ts";
import { PageSet } from "./page_set.ts";

interface BlockFile extends PendingFile {
  /** Pages where something but zeros may stand. */
  readonly written: PageSet;
}

/** Bytes written at once. */
const WRITE_BYTES = 1 << 20;

/** Writes RAM blocks to files. */
export class RamExtractor implements StreamVisitor {
  readonly #folder: OutputFolder;
  readonly #inflate: Inflate;
  readonly #onBlock: (block: RamBlock) => void;
  readonly #files = new Map<RamBlock, BlockFile>();
  readonly #bitmaps = new Map<RamBlock, Uint8Array>();
  #staging = new Uint8Array(WRITE_BYTES);

  /** Writes into `folder`; `onBlock` is called with each block when its first page comes. */
  constructor(folder: OutputFolder, inflate: Inflate, onBlock: (block: RamBlock) => void) {
    this.#folder = folder;
    this.#inflate = inflate;
    this.#onBlock = onBlock;
  }

  #fileOf(block: RamBlock): BlockFile {
    let file = this.#files.get(block);
    if (file === undefined) {
      this.#onBlock(block);
      const pending = this.#folder.create(block.name);
      pending.file.truncateSync(block.usedLengthBytes);
      file = { ...pending, written: new PageSet() };
      this.#files.set(block, file);
    }
    return file;
  }

  /** Takes a run of records. */
  run(run: RamRun, pageBytes: number): void {
    if (run.block === undefined) return;
    const file = this.#fileOf(run.block);
    const first = run.address / pageBytes;
    switch (run.kind) {
      case "zero":
        for (let page = first; page < first + run.count; page++) {
          if (run.fill === 0 && !file.written.has(page)) continue;
          write(file, page * pageBytes, new Uint8Array(pageBytes).fill(run.fill));
          if (run.fill === 0) file.written.delete(page);
          else file.written.add(page);
        }
        return;
      case "page":
        this.#pages(run, file, pageBytes);
        break;
      case "xbzrle": {
        const page = readPage(file, run.address, pageBytes);
        decodeXbzrle(content(run), page, run.dataOffset);
        write(file, run.address, page);
        break;
      }
      case "compressed":
        write(
          file,
          run.address,
          inflatePage(this.#inflate, content(run), pageBytes, run.dataOffset),
        );
    }
    for (let page = first; page < first + run.count; page++) file.written.add(page);
  }

  #pages(run: RamRun, file: BlockFile, pageBytes: number): void {
    // Pages stand a record's word apart in the stream and side by side in the file.
    const bytes = run.count * pageBytes;
    if (bytes > this.#staging.length) this.#staging = new Uint8Array(bytes);
    for (let index = 0; index < run.count; index++) {
      const start = run.dataStart + index * run.strideBytes;
      this.#staging.set(run.buffer.subarray(start, start + pageBytes), index * pageBytes);
    }
    write(file, run.address, this.#staging.subarray(0, bytes));
  }

  /** Takes a mapped-ram bitmap. */
  bitmap(block: RamBlock, bitmap: Uint8Array): void {
    this.#bitmaps.set(block, bitmap);
  }

  /** Copies the pages of a mapped-ram block whose bit is set. */
  pages(block: RamBlock, reader: ByteReader): void {
    const bitmap = this.#bitmaps.get(block);
    const { pageBytes, pagesOffset } = block.mapped!;
    const file = this.#fileOf(block);
    if (bitmap === undefined) return;
    this.#bitmaps.delete(block);
    const pages = block.usedLengthBytes / pageBytes;
    const order = guessBitmapByteOrder(bitmap, pages);
    for (let page = 0; page < pages; page++) {
      const count = presentRun(bitmap, page, pages, order);
      if (count === 0) continue;
      reader.skip(pagesOffset + page * pageBytes - reader.offset, "absent pages");
      copy(reader, file, page * pageBytes, count * pageBytes);
      page += count;
    }
  }

  /** Drops pages that were sent before. */
  discard(block: RamBlock, startAddress: number, lengthBytes: number, pageBytes: number): void {
    const file = this.#fileOf(block);
    const zero = new Uint8Array(pageBytes);
    const first = Math.ceil(startAddress / pageBytes);
    const end = Math.floor((startAddress + lengthBytes) / pageBytes);
    for (const page of file.written.between(first, end)) {
      write(file, page * pageBytes, zero);
      file.written.delete(page);
    }
  }
}

/** Number of consecutive pages from `first` on whose bit is set. */
function presentRun(
  bitmap: Uint8Array,
  first: number,
  pages: number,
  order: BitmapByteOrder,
): number {
  let page = first;
  while (page < pages && bitmapHas(bitmap, page, order)) page += 1;
  return page - first;
}

function content(run: RamRun): Uint8Array {
  return run.buffer.subarray(run.dataStart, run.dataStart + run.dataBytes);
}

function copy(reader: ByteReader, file: BlockFile, position: number, bytes: number): void {
  for (let done = 0; done < bytes;) {
    const part = reader.bytes(Math.min(WRITE_BYTES, bytes - done), "pages");
    write(file, position + done, part);
    done += part.length;
  }
}

function write(file: BlockFile, position: number, bytes: Uint8Array): void {
  file.file.seekSync(position, Deno.SeekMode.Start);
  for (let done = 0; done < bytes.length;) done += file.file.writeSync(bytes.subarray(done));
}

function readPage(file: BlockFile, position: number, pageBytes: number): Uint8Array {
  const page = new Uint8Array(pageBytes);
  file.file.seekSync(position, Deno.SeekMode.Start);
  for (let done = 0; done < pageBytes;) {
    const got = file.file.readSync(page.subarray(done));
    if (got === null) break;
    done += got;
  }
  return page;
}
