// @ts-check
/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
/**
 * Elements and texts. All text goes through `textContent`: what an image says is never taken for HTML.
 *
 * @module
 */

/** @typedef {string | number | Node | null | undefined | false} Child */

/**
 * Makes an element. Properties whose names begin with `on` are listeners, `class` and everything with a dash or of SVG are attributes.
 *
 * @param {string} tag
 * @param {Record<string, unknown>} [properties]
 * @param {...(Child | Child[])} children
 * @returns {HTMLElement}
 */
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === false || value === null) continue;
    if (name.startsWith("on")) {
      element.addEventListener(name.slice(2), /** @type {EventListener} */ (value));
    } else element.setAttribute(name, value === true ? "" : String(value));
  }
  return add(element, ...children);
}

/**
 * Makes an element of SVG.
 *
 * @param {string} tag
 * @param {Record<string, string | number>} attributes
 * @param {...Child} children
 * @returns {SVGElement}
 */
export function svg(tag, attributes, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  return add(element, ...children);
}

/**
 * @template {Element} E
 * @param {E} element
 * @param {...(Child | Child[])} children
 * @returns {E}
 */
export function add(element, ...children) {
  for (const child of children.flat()) {
    if (child === null || child === undefined || child === false) continue;
    element.append(typeof child === "number" ? String(child) : child);
  }
  return element;
}

/**
 * An element of a list at an index that is surely there.
 *
 * @template T
 * @param {ArrayLike<T>} list
 * @param {number} index
 * @returns {T}
 */
export function item(list, index) {
  return /** @type {T} */ (list[index]);
}

const UNITS = ["bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];

/**
 * A size in the largest unit that leaves a whole.
 *
 * @param {number} count
 * @returns {string}
 */
export function bytesText(count) {
  let unit = 0;
  let value = count;
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  const digits = unit === 0 || Number.isInteger(value) || value >= 100 ? 0 : value >= 10 ? 1 : 2;
  return `${value.toFixed(digits)} ${item(UNITS, unit)}`;
}

/**
 * A number with its digits in groups.
 *
 * @param {number} value
 * @returns {string}
 */
export function countText(value) {
  return value.toLocaleString("en-US");
}

/**
 * @param {number} count
 * @param {string} word
 * @param {string} plural
 * @returns {string}
 */
export function counted(count, word, plural = `${word}s`) {
  return `${countText(count)} ${count === 1 ? word : plural}`;
}

/**
 * @param {number} value
 * @returns {string}
 */
export function hexText(value) {
  return `0x${value.toString(16)}`;
}

/**
 * @param {number} part
 * @param {number} whole
 * @returns {string}
 */
export function percentText(part, whole) {
  if (whole === 0 || part === 0) return "0 %";
  const percent = part / whole * 100;
  if (percent < 0.1) return "< 0.1 %";
  // What is not all of it is not told as all of it.
  return `${percent > 99.9 && part < whole ? "> 99.9" : percent.toFixed(percent < 10 ? 1 : 0)} %`;
}

/**
 * The value of a colour of the style sheet in the current theme.
 *
 * @param {string} name
 * @returns {string}
 */
export function color(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

/**
 * Gives a canvas the size that it has on the screen, and its context in CSS pixels.
 *
 * @param {HTMLCanvasElement} canvas
 * @param {number} width
 * @param {number} height
 * @returns {CanvasRenderingContext2D}
 */
export function sizeCanvas(canvas, width, height) {
  const ratio = Math.min(3, globalThis.devicePixelRatio || 1);
  canvas.width = Math.max(1, Math.round(width * ratio));
  canvas.height = Math.max(1, Math.round(height * ratio));
  canvas.style.height = `${height}px`;
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  return context;
}

/** @type {(() => void)[]} */
const redraws = [];

/**
 * Calls `draw` now and whenever the theme or the width of `element` changes.
 *
 * @param {Element} element
 * @param {() => void} draw
 */
export function keepDrawn(element, draw) {
  redraws.push(draw);
  let width = 0;
  new ResizeObserver(() => {
    const now = element.getBoundingClientRect().width;
    if (now === width) return;
    width = now;
    draw();
  }).observe(element);
}

/** Draws everything anew. */
export function redrawAll() {
  for (const draw of redraws) draw();
}

/**
 * A heading with an anchor, and what is to be known about the section.
 *
 * @param {string} id
 * @param {string} title
 * @param {string} about
 * @param {...(Child | Child[])} children
 * @returns {HTMLElement}
 */
export function section(id, title, about, ...children) {
  return h(
    "section",
    { id, "aria-labelledby": `${id}-title` },
    h("h2", { id: `${id}-title` }, title),
    h("p", { class: "about" }, about),
    ...children,
  );
}

/**
 * A legend: a colour, a name and a text for each entry.
 *
 * @param {readonly (readonly [color: string, name: string, text: string])[]} entries
 * @returns {HTMLElement}
 */
export function legend(entries) {
  return h(
    "ul",
    { class: "legend" },
    entries.map(([kind, name, text]) =>
      h("li", {}, h("span", { class: `swatch k-${kind}` }), name, " ", h("small", {}, text))
    ),
  );
}

/**
 * A table whose columns are aligned as the letters of `alignment` say: l or r; m and n are the same in a font for code.
 *
 * @param {readonly string[]} head
 * @param {string} alignment
 * @param {readonly (readonly (Child | Child[])[])[]} rows
 * @returns {HTMLElement}
 */
export function table(head, alignment, rows) {
  const cell = (/** @type {string} */ tag) =>
  (
    /** @type {Child | Child[]} */ content,
    /** @type {number} */ index,
  ) => h(tag, { class: `c-${alignment[index]}` }, ...[content].flat());
  return h(
    "div",
    { class: "scroll" },
    h(
      "table",
      {},
      h("thead", {}, h("tr", {}, head.map(cell("th")))),
      h("tbody", {}, rows.map((row) => h("tr", {}, row.map(cell("td"))))),
    ),
  );
}
