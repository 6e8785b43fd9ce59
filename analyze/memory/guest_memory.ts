/**
 * The memory of a guest as a stream leaves it: for each page its last content, read from the stream when it is asked for.
 *
 * @module
 */

import type { Inflate } from "../../container/inflate.ts";
import { FormatError } from "../../format/error.ts";
import type { StreamVisitor } from "../../format/payload.ts";
import type { RamBlock } from "../../format/ram.ts";
import type { RamRun } from "../../format/ram_scanner.ts";
import { ByteReader } from "../../format/reader.ts";
import type { ByteSource } from "../../format/source.ts";
import { decodeXbzrle } from "../../format/xbzrle.ts";
import { PageSet } from "./page_set.ts";
import { PageStore } from "./page_store.ts";
import { BlockPages, PAGE_KIND, type PageKind } from "./page_table.ts";

/** Consecutive pages of a block that were first sent one behind the other. */
export interface PageSpan {
  /** The block. */
  readonly block: RamBlock;
  /** Number of the first page in its block. */
  readonly first: number;
  /** Number of pages. */
  count: number;
}

interface Pages {
  readonly table: BlockPages;
  /** Pages that were ever sent. */
  readonly seen: PageSet;
}

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

/** Collects where each page's last content stands while a stream is read, and reads it afterwards. */
export class GuestMemory implements StreamVisitor, Disposable {
  readonly #reader: ByteReader;
  readonly #inflate: Inflate;
  readonly #pages = new Map<RamBlock, Pages>();
  readonly #order: PageSpan[] = [];
  #changed: PageStore | undefined;

  /** Reads contents from `source`, which has to be able to give any byte again. */
  constructor(source: ByteSource, inflate: Inflate) {
    this.#reader = new ByteReader(source, { blockBytes: 64 * 1024 });
    this.#inflate = inflate;
  }

  /** All pages that were sent, in the order in which each was sent first. */
  get order(): readonly PageSpan[] {
    return this.#order;
  }

  #of(block: RamBlock, pageBytes: number): Pages {
    let pages = this.#pages.get(block);
    if (pages === undefined) {
      const table = new BlockPages(block, pageBytes, true);
      pages = { table, seen: new PageSet() };
      this.#pages.set(block, pages);
    }
    return pages;
  }

  /** Takes a run of records. */
  run(run: RamRun, pageBytes: number): void {
    if (run.block === undefined) return;
    const first = run.address / pageBytes;
    const { table, seen } = this.#of(run.block, pageBytes);
    this.#note(run.block, seen, first, run.count);
    if (run.kind === "zero") table.set(first, run.count, PAGE_KIND.ZERO, run.fill);
    else if (run.kind === "page") {
      table.set(first, run.count, PAGE_KIND.NORMAL, run.dataOffset, run.strideBytes);
    } else if (run.kind === "compressed") {
      table.set(first, 1, PAGE_KIND.COMPRESSED, run.dataOffset);
    } else if (run.kind === "xbzrle") this.#delta(run, table, first, pageBytes);
  }

  #note(block: RamBlock, seen: PageSet, first: number, count: number): void {
    for (let page = first; page < first + count; page++) {
      if (seen.has(page)) continue;
      seen.add(page);
      const last = this.#order.at(-1);
      if (last !== undefined && last.block === block && last.first + last.count === page) {
        last.count += 1;
      } else this.#order.push({ block, first: page, count: 1 });
    }
  }

  #delta(run: RamRun, table: BlockPages, first: number, pageBytes: number): void {
    const page = new Uint8Array(pageBytes);
    this.#read(table, first, page);
    const delta = run.buffer.subarray(run.dataStart, run.dataStart + run.dataBytes);
    decodeXbzrle(delta, page, run.dataOffset);
    this.#changed ??= new PageStore(pageBytes);
    if (table.kindAt(first) === PAGE_KIND.DELTA) {
      this.#changed.replace(table.locationAt(first), page, run.offset);
    } else table.set(first, 1, PAGE_KIND.DELTA, this.#changed.add(page, run.offset));
  }

  /** Takes a mapped-ram bitmap: only pages whose bit is set are in the file. */
  bitmap(block: RamBlock, bitmap: Uint8Array): void {
    const { table, seen } = this.#of(block, block.mapped!.pageBytes);
    table.setBitmap(bitmap);
    for (let page = 0; page < table.pages; page++) {
      if (table.kindAt(page) === PAGE_KIND.NORMAL) this.#note(block, seen, page, 1);
    }
  }

  /** Drops pages that were sent before. */
  discard(block: RamBlock, startAddress: number, lengthBytes: number, pageBytes: number): void {
    const first = Math.ceil(startAddress / pageBytes);
    const end = Math.floor((startAddress + lengthBytes) / pageBytes);
    if (end > first) this.#of(block, pageBytes).table.drop(first, end - first);
  }

  /** What a page was last. */
  kindAt(block: RamBlock, page: number): PageKind {
    return this.#pages.get(block)?.table.kindAt(page) ?? PAGE_KIND.ABSENT;
  }

  /** The byte that fills a page of kind ZERO. */
  fillAt(block: RamBlock, page: number): number {
    return this.#pages.get(block)?.table.locationAt(page) ?? 0;
  }

  /** Reads a page's content; pages that were never sent are zero. */
  read(block: RamBlock, page: number, into: Uint8Array): void {
    const pages = this.#pages.get(block);
    if (pages === undefined) into.fill(0);
    else this.#read(pages.table, page, into);
  }

  #read(table: BlockPages, page: number, into: Uint8Array): void {
    const location = table.locationAt(page);
    switch (table.kindAt(page)) {
      case PAGE_KIND.ABSENT:
        into.fill(0);
        return;
      case PAGE_KIND.ZERO:
        into.fill(location);
        return;
      case PAGE_KIND.NORMAL:
        this.#reader.seek(location);
        into.set(this.#reader.bytes(into.length, "page"));
        return;
      case PAGE_KIND.COMPRESSED: {
        this.#reader.seek(location - 4);
        const length = this.#reader.u32("compressed length");
        const deflated = this.#reader.bytes(length, "compressed page");
        into.set(inflatePage(this.#inflate, deflated, into.length, location));
        return;
      }
      case PAGE_KIND.DELTA:
        this.#changed!.read(location, into);
    }
  }

  /** Removes temporary files. */
  [Symbol.dispose](): void {
    this.#changed?.[Symbol.dispose]();
  }
}
