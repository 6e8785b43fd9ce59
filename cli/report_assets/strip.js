// @ts-check
/// <reference lib="dom" />
/**
 * The input to scale: a canvas that can be zoomed, and the words for what is under the pointer.
 *
 * @module
 */

/** @import { SideModel, StripRow, TreeNode } from "../../analyze/report/model.ts" */
import {
  add,
  bytesText,
  color,
  counted,
  h,
  hexText,
  item,
  keepDrawn,
  percentText,
  sizeCanvas,
} from "./dom.js";
import { OVERVIEW, STRIP_HEIGHT, STRIP_KINDS, StripView } from "./strip_view.js";

/** Bytes that the whole width shows at least. */
const MIN_SPAN = 16;

/** One input to scale. */
export class Strip {
  /**
   * @param {SideModel} side
   * @param {string} label
   */
  constructor(side, label) {
    const { strip } = side;
    this.side = side;
    this.start = strip.startOffset;
    /** @type {readonly StripRow[]} */
    this.rows = strip.rows;
    /** Offsets of the rows, and the end of the last one. */
    this.offsets = new Float64Array(strip.rows.length + 1);
    let offset = strip.startOffset;
    for (const [index, row] of strip.rows.entries()) {
      this.offsets[index] = offset;
      offset += row[1];
    }
    this.offsets[strip.rows.length] = offset;
    this.end = Math.max(offset, this.start + 1);
    this.from = this.start;
    this.to = this.end;
    /** The offset that is described. */
    this.cursor = this.start;
    this.width = 0;
    this.canvas = /** @type {HTMLCanvasElement} */ (h("canvas", {
      class: "strip",
      tabindex: "0",
      role: "application",
      "aria-label":
        `${label}: the input to scale. Arrow keys go from item to item, plus and minus zoom, Enter zooms to the item, Escape shows all.`,
    }));
    this.range = h("span", { class: "range" });
    this.detail = h("output", { class: "detail" });
    this.input = /** @type {HTMLInputElement} */ (h("input", {
      type: "text",
      placeholder: "offset, e.g. 0x1000",
      "aria-label": "Go to offset",
      spellcheck: "false",
      size: "18",
    }));
    this.element = h(
      "div",
      { class: "strip-box" },
      this.#controls(),
      this.canvas,
      this.detail,
      this.#legend(),
    );
    this.#listen();
    keepDrawn(this.canvas, () => this.draw());
    this.describe(this.start);
  }

  #controls() {
    const button = (
      /** @type {string} */ text,
      /** @type {string} */ label,
      /** @type {() => void} */ action,
    ) => h("button", { type: "button", "aria-label": label, title: label, onclick: action }, text);
    return h(
      "form",
      {
        class: "controls",
        onsubmit: (/** @type {Event} */ event) => {
          event.preventDefault();
          this.#goTo(this.input.value);
        },
      },
      button("−", "Zoom out", () => this.zoom(2, this.#middle())),
      button("+", "Zoom in", () => this.zoom(0.5, this.#middle())),
      button("All", "Show the whole input", () => this.show(this.start, this.end)),
      this.input,
      h("button", { type: "submit" }, "Go"),
      this.range,
    );
  }

  #legend() {
    /** @type {Map<number, { bytes: number; first: number; last: number }>} */
    const kinds = new Map();
    for (const [index, [kind, bytes]] of this.rows.entries()) {
      const known = kinds.get(kind) ?? { bytes: 0, first: index, last: index };
      kinds.set(kind, { bytes: known.bytes + bytes, first: known.first, last: index });
    }
    const total = this.end - this.start;
    const entries = [...kinds].sort((a, b) => a[0] - b[0]).map(([kind, { bytes, first, last }]) => {
      const [id, name] = item(STRIP_KINDS, kind);
      return h(
        "li",
        {},
        h(
          "button",
          {
            type: "button",
            title: "Zoom to it",
            onclick: () => this.show(item(this.offsets, first), item(this.offsets, last + 1)),
          },
          h("span", { class: `swatch k-${id}` }),
          `${name} `,
          h("small", {}, `${bytesText(bytes)}, ${percentText(bytes, total)}`),
        ),
      );
    });
    return h("ul", { class: "legend" }, entries);
  }

  #middle() {
    const inView = this.cursor >= this.from && this.cursor < this.to;
    return inView ? this.cursor : (this.from + this.to) / 2;
  }

  /** @param {string} text */
  #goTo(text) {
    const offset = Number(text.trim().replaceAll(/[,_ ]/g, "") || NaN);
    const isInside = Number.isFinite(offset) && offset >= this.start && offset < this.end;
    this.input.setCustomValidity(
      isInside ? "" : `An offset from ${hexText(this.start)} to ${hexText(this.end - 1)}`,
    );
    this.input.reportValidity();
    if (isInside) this.reveal(Math.floor(offset));
  }

  /**
   * Shows the item at an offset with something around it.
   *
   * @param {number} offset
   */
  reveal(offset) {
    const at = Math.min(Math.max(offset, this.start), this.end - 1);
    const row = this.rowAt(at);
    const first = item(this.offsets, row);
    const bytes = item(this.offsets, row + 1) - first;
    const span = Math.max(64, Math.min(bytes * 4, (this.end - this.start) / 50));
    this.show(at - span / 2, at + span / 2);
    this.describe(at);
  }

  /**
   * @param {number} from
   * @param {number} to
   */
  show(from, to) {
    const whole = this.end - this.start;
    const span = Math.min(whole, Math.max(MIN_SPAN, to - from));
    const middle = (from + to) / 2;
    this.from = Math.min(Math.max(this.start, middle - span / 2), this.end - span);
    this.to = this.from + span;
    this.draw();
  }

  /**
   * @param {number} factor
   * @param {number} around
   */
  zoom(factor, around) {
    const span = this.to - this.from;
    const next = Math.min(this.end - this.start, Math.max(MIN_SPAN, span * factor));
    const from = around - (around - this.from) / span * next;
    this.show(from, from + next);
  }

  /**
   * The index of the row that an offset lies in.
   *
   * @param {number} offset
   */
  rowAt(offset) {
    let low = 0;
    let high = Math.max(0, this.rows.length - 1);
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (item(this.offsets, middle) <= offset) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  /** @param {PointerEvent | WheelEvent} event */
  #offsetOf(event) {
    const box = this.canvas.getBoundingClientRect();
    const share = Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
    return Math.min(this.end - 1, Math.floor(this.from + share * (this.to - this.from)));
  }

  #listen() {
    const { canvas } = this;
    /** @type {{ x: number; from: number; to: number } | undefined} */
    let drag;
    canvas.addEventListener("wheel", (event) => {
      // Without a key the page scrolls, as everywhere else.
      if (!event.ctrlKey && !event.metaKey && Math.abs(event.deltaX) <= Math.abs(event.deltaY)) {
        return;
      }
      event.preventDefault();
      if (event.ctrlKey || event.metaKey) {
        return this.zoom(2 ** (event.deltaY / 200), this.#offsetOf(event));
      }
      const move = event.deltaX / this.width * (this.to - this.from);
      this.show(this.from + move, this.to + move);
    }, { passive: false });
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      drag = { x: event.clientX, from: this.from, to: this.to };
      this.describe(this.#offsetOf(event));
    });
    canvas.addEventListener("pointermove", (event) => {
      if (drag === undefined || event.buttons === 0) return this.describe(this.#offsetOf(event));
      const move = (drag.x - event.clientX) / this.width * (drag.to - drag.from);
      this.show(drag.from + move, drag.to + move);
    });
    canvas.addEventListener("pointerup", () => drag = undefined);
    canvas.addEventListener("dblclick", () => this.zoom(0.25, this.cursor));
    canvas.addEventListener("keydown", (event) => this.#key(event));
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const row = this.rowAt(this.cursor);
    const span = this.to - this.from;
    /** @type {Record<string, () => void>} */
    const actions = {
      ArrowRight: () => this.#toRow(row + 1),
      ArrowLeft: () => this.#toRow(row - 1),
      PageDown: () => this.show(this.from + span * 0.8, this.to + span * 0.8),
      PageUp: () => this.show(this.from - span * 0.8, this.to - span * 0.8),
      Home: () => this.#toRow(0),
      End: () => this.#toRow(this.rows.length - 1),
      "+": () => this.zoom(0.5, this.#middle()),
      "=": () => this.zoom(0.5, this.#middle()),
      "-": () => this.zoom(2, this.#middle()),
      Enter: () => this.show(item(this.offsets, row), item(this.offsets, row + 1)),
      Escape: () => this.show(this.start, this.end),
    };
    const action = event.ctrlKey || event.metaKey || event.altKey ? undefined : actions[event.key];
    if (action === undefined) return;
    event.preventDefault();
    action();
  }

  /** @param {number} row */
  #toRow(row) {
    if (this.rows.length === 0) return;
    const to = Math.min(this.rows.length - 1, Math.max(0, row));
    const start = item(this.offsets, to);
    this.describe(start);
    if (start < this.from || start >= this.to) {
      const span = this.to - this.from;
      this.show(start - span / 3, start + span * 2 / 3);
    }
  }

  /**
   * Says what stands at an offset.
   *
   * @param {number} offset
   */
  describe(offset) {
    this.cursor = offset;
    this.detail.replaceChildren();
    if (this.rows.length > 0) {
      const row = this.rowAt(offset);
      const [kind, bytes, name, items] = item(this.rows, row);
      const start = item(this.offsets, row);
      add(
        this.detail,
        h("span", { class: `swatch k-${item(STRIP_KINDS, kind)[0]}` }),
        h("b", {}, item(this.side.strip.names, name)),
        items > 1 && ` (${counted(items, "item")})`,
        h("span", { class: "place" }, `${hexText(start)} + ${bytesText(bytes)}`),
        this.#field(offset),
      );
    }
    this.draw();
  }

  /**
   * The field of a device at an offset, where a byte can be told from the next.
   *
   * @param {number} offset
   */
  #field(offset) {
    const bytesPerPixel = (this.to - this.from) / Math.max(1, this.width);
    const has = (/** @type {readonly [unknown, unknown, number, number, ...unknown[]]} */ node) =>
      node[2] >= 0 && offset >= node[2] && offset < node[2] + node[3];
    const device = this.side.devices.find(({ offset: at, lengthBytes }) =>
      offset >= at && offset < at + lengthBytes
    );
    /** @type {readonly TreeNode[]} */
    let nodes = device?.nodes ?? [];
    /** @type {string[]} */
    const path = [];
    for (;;) {
      const node = nodes.find(has);
      if (node === undefined || node[3] < bytesPerPixel) break;
      path.push(node[0]);
      if (node.length === 5) {
        return h("span", { class: "field" }, path.join(" › "), " = ", h("code", {}, node[4]));
      }
      nodes = node[5];
    }
    return path.length > 0 && h("span", { class: "field" }, path.join(" › "));
  }

  /** Draws what is in view. */
  draw() {
    this.width = this.canvas.getBoundingClientRect().width;
    if (this.width === 0) return;
    const context = sizeCanvas(this.canvas, this.width, STRIP_HEIGHT);
    const kinds = STRIP_KINDS.map((/** @type {readonly string[]} */ [id]) => color(`k-${id}`));
    const shown = new StripView(context, kinds, this.width);
    const all = this.from <= this.start && this.to >= this.end;
    const top = all ? 0 : OVERVIEW + 6;
    if (!all) {
      // Above, the whole input and what of it is in view.
      shown.rows(this, this.start, this.end, 0, OVERVIEW);
      shown.window(this);
    }
    shown.rows(this, this.from, this.to, top, STRIP_HEIGHT - top);
    shown.labels(this, top, STRIP_HEIGHT - top);
    shown.cursor(this, top);
    const span = bytesText(Math.round(this.to - this.from));
    this.range.textContent = all
      ? `all ${span}`
      : `${span} from ${hexText(Math.floor(this.from))} on`;
  }
}
