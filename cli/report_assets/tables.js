// @ts-check
/// <reference lib="dom" />
/**
 * Findings of the validation, registers, and the list of differences.
 *
 * @module
 */

/** @import { ComparisonModel, CpuModel, SideModel, ValidationModel } from "../../analyze/report/model.ts" */
import { add, counted, countText, h, hexText, item, table } from "./dom.js";

/** Differences that are shown at once. */
const MAX_CHANGES = 500;

/**
 * What a validation says, in a few words.
 *
 * @param {ValidationModel} validation
 * @returns {readonly [level: "good" | "warning" | "bad", text: string]}
 */
export function verdictOf({ valid, findings, more, unchecked }) {
  const of = (/** @type {string} */ severity) =>
    findings.filter((finding) => finding.severity === severity).length;
  const [errors, warnings] = [of("error"), of("warning")];
  const rest = more > 0 ? ", and more" : "";
  if (!valid || errors > 0) return ["bad", `Invalid: ${counted(errors, "error")}${rest}`];
  if (unchecked.length > 0) return ["warning", "Not checked whole"];
  if (warnings > 0) return ["warning", `Valid, ${counted(warnings, "warning")}${rest}`];
  return ["good", "Valid"];
}

/**
 * @param {ValidationModel} validation
 * @param {(offset: number) => void} onPlace
 */
export function findingsElement({ findings, more, unchecked }, onPlace) {
  if (findings.length === 0 && unchecked.length === 0) {
    return h("p", { class: "empty" }, "No rule of the format is broken.");
  }
  return h(
    "div",
    {},
    h(
      "ol",
      { class: "findings" },
      findings.map((finding) =>
        h(
          "li",
          { class: `finding s-${finding.severity}` },
          h(
            "div",
            { class: "finding-head" },
            h("span", { class: `severity s-${finding.severity}` }, finding.severity),
            h("b", {}, finding.rule),
            h("button", {
              type: "button",
              class: "link",
              title: "Show in the strip",
              onclick: () => onPlace(finding.offset),
            }, `at ${hexText(finding.offset)}`),
            h("span", { class: "note" }, finding.path),
          ),
          h("p", {}, finding.message),
          facts(finding.expected, finding.found),
          h("p", { class: "note" }, `QEMU: ${finding.qemu}`),
        )
      ),
    ),
    more > 0 && h("p", {}, `${counted(more, "more finding")}: migstream validate has all.`),
    unchecked.map((part) => h("p", { class: "note" }, `Not checked: ${part}.`)),
  );
}

/**
 * @param {string | null} expected
 * @param {string | null} found
 */
function facts(expected, found) {
  if (expected === null && found === null) return null;
  return h(
    "p",
    {},
    expected !== null && "expected ",
    expected !== null && h("code", {}, expected),
    expected !== null && found !== null && ", ",
    found !== null && "found ",
    found !== null && h("code", {}, found),
  );
}

/**
 * The registers of all processors of one or two inputs. With two, what differs is marked.
 *
 * @param {readonly SideModel[]} sides
 */
export function registersElement(sides) {
  const [first, second] = sides.map(({ cpus }) => new Map(cpus.map((cpu) => [cpu.index, cpu])));
  const indexes = [...new Set(sides.flatMap(({ cpus }) => cpus.map(({ index }) => index)))];
  if (indexes.length === 0 || first === undefined) {
    return h("p", { class: "empty" }, "No processor whose registers are known is in the stream.");
  }
  const more = Math.max(...sides.map(({ moreCpus }) => moreCpus));
  return h(
    "div",
    {},
    indexes.sort((a, b) => a - b).map((index, number) =>
      cpuElement(index, first.get(index), second?.get(index), number === 0, sides.length === 2)
    ),
    more > 0 && h("p", {}, `${counted(more, "more processor")}.`),
  );
}

/**
 * @param {number} index
 * @param {CpuModel | undefined} one
 * @param {CpuModel | undefined} other
 * @param {boolean} isOpen
 * @param {boolean} isCompared
 */
function cpuElement(index, one, other, isOpen, isCompared) {
  const cpu = /** @type {CpuModel} */ (one ?? other);
  const values = new Map(other?.registers);
  const registers = cpu.registers.map(([name, value]) => {
    const theirs = isCompared && one !== undefined ? values.get(name) ?? "–" : value;
    return /** @type {const} */ ([name, value, theirs]);
  });
  const changed = registers.filter(([, value, theirs]) => value !== theirs).length;
  const notes = [
    cpu.architecture,
    cpu.halted === true && "halted",
    `${registers.length} registers`,
    isCompared && (one === undefined || other === undefined) &&
    `only in ${one === undefined ? "B" : "A"}`,
  ].filter((note) => note !== false);
  return h(
    "details",
    { class: "cpu", open: isOpen },
    h(
      "summary",
      { class: "row" },
      h("b", { class: "name" }, `CPU ${index}`),
      h("span", { class: "note" }, notes.join(" · ")),
      changed > 0 && h("span", { class: "badge" }, counted(changed, "difference")),
    ),
    h(
      "dl",
      { class: isCompared ? "registers compared" : "registers" },
      registers.map(([name, value, theirs]) =>
        h(
          "div",
          { class: value !== theirs ? "differs" : value === "0x0" ? "zero" : undefined },
          h("dt", {}, name),
          h("dd", {}, value, value !== theirs && h("span", {}, theirs)),
        )
      ),
    ),
  );
}

/**
 * The differences in configuration, sections and fields, which can be filtered.
 *
 * @param {ComparisonModel} comparison
 * @param {(path: string) => void} onDevice
 */
export function changesElement({ changes, more }, onDevice) {
  if (changes.length === 0) {
    return h("p", { class: "empty" }, "No field of configuration or devices is different.");
  }
  const box = h("div");
  const status = h("span", { class: "range", role: "status" });
  const input = /** @type {HTMLInputElement} */ (h("input", {
    type: "search",
    placeholder: "Filter by path or value",
    "aria-label": "Filter the differences",
    spellcheck: "false",
  }));
  const show = () => {
    const words = input.value.toLowerCase().split(/\s+/);
    const found = changes.filter((change) => {
      const text = change.join(" ").toLowerCase();
      return words.every((word) => text.includes(word));
    });
    box.replaceChildren(
      table(
        ["Field", "A", "B"],
        "mmm",
        found.slice(0, MAX_CHANGES).map((change) => {
          const [path, left, right] = change;
          const device = path.split("/").slice(0, 2);
          const known = /^\d+$/.test(item(device, device.length - 1)) ? device.join("/") : "";
          return [
            known === "" ? path : h("button", {
              type: "button",
              class: "link",
              title: "Show the device",
              onclick: () => onDevice(known),
            }, path),
            valueElement(left),
            valueElement(right),
          ];
        }),
      ),
    );
    const shown = found.length > MAX_CHANGES ? `, the first ${MAX_CHANGES} are shown` : "";
    const rest = more > 0 ? `; ${countText(more)} more are left out` : "";
    status.textContent = `${counted(found.length, "difference")}${shown}${rest}`;
  };
  input.addEventListener("input", show);
  show();
  return add(h("div"), h("div", { class: "controls" }, input, status), box);
}

/** @param {string | null} value */
function valueElement(value) {
  return value === null ? h("span", { class: "note" }, "not there") : value;
}
