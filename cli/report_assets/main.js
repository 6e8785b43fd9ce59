// @ts-check
/// <reference lib="dom" />
/**
 * Builds the page from the data that stands in it.
 *
 * @module
 */

/** @import { ComparisonModel, ReportModel, SideModel } from "../../analyze/report/model.ts" */
import { add, bytesText, countText, h, item, redrawAll, section } from "./dom.js";
import { Strip } from "./strip.js";
import { changedMapElement, memoryElement, physicalElement } from "./memory.js";
import { channelsElement, passesElement } from "./migration.js";
import { devicesElement, DeviceTreeView } from "./devices.js";
import { changesElement, findingsElement, registersElement, verdictOf } from "./tables.js";

const THEME_KEY = "migstream-report-theme";
const root = document.documentElement;

/** @typedef {{ label: string, side: SideModel, strip: Strip }} Shown */

/** @param {string} text */
function baseName(text) {
  return text.replace(/[\\/]+$/, "").split(/[\\/]/).at(-1) ?? text;
}

/**
 * Elements for all sides, each under its letter where there are two.
 *
 * @param {readonly Shown[]} shown
 * @param {(one: Shown, number: number) => HTMLElement | null} make
 */
function perSide(shown, make) {
  return shown.flatMap((one, number) => {
    const element = make(one, number);
    if (element === null) return [];
    return shown.length === 1 ? [element] : [
      h(
        "h3",
        { class: "side" },
        h("span", { class: "letter" }, one.label),
        baseName(one.side.path),
      ),
      element,
    ];
  });
}

/** @param {Shown} shown */
function headElement({ label, side }, isPair = false) {
  const [level, verdict] = verdictOf(side.validation);
  const sizes = new Map(side.sizes);
  const ram = side.blocks.reduce((sum, { lengthBytes }) => sum + lengthBytes, 0);
  const tiles = [
    ["Guest memory", bytesText(ram)],
    ...[...sizes].filter(([name, bytes]) => bytes > 0 || name === "Size").map(([name, bytes]) => [
      name === "Size" ? "Input" : name,
      bytesText(bytes),
    ]),
  ];
  return h(
    "div",
    { class: "head" },
    h(
      "div",
      { class: "title" },
      isPair && h("span", { class: "letter" }, label),
      h(isPair ? "h2" : "h1", {}, baseName(side.path)),
      h("a", { class: `verdict v-${level}`, href: "#findings" }, verdict),
    ),
    h(
      "dl",
      { class: "tiles" },
      tiles.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))),
    ),
    h(
      "dl",
      { class: "facts" },
      side.facts.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))),
    ),
    side.error !== null && h("p", { class: "callout v-bad" }, `Read up to damage: ${side.error}`),
    side.notes.map((note) => h("p", { class: "callout" }, note)),
  );
}

/**
 * @param {ComparisonModel} comparison
 * @param {(path: string) => void} onDevice
 */
function comparisonSection(comparison, onDevice) {
  const pages = comparison.memory.reduce((sum, { changedPages }) => sum + changedPages, 0);
  const fields = comparison.changes.length + comparison.more;
  const about = comparison.same
    ? "Both inputs hold the same guest."
    : `${countText(pages)} pages and ${countText(fields)} fields differ.`;
  return section(
    "differences",
    "Differences",
    about,
    comparison.memory.map(changedMapElement),
    h("h3", {}, "Fields"),
    changesElement(comparison, onDevice),
    comparison.notes.map((note) => h("p", { class: "note" }, `Note: ${note}`)),
  );
}

/** @param {ReportModel} model */
function build(model) {
  const { sides, comparison } = model;
  const shown = sides.map((side, number) => {
    const label = item(["A", "B"], number);
    return { label, side, strip: new Strip(side, label) };
  });
  const isPair = shown.length === 2;
  const onPlace = (/** @type {Shown} */ { strip }) => (/** @type {number} */ offset) => {
    strip.reveal(offset);
    strip.element.scrollIntoView({ block: "center" });
    strip.canvas.focus({ preventScroll: true });
  };
  const views = shown.map((one, number) =>
    new DeviceTreeView(one.side, number === 0 ? 0 : 1, comparison, onPlace(one))
  );
  const onDevice = (/** @type {string} */ path) => views[0]?.open(path);
  const hasMigration = sides.some(({ passes, channels }) => passes.length + channels.length > 0);
  const parts = [
    ...(comparison === null ? [] : [comparisonSection(comparison, onDevice)]),
    section(
      "strip",
      "The file",
      "From the first byte to the last, to scale. Drag to move, Ctrl and the wheel to zoom.",
      perSide(shown, ({ strip }) => strip.element),
    ),
    section(
      "findings",
      "Validation",
      "Rules of the format that are broken, and what QEMU does about it.",
      perSide(shown, (one) => findingsElement(one.side.validation, onPlace(one))),
    ),
    section(
      "memory",
      "Memory",
      "Each RAM block as a map of its pages, by what they were last in the stream.",
      perSide(
        shown,
        ({ side }) => h("div", { class: "memory-box" }, memoryElement(side), physicalElement(side)),
      ),
    ),
    ...(hasMigration
      ? [section(
        "migration",
        "Migration",
        "What was sent when, and over which channel.",
        perSide(shown, ({ side }) => {
          const made = [passesElement(side), channelsElement(side.channels)];
          return made.every((part) => part === null) ? null : add(h("div"), made);
        }),
      )]
      : []),
    section(
      "devices",
      "Devices",
      "Every section with its fields, their values and places.",
      devicesElement(views),
    ),
    section(
      "registers",
      "Registers",
      isPair
        ? "Of each processor, by QEMU's names. Where they differ, A stands above B."
        : "Of each processor, by QEMU's names.",
      registersElement(sides),
    ),
  ];
  document.title = `${sides.map(({ path }) => baseName(path)).join(" and ")} – migstream report`;
  add(
    document.body,
    navElement(parts),
    h(
      "main",
      {},
      isPair && h("h1", { class: "pair" }, "Comparison"),
      h(
        "div",
        { class: isPair ? "heads" : undefined },
        shown.map((one) => headElement(one, isPair)),
      ),
      parts,
      h("footer", {}, model.generator),
    ),
  );
}

/** @param {readonly HTMLElement[]} parts */
function navElement(parts) {
  const button = h("button", { type: "button", class: "theme" });
  button.addEventListener("click", () => {
    setTheme(root.dataset["theme"] === "dark" ? "light" : "dark");
    remember(root.dataset["theme"] ?? "");
  });
  return h(
    "nav",
    { "aria-label": "Sections" },
    h(
      "div",
      {},
      h("b", {}, "migstream"),
      h(
        "ul",
        {},
        parts.map((part) =>
          h("li", {}, h("a", { href: `#${part.id}` }, part.querySelector("h2")?.textContent))
        ),
      ),
      button,
    ),
  );
}

/** @param {string} theme */
function setTheme(theme) {
  root.dataset["theme"] = theme;
  const button = document.querySelector("button.theme");
  if (button !== null) button.textContent = theme === "dark" ? "Light" : "Dark";
  redrawAll();
}

/** @param {string} theme */
function remember(theme) {
  try {
    localStorage.setItem(THEME_KEY, theme);
  } catch {
    // A page of a file may have no storage; the choice then holds until it is closed.
  }
}

function remembered() {
  try {
    return localStorage.getItem(THEME_KEY);
  } catch {
    return null;
  }
}

const dark = matchMedia("(prefers-color-scheme: dark)");
const print = matchMedia("print");
const chosen = () => remembered() ?? (dark.matches ? "dark" : "light");

build(JSON.parse(document.getElementById("data")?.textContent ?? ""));
// Canvases have no size, and no colours, before they are in the page.
setTheme(chosen());
dark.addEventListener("change", () => setTheme(chosen()));
// Paper is light.
print.addEventListener("change", () => setTheme(print.matches ? "light" : chosen()));
