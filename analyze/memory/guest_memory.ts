/**
 * The memory of a guest as a stream leaves it: for each page its last content, read from the stream when it is asked for.
 *
 * @module
 */

import type { Inflate } from "../../container/inflate.ts";
import { FormatError } from "../../format/error.ts";
import type { StreamVisitor } from "../../format/payload.ts";
import { PAGE_BYTES_RANGE, type RamBlock } from "../../format/ram.ts";
import { NOT_IN_INPUT, type RamRun } from "../../format/ram_scanner.ts";
import type { ByteSource } from "../../format/source.ts";
import { decodeXbzrle } from "../../format/xbzrle.ts";
import { ContentReader } from "./content_reader.ts";
import type { MemoryView, PageRun } from "./memory_view.ts";
import { PageStore } from "./page_store.ts";
import { BlockPages, PAGE_KIND, type PageCounts, type PageKind } from "./page_table.ts";
import type { PhysicalMap } from "./physical_map.ts";

/** Inflates one page; anything but exactly one page is an error. */
export function inflatePage(
  inflate: Inflate,
  deflated: Uint8Array,
  pageBytes: number,
  offset: number,
): Uint8Array {
  let page: Uint8Array;
  try {
    page = inflate(deflated, pageBytes);
  } catch (cause) {
    throw new FormatError("bad-compressed-page", "Cannot inflate compressed page", {
      offset,
      expected: `a zlib stream of ${pageBytes} bytes`,
      cause,
    });
  }
  if (page.length === pageBytes) return page;
  throw new FormatError("bad-compressed-page", "Cannot inflate compressed page: wrong length", {
    offset,
    expected: `${pageBytes} bytes`,
    found: `${page.length} bytes`,
  });
}

/** What a {@link GuestMemory} shows. */
export interface GuestMemoryOptions {
  /**
   * Whether pages of a mapped-ram file whose bit is clear show what stands at their place in the file (kind SLACK) instead of zeros:
   * what the guest had there earlier during a live save.
   */
  readonly slack?: boolean;
}

/**
 * Collects where each page's last content stands while a stream is read (as the reader's visitor), and reads it afterwards.
 *
 * Costs 9 bytes a page of a classic stream, a bit a page of a mapped-ram file. Pages made by XBZRLE are in a store that is bounded in
 * memory and goes on in a temporary file.
 *
 * @example
 * ```ts
 * import { openInput, readGuestMemory } from "@migstream/migstream";
 *
 * using input = await openInput("testdata/pc.mig");
 * using guest = readGuestMemory(input);
 * for (const block of guest.memory.blocks) {
 *   for (const { first, count, kind } of guest.memory.runs(block)) {
 *     console.log(block.name, first, count, kind);
 *   }
 * }
 * ```
 */
export class GuestMemory implements MemoryView, StreamVisitor, Disposable {
  readonly #contents: ContentReader;
  readonly #inflate: Inflate;
  readonly #slack: boolean;
  readonly #tables = new Map<RamBlock, BlockPages>();
  #blocks: readonly RamBlock[] = [];
  #pageBytes = 0;
  /** Multifd synchronisation marks: with them, pages are in other channels. */
  multifdFlushes = 0;
  #changed: PageStore | undefined;
  #map: PhysicalMap | undefined;

  /** Reads contents from `source`, which has to be able to give any byte again. */
  constructor(source: ByteSource, inflate: Inflate, options: GuestMemoryOptions = {}) {
    this.#contents = new ContentReader(source);
    this.#inflate = inflate;
    this.#slack = options.slack ?? false;
  }

  /** Target page size in bytes; 0 before a page was seen. */
  get pageBytes(): number {
    return this.#pageBytes;
  }

  /** The blocks in list order. */
  get blocks(): readonly RamBlock[] {
    return this.#blocks;
  }

  /** Takes the block list. */
  blockList(blocks: readonly RamBlock[]): void {
    this.#blocks = blocks;
  }

  #table(block: RamBlock, pageBytes: number): BlockPages {
    let table = this.#tables.get(block);
    if (table === undefined) {
      table = new BlockPages(block, pageBytes, true, this.#slack);
      this.#tables.set(block, table);
      this.#pageBytes = pageBytes;
    }
    return table;
  }

  /** Takes a run of records. */
  run(run: RamRun, pageBytes: number): void {
    if (run.kind === "flush") this.multifdFlushes += 1;
    if (run.block === undefined) return;
    const first = run.address / pageBytes;
    const table = this.#table(run.block, pageBytes);
    if (run.kind === "zero") {
      const kind = run.fill === 0 ? PAGE_KIND.ZERO : PAGE_KIND.FILLED;
      table.set(first, run.count, kind, run.fill);
    } else if (run.kind === "page" && run.dataOffset === NOT_IN_INPUT) {
      this.#storePages(run, table, first, pageBytes);
    } else if (run.kind === "page") {
      table.set(first, run.count, PAGE_KIND.NORMAL, run.dataOffset, run.strideBytes);
    } else if (run.kind === "compressed") {
      table.set(first, 1, PAGE_KIND.COMPRESSED, run.dataOffset);
    } else if (run.kind === "xbzrle") this.#delta(run, table, first, pageBytes);
  }

  /** Keeps pages that can't be read again. */
  #storePages(run: RamRun, table: BlockPages, first: number, pageBytes: number): void {
    for (let index = 0; index < run.count; index++) {
      const start = run.dataStart + index * run.strideBytes;
      const page = run.buffer.subarray(start, start + pageBytes);
      this.#keep(table, first + index, PAGE_KIND.STORED, page, run.offset);
    }
  }

  /** Puts a page into the store, in the place of what is there of it already. */
  #keep(
    table: BlockPages,
    page: number,
    kind: PageKind,
    content: Uint8Array,
    offset: number,
  ): void {
    this.#changed ??= new PageStore(content.length);
    const before = table.kindAt(page);
    if (before === PAGE_KIND.DELTA || before === PAGE_KIND.STORED) {
      const slot = table.locationAt(page);
      this.#changed.replace(slot, content, offset);
      table.set(page, 1, kind, slot);
    } else table.set(page, 1, kind, this.#changed.add(content, offset));
  }

  #delta(run: RamRun, table: BlockPages, first: number, pageBytes: number): void {
    const page = new Uint8Array(pageBytes);
    this.#readPage(table, first, page);
    const delta = run.buffer.subarray(run.dataStart, run.dataStart + run.dataBytes);
    decodeXbzrle(delta, page, run.dataOffset);
    this.#keep(table, first, PAGE_KIND.DELTA, page, run.offset);
  }

  /** Takes a mapped-ram bitmap: only pages whose bit is set are in the file. */
  bitmap(block: RamBlock, bitmap: Uint8Array): void {
    this.#table(block, block.mapped!.pageBytes).setBitmap(bitmap);
  }

  /** Drops pages that were sent before. */
  discard(block: RamBlock, startAddress: number, lengthBytes: number, pageBytes: number): void {
    const first = Math.ceil(startAddress / pageBytes);
    const end = Math.floor((startAddress + lengthBytes) / pageBytes);
    if (end > first) this.#table(block, pageBytes).drop(first, end - first);
  }

  /** What a page was last. */
  kindAt(block: RamBlock, page: number): PageKind {
    return this.#tables.get(block)?.kindAt(page) ?? PAGE_KIND.ABSENT;
  }

  /** The byte that fills a page of kind FILLED; 0 for others. */
  fillAt(block: RamBlock, page: number): number {
    const table = this.#tables.get(block);
    return table?.kindAt(page) === PAGE_KIND.FILLED ? table.locationAt(page) : 0;
  }

  /** Absolute offset at which a page's content stands as it is; `undefined` if there is no such place. */
  offsetOf(block: RamBlock, page: number): number | undefined {
    const table = this.#tables.get(block);
    return table?.kindAt(page) === PAGE_KIND.NORMAL ? table.locationAt(page) : undefined;
  }

  /** Number of pages of each block by kind. */
  get counts(): readonly PageCounts[] {
    const pageBytes = this.#pageBytes || PAGE_BYTES_RANGE.min;
    return this.#blocks.map((block) =>
      (this.#tables.get(block) ?? new BlockPages(block, pageBytes, false)).counts
    );
  }

  /** Runs of pages of one kind that cover the block without gap, in order. */
  runs(block: RamBlock): Iterable<PageRun> {
    const table = this.#tables.get(block);
    if (table !== undefined) return table.runs();
    // A block of which no page was sent.
    const count = this.#pageBytes === 0 ? 0 : block.usedLengthBytes / this.#pageBytes;
    return count === 0 ? [] : [{ first: 0, count, kind: PAGE_KIND.ABSENT }];
  }

  /**
   * Reads `into.length` bytes of a block from byte `address` on. Pages that were never sent read as zeros.
   *
   * @throws {RangeError} if that leaves the block
   */
  read(block: RamBlock, address: number, into: Uint8Array): void {
    if (address < 0 || address + into.length > block.usedLengthBytes) {
      throw new RangeError(
        `${into.length} byte(s) from address ${address} on leave block ${block.name}`,
      );
    }
    const table = this.#tables.get(block);
    if (table === undefined) into.fill(0);
    else this.#read(table, address, into);
  }

  #read(table: BlockPages, address: number, into: Uint8Array): void {
    const pageBytes = this.#pageBytes;
    let page: Uint8Array | undefined;
    for (let done = 0; done < into.length;) {
      const number = Math.floor((address + done) / pageBytes);
      const skip = (address + done) % pageBytes;
      const left = into.length - done;
      const whole = skip === 0 ? Math.floor(left / pageBytes) : 0;
      if (whole > 0) {
        done += this.#readPages(table, number, into.subarray(done, done + whole * pageBytes));
        continue;
      }
      page ??= new Uint8Array(pageBytes);
      this.#readPage(table, number, page);
      const part = page.subarray(skip, skip + Math.min(left, pageBytes - skip));
      into.set(part, done);
      done += part.length;
    }
  }

  /** Reads whole pages that are of one kind, at least one, and returns the number of bytes. */
  #readPages(table: BlockPages, first: number, into: Uint8Array): number {
    const pageBytes = this.#pageBytes;
    const kind = table.kindAt(first);
    const most = into.length / pageBytes;
    let count = 1;
    while (count < most && table.kindAt(first + count) === kind) count += 1;
    const part = into.subarray(0, count * pageBytes);
    switch (kind) {
      case PAGE_KIND.ABSENT:
      case PAGE_KIND.ZERO:
        part.fill(0);
        break;
      case PAGE_KIND.NORMAL:
      case PAGE_KIND.SLACK:
        this.#contents.pages(part, pageBytes, (index) => table.locationAt(first + index));
        break;
      default:
        for (let at = 0; at < count; at++) {
          const page = part.subarray(at * pageBytes, (at + 1) * pageBytes);
          this.#readPage(table, first + at, page);
        }
    }
    return part.length;
  }

  #readPage(table: BlockPages, page: number, into: Uint8Array): void {
    const location = table.locationAt(page);
    switch (table.kindAt(page)) {
      case PAGE_KIND.ABSENT:
      case PAGE_KIND.ZERO:
        into.fill(0);
        return;
      case PAGE_KIND.FILLED:
        into.fill(location);
        return;
      case PAGE_KIND.NORMAL:
      case PAGE_KIND.SLACK:
        return this.#contents.pages(into, into.length, () => location);
      case PAGE_KIND.COMPRESSED: {
        const deflated = this.#contents.compressed(location);
        return into.set(inflatePage(this.#inflate, deflated, into.length, location));
      }
      case PAGE_KIND.DELTA:
      case PAGE_KIND.STORED:
        this.#changed!.read(location, into);
    }
  }

  /** Says where the blocks stand in the guest's physical address space. */
  usePhysicalMap(map: PhysicalMap): void {
    this.#map = map;
  }

  /** The physical map, if {@link usePhysicalMap} gave one. */
  get physicalMap(): PhysicalMap | undefined {
    return this.#map;
  }

  /**
   * Reads guest-physical memory from `guestAddress` on and returns how many bytes came: fewer than asked for where nothing stands
   * behind the next address, 0 where that is so for the first one.
   *
   * @throws {Error} without a physical map
   */
  readPhysical(guestAddress: number, into: Uint8Array): number {
    if (this.#map === undefined) throw new Error("no physical map was given");
    let done = 0;
    while (done < into.length) {
      const range = this.#map.find(guestAddress + done);
      if (range === undefined) break;
      const skip = guestAddress + done - range.guestAddress;
      const count = Math.min(into.length - done, range.lengthBytes - skip);
      this.read(range.block, range.blockAddress + skip, into.subarray(done, done + count));
      done += count;
    }
    return done;
  }

  /** Removes temporary files. */
  [Symbol.dispose](): void {
    this.#changed?.[Symbol.dispose]();
  }
}
