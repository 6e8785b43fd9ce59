/**
 * The decoded state of devices as a tree that a page can show.
 *
 * Names of nodes are parts of paths as field_path.ts has them, so that a comparison's paths lead to nodes.
 *
 * @module
 */

import type { DeviceState } from "../../format/items.ts";
import { escapeText } from "../../format/text.ts";
import { isNullStruct, type VmstateField, type VmstateStruct } from "../../format/vmstate.ts";
import { isContainerType } from "../../format/vmstate_value.ts";
import { vmstateKind } from "../../format/vmstate_types.ts";
import type { RichValue } from "../rich/json.ts";
import { richPayload } from "../rich/payloads.ts";
import { clip, fieldText, listText } from "./field_text.ts";
import type { TreeNode } from "./model.ts";

/** Types of the marker of an element of an array of pointers. */
const MARKER_TYPES = new Set(["nullptr", "ptr-marker"]);
/** Levels of a hostile description that are followed. */
const MAX_DEPTH = 32;

/** What a tree may still take: characters of its JSON, roughly. */
export interface TreeBudget {
  /** How many are left. */
  left: number;
}

/** Characters that a node costs beside its texts. */
const NODE_CHARACTERS = 24;

/** Makes the tree of one device. */
export class DeviceTree {
  /** Fields that there was no room for. */
  omitted = 0;
  readonly #device: DeviceState;
  readonly #idstr: string;
  readonly #budget: TreeBudget;

  /** The tree of the section named `idstr`. */
  constructor(device: DeviceState, idstr: string, budget: TreeBudget) {
    this.#device = device;
    this.#idstr = idstr;
    this.#budget = budget;
  }

  /** The nodes. */
  nodes(): TreeNode[] {
    return this.#members(this.#device.state, 0);
  }

  /** Whether there is room for another node. */
  #takes(...texts: string[]): boolean {
    if (this.#budget.left <= 0) {
      this.omitted += 1;
      return false;
    }
    this.#budget.left -= texts.reduce((sum, text) => sum + text.length, NODE_CHARACTERS);
    return true;
  }

  #members(struct: VmstateStruct, depth: number): TreeNode[] {
    if (depth > MAX_DEPTH) {
      this.omitted += struct.fields.length + struct.subsections.length;
      return [];
    }
    const nodes = groupsOf(struct.fields).flatMap((group) => this.#group(group, depth));
    for (const subsection of struct.subsections) {
      nodes.push(...this.#struct(escapeText(subsection.vmsdName), "subsection", subsection, depth));
    }
    return nodes;
  }

  #struct(name: string, type: string, struct: VmstateStruct, depth: number): TreeNode[] {
    if (!this.#takes(name, type)) return [];
    const at = this.#device.payloadOffset + struct.offset;
    if (isNullStruct(struct)) return [[name, type, at, struct.lengthBytes, "null"]];
    return [[name, type, at, struct.lengthBytes, null, this.#members(struct, depth + 1)]];
  }

  #group(group: readonly VmstateField[], depth: number): TreeNode[] {
    const first = group[0]!;
    const name = clip(escapeText(first.name));
    const type = (group.find((field) => !MARKER_TYPES.has(field.type)) ?? first).type;
    const count = group.reduce((sum, field) => sum + field.count, 0);
    const isList = group.length > 1 || first.isArray || count !== 1;
    const lengthBytes = group.reduce((sum, field) => sum + field.lengthBytes, 0);
    const at = this.#device.payloadOffset + first.offset;
    if (group.every((field) => field.elements === undefined)) {
      return this.#values(group, { name, type, at, lengthBytes, count, isList });
    }
    const [only] = first.elements ?? [];
    if (!isList && !isContainerType(type) && only !== undefined) {
      return this.#struct(name, type, only, depth);
    }
    const shown = isContainerType(type) ? type : `${type}[${count}]`;
    if (!this.#takes(name, shown)) return [];
    return [[name, shown, at, lengthBytes, null, this.#elements(group, depth + 1)]];
  }

  #elements(group: readonly VmstateField[], depth: number): TreeNode[] {
    const nodes: TreeNode[] = [];
    let number = 0;
    for (const { elements, type, offset, lengthBytes, count } of group) {
      const base = number;
      number += count;
      for (const [index, struct] of (elements ?? []).entries()) {
        nodes.push(
          ...this.#struct(`[${base + index}]`, escapeText(struct.vmsdName), struct, depth),
        );
      }
      // A marker says whether the element is there; one that is speaks for itself.
      if (elements !== undefined || lengthBytes === 0) continue;
      const bytes = this.#device.bytes.subarray(offset, offset + lengthBytes);
      const value = fieldText(type, bytes);
      if (value === "present") number = base;
      else if (this.#takes(type, value)) {
        const at = this.#device.payloadOffset + offset;
        nodes.push([`[${base}]`, type, at, lengthBytes, value]);
      }
    }
    return nodes;
  }

  #values(
    group: readonly VmstateField[],
    { name, type, at, lengthBytes, count, isList }: {
      name: string;
      type: string;
      at: number;
      lengthBytes: number;
      count: number;
      isList: boolean;
    },
  ): TreeNode[] {
    if (this.#budget.left <= 0) {
      this.omitted += 1;
      return [];
    }
    if (!isList) {
      const { offset } = group[0]!;
      const bytes = this.#device.bytes.subarray(offset, offset + lengthBytes);
      const decoded = richPayload(type, bytes, { idstr: this.#idstr, offset: at });
      if (decoded !== undefined) return this.#rich(name, type, decoded, at, lengthBytes, 0);
      const value = fieldText(type, bytes);
      return this.#takes(name, type, value) ? [[name, type, at, lengthBytes, value]] : [];
    }
    const value = this.#listText(group, type, count, lengthBytes);
    const shown = `${type}[${count}]`;
    return this.#takes(name, shown, value) ? [[name, shown, at, lengthBytes, value]] : [];
  }

  /** Arrays of bytes are shown as buffers, others as lists. */
  #listText(
    group: readonly VmstateField[],
    type: string,
    count: number,
    lengthBytes: number,
  ): string {
    const { bytes } = this.#device;
    const start = group[0]!.offset;
    // The count of elements without bytes is anybody's claim.
    if (lengthBytes === 0) return "[]";
    const isBytes = lengthBytes === count && vmstateKind(type, 1) === "unsigned";
    if (isBytes) return fieldText("buffer", bytes.subarray(start, start + lengthBytes));
    const places = placesOf(group);
    return listText(count, () => {
      const { value } = places.next();
      if (value === undefined) return "";
      return fieldText(value.type, bytes.subarray(value.offset, value.offset + value.sizeBytes));
    });
  }

  /** A decoded payload: objects and lists of objects become nodes, everything else text. */
  #rich(
    name: string,
    type: string,
    value: RichValue,
    at: number,
    lengthBytes: number,
    depth: number,
  ): TreeNode[] {
    if (typeof value !== "object" || value === null || depth > MAX_DEPTH) {
      const text = clip(typeof value === "string" ? escapeText(value) : String(value));
      return this.#takes(name, type, text) ? [[name, type, at, lengthBytes, text]] : [];
    }
    const isList = Array.isArray(value);
    const members = Object.entries(value as Record<string, RichValue | undefined>);
    if (isList && !members.some(([, each]) => typeof each === "object" && each !== null)) {
      const text = listText(members.length, (index) => clip(String(members[index]![1])));
      return this.#takes(name, type, text) ? [[name, type, at, lengthBytes, text]] : [];
    }
    if (!this.#takes(name, type)) return [];
    const children = members.flatMap(([key, member]) =>
      member === undefined
        ? []
        : this.#rich(isList ? `[${key}]` : escapeText(key), "", member, -1, 0, depth + 1)
    );
    return [[name, type, at, lengthBytes, null, children]];
  }

  /** What the whole payload means beyond its fields. */
  decoded(value: RichValue): TreeNode[] {
    return this.#rich("(decoded)", "", value, -1, 0, 0);
  }
}

/** Where each element of an array stands. */
function* placesOf(
  group: readonly VmstateField[],
): Generator<{ type: string; offset: number; sizeBytes: number }, undefined, undefined> {
  for (const { type, offset, lengthBytes, count } of group) {
    const sizeBytes = count === 0 ? 0 : lengthBytes / count;
    for (let index = 0; index < count; index++) {
      yield { type, offset: offset + index * sizeBytes, sizeBytes };
    }
  }
}

/** Consecutive fields of one name are one array. */
function groupsOf(fields: readonly VmstateField[]): VmstateField[][] {
  const groups: VmstateField[][] = [];
  for (const field of fields) {
    const last = groups.at(-1);
    const isMore = last?.[0]?.name === field.name && !isContainerType(field.type) &&
      !isContainerType(last[0].type);
    if (isMore) last.push(field);
    else groups.push([field]);
  }
  return groups;
}
