/**
 * Device state as a plain tree of values, to be read and written by hand.
 *
 * ```text
 * structure            object: the values of the fields by their names, and those of its subsections under "subsections"
 * array, repeated name list with an element for each, null pointers and markers included
 * integer              number or bigint; a bigint where the field has 8 bytes
 * bool                 boolean; a number for a byte that is neither 0 nor 1
 * timer                bigint or number, null if it is not armed
 * float64              number; bytes for a NaN other than the usual one
 * words                list of bigints
 * marker               null or "present"
 * null pointer         null, where the description passes over it
 * text                 string; a buffer may be given as a string too and is filled up with NULs
 * bitmap               bytes in which item n is bit n % 8 of byte n / 8
 * counted              the bytes behind the length
 * buffer, others       bytes; so is every field whose content does not fit its type
 * qtailq, qlist        list of structures
 * gtree                list of { key, value }: the key a bigint or a structure, the value a structure
 * ```
 *
 * What is left out is zero. {@link vmstateValue} makes the tree of a decoded device, vmstate_encode.ts the bytes of a tree.
 *
 * @module
 */

import { FormatError } from "./error.ts";
import { isNullStruct, type VmstateField, type VmstateStruct } from "./vmstate.ts";
import { decodePrimitive, vmstateKind, type VmstatePrimitive } from "./vmstate_types.ts";

/** The value of a structure: its fields by their names, its subsections by theirs under {@link SUBSECTIONS}. */
export interface VmstateValue {
  /** The value of a field. */
  readonly [name: string]: VmstateItem | undefined;
}

/** The value of a field, or of an element of one. */
export type VmstateItem =
  | number
  | bigint
  | boolean
  | string
  | Uint8Array
  | null
  | readonly VmstateItem[]
  | VmstateValue;

/** Where a structure's value has those of its subsections. */
export const SUBSECTIONS = "subsections";

/** Types whose elements stand behind markers. */
const CONTAINER_TYPES = new Set(["qtailq", "qlist", "gtree"]);

/** Whether fields of a type hold elements behind markers. */
export function isContainerType(type: string): boolean {
  return CONTAINER_TYPES.has(type);
}

/** The NaN that a number stands for; others keep their bits. */
const USUAL_NAN = 0x7ff8_0000_0000_0000n;

/**
 * The values of a decoded structure; `bytes` is the payload that it was decoded from. The tree has copies, not parts of it.
 *
 * @example The values of a device
 * ```ts
 * import { openInput, readState, vmstateValue } from "@migstream/migstream";
 *
 * using input = await openInput("testdata/pc.mig");
 * const { entries } = readState(input.source);
 * const { device } = entries.find(({ section }) => section.idstr === "timer")!.first;
 * console.log(vmstateValue(device!.state, device!.bytes));
 * ```
 *
 * @throws {FormatError} `not-encodable` where a field is called `subsections`, which no real one is
 */
export function vmstateValue(struct: VmstateStruct, bytes: Uint8Array): VmstateValue {
  const fields = new Map<string, { isList: boolean; items: VmstateItem[] }>();
  for (const field of struct.fields) {
    if (field.name === SUBSECTIONS) throw reservedName(field.offset);
    const known = fields.get(field.name);
    const group = known ?? { isList: field.isArray, items: [] };
    if (known === undefined) fields.set(field.name, group);
    else group.isList = true;
    for (const item of fieldItems(field, bytes)) group.items.push(item);
  }
  const entries = Array.from(fields, ([name, { isList, items }]): [string, VmstateItem] => [
    name,
    isList ? items : items[0]!,
  ]);
  if (struct.subsections.length > 0) {
    entries.push([SUBSECTIONS, subsectionValues(struct.subsections, bytes)]);
  }
  // Names come from the stream: as own properties they mean nothing else.
  return Object.fromEntries(entries);
}

/** The error for a field that has the name which subsections stand under. */
export function reservedName(offset: number, path: readonly string[] = []): FormatError {
  const message = "Cannot name a field of device state: its name is that of the subsections";
  return new FormatError("not-encodable", message, { offset, path, found: `"${SUBSECTIONS}"` });
}

/** By name; a list where a stream has one several times. */
function subsectionValues(
  subsections: readonly VmstateStruct[],
  bytes: Uint8Array,
): VmstateValue {
  const byName = new Map<string, VmstateValue[]>();
  for (const subsection of subsections) {
    const value = vmstateValue(subsection, bytes);
    const same = byName.get(subsection.vmsdName);
    if (same === undefined) byName.set(subsection.vmsdName, [value]);
    else same.push(value);
  }
  return Object.fromEntries(
    Array.from(byName, ([name, values]) => [name, values.length > 1 ? values : values[0]!]),
  );
}

function* fieldItems(field: VmstateField, bytes: Uint8Array): Generator<VmstateItem> {
  const { type, offset, lengthBytes, count, elements } = field;
  if (isContainerType(type)) {
    yield containerItem(field, bytes);
  } else if (elements !== undefined) {
    for (const element of elements) {
      yield isNullStruct(element) ? null : vmstateValue(element, bytes);
    }
  } else {
    for (let index = 0; index < count; index++) {
      const start = offset + index * (lengthBytes / count);
      yield primitiveItem(type, bytes.subarray(start, start + lengthBytes / count));
    }
  }
}

/** The elements of a container; its bytes where they are not as QEMU writes them, since a list could not tell that. */
function containerItem(field: VmstateField, bytes: Uint8Array): VmstateItem {
  const { type, offset, lengthBytes, elements = [], keys } = field;
  const step = type === "gtree" && keys === undefined ? 2 : 1;
  const values: VmstateItem[] = [];
  let isUsual = type !== "gtree" ||
    beNumber(bytes.subarray(offset, offset + 4)) === elements.length / step;
  for (let index = 0; index < elements.length; index += step) {
    const markerAt = elements[index]!.offset - (keys === undefined ? 1 : 9);
    isUsual &&= bytes[markerAt] === 1;
    const value = vmstateValue(elements[index + step - 1]!, bytes);
    if (type !== "gtree") values.push(value);
    else values.push({ key: keys?.[index] ?? vmstateValue(elements[index]!, bytes), value });
  }
  return isUsual ? values : bytes.slice(offset, offset + lengthBytes);
}

function beNumber(bytes: Uint8Array): number {
  return bytes.reduce((sum, byte) => sum * 256 + byte, 0);
}

function primitiveItem(type: string, bytes: Uint8Array): VmstateItem {
  const primitive = decodePrimitive(type, bytes);
  switch (primitive.kind) {
    case "bool":
      return primitive.byte ?? primitive.value;
    case "float64":
      return primitive.bits === undefined || primitive.bits === USUAL_NAN
        ? primitive.value
        : bytes.slice();
    case "marker":
      return primitive.value === "null" ? null : primitive.value;
    case "bytes":
    case "counted":
    case "bitmap":
      return primitive.value.slice();
    default:
      return primitive.value;
  }
}

/**
 * What an item means in a field of that type and size: the inverse of what {@link vmstateValue} does with it. `undefined` for an
 * item of another kind; the number or the length may still be one that does not fit.
 */
export function primitiveOfItem(
  type: string,
  sizeBytes: number,
  item: VmstateItem,
): VmstatePrimitive | undefined {
  const kind = vmstateKind(type, sizeBytes);
  if (item instanceof Uint8Array) {
    if (kind === "bitmap") return { kind, value: item };
    const isContent = kind === "counted" && item.length !== sizeBytes;
    return { kind: isContent ? kind : "bytes", value: item };
  }
  const isInteger = typeof item === "number" || typeof item === "bigint";
  switch (kind) {
    case "unsigned":
    case "signed":
      return isInteger ? { kind, value: item } : undefined;
    case "bool":
      if (typeof item === "boolean") return { kind, value: item };
      return isInteger ? { kind, value: item != 0, byte: Number(item) } : undefined;
    case "timer":
      if (item === null) return { kind, value: null };
      return isInteger && isWhole(item) ? { kind, value: BigInt(item) } : undefined;
    case "float64":
      return typeof item === "number" ? { kind, value: item } : undefined;
    case "words":
      if (!Array.isArray(item) || !item.every(isWhole)) return undefined;
      return { kind, value: item.map((word) => BigInt(word)) };
    case "marker":
      if (item === null) return { kind, value: "null" };
      return item === "present" ? { kind, value: item } : undefined;
    case "text":
      return typeof item === "string" ? { kind, value: item } : undefined;
    default:
      return undefined;
  }
}

function isWhole(item: VmstateItem): item is number | bigint {
  return typeof item === "bigint" || Number.isInteger(item);
}
