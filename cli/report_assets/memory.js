// @ts-check
/// <reference lib="dom" />
/**
 * RAM blocks as page maps, and where they stand in the guest's physical address space.
 *
 * @module
 */

/** @import { BlockModel, CellKind, MemoryComparisonModel, SideModel } from "../../analyze/report/model.ts" */
import {
  bytesText,
  color,
  counted,
  countText,
  h,
  hexText,
  item,
  keepDrawn,
  legend,
  percentText,
  sizeCanvas,
  table,
} from "./dom.js";

/** Kinds of pages with their names, in the order of the legend. */
export const CELL_KINDS = /** @type {const} */ ([
  ["normal", "Normal"],
  ["compressed", "Compressed"],
  ["delta", "Delta"],
  ["zero", "Zero"],
  ["slack", "Slack"],
  ["absent", "Absent"],
]);

const DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_";
const DIGIT_VALUES = new Map([...DIGITS].map((digit, value) => [digit, value]));
const WHOLE = DIGITS.length - 1;

/** Pixels of a cell with the gap behind it: small maps have large cells. */
const CELL_PIXELS = [13, 9, 7, 5];
/** Height that a map is made to stay below, if it can. */
const MAX_HEIGHT = 340;
/** Cells of a map whose scale needs no word. */
const FEW_CELLS = 64;
/** Maps that are shown at once; the others are opened by hand. */
const OPEN_MAPS = 6;

/**
 * @typedef {{
 *   pages: number,
 *   pageBytes: number,
 *   pagesPerCell: number,
 *   cells: number,
 *   shares: Readonly<Record<string, string | undefined>>,
 *   kinds: readonly (readonly [id: string, name: string])[],
 *   base: number,
 *   label: string,
 * }} Grid
 */

/** A grid of cells: many pages in each. */
class PageMap {
  /** @param {Grid} grid */
  constructor(grid) {
    this.grid = grid;
    /** Shares by kind, as numbers. */
    this.shares = grid.kinds.map(([kind]) => {
      const text = grid.shares[kind];
      return text === undefined
        ? undefined
        : Uint8Array.from(text, (digit) => DIGIT_VALUES.get(digit) ?? 0);
    });
    this.columns = 1;
    this.pixels = item(CELL_PIXELS, 0);
    /** Cells of the model in one that is drawn. */
    this.joined = 1;
    this.cursor = -1;
    this.canvas = /** @type {HTMLCanvasElement} */ (h("canvas", {
      class: "map",
      tabindex: "0",
      role: "application",
      "aria-label": `${grid.label}: map of its pages. Arrow keys go from cell to cell.`,
    }));
    this.detail = h("output", { class: "detail" });
    // A frame of its own, so that the map need not be drawn anew under the pointer.
    this.frame = h("div", { class: "frame", hidden: true });
    this.element = h(
      "div",
      {},
      h("div", { class: "framed" }, this.canvas, this.frame),
      this.detail,
    );
    this.canvas.addEventListener("pointermove", (event) => this.#point(event));
    this.canvas.addEventListener("pointerdown", (event) => this.#point(event));
    this.canvas.addEventListener("keydown", (event) => this.#key(event));
    this.canvas.addEventListener("blur", () => this.#select(-1));
    this.canvas.addEventListener("pointerleave", () => this.#select(-1));
    this.#say();
    keepDrawn(this.canvas, () => this.draw());
  }

  get drawn() {
    return Math.ceil(this.grid.cells / this.joined);
  }

  /** @param {PointerEvent} event */
  #point(event) {
    const box = this.canvas.getBoundingClientRect();
    const column = Math.floor((event.clientX - box.left) / this.pixels);
    const row = Math.floor((event.clientY - box.top) / this.pixels);
    const cell = row * this.columns + column;
    this.#select(column < this.columns && cell < this.drawn ? cell : -1);
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    /** @type {Record<string, number>} */
    const steps = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: this.columns, ArrowUp: -this.columns };
    const step = steps[event.key];
    if (step === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    this.#select(Math.min(this.drawn - 1, Math.max(0, this.cursor < 0 ? 0 : this.cursor + step)));
  }

  /** @param {number} cell */
  #select(cell) {
    if (cell === this.cursor) return;
    this.cursor = cell;
    this.#say();
    this.#mark();
  }

  #mark() {
    const { cursor, columns, pixels, frame } = this;
    frame.hidden = cursor < 0;
    frame.style.left = `${cursor % columns * pixels}px`;
    frame.style.top = `${Math.floor(cursor / columns) * pixels}px`;
    frame.style.width = frame.style.height = `${pixels - 1}px`;
  }

  #say() {
    const { grid, cursor, joined } = this;
    const perCell = grid.pagesPerCell * joined;
    if (cursor < 0) {
      // A few pages speak for themselves.
      this.detail.textContent = grid.cells <= FEW_CELLS
        ? ""
        : `A cell is ${counted(Math.min(perCell, grid.pages), "page")}, ${
          bytesText(Math.min(perCell, grid.pages) * grid.pageBytes)
        }.`;
      return;
    }
    const first = cursor * perCell;
    const pages = Math.min(perCell, grid.pages - first);
    const shares = grid.kinds.flatMap(([, name], kind) => {
      const share = this.#share(kind, cursor);
      return share === 0 ? [] : [`${name.toLowerCase()} ${percentText(share, 1)}`];
    });
    const start = first * grid.pageBytes;
    const end = start + pages * grid.pageBytes;
    const place = grid.base < 0 ? "" : `, in the input at ${hexText(grid.base + start)}`;
    this.detail.textContent = `${hexText(start)} to ${hexText(end)}${place}: ${shares.join(", ")}`;
  }

  /**
   * The share of a kind in a drawn cell, up to 1.
   *
   * @param {number} kind
   * @param {number} cell
   */
  #share(kind, cell) {
    const shares = item(this.shares, kind);
    if (shares === undefined) return 0;
    const first = cell * this.joined;
    const end = Math.min(first + this.joined, this.grid.cells);
    let sum = 0;
    for (let index = first; index < end; index++) sum += item(shares, index);
    return sum / (end - first) / WHOLE;
  }

  /** Chooses the size of cells and how many are joined, so that the map stays low. */
  #fit() {
    const width = this.canvas.getBoundingClientRect().width;
    const { cells } = this.grid;
    this.joined = 1;
    for (const pixels of CELL_PIXELS) {
      this.pixels = pixels;
      this.columns = Math.max(1, Math.floor(width / pixels));
      if (Math.ceil(cells / this.columns) * pixels <= MAX_HEIGHT) break;
    }
    while (Math.ceil(this.drawn / this.columns) * this.pixels > MAX_HEIGHT) this.joined *= 2;
    return width;
  }

  draw() {
    const before = this.joined;
    const width = this.#fit();
    if (width === 0) return;
    if (this.joined !== before) this.#say();
    const { drawn, columns, pixels } = this;
    const context = sizeCanvas(this.canvas, width, Math.ceil(drawn / columns) * pixels);
    const colors = this.grid.kinds.map(([kind]) => rgbOf(color(`c-${kind}`)));
    for (let cell = 0; cell < drawn; cell++) {
      context.fillStyle = this.#mixed(colors, cell);
      const left = cell % columns * pixels;
      const top = Math.floor(cell / columns) * pixels;
      context.fillRect(left, top, pixels - 1, pixels - 1);
    }
    this.#mark();
  }

  /**
   * The colours of a cell's pages by their shares. A little of something rare can still be seen.
   *
   * @param {readonly (readonly number[])[]} colors
   * @param {number} cell
   */
  #mixed(colors, cell) {
    let total = 0;
    const sum = [0, 0, 0];
    for (const [kind, rgb] of colors.entries()) {
      const weight = Math.sqrt(this.#share(kind, cell));
      total += weight;
      for (let part = 0; part < 3; part++) sum[part] = item(sum, part) + item(rgb, part) * weight;
    }
    return `rgb(${sum.map((value) => Math.round(value / Math.max(total, 1e-9))).join(" ")})`;
  }
}

/**
 * @param {string} hex
 * @returns {number[]}
 */
function rgbOf(hex) {
  const value = parseInt(hex.slice(1), 16);
  return [value >> 16, value >> 8 & 255, value & 255];
}

/**
 * A bar with the shares of the kinds.
 *
 * @param {Readonly<Record<CellKind, number>>} counts
 */
function shareBar(counts) {
  const bar = h("div", { class: "bar", "aria-hidden": "true" });
  for (const [kind] of CELL_KINDS) {
    if (counts[kind] === 0) continue;
    const part = h("span", { class: `b-${kind}` });
    part.style.flexGrow = String(counts[kind]);
    bar.append(part);
  }
  return bar;
}

/**
 * @param {BlockModel} block
 * @param {number | null} pageBytes
 * @param {boolean} isOpen
 */
function blockElement(block, pageBytes, isOpen) {
  const { counts, map } = block;
  const kinds = counts === null
    ? "pages not known"
    : CELL_KINDS.flatMap(([kind, name]) =>
      counts[kind] === 0 ? [] : [`${countText(counts[kind])} ${name.toLowerCase()}`]
    ).join(" · ");
  const slack = block.slack === "not looked for" ? " · slack not looked for" : "";
  const details = h(
    "details",
    { class: "block", open: isOpen && map !== null },
    h(
      "summary",
      {},
      h("code", { class: "name" }, block.name),
      h("span", { class: "size" }, bytesText(block.lengthBytes)),
      h("span", { class: "kinds" }, kinds + slack),
      counts !== null && shareBar(counts),
    ),
  );
  if (map === null || pageBytes === null) return details;
  const show = () => {
    if (details.childElementCount > 1) return;
    details.append(
      new PageMap({
        pages: Math.ceil(block.lengthBytes / pageBytes),
        pageBytes,
        pagesPerCell: map.pagesPerCell,
        cells: map.cells,
        shares: map.shares,
        kinds: CELL_KINDS,
        base: block.pagesOffset ?? -1,
        label: block.name,
      }).element,
    );
  };
  if (isOpen) show();
  else details.addEventListener("toggle", show, { once: true });
  return details;
}

/**
 * The blocks of one input.
 *
 * @param {SideModel} side
 */
export function memoryElement(side) {
  const total = CELL_KINDS.flatMap(([kind, name]) => {
    const pages = side.blocks.reduce((sum, { counts }) => sum + (counts?.[kind] ?? 0), 0);
    const bytes = pages * (side.pageBytes ?? 0);
    const text = `${counted(pages, "page")}, ${bytesText(bytes)}`;
    return pages === 0 ? [] : [/** @type {const} */ ([kind, name, text])];
  });
  const bySize = side.blocks.toSorted((a, b) => b.lengthBytes - a.lengthBytes);
  const open = new Set(
    bySize.slice(0, OPEN_MAPS).filter(({ lengthBytes }) =>
      lengthBytes * 256 >= (bySize[0]?.lengthBytes ?? 0)
    ),
  );
  return h(
    "div",
    { class: "memory" },
    legend(total),
    side.blocks.map((block) => blockElement(block, side.pageBytes, open.has(block))),
    side.moreBlocks > 0 && h("p", {}, `${counted(side.moreBlocks, "more block")}.`),
  );
}

/**
 * Where the blocks stand for the guest.
 *
 * @param {SideModel} side
 */
export function physicalElement({ physical, physicalNotes }) {
  // The first block is the main memory, others follow in colours that come again.
  const names = [...new Set(physical.map(({ block }) => block))];
  const rows = physical.map((range, index) => {
    const before = index === 0 ? undefined : item(physical, index - 1);
    const end = before === undefined ? 0 : before.guestAddress + before.lengthBytes;
    const gap = range.guestAddress - end;
    const tint = names.indexOf(range.block);
    const tone = tint === 0 ? 0 : (tint - 1) % 3 + 1;
    const part = h("div", { class: `range-part r-${tone}`, title: range.block }, range.block);
    // The logarithm keeps both 64 KiB of firmware and gigabytes of memory in the picture.
    part.style.flexGrow = String(Math.log2(range.lengthBytes / 4096 + 2));
    const hole = h("div", { class: "range-gap" });
    hole.style.flexGrow = "1.5";
    return {
      parts: gap > 0 ? [hole, part] : [part],
      row: [
        hexText(range.guestAddress),
        hexText(range.guestAddress + range.lengthBytes - 1),
        bytesText(range.lengthBytes),
        range.block,
        hexText(range.blockAddress),
      ],
    };
  });
  return h(
    "div",
    { class: "physical" },
    h("h3", {}, "Guest-physical addresses"),
    rows.length > 0 &&
      h("div", { class: "ranges", "aria-hidden": "true" }, rows.flatMap(({ parts }) => parts)),
    rows.length > 0 &&
      table(
        ["From", "To", "Size", "Block", "From byte"],
        "nnrmn",
        rows.map(({ row }) => row),
      ),
    physicalNotes.map((note) => h("p", { class: "note" }, note)),
  );
}

/**
 * Pages that differ in one block.
 *
 * @param {MemoryComparisonModel} block
 */
export function changedMapElement(block) {
  const unchanged = [...block.changed].map((digit) =>
    item(DIGITS, WHOLE - (DIGIT_VALUES.get(digit) ?? 0))
  ).join("");
  const parts = [
    `${countText(block.changedPages)} of ${counted(block.pages, "page")} differ`,
    block.addedPages > 0 && `${countText(block.addedPages)} were zero in A`,
    block.gonePages > 0 && `${countText(block.gonePages)} are zero in B`,
  ].filter((part) => part !== false);
  return h(
    "details",
    { class: "block", open: true },
    h(
      "summary",
      {},
      h("code", { class: "name" }, block.name),
      h("span", { class: "size" }, bytesText(block.pages * block.pageBytes)),
      h("span", { class: "kinds" }, parts.join(" · ")),
    ),
    new PageMap({
      pages: block.pages,
      pageBytes: block.pageBytes,
      pagesPerCell: block.pagesPerCell,
      cells: block.cells,
      shares: { changed: block.changed, same: unchanged },
      kinds: [["changed", "Different"], ["same", "Same"]],
      base: -1,
      label: `${block.name}, differences`,
    }).element,
  );
}
