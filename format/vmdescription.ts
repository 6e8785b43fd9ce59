/**
 * The vmdescription: the JSON text behind the stream that says what stands in each device section.
 *
 * ```text
 *   0    1 u8    0x06
 *   1    4 be32  length
 *   5            JSON: {"configuration": ..., "page_size": P, "devices": [...]}
 * ```
 *
 * A device is `name`, `instance_id`, `vmsd_name`, `version`, `fields`, `subsections`; a field is `name`, `array_len` or `index`, `type`,
 * `struct` or the inline description of a container's elements, and `size` in bytes. Old-style devices have a `size` and one field.
 *
 * @module
 */

import { FormatError } from "./error.ts";
import { JsonNumber, JsonObject, type JsonValue, parseJson } from "./json.ts";
import { DEFAULT_LIMITS, type Limits } from "./limits.ts";
import { ByteReader } from "./reader.ts";
import { SECTION_TYPE } from "./section.ts";
import type { ByteSource } from "./source.ts";
import { decodeText, quoteText } from "./text.ts";
import type { ByteWriter } from "./writer.ts";

/** A field of a vmstate structure, or one element or run of elements of an array. */
export interface FieldDescription {
  /** Name; consecutive entries of one name are one array. */
  readonly name: string;
  /** Type string. */
  readonly type: string;
  /** Bytes in the stream; of one element where there is an array length. */
  readonly sizeBytes: number;
  /** Number of elements that follow each other with this description. */
  readonly arrayLength?: number;
  /** The structure behind the type `struct`. */
  readonly struct?: VmsdDescription;
  /** Descriptions of the elements of `tmp`, `vstruct`, `qtailq`, `qlist`, `gtree`: one each, in stream order. */
  readonly inline: readonly VmsdDescription[];
}

/** A vmstate structure (QEMU's VMStateDescription) as it was written. */
export interface VmsdDescription {
  /** Name of the VMStateDescription; empty for an old-style device. */
  readonly vmsdName: string;
  /** Version as written. */
  readonly version: number;
  /** Fields in stream order. */
  readonly fields: readonly FieldDescription[];
  /** Subsections in stream order. */
  readonly subsections: readonly VmsdDescription[];
}

/** A device section's description. */
export interface DeviceDescription {
  /** The section's idstr. */
  readonly name: string;
  /** The section's instance id. */
  readonly instanceId: number;
  /** What the section holds. */
  readonly state: VmsdDescription;
}

/** A whole vmdescription. */
export interface Vmdescription {
  /** Target page size in bytes, if it says so. */
  readonly pageBytes: number | undefined;
  /** Devices in stream order. */
  readonly devices: readonly DeviceDescription[];
  /** The text as parsed, with the order and doubling of its members. */
  readonly json: JsonObject;
}

/** Where a vmdescription stands, and its text. */
export interface VmdescriptionSection {
  /** Absolute offset of the type byte. */
  readonly offset: number;
  /** The JSON text. */
  readonly text: Uint8Array;
}

/** Decodes the framing behind the type byte and returns the text. */
export function decodeVmdescription(
  reader: ByteReader,
  limits: Limits = DEFAULT_LIMITS,
): VmdescriptionSection {
  const offset = reader.offset - 1;
  const length = reader.u32("vmdescription length");
  if (length > limits.vmdescriptionBytes) {
    throw reader.error("limit-exceeded", "Cannot decode vmdescription: too long", {
      offset: offset + 1,
      expected: `at most ${limits.vmdescriptionBytes} bytes`,
      found: String(length),
    });
  }
  return { offset, text: reader.bytes(length, "vmdescription") };
}

/** Encodes a vmdescription, its type byte included. */
export function encodeVmdescription(writer: ByteWriter, text: Uint8Array): void {
  writer.u8(SECTION_TYPE.VMDESCRIPTION, "vmdescription");
  writer.u32(text.length, "vmdescription length");
  writer.bytes(text);
}

/** Parses the JSON text of a vmdescription; `offset` is the absolute offset of its first byte. */
export function parseVmdescription(text: Uint8Array, offset: number): Vmdescription {
  const json = parseJson(decodeText(text), { offset });
  return interpretVmdescription(json, offset);
}

/** Takes parsed JSON for a vmdescription. */
export function interpretVmdescription(json: JsonValue, offset: number): Vmdescription {
  const parser = new DescriptionParser(offset);
  const top = parser.object(json, "top level");
  const devices = parser.array(top.get("devices"), "devices");
  const page = top.get("page_size");
  return {
    pageBytes: page === undefined ? undefined : parser.count(page, "page_size"),
    devices: devices.map((device, index) => parser.device(device, `devices[${index}]`)),
    json: top,
  };
}

class DescriptionParser {
  readonly #offset: number;

  constructor(offset: number) {
    this.#offset = offset;
  }

  fail(where: string, expected: string): FormatError {
    return new FormatError("bad-vmdescription", `Cannot use vmdescription: ${where}`, {
      offset: this.#offset,
      expected,
    });
  }

  object(value: JsonValue | undefined, where: string): JsonObject {
    if (value instanceof JsonObject) return value;
    throw this.fail(where, "an object");
  }

  array(value: JsonValue | undefined, where: string): readonly JsonValue[] {
    if (Array.isArray(value)) return value;
    throw this.fail(where, "an array");
  }

  text(value: JsonValue | undefined, where: string): string {
    if (typeof value === "string") return value;
    throw this.fail(where, "a string");
  }

  count(value: JsonValue | undefined, where: string): number {
    const number = value instanceof JsonNumber ? value.toNumber() : -1;
    if (Number.isSafeInteger(number) && number >= 0) return number;
    throw this.fail(where, "a whole number that is not negative");
  }

  device(value: JsonValue, where: string): DeviceDescription {
    const object = this.object(value, where);
    const name = this.text(object.get("name"), `${where}.name`);
    return {
      name,
      instanceId: this.count(object.get("instance_id"), `${where}.instance_id`),
      state: this.vmsd(object, quoteText(name)),
    };
  }

  vmsd(object: JsonObject, where: string): VmsdDescription {
    const name = object.get("vmsd_name");
    const version = object.get("version");
    return {
      vmsdName: name === undefined ? "" : this.text(name, `${where}.vmsd_name`),
      version: version === undefined ? 0 : this.count(version, `${where}.version`),
      fields: this.fields(object.get("fields"), where),
      subsections: this.subsections(object.get("subsections"), where),
    };
  }

  fields(value: JsonValue | undefined, where: string): FieldDescription[] {
    return this.array(value ?? [], `${where}.fields`).map((entry) => this.field(entry, where));
  }

  subsections(value: JsonValue | undefined, where: string): VmsdDescription[] {
    return this.array(value ?? [], `${where}.subsections`).map((entry) =>
      this.vmsd(this.object(entry, where), where)
    );
  }

  field(value: JsonValue, where: string): FieldDescription {
    const object = this.object(value, `${where}.fields`);
    const name = this.text(object.get("name"), `${where}.fields.name`);
    const here = `${where}.${name}`;
    const arrayLength = object.get("array_len");
    const struct = object.get("struct");
    return {
      name,
      type: this.text(object.get("type"), `${here}.type`),
      sizeBytes: this.count(object.get("size"), `${here}.size`),
      inline: this.inline(object, here),
      ...(arrayLength === undefined
        ? {}
        : { arrayLength: this.count(arrayLength, `${here}.array_len`) }),
      ...(struct === undefined
        ? {}
        : { struct: this.vmsd(this.object(struct, `${here}.struct`), here) }),
    };
  }

  /** QEMU writes the elements' descriptions into the field's own object: the same members again for each element. */
  inline(object: JsonObject, where: string): VmsdDescription[] {
    const elements: [string, JsonValue][][] = [];
    for (const [name, value] of object.members) {
      if (name === "vmsd_name") elements.push([]);
      if (["vmsd_name", "version", "fields", "subsections"].includes(name)) {
        elements.at(-1)?.push([name, value]);
      }
    }
    return elements.map((members) => this.vmsd(new JsonObject(members), where));
  }
}

/**
 * Finds the vmdescription that ends exactly where the source ends: a type byte 0x06, the EOF byte before it, and a length that
 * reaches to the end. Cheap where there is none: JSON text has no control characters, so the search stops at the first one.
 */
export function findVmdescriptionAtEnd(
  source: ByteSource,
  limits: Limits = DEFAULT_LIMITS,
): VmdescriptionSection | undefined {
  const end = source.sizeBytes;
  if (end === undefined || !source.seekable) return undefined;
  const start = lastControlByte(source, end, Math.max(0, end - limits.vmdescriptionBytes - 6));
  if (start === undefined) return undefined;
  // The control byte is the type byte itself, or one of the four bytes of the length behind it.
  for (let offset = start; offset >= Math.max(1, start - 4); offset--) {
    const reader = new ByteReader(source, { offset: offset - 1, blockBytes: 8 });
    const head = reader.peek(6);
    const length = end - offset - 5;
    const claimed = reader.fill(6) < 6 ? -1 : reader.view.getUint32(reader.head + 2);
    if (head[0] !== SECTION_TYPE.EOF || head[1] !== SECTION_TYPE.VMDESCRIPTION) continue;
    if (claimed !== length || length < 2) continue;
    const text = new ByteReader(source, { offset: offset + 5 }).bytes(length, "vmdescription");
    return { offset, text };
  }
  return undefined;
}

/** Offset of the last byte below 0x20 that is not white space of JSON, not before `floor`. */
function lastControlByte(source: ByteSource, end: number, floor: number): number | undefined {
  const block = new Uint8Array(64 * 1024);
  for (let blockEnd = end; blockEnd > floor;) {
    const blockStart = Math.max(floor, blockEnd - block.length);
    const reader = new ByteReader(source, { offset: blockStart, blockBytes: block.length });
    const bytes = reader.peek(blockEnd - blockStart);
    for (let at = bytes.length - 1; at >= 0; at--) {
      const byte = bytes[at]!;
      if (byte < 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return blockStart + at;
    }
    blockEnd = blockStart;
  }
  return undefined;
}

/** Things like a vmdescription that a search reads to their end; chance makes less than one in a whole device state. */
const MAX_CANDIDATES = 16;

/**
 * Searches forward for something that looks like a vmdescription behind an EOF byte: for streams that go on behind it, and for pipes.
 *
 * @param from Absolute offset to search from.
 * @param accept Whether a parsed candidate is what is looked for.
 */
export function findVmdescriptionAfter(
  source: ByteSource,
  from: number,
  accept: (description: Vmdescription) => boolean,
  limits: Limits = DEFAULT_LIMITS,
): (VmdescriptionSection & { readonly description: Vmdescription }) | undefined {
  const reader = new ByteReader(source, { offset: from });
  const limit = from + limits.deviceStateBytes;
  let candidates = 0;
  while (reader.offset < limit && candidates < MAX_CANDIDATES) {
    if (reader.fill(7) < 7) return undefined;
    const at = reader.buffer.subarray(0, reader.tail).indexOf(
      SECTION_TYPE.VMDESCRIPTION,
      reader.head + 1,
    );
    if (at < 0 || at + 6 > reader.tail) {
      // Six bytes are kept: a candidate may stand across the border.
      reader.head = at < 0 ? Math.max(reader.head + 1, reader.tail - 6) : at - 1;
      if (reader.fill(7) < 7) return undefined;
      continue;
    }
    reader.head = at;
    const length = candidateBytes(reader, limits);
    if (length === undefined) continue;
    const found = tryCandidate(reader, length, accept);
    if (found !== undefined) return found;
    candidates += 1;
  }
  return undefined;
}

/** The length of the text of what looks like a vmdescription, or `undefined` if it does not. */
function candidateBytes(reader: ByteReader, limits: Limits): number | undefined {
  const before = reader.buffer[reader.head - 1];
  const length = reader.view.getUint32(reader.head + 1);
  const remaining = reader.remaining;
  const possible = before === SECTION_TYPE.EOF && reader.buffer[reader.head + 5] === 0x7b &&
    length >= 2 && length <= limits.vmdescriptionBytes &&
    (remaining === undefined || length + 5 <= remaining);
  // A look at the first characters keeps a chance hit from reading megabytes of a pipe.
  if (!possible || reader.peek(64).subarray(5).some((byte) => byte < 0x09)) return undefined;
  return length;
}

function tryCandidate(
  reader: ByteReader,
  length: number,
  accept: (description: Vmdescription) => boolean,
): (VmdescriptionSection & { readonly description: Vmdescription }) | undefined {
  const offset = reader.offset;
  try {
    const text = new ByteReader(reader.source, { offset: offset + 5 }).bytes(length, "candidate");
    const description = parseVmdescription(text, offset + 5);
    return accept(description) ? { offset, text, description } : undefined;
  } catch (error) {
    if (error instanceof FormatError) return undefined;
    throw error;
  }
}
