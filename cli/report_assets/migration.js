// @ts-check
/// <reference lib="dom" />
/**
 * What was sent when, and over which channel.
 *
 * @module
 */

/** @import { ChannelModel, PassModel, SideModel } from "../../analyze/report/model.ts" */
import {
  bytesText,
  counted,
  countText,
  h,
  item,
  keepDrawn,
  legend,
  percentText,
  svg,
  table,
} from "./dom.js";

const KINDS = /** @type {const} */ ([
  ["normal", "Normal"],
  ["compressed", "Compressed"],
  ["delta", "Delta"],
  ["zero", "Zero"],
]);

/** What tells where a pass begins, by the model's word. */
const ORIGINS = {
  addresses: "A pass begins where page addresses go back.",
  marks: "A pass ends where all channels wait for each other.",
  sections: "What stands between two marks of the multifd channels, one for each RAM section.",
};

const MAX_WIDTH = 960;
const HEIGHT = 240;
const LEFT = 64;
const BOTTOM = 26;
const TOP = 10;

/** @param {PassModel} pass */
const pagesOf = (pass) => KINDS.reduce((sum, [kind]) => sum + pass[kind], 0);

/** @param {PassModel} pass */
const nameOf = ({ first, passes }) =>
  passes === 1 ? String(first) : `${first}–${first + passes - 1}`;

/**
 * A number with one leading digit that is at least `value / parts`.
 *
 * @param {number} value
 * @param {number} parts
 */
function stepFor(value, parts) {
  const raw = Math.max(1, value / parts);
  const power = 10 ** Math.floor(Math.log10(raw));
  return item([1, 2, 5, 10].filter((step) => step * power >= raw), 0) * power;
}

/**
 * The chart: a column for each pass, its pages by kind, and how many of them had been sent before.
 *
 * @param {readonly PassModel[]} passes
 * @param {number} available
 */
function chart(passes, available) {
  const most = Math.max(...passes.map(pagesOf));
  const step = stepFor(most, 4);
  const top = Math.ceil(most / step) * step;
  const scale = (HEIGHT - TOP - BOTTOM) / top;
  const y = (/** @type {number} */ pages) => HEIGHT - BOTTOM - pages * scale;
  const slot = Math.min(96, (Math.min(MAX_WIDTH, available) - LEFT) / passes.length);
  const right = LEFT + slot * passes.length;
  const width = Math.min(64, Math.max(1, slot * 0.72));
  const picture = svg("svg", {
    width: right,
    height: HEIGHT,
    class: "chart",
    role: "img",
    "aria-label": "Pages sent in each pass; the table below has the numbers",
  });
  for (let pages = 0; pages <= top; pages += step) {
    picture.append(
      svg("line", {
        x1: LEFT,
        x2: LEFT + slot * passes.length,
        y1: y(pages),
        y2: y(pages),
        class: "grid",
      }),
      svg("text", { x: LEFT - 8, y: y(pages) + 4, class: "tick end" }, countText(pages)),
    );
  }
  const every = Math.max(1, Math.ceil(40 / slot));
  for (const [index, pass] of passes.entries()) {
    const left = LEFT + slot * index + (slot - width) / 2;
    const column = svg("g", {}, svg("title", {}, describe(pass)));
    let below = 0;
    for (const [kind] of KINDS) {
      const pages = pass[kind];
      if (pages === 0) continue;
      const height = pages * scale;
      column.append(
        svg("rect", { x: left, y: y(below + pages), width, height, class: `f-${kind}` }),
      );
      below += pages;
    }
    if (pass.resent > 0) {
      const x2 = left + width + 3;
      column.append(
        svg("line", { x1: left - 3, x2, y1: y(pass.resent), y2: y(pass.resent), class: "resent" }),
      );
    }
    picture.append(column);
    if (index % every !== 0) continue;
    const x = left + width / 2;
    picture.append(svg("text", { x, y: HEIGHT - 8, class: "tick middle" }, nameOf(pass)));
  }
  return picture;
}

/** @param {PassModel} pass */
function describe(pass) {
  const parts = KINDS.flatMap(([kind, name]) =>
    pass[kind] === 0 ? [] : [`${countText(pass[kind])} ${name.toLowerCase()}`]
  );
  return `Pass ${nameOf(pass)}: ${parts.join(", ")}; ${countText(pass.resent)} sent before`;
}

/** @param {SideModel} side */
export function passesElement({ passes, passOrigin, resentPages }) {
  if (passes.length === 0) return null;
  const sum = (/** @type {(pass: PassModel) => number} */ of) =>
    passes.reduce((total, pass) => total + of(pass), 0);
  const all = sum(pagesOf);
  const used = KINDS.filter(([kind]) => passes.some((pass) => pass[kind] > 0));
  const last = item(passes, passes.length - 1);
  const box = h("div", { class: "chart-box" });
  keepDrawn(box, () => {
    const { width } = box.getBoundingClientRect();
    if (width > 0) box.replaceChildren(chart(passes, width));
  });
  return h(
    "div",
    {},
    h("h3", {}, counted(last.first + last.passes - 1, "pass", "passes")),
    h(
      "p",
      { class: "about" },
      `${counted(all, "page")} sent, ${countText(resentPages)} (${
        percentText(resentPages, all)
      }) of them again. ${ORIGINS[passOrigin]}`,
    ),
    box,
    legend([
      ...used.map((
        [kind, name],
      ) => /** @type {const} */ ([kind, name, countText(sum((pass) => pass[kind]))])),
      ["resent", "Sent before", countText(resentPages)],
    ]),
    h(
      "details",
      { class: "numbers" },
      h("summary", { class: "row" }, "The numbers"),
      table(
        ["Pass", "Pages", ...used.map(([, name]) => name), "Sent before"],
        `rr${"r".repeat(used.length)}r`,
        passes.map((pass) => [
          nameOf(pass),
          countText(pagesOf(pass)),
          ...used.map(([kind]) => countText(pass[kind])),
          countText(pass.resent),
        ]),
      ),
    ),
  );
}

/**
 * @param {number} part
 * @param {number} whole
 */
function loadBar(part, whole) {
  const filled = h("span", { class: "b-normal" });
  const empty = h("span", { class: "b-none" });
  filled.style.flexGrow = String(part);
  empty.style.flexGrow = String(Math.max(0, whole - part));
  return h("div", { class: "bar", "aria-hidden": "true" }, filled, empty);
}

/**
 * The load of each channel, and how well it compresses.
 *
 * @param {readonly ChannelModel[]} channels
 */
export function channelsElement(channels) {
  if (channels.length === 0) return null;
  const most = Math.max(...channels.map(({ payloadBytes }) => payloadBytes));
  const all = channels.reduce((sum, { payloadBytes }) => sum + payloadBytes, 0);
  return h(
    "div",
    {},
    h("h3", {}, "Channels"),
    table(
      ["Channel", "Load", "Bytes", "Share", "Packets", "Normal", "Zero", "Method", "Ratio"],
      "llrrrrrlr",
      channels.map((channel) => [
        channel.name,
        loadBar(channel.payloadBytes, most),
        bytesText(channel.payloadBytes),
        percentText(channel.payloadBytes, all),
        countText(channel.packets),
        countText(channel.normal),
        countText(channel.zero),
        channel.method ?? "–",
        channel.payloadBytes === 0
          ? "–"
          : `${(channel.contentBytes / channel.payloadBytes).toFixed(2)} : 1`,
      ]),
    ),
  );
}
