/**
 * The decoded structure of a device section in the rich dump: a tree whose nodes know their type, place and value.
 *
 * ```text
 * structure  {"vmsd", "version", "offset", "lengthBytes", "fields": [...], "subsections": [structure, ...]}
 * field      {"name", "type", "offset", "lengthBytes", and one of
 *               "value"     primitive, structure, or list of primitives
 *               "elements"  list of structures; null for null pointers
 *               "items"     content of a list or tree; a tree's are {"key": structure, "value": structure}}
 * ```
 *
 * What a description tells one by one under one name is one array here.
 *
 * @module
 */

import type { DeviceState } from "../../format/items.ts";
import { quoteJsonAscii } from "../../format/json_print.ts";
import { isNullStruct, type VmstateField, type VmstateStruct } from "../../format/vmstate.ts";
import { newLine, type RichWriter } from "./json.ts";
import { type PrimitiveField, ValueWriter } from "./values.ts";

/** Types of the marker of an element of an array of pointers. */
const MARKER_TYPES = new Set(["nullptr", "ptr-marker"]);
/** Types whose elements stand behind markers. */
const CONTAINER_TYPES = new Set(["qtailq", "qlist", "gtree"]);

/** Writes the structure of a device section; `idstr` is the section's name. */
export function writeDevice(
  out: RichWriter,
  device: DeviceState,
  idstr: string,
  depth: number,
): void {
  new DeviceWriter(out, device, idstr).structure(device.state, depth);
}

class DeviceWriter {
  readonly #out: RichWriter;
  readonly #bytes: Uint8Array;
  readonly #values: ValueWriter;
  readonly #payloadOffset: number;

  constructor(out: RichWriter, device: DeviceState, idstr: string) {
    this.#out = out;
    this.#bytes = device.bytes;
    this.#payloadOffset = device.payloadOffset;
    this.#values = new ValueWriter(out, device.bytes, idstr, device.payloadOffset);
  }

  structure(structure: VmstateStruct, depth: number): void {
    const out = this.#out;
    const { vmsdName, version, fields, subsections } = structure;
    // An old-style device has neither.
    const head = vmsdName === ""
      ? '{"vmsd": null, "version": null'
      : `{"vmsd": ${quoteJsonAscii(vmsdName)}, "version": ${version}`;
    out.text(`${head}${this.#place(structure)}, "fields": [`);
    let separator = "";
    for (let start = 0; start < fields.length;) {
      const end = groupEnd(fields, start);
      out.text(separator + newLine(depth + 1));
      this.#group(fields.slice(start, end), depth + 1);
      separator = ",";
      start = end;
    }
    out.text(`${separator === "" ? "" : newLine(depth)}], "subsections": [`);
    this.#structures(subsections, depth);
    out.text("]}");
  }

  #place({ offset, lengthBytes }: { offset: number; lengthBytes: number }): string {
    return `, "offset": ${this.#payloadOffset + offset}, "lengthBytes": ${lengthBytes}`;
  }

  #structures(structures: readonly VmstateStruct[], depth: number): void {
    let separator = "";
    for (const structure of structures) {
      this.#out.text(separator + newLine(depth + 1));
      this.#structureOrNull(structure, depth + 1);
      separator = ",";
    }
    if (separator !== "") this.#out.text(newLine(depth));
  }

  #structureOrNull(structure: VmstateStruct, depth: number): void {
    if (isNullStruct(structure)) this.#out.text("null");
    else this.structure(structure, depth);
  }

  /** Fields of one name: one field mostly, or the entries of an array that are described one by one. */
  #group(group: readonly VmstateField[], depth: number): void {
    const out = this.#out;
    const first = group[0]!;
    const type = (group.find((field) => !MARKER_TYPES.has(field.type)) ?? first).type;
    const lengthBytes = group.reduce((sum, field) => sum + field.lengthBytes, 0);
    const place = this.#place({ offset: first.offset, lengthBytes });
    out.text(
      `{"name": ${quoteJsonAscii(first.name)}, "type": ${quoteJsonAscii(type)}${place}`,
    );
    const isList = group.length > 1 || first.isArray || first.count !== 1;
    if (first.elements !== undefined && CONTAINER_TYPES.has(type)) this.#container(first, depth);
    else if (group.some((field) => field.elements !== undefined)) {
      if (isList) this.#elements(group, depth);
      else {
        out.text(', "value": ');
        this.#structureOrNull(first.elements![0]!, depth);
      }
    } else if (isList) this.#values.list(this.#content(group).map(primitive), depth);
    else this.#values.single(primitive(first), depth);
    out.text("}");
  }

  /** The entries without markers that say no more than that an element follows. */
  #content(group: readonly VmstateField[]): VmstateField[] {
    return group.filter((field, index) => {
      const next = group[index + 1];
      const announces = MARKER_TYPES.has(field.type) && field.count === 1 &&
        this.#bytes[field.offset] === 0x31 && next !== undefined && !MARKER_TYPES.has(next.type);
      return !announces;
    });
  }

  #elements(group: readonly VmstateField[], depth: number): void {
    const out = this.#out;
    out.text(', "elements": [');
    let separator = "";
    const begin = () => {
      out.text(separator + newLine(depth + 1));
      separator = ",";
    };
    for (const field of this.#content(group)) {
      for (const element of field.elements ?? []) {
        begin();
        this.#structureOrNull(element, depth + 1);
      }
      if (field.elements !== undefined || field.lengthBytes === 0) continue;
      const { type, offset, sizeBytes, count } = primitive(field);
      for (let index = 0; index < count; index++) {
        begin();
        this.#values.element(type, offset + index * sizeBytes, sizeBytes, depth + 1);
      }
    }
    out.text(`${separator === "" ? "" : newLine(depth)}]`);
  }

  #container(field: VmstateField, depth: number): void {
    const out = this.#out;
    const elements = field.elements ?? [];
    out.text(', "items": [');
    if (field.type === "gtree") this.#nodes(elements, field.keys, depth);
    else this.#structures(elements, depth);
    out.text("]");
  }

  /** The nodes of a tree: keys that are plain numbers stand apart, others are every other element. */
  #nodes(
    elements: readonly VmstateStruct[],
    keys: readonly bigint[] | undefined,
    depth: number,
  ): void {
    const out = this.#out;
    const step = keys === undefined ? 2 : 1;
    for (let index = 0; index + step <= elements.length; index += step) {
      out.text(`${index === 0 ? "" : ","}${newLine(depth + 1)}{"key": `);
      if (keys === undefined) this.structure(elements[index]!, depth + 1);
      else out.text(`"${keys[index]}"`);
      out.text(', "value": ');
      this.structure(elements[index + step - 1]!, depth + 1);
      out.text("}");
    }
    if (elements.length > 0) out.text(newLine(depth));
  }
}

/** Index behind the last of the fields from `start` on that are one array. */
function groupEnd(fields: readonly VmstateField[], start: number): number {
  const { name, type } = fields[start]!;
  let end = start + 1;
  if (CONTAINER_TYPES.has(type)) return end;
  while (
    end < fields.length && fields[end]!.name === name && !CONTAINER_TYPES.has(fields[end]!.type)
  ) end++;
  return end;
}

function primitive({ type, offset, lengthBytes, count }: VmstateField): PrimitiveField {
  return { type, offset, count, sizeBytes: count === 0 ? 0 : lengthBytes / count };
}
