// @ts-check
/// <reference lib="dom" />
/**
 * How the input to scale is drawn.
 *
 * @module
 */

/** @import { SideModel, StripRow } from "../../analyze/report/model.ts" */
import { color, item } from "./dom.js";

/**
 * What is drawn: all offsets are absolute.
 *
 * @typedef {{
 *   side: SideModel,
 *   start: number,
 *   end: number,
 *   from: number,
 *   to: number,
 *   cursor: number,
 *   rows: readonly StripRow[],
 *   offsets: Float64Array,
 *   rowAt(offset: number): number,
 * }} ShownStrip
 */

/**
 * The kinds of rows in the order of the model, with their names.
 *
 * @type {readonly (readonly [id: string, name: string])[]}
 */
export const STRIP_KINDS = [
  ["header", "Header, configuration"],
  ["ram", "RAM records"],
  ["bitmap", "Bitmap"],
  ["pages", "Pages"],
  ["hole", "Hole"],
  ["device", "Device state"],
  ["command", "Command"],
  ["vmdescription", "Description"],
  ["trailing", "Behind the stream"],
  ["unread", "Not read"],
];

/** Pixels of a strip, and of the whole input above it while it is zoomed. */
export const STRIP_HEIGHT = 72;
export const OVERVIEW = 10;

/** One picture of a strip. */
export class StripView {
  /**
   * @param {CanvasRenderingContext2D} context
   * @param {readonly string[]} kinds
   * @param {number} width
   */
  constructor(context, kinds, width) {
    this.context = context;
    this.kinds = kinds;
    this.width = width;
  }

  /**
   * Draws rows to scale. Rows narrower than half a pixel share it: the first one of each half pixel is seen.
   *
   * @param {ShownStrip} strip
   * @param {number} from
   * @param {number} to
   * @param {number} top
   * @param {number} height
   */
  rows(strip, from, to, top, height) {
    const { context, kinds } = this;
    const scale = this.width / (to - from);
    let free = -1;
    for (let row = strip.rowAt(from); row < strip.rows.length; row++) {
      const start = item(strip.offsets, row);
      if (start >= to) break;
      const left = Math.max(0, (start - from) * scale);
      const right = Math.min(this.width, (item(strip.offsets, row + 1) - from) * scale);
      if (right <= free && right < this.width) continue;
      const drawn = Math.max(right - left, 0.5);
      const kind = item(strip.rows, row)[0];
      context.fillStyle = item(kinds, kind);
      // A thin gap between neighbours that are wide enough to be told apart.
      const gap = drawn > 4 ? 1 : 0;
      context.fillRect(left, top, drawn - gap, height);
      if (kind === 4 || kind === 9) this.#hatch(left, top, drawn - gap, height, kind === 9);
      if (kind === 3 && drawn > 20 && height > OVERVIEW) {
        const bottom = Math.round(top + height * 0.6);
        this.#density(strip, start, from, left, left + drawn - gap, bottom, top + height);
      }
      free = left + drawn;
    }
  }

  /**
   * Where pages stand in the page area of a mapped-ram block, and where there is nothing.
   *
   * @param {ShownStrip} strip
   * @param {number} start
   * @param {number} from
   * @param {number} left
   * @param {number} right
   * @param {number} top
   * @param {number} bottom
   */
  #density(strip, start, from, left, right, top, bottom) {
    const block = strip.side.blocks.find(({ pagesOffset }) => pagesOffset === start);
    const normal = block?.map?.shares.normal;
    const { pageBytes } = strip.side;
    if (block === undefined || pageBytes === null) return;
    const bytesPerPixel = (strip.to - strip.from) / this.width;
    const cellBytes = (block.map?.pagesPerCell ?? 1) * pageBytes;
    const { context } = this;
    context.fillStyle = color("c-zero");
    for (let x = Math.floor(left); x < right; x++) {
      const first = Math.floor((from + x * bytesPerPixel - start) / cellBytes);
      const end = Math.floor((from + (x + 1) * bytesPerPixel - start) / cellBytes);
      let isEmpty = true;
      for (let cell = Math.max(0, first); cell <= end && isEmpty; cell++) {
        isEmpty = (normal?.charAt(cell) || "0") === "0";
      }
      if (isEmpty) context.fillRect(x, top, 1, bottom - top);
    }
  }

  /**
   * @param {number} left
   * @param {number} top
   * @param {number} width
   * @param {number} height
   * @param {boolean} isLoud
   */
  #hatch(left, top, width, height, isLoud) {
    if (width < 3) return;
    const { context } = this;
    context.save();
    context.beginPath();
    context.rect(left, top, width, height);
    context.clip();
    context.strokeStyle = color(isLoud ? "bg" : "muted-line");
    context.lineWidth = 1;
    context.beginPath();
    for (let x = left - height; x < left + width; x += 7) {
      context.moveTo(x, top + height);
      context.lineTo(x + height, top);
    }
    context.stroke();
    context.restore();
  }

  /** @param {ShownStrip} strip */
  window(strip) {
    const scale = this.width / (strip.end - strip.start);
    const left = (strip.from - strip.start) * scale;
    const right = Math.max(left + 2, (strip.to - strip.start) * scale);
    const { context } = this;
    context.fillStyle = color("veil");
    context.fillRect(0, 0, left, OVERVIEW);
    context.fillRect(right, 0, this.width - right, OVERVIEW);
    context.fillStyle = color("text");
    context.fillRect(left, OVERVIEW + 1, right - left, 2);
  }

  /**
   * @param {ShownStrip} strip
   * @param {number} top
   * @param {number} height
   */
  labels(strip, top, height) {
    const { context } = this;
    const scale = this.width / (strip.to - strip.from);
    context.font = "12px system-ui, sans-serif";
    context.textBaseline = "middle";
    for (let row = strip.rowAt(strip.from); row < strip.rows.length; row++) {
      const start = item(strip.offsets, row);
      if (start >= strip.to) break;
      const left = Math.max(0, (start - strip.from) * scale);
      const right = Math.min(this.width, (item(strip.offsets, row + 1) - strip.from) * scale);
      if (right - left < 24) continue;
      const [kind, , name] = item(strip.rows, row);
      const long = item(strip.side.strip.names, name).replace(/^section \d+ |, full$/g, "");
      const text = [long, long.replace(/[/,].*$/, "")].find((each) =>
        context.measureText(each).width <= right - left - 12
      );
      if (text === undefined) continue;
      context.fillStyle = color(item(STRIP_KINDS, kind)[0] === "hole" ? "muted" : "on-kind");
      // The lower part of page areas shows where pages are.
      const middle = item(STRIP_KINDS, kind)[0] === "pages" ? height * 0.3 : height / 2;
      context.fillText(text, left + 6, top + middle);
    }
  }

  /**
   * @param {ShownStrip} strip
   * @param {number} top
   */
  cursor(strip, top) {
    const { cursor, from, to } = strip;
    if (cursor < from || cursor >= to) return;
    const { context } = this;
    const left = (cursor - from) / (to - from) * this.width;
    context.fillStyle = color("text");
    context.fillRect(Math.min(this.width - 2, Math.max(0, left - 1)), top, 2, STRIP_HEIGHT);
  }
}
