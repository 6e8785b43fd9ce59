/**
 * A byte of a device section: which field it belongs to, by the section's description.
 *
 * @module
 */

import type { DeviceState } from "../../format/items.ts";
import { encodeText, escapeText, hexBytes, quoteText } from "../../format/text.ts";
import { isNullStruct, type VmstateField, type VmstateStruct } from "../../format/vmstate.ts";
import { decodePrimitive, type VmstatePrimitive } from "../../format/vmstate_types.ts";
import { integerText, type Trail } from "./trail.ts";

/** Words of a field that are shown. */
const SHOWN_WORDS = 4;

/** Goes down to the field of a device section that the target lies in. */
export function explainDevice(trail: Trail, device: DeviceState): void {
  const explainer = new DeviceExplainer(trail, device);
  explainer.struct(device.state, "");
}

class DeviceExplainer {
  readonly #trail: Trail;
  readonly #device: DeviceState;
  /** The target's offset in the payload. */
  readonly #at: number;

  constructor(trail: Trail, device: DeviceState) {
    this.#trail = trail;
    this.#device = device;
    this.#at = trail.target - device.payloadOffset;
  }

  #has(range: { readonly offset: number; readonly lengthBytes: number }): boolean {
    return this.#at >= range.offset && this.#at < range.offset + range.lengthBytes;
  }

  /** Goes into a range of the payload; without a `prefix` it is a new name in the path. */
  #enter(prefix: string, name: string, offset: number, lengthBytes: number, value: string): void {
    const from = this.#device.payloadOffset + offset;
    const shown = escapeText(name);
    if (prefix === "") this.#trail.enter(shown, from, lengthBytes, value);
    else {this.#trail.extend(
        prefix === "[" ? `[${shown}]` : prefix + shown,
        from,
        lengthBytes,
        value,
      );}
  }

  /** @param prefix What stands before the names of its fields: nothing, or a dot behind the name of the structure. */
  struct(struct: VmstateStruct, prefix: "" | "."): void {
    const field = struct.fields.find((each) => this.#has(each));
    if (field !== undefined) return this.#field(struct, field, prefix);
    const subsection = struct.subsections.find((each) => this.#has(each));
    if (subsection !== undefined) this.#subsection(subsection);
  }

  #subsection(struct: VmstateStruct): void {
    const { offset, lengthBytes, vmsdName, version } = struct;
    const name = `subsection ${quoteText(vmsdName)}`;
    const from = this.#device.payloadOffset + offset;
    this.#trail.enter(name, from, lengthBytes, `version ${version}`);
    const nameBytes = encodeText(vmsdName).length;
    const isFraming = this.#trail.enterOneOf(from, [
      ["subsection type", 1, "5"],
      ["length of subsection name", 1, integerText(nameBytes)],
      ["subsection name", nameBytes, quoteText(vmsdName)],
      ["subsection version", 4, integerText(version)],
    ]);
    if (!isFraming) this.struct(struct, "");
  }

  #field(struct: VmstateStruct, field: VmstateField, prefix: "" | "."): void {
    const { name, offset, lengthBytes, type } = field;
    const array = placeInArray(struct.fields, field);
    const isArray = array.total > 1 || field.isArray;
    if (field.elements !== undefined) {
      this.#enter(prefix, name, offset, lengthBytes, shownType(field));
      return this.#elements(field, isArray ? array.first : undefined);
    }
    if (!isArray) {
      return this.#enter(prefix, name, offset, lengthBytes, this.#value(type, offset, lengthBytes));
    }
    this.#enter(prefix, name, offset, lengthBytes, `${shownType(field)}, ${field.count} elements`);
    const size = lengthBytes / field.count;
    const index = Math.floor((this.#at - offset) / size);
    const start = offset + index * size;
    this.#enter("[", String(array.first + index), start, size, this.#value(type, start, size));
  }

  #value(type: string, offset: number, lengthBytes: number): string {
    const bytes = this.#device.bytes.subarray(offset, offset + lengthBytes);
    return `${escapeText(type)} ${primitiveText(decodePrimitive(type, bytes))}`;
  }

  /** @param first Number of the first element in its array, or `undefined` for a lone structure. */
  #elements(field: VmstateField, first: number | undefined): void {
    const elements = field.elements ?? [];
    const index = elements.findIndex((each) => this.#has(each));
    const element = elements[index];
    if (element === undefined) return this.#marker(field, elements);
    // The elements of containers are numbered, although nothing calls them an array.
    const number = first ?? (field.type === "struct" || elements.length < 2 ? undefined : 0);
    if (number !== undefined) {
      const { offset, lengthBytes, vmsdName } = element;
      const value = isNullStruct(element) ? "null pointer" : quoteText(vmsdName);
      this.#enter("[", String(number + index), offset, lengthBytes, value);
    }
    this.struct(element, ".");
  }

  /** What stands between the elements of a container. */
  #marker(field: VmstateField, elements: readonly VmstateStruct[]): void {
    const isCount = field.type === "gtree" && this.#at < field.offset + 4;
    if (isCount) {
      const value = this.#value("uint32", field.offset, 4);
      return this.#enter(".", "number of nodes", field.offset, 4, value);
    }
    const isEnd = elements.every((each) => each.offset <= this.#at);
    const value = isEnd ? "0: no more elements" : "1: an element follows";
    this.#enter(".", "marker", this.#at, 1, value);
  }
}

/** Consecutive fields of one name are one array: the number of the field's first element in it, and of all elements. */
function placeInArray(
  fields: readonly VmstateField[],
  field: VmstateField,
): { first: number; total: number } {
  const at = fields.indexOf(field);
  let start = at;
  while (start > 0 && fields[start - 1]!.name === field.name) start -= 1;
  let end = at + 1;
  while (end < fields.length && fields[end]!.name === field.name) end += 1;
  const count = (some: readonly VmstateField[]) => some.reduce((sum, each) => sum + each.count, 0);
  return { first: count(fields.slice(start, at)), total: count(fields.slice(start, end)) };
}

function shownType(field: VmstateField): string {
  const names = new Set(field.elements?.map((element) => element.vmsdName));
  const [only] = names;
  const type = escapeText(field.type);
  return names.size === 1 && only !== undefined && only !== ""
    ? `${type} ${quoteText(only)}`
    : type;
}

/** A value of a primitive field for people. */
function primitiveText(primitive: VmstatePrimitive): string {
  switch (primitive.kind) {
    case "unsigned":
    case "signed":
      return primitive.value < 0 ? String(primitive.value) : integerText(primitive.value);
    case "bool":
      return primitive.byte === undefined
        ? String(primitive.value)
        : `${primitive.value} (byte ${primitive.byte})`;
    case "timer":
      return primitive.value === null ? "not armed" : `${primitive.value} ns`;
    case "float64":
      return String(primitive.value);
    case "words": {
      const words = primitive.value.slice(0, SHOWN_WORDS).map((word) => integerText(word));
      return words.join(", ") + (primitive.value.length > SHOWN_WORDS ? ", ..." : "");
    }
    case "marker":
      return primitive.value;
    case "text":
      return quoteText(primitive.value);
    default:
      return hexBytes(primitive.value);
  }
}
