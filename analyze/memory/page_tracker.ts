/**
 * Fills page tables from the RAM records of a stream: the last word on each page counts.
 *
 * @module
 */

import type { StreamVisitor } from "../../format/payload.ts";
import type { RamBlock, RamRecordKind } from "../../format/ram.ts";
import type { RamRun } from "../../format/ram_scanner.ts";
import { BlockPages, PAGE_KIND, type PageKind } from "./page_table.ts";

/** The page kind that each record kind about pages leads to. */
export const KIND_OF_RECORD: Partial<Record<RamRecordKind, PageKind>> = {
  zero: PAGE_KIND.ZERO,
  page: PAGE_KIND.NORMAL,
  xbzrle: PAGE_KIND.DELTA,
  compressed: PAGE_KIND.COMPRESSED,
};

/** Knows the last kind of each page of a stream. */
export class PageTracker implements StreamVisitor {
  readonly #tables = new Map<RamBlock, BlockPages>();
  /** Records about pages that had been sent before, since the start. */
  resentPages = 0;

  /** The table of a block; empty before anything was said of its pages. */
  table(block: RamBlock, pageBytes: number): BlockPages {
    let table = this.#tables.get(block);
    if (table === undefined) {
      table = new BlockPages(block, pageBytes, false);
      this.#tables.set(block, table);
    }
    return table;
  }

  /** Takes a run of records. */
  run(run: RamRun, pageBytes: number): void {
    const kind = KIND_OF_RECORD[run.kind];
    if (kind === undefined || run.block === undefined) return;
    const table = this.table(run.block, pageBytes);
    this.resentPages += run.count - table.set(run.address / pageBytes, run.count, kind);
  }

  /** Takes a mapped-ram bitmap. */
  bitmap(block: RamBlock, bitmap: Uint8Array): void {
    this.table(block, block.mapped!.pageBytes).setBitmap(bitmap);
  }

  /** Drops pages that were sent before. */
  discard(block: RamBlock, startAddress: number, lengthBytes: number, pageBytes: number): void {
    const first = Math.ceil(startAddress / pageBytes);
    const end = Math.floor((startAddress + lengthBytes) / pageBytes);
    if (end > first) this.table(block, pageBytes).drop(first, end - first);
  }
}
