/**
 * The decoded state of a device on both sides, field by field.
 *
 * Paths are those of field_path.ts behind the section's name: what is found here can be set with `convert --set`. Fields are paired by
 * their names, elements of arrays by their numbers.
 *
 * @module
 */

import type { DeviceState } from "../../format/items.ts";
import { escapeText } from "../../format/text.ts";
import {
  fieldGroups,
  isNullStruct,
  type VmstateField,
  type VmstateStruct,
} from "../../format/vmstate.ts";
import { isContainerType } from "../../format/vmstate_value.ts";
import { equalBytes } from "./byte_ranges.ts";
import type { ChangeList } from "./changes.ts";
import { changedField, type DiffValue, fieldValue } from "./values.ts";

/** Elements of one array that are told one by one. */
const MAX_ELEMENTS = 1024;

/** A device's state with the bytes that it refers to. */
export type DeviceSide = Pick<DeviceState, "state" | "bytes">;

/**
 * Compares a device's state.
 *
 * @param path The section: its name and instance.
 */
export function diffDevice(
  left: DeviceSide,
  right: DeviceSide,
  path: string,
  changes: ChangeList,
): void {
  new DeviceDiff(left.bytes, right.bytes, changes).members(left.state, right.state, path, "/");
}

/** An element of a field: a structure, or a value. */
type Element = StructElement | ValueElement;

interface StructElement {
  readonly kind: "struct";
  /** Its number in an array, as paths have it: markers count. */
  readonly number: number;
  readonly struct: VmstateStruct;
  /** In a tree whose keys are plain numbers. */
  readonly key: bigint | undefined;
}

interface ValueElement {
  readonly kind: "value";
  readonly number: number;
  readonly type: string;
  readonly bytes: Uint8Array;
}

/** Types of the marker of an element of an array of pointers, and the byte that says that the element follows. */
const MARKER_TYPES = new Set(["nullptr", "ptr-marker"]);
const FOLLOWS = 0x31;

/** Consecutive fields of one name: they are one array. */
type Group = readonly VmstateField[];

class DeviceDiff {
  readonly #left: Uint8Array;
  readonly #right: Uint8Array;
  readonly #changes: ChangeList;

  constructor(left: Uint8Array, right: Uint8Array, changes: ChangeList) {
    this.#left = left;
    this.#right = right;
    this.#changes = changes;
  }

  /** The fields and subsections of two structures; `separator` stands between the path and a field's name. */
  members(left: VmstateStruct, right: VmstateStruct, path: string, separator: "/" | "."): void {
    const groups = pairs(
      fieldGroups(left.fields),
      fieldGroups(right.fields),
      ([field]) => field!.name,
    );
    for (const [name, ours, theirs] of groups) {
      this.#group(ours, theirs, `${path}${separator}${escapeText(name)}`);
    }
    const subsections = pairs(left.subsections, right.subsections, ({ vmsdName }) => vmsdName);
    for (const [name, ours, theirs] of subsections) {
      const inside = `${path}/${escapeText(name)}`;
      if (ours === undefined || theirs === undefined) {
        this.#changes.add(inside, versionOf(ours), versionOf(theirs));
      } else this.#structs(ours, theirs, inside, "/");
    }
  }

  #structs(left: VmstateStruct, right: VmstateStruct, path: string, separator: "/" | "."): void {
    if (isNullStruct(left) || isNullStruct(right)) {
      const word = (struct: VmstateStruct) => isNullStruct(struct) ? "null pointer" : "present";
      if (word(left) !== word(right)) this.#changes.add(path, word(left), word(right));
      return;
    }
    if (left.version !== right.version) {
      this.#changes.add(path, versionOf(left), versionOf(right));
    }
    this.members(left, right, path, separator);
  }

  #group(left: Group | undefined, right: Group | undefined, path: string): void {
    if (left === undefined || right === undefined) {
      const value = (group: Group | undefined, bytes: Uint8Array) =>
        group === undefined ? null : groupValue(group, bytes);
      return this.#changes.add(path, value(left, this.#left), value(right, this.#right));
    }
    if (this.#isEqual(left, right)) return;
    const isNumbered = isList(left) || isList(right);
    const ours = elementsOf(left, this.#left);
    const theirs = elementsOf(right, this.#right);
    const before = this.#changes.changes.length;
    let untold = 0;
    for (;;) {
      const one = ours.next().value ?? undefined;
      const other = theirs.next().value ?? undefined;
      const number = one?.number ?? other?.number;
      if (number === undefined) break;
      const isTold = this.#changes.changes.length - before < MAX_ELEMENTS;
      if (isTold) this.#elements(one, other, isNumbered ? `${path}[${number}]` : path);
      else if (!isSameValue(one, other)) untold += 1;
    }
    if (untold === 0) return;
    const word = `${untold} more elements differ`;
    this.#changes.add(path, word, word);
  }

  /** Whether two arrays of values are the same, byte by byte: nearly all of them are. */
  #isEqual(left: Group, right: Group): boolean {
    return left.length === right.length && left.every((ours, index) => {
      const theirs = right[index]!;
      return ours.elements === undefined && theirs.elements === undefined &&
        ours.type === theirs.type && ours.count === theirs.count &&
        equalBytes(fieldBytes(ours, this.#left), fieldBytes(theirs, this.#right));
    });
  }

  #elements(left: Element | undefined, right: Element | undefined, path: string): void {
    if (left?.kind === "struct" && right?.kind === "struct") {
      if (left.key !== right.key) {
        this.#changes.add(path, `key ${left.key ?? "none"}`, `key ${right.key ?? "none"}`);
      }
      return this.#structs(left.struct, right.struct, path, ".");
    }
    if (left?.kind !== "value" || right?.kind !== "value") {
      return this.#changes.add(path, elementValue(left), elementValue(right));
    }
    if (left.type === right.type && equalBytes(left.bytes, right.bytes)) return;
    const changed = changedField(left, right, this.#changes.ignored.bytesOf(path));
    if (changed !== undefined) this.#changes.add(path, changed.left, changed.right);
  }
}

/** Pairs two lists by name: what has the same name is paired in order. First all of the left list, then what only the right one has. */
export function* pairs<Item>(
  left: readonly Item[],
  right: readonly Item[],
  nameOf: (item: Item) => string,
): Generator<[name: string, left: Item | undefined, right: Item | undefined], void, undefined> {
  const byName = new Map<string, Item[]>();
  for (const item of right) {
    const same = byName.get(nameOf(item));
    if (same === undefined) byName.set(nameOf(item), [item]);
    else same.push(item);
  }
  const taken = new Map<string, number>();
  for (const item of left) {
    const name = nameOf(item);
    const number = taken.get(name) ?? 0;
    taken.set(name, number + 1);
    yield [name, item, byName.get(name)?.[number]];
  }
  for (const [name, items] of byName) {
    for (const item of items.slice(taken.get(name) ?? 0)) yield [name, undefined, item];
  }
}

/** Whether elements have numbers: those of arrays, and those of containers if there are several. */
function isList(group: Group): boolean {
  const [first] = group;
  return group.length > 1 || first!.isArray ||
    isContainerType(first!.type) && (first!.elements?.length ?? 0) > 1;
}

function fieldBytes({ offset, lengthBytes }: VmstateField, bytes: Uint8Array): Uint8Array {
  return bytes.subarray(offset, offset + lengthBytes);
}

function* elementsOf(group: Group, bytes: Uint8Array): Generator<Element, undefined, undefined> {
  let first = 0;
  for (const [at, field] of group.entries()) {
    const { type, elements, keys, lengthBytes } = field;
    const number = first;
    first += field.count;
    if (elements !== undefined) {
      for (const [index, struct] of elements.entries()) {
        yield { kind: "struct", number: number + index, struct, key: keys?.[index] };
      }
      continue;
    }
    const content = fieldBytes(field, bytes);
    if (announces(field, content, group[at + 1])) continue;
    // The count of elements without bytes is anybody's claim.
    const count = lengthBytes === 0 ? 0 : field.count;
    const size = lengthBytes / count;
    for (let index = 0; index < count; index++) {
      const part = content.subarray(index * size, (index + 1) * size);
      yield { kind: "value", number: number + index, type, bytes: part };
    }
  }
}

/** Whether a field says no more than that an element follows: what is no null pointer has a marker and a content. */
function announces(
  { type, count }: VmstateField,
  content: Uint8Array,
  next: VmstateField | undefined,
): boolean {
  return MARKER_TYPES.has(type) && count === 1 && content[0] === FOLLOWS &&
    next !== undefined && !MARKER_TYPES.has(next.type);
}

function isSameValue(left: Element | undefined, right: Element | undefined): boolean {
  return left?.kind === "value" && right?.kind === "value" && left.type === right.type &&
    equalBytes(left.bytes, right.bytes);
}

function elementValue(element: Element | undefined): DiffValue {
  if (element === undefined) return null;
  return element.kind === "struct" ? "present" : fieldValue(element.type, element.bytes);
}

function groupValue(group: Group, bytes: Uint8Array): DiffValue {
  const [field] = group;
  const isLone = !isList(group) && field!.elements === undefined && field!.count === 1;
  return isLone ? fieldValue(field!.type, fieldBytes(field!, bytes)) : "present";
}

function versionOf(struct: VmstateStruct | undefined): DiffValue {
  return struct === undefined ? null : `version ${struct.version}`;
}
