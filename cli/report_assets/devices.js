// @ts-check
/// <reference lib="dom" />
/**
 * The device tree: collapsible, searchable, made as it is opened.
 *
 * @module
 */

/** @import { ComparisonModel, DeviceModel, SideModel, TreeNode } from "../../analyze/report/model.ts" */
import { add, bytesText, counted, countText, h, hexText } from "./dom.js";

/** Results of a search that are shown. */
const MAX_RESULTS = 200;
/** Milliseconds without a key before a search begins. */
const PAUSE = 120;

/** Differences by the paths of fields, and how many there are below each path. */
class Changes {
  /** @param {ComparisonModel | null} comparison */
  constructor(comparison) {
    /** @type {Map<string, readonly [string | null, string | null]>} */
    this.byPath = new Map();
    /** @type {Map<string, number>} */
    this.below = new Map();
    for (const [path, left, right] of comparison?.changes ?? []) {
      this.byPath.set(path, [left, right]);
      const prefixes = new Set([path]);
      for (let at = 0; at < path.length; at++) {
        if ("/.[".includes(path.charAt(at))) prefixes.add(path.slice(0, at));
      }
      for (const prefix of prefixes) this.below.set(prefix, (this.below.get(prefix) ?? 0) + 1);
    }
  }
}

/**
 * The path of a node: as `convert --set` and `layout --at` have it.
 *
 * @param {string} parent
 * @param {string} kind
 * @param {TreeNode} node
 */
function pathOf(parent, kind, node) {
  const [name, type] = node;
  if (/^\[\d+\]$/.test(name)) return parent + name;
  return `${parent}${kind === "device" || type === "subsection" ? "/" : "."}${name}`;
}

/** @param {TreeNode} node */
function kindOf([, type]) {
  // The fields of a subsection stand behind a slash, as those of a device.
  return type === "subsection" ? "device" : "struct";
}

/** The tree of one input. */
export class DeviceTreeView {
  /**
   * @param {SideModel} side
   * @param {0 | 1} number
   * @param {ComparisonModel | null} comparison
   * @param {(offset: number) => void} onPlace
   */
  constructor(side, number, comparison, onPlace) {
    this.side = side;
    this.number = number;
    this.changes = new Changes(comparison);
    this.isCompared = comparison !== null;
    this.onPlace = onPlace;
    this.tree = h("div", { class: "tree" });
    this.results = h("div", { class: "tree results", hidden: true });
    this.status = h("p", { class: "about", role: "status" });
    this.input = /** @type {HTMLInputElement} */ (h("input", {
      type: "search",
      placeholder: "Search names, types, values",
      "aria-label": "Search the devices",
      spellcheck: "false",
    }));
    this.onlyChanged = /** @type {HTMLInputElement} */ (h("input", { type: "checkbox" }));
    /** @type {Map<string, HTMLDetailsElement>} */
    this.devices = new Map();
    for (const device of side.devices) this.tree.append(this.#device(device));
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    let timer;
    this.input.addEventListener("input", () => {
      clearTimeout(timer);
      timer = setTimeout(() => this.search(this.input.value), PAUSE);
    });
    this.onlyChanged.addEventListener("change", () => this.search(this.input.value));
    this.element = h(
      "div",
      {},
      h(
        "div",
        { class: "controls" },
        this.input,
        this.isCompared &&
          h("label", {}, this.onlyChanged, " only what differs"),
        h("button", { type: "button", onclick: () => this.#toggle(false) }, "Collapse"),
      ),
      this.status,
      this.results,
      this.tree,
    );
    this.#sum();
  }

  #sum() {
    const { devices, moreDevices } = this.side;
    const omitted = devices.reduce((sum, device) => sum + device.omitted, 0);
    const more = moreDevices > 0 ? `, ${countText(moreDevices)} more are left out` : "";
    const fields = omitted > 0
      ? ` ${counted(omitted, "field")} did not fit: migstream analyze --dump rich has all.`
      : "";
    this.status.textContent = `${counted(devices.length, "section")}${more}.${fields}`;
  }

  /** @param {boolean} open */
  #toggle(open) {
    for (const details of this.tree.querySelectorAll("details")) details.open = open;
  }

  /** @param {DeviceModel} device */
  #device(device) {
    const { path, note, offset, lengthBytes, nodes } = device;
    const changed = this.changes.below.get(path) ?? 0;
    const own = this.changes.byPath.get(path);
    const head = [
      h("code", { class: "name" }, path),
      h("span", { class: "note" }, note),
      changed > 0 && h("span", { class: "badge" }, `${counted(changed, "difference")}`),
      own !== undefined && this.#change(own),
      h("span", { class: "place" }, this.#place(offset), h("small", {}, bytesText(lengthBytes))),
    ];
    if (nodes.length === 0) return h("div", { class: "row device leaf" }, head);
    const details = /** @type {HTMLDetailsElement} */ (h(
      "details",
      { class: "device" },
      h("summary", { class: "row" }, head),
    ));
    this.devices.set(path, details);
    const fill = () => {
      if (details.childElementCount === 1) details.append(this.#nodes(nodes, path, "device"));
    };
    details.addEventListener("toggle", fill);
    return details;
  }

  /** @param {number} offset */
  #place(offset) {
    if (offset < 0) return "";
    return h(
      "button",
      {
        type: "button",
        class: "link",
        title: "Show in the strip",
        onclick: (
          /** @type {Event} */ event,
        ) => {
          // Within a summary it would open or close the node.
          event.preventDefault();
          this.onPlace(offset);
        },
      },
      hexText(offset),
    );
  }

  /**
   * @param {readonly TreeNode[]} nodes
   * @param {string} path
   * @param {string} kind
   */
  #nodes(nodes, path, kind) {
    return h(
      "div",
      { class: "fields" },
      nodes.map((node) => this.#node(node, pathOf(path, kind, node))),
    );
  }

  /**
   * @param {TreeNode} node
   * @param {string} path
   */
  #node(node, path) {
    const row = this.#row(node, node[0], path);
    if (node.length === 5) return h("div", { class: "row leaf" }, row);
    const details = h("details", { "data-path": path }, h("summary", { class: "row" }, row));
    details.addEventListener("toggle", () => {
      if (details.childElementCount === 1) {
        details.append(this.#nodes(node[5], path, kindOf(node)));
      }
    });
    return details;
  }

  /**
   * @param {TreeNode} node
   * @param {string} name
   * @param {string} path
   */
  #row(node, name, path) {
    const [, type, offset, lengthBytes] = node;
    const change = this.changes.byPath.get(path);
    const below = this.changes.below.get(path) ?? 0;
    return [
      h("code", { class: "name" }, name),
      node.length === 5
        ? h("code", { class: "value" }, node[4])
        : h("span", { class: "note" }, counted(node[5].length, "member")),
      change !== undefined && this.#change(change),
      change === undefined && below > 0 &&
      h("span", { class: "badge" }, counted(below, "difference")),
      h("span", { class: "type" }, type),
      h(
        "span",
        { class: "place" },
        this.#place(offset),
        lengthBytes > 0 && h("small", {}, bytesText(lengthBytes)),
      ),
    ];
  }

  /** @param {readonly [string | null, string | null]} change */
  #change(change) {
    const other = change[1 - this.number];
    return h(
      "span",
      { class: "change" },
      `${this.number === 0 ? "B" : "A"}: `,
      h("code", {}, other ?? "not there"),
    );
  }

  /** @param {string} text */
  search(text) {
    const words = text.toLowerCase().split(/\s+/).filter((word) => word !== "");
    const onlyChanged = this.onlyChanged.checked;
    const isSearch = words.length > 0 || onlyChanged;
    this.results.hidden = !isSearch;
    this.tree.hidden = isSearch;
    this.results.replaceChildren();
    if (!isSearch) return this.#sum();
    let found = 0;
    /** @param {TreeNode} node @param {string} path */
    const visit = (node, path) => {
      const value = node.length === 5 ? node[4] : "";
      const isLeaf = node.length === 5;
      const isMeant = !onlyChanged || this.changes.byPath.has(path) ||
        isLeaf && this.changes.below.has(path);
      const searched = `${path} ${node[1]} ${value}`.toLowerCase();
      if (isMeant && (isLeaf || onlyChanged) && words.every((word) => searched.includes(word))) {
        found += 1;
        if (found <= MAX_RESULTS) {
          this.results.append(h("div", { class: "row leaf" }, this.#row(node, path, path)));
        }
      }
      if (node.length === 6) {
        for (const child of node[5]) visit(child, pathOf(path, kindOf(node), child));
      }
    };
    for (const { path, nodes } of this.side.devices) {
      for (const node of nodes) visit(node, pathOf(path, "device", node));
    }
    const shown = found > MAX_RESULTS ? `, the first ${MAX_RESULTS} are shown` : "";
    this.status.textContent = `${counted(found, "field")} found${shown}.`;
  }

  /**
   * Opens a device.
   *
   * @param {string} path
   */
  open(path) {
    const details = this.devices.get(path);
    if (details === undefined) return;
    this.input.value = "";
    this.onlyChanged.checked = false;
    this.search("");
    details.open = true;
    details.scrollIntoView({ block: "start" });
    /** @type {HTMLElement} */ (details.firstElementChild).focus();
  }
}

/**
 * The trees of one or two inputs, one of them in view.
 *
 * @param {readonly DeviceTreeView[]} views
 */
export function devicesElement(views) {
  if (views.length === 1) return add(h("div"), views[0]?.element);
  const box = h("div");
  const buttons = views.map((_, number) =>
    h("button", {
      type: "button",
      onclick: () => choose(number),
    }, number === 0 ? "Devices of A" : "Devices of B")
  );
  /** @param {number} chosen */
  const choose = (chosen) => {
    for (const [number, view] of views.entries()) {
      view.element.hidden = number !== chosen;
      buttons[number]?.setAttribute("aria-pressed", String(number === chosen));
    }
  };
  choose(0);
  return add(box, h("div", { class: "tabs" }, buttons), views.map(({ element }) => element));
}
