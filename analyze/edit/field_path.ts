/**
 * Paths to fields of a device, as `layout --at` prints them.
 *
 * ```text
 * path    = part { "." part } [ "/" inside ]       cpu's env.segs[2].base
 * part    = field name [ "[" number "]" ]
 * inside  = subsection name "/" path               cpu/async_pf_msr/env.async_pf_en_msr
 * ```
 *
 * A device's own subsections stand at the path's beginning, those of a structure behind the field that holds it. Names may contain
 * dots, slashes and brackets (`env.eip`, `config[0]`): a path is compared with the names that are there, longer ones first.
 *
 * @module
 */

import type { DeviceState } from "../../format/items.ts";
import { escapeText, hex } from "../../format/text.ts";
import {
  fieldGroups,
  isNullStruct,
  type VmstateField,
  type VmstateStruct,
} from "../../format/vmstate.ts";
import { isContainerType } from "../../format/vmstate_value.ts";
import { cannotSet } from "./edit_error.ts";
import { nearestName } from "./nearest.ts";

/** Names that an error lists. */
const MAX_LISTED = 6;

/** Where one value stands, and what it means. */
export interface FieldSlot {
  /** Type string. */
  readonly type: string;
  /** Offset in the section's payload. */
  readonly offset: number;
  /** Bytes. */
  readonly sizeBytes: number;
}

/** What a path leads to: a value, or all values of an array. */
export interface FieldTarget {
  /** The field's name, without an index. */
  readonly name: string;
  /** The structure that has the field. */
  readonly struct: VmstateStruct;
  /** Whether it is a whole array. */
  readonly isList: boolean;
  /** The values: one, or those of the array, which follow each other. */
  readonly slots: readonly FieldSlot[];
}

/**
 * Finds what `path` leads to.
 *
 * @param device The device.
 * @param path The whole path, as it was asked for.
 * @param start Where in it the part about the device's fields begins.
 * @throws {EditError} where there is no such field, or more than one
 */
export function resolveField(device: DeviceState, path: string, start = 0): FieldTarget {
  const finder = new FieldFinder(path);
  const [target, ...others] = finder.members(device.state, start, "any");
  if (target === undefined) throw cannotSet(path, finder.reason());
  if (others.length === 0) return target;
  const places = [target, ...others].slice(0, MAX_LISTED).map(({ name, slots }) =>
    `${escapeText(name)} at offset ${hex(device.payloadOffset + slots[0]!.offset)}`
  );
  throw cannotSet(path, `this may be ${places.join(", or ")}`);
}

/** An element of a field: a structure or a value. */
type Element =
  | { readonly struct: VmstateStruct; readonly slot?: undefined }
  | { readonly struct?: undefined; readonly slot: FieldSlot };

class FieldFinder {
  readonly #path: string;
  /** How far the path could be followed, and why no further. */
  #failedAt = -1;
  #reason: () => string = () => "no such field";

  constructor(path: string) {
    this.#path = path;
  }

  /** Why nothing was found. */
  reason(): string {
    return this.#reason();
  }

  #fail(at: number, reason: () => string): FieldTarget[] {
    if (at > this.#failedAt) [this.#failedAt, this.#reason] = [at, reason];
    return [];
  }

  /** What the path from `at` on leads to in a structure: more than one only where names are equal. */
  members(struct: VmstateStruct, at: number, kind: "any" | "field" | "subsection"): FieldTarget[] {
    const ways: { readonly end: number; readonly go: () => FieldTarget[] }[] = [];
    const groups = kind === "subsection" ? [] : fieldGroups(struct.fields);
    for (const group of groups) {
      const name = escapeText(group[0]!.name);
      const end = at + name.length;
      if (!this.#path.startsWith(name, at) || !"./[".includes(this.#path[end] ?? "")) continue;
      ways.push({ end, go: () => this.#group(struct, group, end) });
    }
    const subsections = kind === "field" ? [] : struct.subsections;
    for (const subsection of subsections) {
      const name = `${escapeText(subsection.vmsdName)}/`;
      const end = at + name.length;
      if (!this.#path.startsWith(name, at)) continue;
      ways.push({ end, go: () => this.members(subsection, end, "any") });
    }
    ways.sort((a, b) => b.end - a.end);
    for (let first = 0; first < ways.length;) {
      const same = ways.filter(({ end }) => end === ways[first]!.end);
      const found = same.flatMap(({ go }) => go());
      if (found.length > 0) return found;
      first += same.length;
    }
    return this.#fail(at, () => {
      const names = [
        ...groups.map(([field]) => escapeText(field!.name)),
        ...subsections.map(({ vmsdName }) => `${escapeText(vmsdName)}/`),
      ];
      const nearest = nearestName(names, this.#path.slice(at));
      if (nearest !== undefined) {
        return `no such field; did you mean ${this.#path.slice(0, at)}${nearest}?`;
      }
      return `no such field; there is ${listed(names)}`;
    });
  }

  #group(struct: VmstateStruct, group: readonly VmstateField[], end: number): FieldTarget[] {
    const name = group[0]!.name;
    const next = this.#path[end];
    if (next === "[") return this.#indexed(struct, group, end);
    const elements = elementsOf(group, undefined);
    if (next === undefined && elements.length === 0 && isWholeList(group)) {
      return [{ name, struct, isList: true, slots: group.flatMap(slotsOf) }];
    }
    if (elements.length === 0) {
      return this.#fail(end, () => {
        const count = group.reduce((sum, field) => sum + elementCount(field), 0);
        return count === 0 ? "it has no elements" : `it has ${count} elements: say which, from [0]`;
      });
    }
    return elements.flatMap((element) => this.#element(struct, name, element, end));
  }

  #indexed(struct: VmstateStruct, group: readonly VmstateField[], start: number): FieldTarget[] {
    const close = this.#path.indexOf("]", start);
    const digits = this.#path.slice(start + 1, close < 0 ? undefined : close);
    if (close < 0 || !/^\d{1,15}$/.test(digits)) {
      return this.#fail(start, () => "an index is a number in brackets, e.g. [0]");
    }
    const elements = elementsOf(group, Number(digits));
    if (elements.length === 0) {
      return this.#fail(start, () => {
        const count = group.reduce((sum, field) => sum + elementCount(field), 0);
        const isNumbered = isArray(group) || isContainerType(group[0]!.type);
        if (!isNumbered) return "it is no array and has no elements to be numbered";
        return count === 0 ? "it has no elements" : `it has the elements 0..${count - 1}`;
      });
    }
    const { name } = group[0]!;
    return elements.flatMap((element) => this.#element(struct, name, element, close + 1));
  }

  #element(owner: VmstateStruct, name: string, element: Element, end: number): FieldTarget[] {
    const next = this.#path[end];
    const { struct, slot } = element;
    if (slot !== undefined) {
      if (next === undefined) return [{ name, struct: owner, isList: false, slots: [slot] }];
      return this.#fail(
        end,
        () => `it is a value of type ${escapeText(slot.type)}, nothing inside`,
      );
    }
    if (isNullStruct(struct)) return this.#fail(end, () => "it is a null pointer");
    if (next === ".") return this.members(struct, end + 1, "field");
    if (next === "/") return this.members(struct, end + 1, "subsection");
    return this.#fail(end, () => {
      const names = fieldGroups(struct.fields).map(([field]) => escapeText(field!.name));
      return `it is a structure; name a field of it: ${listed(names)}`;
    });
  }
}

function isArray(group: readonly VmstateField[]): boolean {
  return group.length > 1 || group[0]!.isArray;
}

function isWholeList(group: readonly VmstateField[]): boolean {
  return isArray(group) && group.every(({ elements }) => elements === undefined) &&
    group.some(({ lengthBytes }) => lengthBytes > 0);
}

function elementCount(field: VmstateField): number {
  return field.elements?.length ?? field.count;
}

/** The elements of a number; without one, what has none. Only containers may be asked both ways, if they have one element. */
function elementsOf(group: readonly VmstateField[], index: number | undefined): Element[] {
  const found: Element[] = [];
  let first = 0;
  for (const field of group) {
    const number = isArray(group) ? first : isContainerType(field.type) ? 0 : undefined;
    const count = elementCount(field);
    const isLone = number === undefined || isContainerType(field.type) && !isArray(group);
    if (index === undefined && isLone && count === 1) found.push(elementOf(field, 0));
    const at = (index ?? -1) - (number ?? Infinity);
    if (at >= 0 && at < count) found.push(elementOf(field, at));
    first += field.count;
  }
  return found;
}

function elementOf(field: VmstateField, index: number): Element {
  const struct = field.elements?.[index];
  return struct === undefined ? { slot: slotOf(field, index) } : { struct };
}

function slotOf({ type, offset, lengthBytes, count }: VmstateField, index: number): FieldSlot {
  const sizeBytes = lengthBytes / count;
  return { type, offset: offset + index * sizeBytes, sizeBytes };
}

function slotsOf(field: VmstateField): FieldSlot[] {
  return Array.from({ length: field.count }, (_, index) => slotOf(field, index));
}

function listed(names: readonly string[]): string {
  if (names.length === 0) return "nothing";
  const shown = names.slice(0, MAX_LISTED).join(", ");
  return names.length > MAX_LISTED ? `${shown}, and ${names.length - MAX_LISTED} more` : shown;
}
