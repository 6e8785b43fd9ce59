/**
 * Device sections, encoded by their description: the inverse of vmstate.ts, which has the layout. vmstate_value.ts says what a tree of
 * values looks like.
 *
 * ```ts
 * import { encodeVmstate } from "./vmstate_encode.ts";
 * import { ByteWriter } from "./writer.ts";
 *
 * const writer = new ByteWriter();
 * const fields = [{ name: "env.eip", type: "uint32", sizeBytes: 4, inline: [] }];
 * const vmsd = { vmsdName: "cpu", version: 12, fields, subsections: [] };
 * encodeVmstate(writer, vmsd, { "env.eip": 0x7c00 });
 * console.log(writer.finish()); // 00 00 7c 00
 * ```
 *
 * @module
 */

import { FormatError, type FormatErrorCode, isFormatError } from "./error.ts";
import { DEFAULT_LIMITS } from "./limits.ts";
import { type ArrayReading, NULL_POINTER, runCounts } from "./pointer_arrays.ts";
import { SECTION_TYPE } from "./section.ts";
import { encodeText, quoteText } from "./text.ts";
import type { FieldDescription, VmsdDescription } from "./vmdescription.ts";
import { encodePrimitive, vmstateKind } from "./vmstate_types.ts";
import {
  isContainerType,
  primitiveOfItem,
  reservedName,
  SUBSECTIONS,
  type VmstateItem,
  type VmstateValue,
} from "./vmstate_value.ts";
import { ByteWriter } from "./writer.ts";

/** Fields and elements that each byte written pays for, as when decoding. */
const ELEMENTS_PER_BYTE = 4;

/** How a device section is encoded. */
export interface EncodeVmstateOptions {
  /** Path that errors begin with. */
  readonly path?: readonly string[];
  /** How arrays of pointers are described; what decoding the section needed. Default `described`. */
  readonly reading?: ArrayReading;
}

/**
 * Encodes a device section's payload. Nothing is written where a value does not fit.
 *
 * @throws {FormatError} `not-encodable`, with the field's path, where a value does not fit its field, a name is unknown, or a value is
 * missing that can't be zero
 */
export function encodeVmstate(
  writer: ByteWriter,
  vmsd: VmsdDescription,
  value: VmstateValue,
  options: EncodeVmstateOptions = {},
): void {
  writer.bytes(new VmstateEncoder(writer.offset, options).encode(vmsd, value));
}

/** The values of the fields of one name. */
interface Group {
  /** Whether they are one list. */
  isList: boolean;
  /** Elements of all of them. */
  slots: number;
  /** The next one to be written. */
  next: number;
  /** The elements' values; `undefined` if all are missing. */
  items: readonly (VmstateItem | undefined)[] | undefined;
}

class VmstateEncoder {
  readonly #out: ByteWriter;
  readonly #options: EncodeVmstateOptions;
  readonly #path: string[] = [];
  /** Where structures begin that a null pointer's byte must not stand for. */
  readonly #present: { readonly at: number; readonly path: readonly string[] }[] = [];
  #visited = 0;

  constructor(baseOffset: number, options: EncodeVmstateOptions) {
    this.#out = new ByteWriter(baseOffset);
    this.#options = options;
  }

  encode(vmsd: VmsdDescription, value: VmstateValue): Uint8Array {
    this.#struct(vmsd, value);
    const bytes = this.#out.finish();
    for (const { at, path } of this.#present) {
      if (bytes[at] !== NULL_POINTER) continue;
      this.#path.push(...path);
      throw this.#error("this structure would be taken for a null pointer", "another first byte");
    }
    return bytes;
  }

  #error(
    message: string,
    expected?: string,
    found?: string,
    code: FormatErrorCode = "not-encodable",
  ): FormatError {
    return new FormatError(code, `Cannot encode device state: ${message}`, {
      offset: this.#out.offset,
      path: [...(this.#options.path ?? []), ...this.#path],
      ...(expected === undefined ? {} : { expected }),
      ...(found === undefined ? {} : { found }),
    });
  }

  #visit(count = 1): void {
    this.#visited += count;
    const paid = this.#out.lengthBytes * ELEMENTS_PER_BYTE;
    if (this.#visited <= DEFAULT_LIMITS.deviceElements + paid) return;
    throw this.#error("too many fields and array elements", undefined, undefined, "limit-exceeded");
  }

  #struct(vmsd: VmsdDescription, value: VmstateValue): void {
    const { fields, subsections } = vmsd;
    const counts = this.#options.reading === "runs" ? runCounts(fields) : undefined;
    const slots = fields.map((field, index) =>
      isContainerType(field.type) ? 1 : counts?.[index] ?? field.arrayLength ?? 1
    );
    const groups = this.#groups(fields, slots, value);
    for (const [index, field] of fields.entries()) {
      this.#path.push(field.name);
      this.#field(field, slots[index]!, groups.get(field.name)!);
      this.#path.pop();
    }
    this.#subsections(subsections, Object.hasOwn(value, SUBSECTIONS) ? value[SUBSECTIONS] : {});
  }

  #groups(
    fields: readonly FieldDescription[],
    slots: readonly number[],
    value: VmstateValue,
  ): Map<string, Group> {
    const groups = new Map<string, Group>();
    for (const [index, { name, arrayLength }] of fields.entries()) {
      if (name === SUBSECTIONS) throw reservedName(this.#out.offset, this.#path);
      const group = groups.get(name);
      if (group === undefined) {
        const isList = arrayLength !== undefined;
        groups.set(name, { isList, slots: slots[index]!, next: 0, items: undefined });
      } else {
        group.isList = true;
        group.slots += slots[index]!;
      }
    }
    for (const [name, item] of Object.entries(value)) {
      if (item === undefined || name === SUBSECTIONS) continue;
      this.#path.push(name);
      const group = groups.get(name);
      if (group === undefined) throw this.#error("there is no field of this name");
      group.items = group.isList ? this.#list(item, group.slots) : [item];
      this.#path.pop();
    }
    return groups;
  }

  #list(item: VmstateItem, slots: number): readonly VmstateItem[] {
    if (!Array.isArray(item)) throw this.#wrongKind(`a list of ${slots} element(s)`, item);
    if (item.length === slots) return item;
    const found = `${item.length} element(s)`;
    throw this.#error("an array of another length", `${slots} element(s)`, found);
  }

  #wrongKind(expected: string, item: VmstateItem | undefined): FormatError {
    return this.#error("another kind of value", expected, kindOf(item));
  }

  #field(field: FieldDescription, slots: number, group: Group): void {
    const first = group.next;
    group.next += slots;
    if (group.items === undefined && !hasInside(field)) return this.#zeros(field, slots);
    for (let index = first; index < first + slots; index++) {
      if (group.isList) this.#path.push(`[${index}]`);
      this.#visit();
      this.#slot(field, group.items?.[index]);
      if (group.isList) this.#path.pop();
    }
  }

  #slot(field: FieldDescription, item: VmstateItem | undefined): void {
    const start = this.#out.lengthBytes;
    if (isContainerType(field.type)) this.#container(field, item);
    else if (insideOf(field) !== undefined) {
      if (this.#isNull(field, item)) return this.#out.u8(NULL_POINTER, "null pointer");
      if (this.#options.reading === "nulls" && field.type === "struct") {
        this.#present.push({ at: start, path: [...this.#path] });
      }
      this.#struct(insideOf(field)!, this.#structure(item));
    } else if (item === undefined) this.#zeros(field, 1);
    else return this.#primitive(field, item);
    const lengthBytes = this.#out.lengthBytes - start;
    if (lengthBytes === field.sizeBytes) return;
    throw this.#error(
      "another size than described",
      `${field.sizeBytes} byte(s)`,
      `${lengthBytes} byte(s)`,
    );
  }

  #isNull(field: FieldDescription, item: VmstateItem | undefined): boolean {
    return item === null && this.#options.reading === "nulls" && field.type === "struct";
  }

  #structure(item: VmstateItem | undefined): VmstateValue {
    if (item === undefined) return {};
    if (isStructure(item)) return item;
    throw this.#wrongKind("a structure", item);
  }

  #primitive({ type, sizeBytes }: FieldDescription, item: VmstateItem): void {
    const given = typeof item === "string" && type === "buffer"
      ? this.#filledUp(item, sizeBytes)
      : item;
    const primitive = primitiveOfItem(type, sizeBytes, given);
    if (primitive === undefined) {
      throw this.#wrongKind(`${vmstateKind(type, sizeBytes)} of type ${quoteText(type)}`, item);
    }
    try {
      this.#out.bytes(encodePrimitive(type, sizeBytes, primitive));
    } catch (error) {
      if (!isFormatError(error)) throw error;
      const { expected, found } = error;
      throw this.#error(`the value does not fit its type ${quoteText(type)}`, expected, found);
    }
  }

  #filledUp(text: string, sizeBytes: number): Uint8Array {
    const content = encodeText(text);
    if (content.length >= sizeBytes) return content;
    const bytes = new Uint8Array(sizeBytes);
    bytes.set(content);
    return bytes;
  }

  /** Missing values. A length or a marker can't be left out: without it nobody could read what follows. */
  #zeros({ type, sizeBytes }: FieldDescription, count: number): void {
    const kind = vmstateKind(type, sizeBytes);
    const needsValue = kind === "marker" || kind === "counted" && sizeBytes > 4 ||
      kind === "text" && sizeBytes > 1;
    if (needsValue && count > 0) {
      throw this.#error("a value is missing that can't be zero", `${kind} of ${sizeBytes} byte(s)`);
    }
    const total = sizeBytes * count;
    if (this.#out.lengthBytes + total > DEFAULT_LIMITS.deviceStateBytes) {
      const expected = `at most ${DEFAULT_LIMITS.deviceStateBytes} bytes`;
      throw this.#error("the section is too long", expected, `${total} more`, "limit-exceeded");
    }
    this.#out.zeros(total);
  }

  #container(field: FieldDescription, item: VmstateItem | undefined): void {
    if (item instanceof Uint8Array) return this.#out.bytes(item);
    if (item === undefined && field.type === "gtree" && field.inline.length > 0) {
      throw this.#error("a value is missing that can't be zero", "the keys of a tree");
    }
    const items = item ?? field.inline.map(() => ({}));
    if (!Array.isArray(items)) throw this.#wrongKind("a list of elements", item);
    if (field.type === "gtree") return this.#gtree(field, items);
    for (const [index, element] of items.entries()) {
      this.#path.push(`[${index}]`);
      this.#out.u8(1, "an element's marker");
      this.#element(field, index, element);
      this.#path.pop();
    }
    this.#out.u8(0, "the end of a container");
  }

  /** The part of a container that the description's member number `part` is for. */
  #element(field: FieldDescription, part: number, item: VmstateItem | undefined): void {
    const vmsd = field.inline[part];
    if (vmsd === undefined) throw this.#error("more elements than described");
    this.#visit();
    this.#struct(vmsd, this.#structure(item));
  }

  #gtree(field: FieldDescription, items: readonly VmstateItem[]): void {
    // Keys that are plain numbers have no description: then there is one a node, of the value.
    const isPlain = field.inline.length === items.length;
    this.#out.u32(items.length, "number of nodes");
    for (const [index, item] of items.entries()) {
      this.#path.push(`[${index}]`);
      const node = this.#structure(item);
      const unknown = Object.keys(node).find((name) => name !== "key" && name !== "value");
      if (unknown !== undefined) throw this.#error("a node has a key and a value", "key, value");
      this.#out.u8(1, "an element's marker");
      if (isPlain) this.#plainKey(node["key"]);
      else this.#element(field, 2 * index, node["key"]);
      this.#element(field, isPlain ? index : 2 * index + 1, node["value"]);
      this.#path.pop();
    }
    this.#out.u8(0, "the end of a container");
  }

  #plainKey(key: VmstateItem | undefined): void {
    const isWhole = typeof key === "bigint" || Number.isInteger(key);
    if (!isWhole) throw this.#wrongKind("a key that is a number", key);
    const value = BigInt(key as bigint | number);
    if (value < 0n || BigInt.asUintN(64, value) !== value) {
      throw this.#error("the key does not fit", "0..2^64-1", String(value));
    }
    this.#out.bigU64(value, "key");
  }

  #subsections(subsections: readonly VmsdDescription[], item: VmstateItem | undefined): void {
    this.#path.push(SUBSECTIONS);
    const values = this.#structure(item);
    this.#path.pop();
    const groups = new Map<string, Group>();
    for (const { vmsdName } of subsections) {
      const group = groups.get(vmsdName);
      if (group !== undefined) group.slots += 1;
      else groups.set(vmsdName, { isList: false, slots: 1, next: 0, items: undefined });
    }
    for (const [name, value] of Object.entries(values)) {
      if (value === undefined) continue;
      this.#path.push(name);
      const group = groups.get(name);
      if (group === undefined) throw this.#error("there is no subsection of this name");
      group.items = group.slots > 1 ? this.#list(value, group.slots) : [value];
      this.#path.pop();
    }
    for (const vmsd of subsections) {
      this.#path.push(vmsd.vmsdName);
      const group = groups.get(vmsd.vmsdName)!;
      this.#subsection(vmsd, group.items?.[group.next++]);
      this.#path.pop();
    }
  }

  #subsection(vmsd: VmsdDescription, item: VmstateItem | undefined): void {
    const name = encodeText(vmsd.vmsdName);
    if (name.length > 255) {
      throw this.#error("the name is too long", "at most 255 bytes", `${name.length} bytes`);
    }
    if (!Number.isInteger(vmsd.version) || vmsd.version < 0 || vmsd.version > 0xffffffff) {
      throw this.#error("the version does not fit", "0..4294967295", String(vmsd.version));
    }
    this.#visit();
    this.#out.u8(SECTION_TYPE.SUBSECTION, "subsection");
    this.#out.countedBytes(name, "subsection name");
    this.#out.u32(vmsd.version, "subsection version");
    this.#struct(vmsd, this.#structure(item));
  }
}

/** The structure that is the field's content, as the decoder takes it. */
function insideOf(field: FieldDescription): VmsdDescription | undefined {
  if (field.type === "struct") return field.struct;
  return field.type === "tmp" || field.type === "vstruct" ? field.inline[0] : undefined;
}

function hasInside(field: FieldDescription): boolean {
  return isContainerType(field.type) || insideOf(field) !== undefined;
}

function isStructure(item: VmstateItem): item is VmstateValue {
  return typeof item === "object" && item !== null && !Array.isArray(item) &&
    !(item instanceof Uint8Array);
}

function kindOf(item: VmstateItem | undefined): string {
  if (item === undefined) return "nothing";
  if (item === null) return "null";
  if (item instanceof Uint8Array) return `${item.length} byte(s)`;
  if (Array.isArray(item)) return `a list of ${item.length} element(s)`;
  return typeof item === "object" ? "a structure" : `${typeof item} ${String(item)}`;
}
