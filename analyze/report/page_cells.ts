/**
 * Pages by kind, many neighbours in one cell.
 *
 * @module
 */

import type { PageRun } from "../memory/memory_view.ts";
import { PAGE_KIND, type PageKind } from "../memory/page_table.ts";
import { CELL_KINDS, type CellKind, type PageMapModel, SHARE_DIGITS } from "./model.ts";

/** The digit of a cell that is of one kind. */
const WHOLE = SHARE_DIGITS.length - 1;

/** What a page is in a map. */
const CELL_OF_KIND: Readonly<Record<PageKind, CellKind>> = {
  [PAGE_KIND.ABSENT]: "absent",
  [PAGE_KIND.ZERO]: "zero",
  [PAGE_KIND.FILLED]: "zero",
  [PAGE_KIND.NORMAL]: "normal",
  [PAGE_KIND.STORED]: "normal",
  [PAGE_KIND.DELTA]: "delta",
  [PAGE_KIND.COMPRESSED]: "compressed",
  [PAGE_KIND.SLACK]: "slack",
};

/** Pages of some kinds, counted by cells. */
export class PageCells {
  /** Pages of the block. */
  readonly pages: number;
  /** Pages of a cell. */
  readonly pagesPerCell: number;
  /** Number of cells. */
  readonly cells: number;
  readonly #counts = new Map<CellKind, Float64Array>();

  /** No page counted, in at most `maxCells` cells. */
  constructor(pages: number, maxCells: number) {
    this.pages = pages;
    this.pagesPerCell = Math.max(1, Math.ceil(pages / maxCells));
    this.cells = Math.ceil(pages / this.pagesPerCell);
  }

  /** Counts a run of pages. */
  add({ first, count, kind }: PageRun): void {
    this.addKind(CELL_OF_KIND[kind], first, count);
  }

  /** Counts a run of pages of a kind. */
  addKind(kind: CellKind, first: number, count: number, sign: 1 | -1 = 1): void {
    let cells = this.#counts.get(kind);
    if (cells === undefined) {
      cells = new Float64Array(this.cells);
      this.#counts.set(kind, cells);
    }
    const end = first + count;
    for (let page = first; page < end;) {
      const cell = Math.floor(page / this.pagesPerCell);
      const next = Math.min(end, (cell + 1) * this.pagesPerCell);
      cells[cell]! += (next - page) * sign;
      page = next;
    }
  }

  /** Makes a zero page one with slack. */
  slack(page: number): void {
    this.addKind("zero", page, 1, -1);
    this.addKind("slack", page, 1);
  }

  /** Pages of all kinds. */
  counts(): Record<CellKind, number> {
    const sum = (kind: CellKind) =>
      this.#counts.get(kind)?.reduce((total, count) => total + count, 0) ?? 0;
    return {
      normal: sum("normal"),
      compressed: sum("compressed"),
      delta: sum("delta"),
      zero: sum("zero"),
      slack: sum("slack"),
      absent: sum("absent"),
    };
  }

  /** The map. */
  map(): PageMapModel {
    const shares: Partial<Record<CellKind, string>> = {};
    for (const kind of CELL_KINDS) {
      const text = this.shares(kind);
      if (/[^0]/.test(text)) shares[kind] = text;
    }
    return { pagesPerCell: this.pagesPerCell, cells: this.cells, shares };
  }

  /** The shares of one kind, a character a cell. */
  shares(kind: CellKind): string {
    const counts = this.#counts.get(kind);
    if (counts === undefined) return "0".repeat(this.cells);
    const digits = Array.from(counts, (count, cell) => {
      const pages = Math.min(this.pagesPerCell, this.pages - cell * this.pagesPerCell);
      return SHARE_DIGITS[count === 0 ? 0 : Math.max(1, Math.round(count / pages * WHOLE))];
    });
    return digits.join("");
  }
}
