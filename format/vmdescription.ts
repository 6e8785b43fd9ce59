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
import { checkJsonValues, JsonNumber, JsonObject, type JsonValue, parseJson } from "./json.ts";
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

/** Types whose elements' descriptions are written into one object, so that its members stand in it several times. */
const REPEATING_TYPES = /"(?:qtailq|qlist|gtree)"/;

/** Key of the members of all elements, where an object describes several. */
const ELEMENTS = Symbol("elements");

/** Structures that may be inside each other; real ones are some ten deep. */
const MAX_DEPTH = 200;

/** A JSON object of which the last of several members of one name counts. */
interface PlainObject {
  readonly [name: string]: unknown;
  readonly [ELEMENTS]?: readonly PlainObject[];
}

/** Parses the JSON text of a vmdescription; `offset` is the absolute offset of its first byte. */
export function parseVmdescription(text: Uint8Array, offset: number): Vmdescription {
  checkJsonValues(text, offset);
  const parser = new DescriptionParser(offset);
  return parser.top(parsePlain(decodeText(text), offset));
}

/** The runtime's parser is several times faster than our own, which knows offsets and keeps members of one name apart. */
function parsePlain(text: string, offset: number): unknown {
  if (!REPEATING_TYPES.test(text)) {
    try {
      return JSON.parse(text);
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
    }
  }
  return toPlain(parseJson(text, { offset }));
}

function toPlain(value: JsonValue): unknown {
  if (value instanceof JsonNumber) return value.toNumber();
  if (value instanceof JsonObject) return toPlainObject(value);
  return Array.isArray(value) ? value.map(toPlain) : value;
}

/** QEMU writes the elements' descriptions into the field's own object: the same members again for each element. */
function toPlainObject(object: JsonObject): PlainObject {
  // Without a prototype, so that no name means anything else.
  const plain: Record<string | symbol, unknown> = Object.create(null);
  const elements: Record<string, unknown>[] = [];
  for (const [name, value] of object.members) {
    plain[name] = toPlain(value);
    if (name === "vmsd_name") elements.push(Object.create(null));
    const element = elements.at(-1);
    if (element !== undefined) element[name] = plain[name];
  }
  plain[ELEMENTS] = elements;
  return plain;
}

/** What most structures have of subsections and of inline descriptions. */
const NOTHING: readonly VmsdDescription[] = [];

/** Takes parsed JSON for a vmdescription; the path to where it is tells an error its place. */
class DescriptionParser {
  readonly #offset: number;
  readonly #path: string[] = [];
  #depth = 0;

  constructor(offset: number) {
    this.#offset = offset;
  }

  #fail(name: string, expected: string, rule = "END-006"): FormatError {
    const where = [...this.#path, name].join(".");
    return new FormatError("bad-vmdescription", `Cannot use vmdescription: ${where}`, {
      offset: this.#offset,
      expected,
      rule,
    });
  }

  top(value: unknown): Vmdescription {
    const object = this.#object(value, "top level");
    return {
      pageBytes: object["page_size"] === undefined ? undefined : this.#count(object, "page_size"),
      devices: this.#list(object, "devices").map((device) => this.#device(device)),
    };
  }

  #object(value: unknown, name: string): PlainObject {
    const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
    if (isObject) return value as PlainObject;
    throw this.#fail(name, "an object");
  }

  #list(object: PlainObject, name: string): readonly unknown[] {
    const value = object[name];
    if (Array.isArray(value)) return value;
    throw this.#fail(name, "an array");
  }

  #text(object: PlainObject, name: string): string {
    const value = object[name];
    if (typeof value === "string") return value;
    throw this.#fail(name, "a string");
  }

  #count(object: PlainObject, name: string): number {
    const value = object[name];
    if (Number.isSafeInteger(value) && (value as number) >= 0) return value as number;
    throw this.#fail(name, "a whole number that is not negative", "VMD-005");
  }

  #device(value: unknown): DeviceDescription {
    const object = this.#object(value, "devices");
    const name = this.#text(object, "name");
    this.#path.push(quoteText(name));
    const instanceId = this.#count(object, "instance_id");
    const state = this.#vmsd(object);
    this.#path.pop();
    return { name, instanceId, state };
  }

  #vmsd(object: PlainObject): VmsdDescription {
    if (++this.#depth > MAX_DEPTH) {
      throw new FormatError("limit-exceeded", "Cannot use vmdescription: nested too deep", {
        offset: this.#offset,
        expected: `at most ${MAX_DEPTH} structures inside each other`,
      });
    }
    const subsections = object["subsections"] === undefined
      ? NOTHING
      : this.#list(object, "subsections").map((each) =>
        this.#vmsd(this.#object(each, "subsections"))
      );
    const vmsd = {
      vmsdName: object["vmsd_name"] === undefined ? "" : this.#text(object, "vmsd_name"),
      version: object["version"] === undefined ? 0 : this.#count(object, "version"),
      fields: object["fields"] === undefined
        ? []
        : this.#list(object, "fields").map((field) => this.#field(field)),
      subsections,
    };
    this.#depth -= 1;
    return vmsd;
  }

  #field(value: unknown): FieldDescription {
    const object = this.#object(value, "fields");
    const name = this.#text(object, "name");
    this.#path.push(name);
    const { array_len: arrayLength, struct } = object;
    // Fields are many: no object is made that is not kept.
    const field: { -readonly [Name in keyof FieldDescription]: FieldDescription[Name] } = {
      name,
      type: this.#text(object, "type"),
      sizeBytes: this.#count(object, "size"),
      inline: this.#inline(object),
    };
    if (arrayLength !== undefined) field.arrayLength = this.#count(object, "array_len");
    if (struct !== undefined) field.struct = this.#vmsd(this.#object(struct, "struct"));
    this.#path.pop();
    return field;
  }

  #inline(object: PlainObject): readonly VmsdDescription[] {
    const elements = object[ELEMENTS];
    if (elements !== undefined) return elements.map((element) => this.#vmsd(element));
    return object["vmsd_name"] === undefined ? NOTHING : [this.#vmsd(object)];
  }
}

/**
 * Finds the vmdescription that ends exactly where the source ends: a type byte 0x06, the EOF byte before it, and a length that
 * reaches to the end. JSON text has no control characters, so the last byte 0x06 of the input is the type byte or in the length behind it.
 */
export function findVmdescriptionAtEnd(
  source: ByteSource,
  limits: Limits = DEFAULT_LIMITS,
): VmdescriptionSection | undefined {
  const end = source.sizeBytes;
  if (end === undefined || !source.seekable) return undefined;
  const start = lastTypeByte(source, end, Math.max(0, end - limits.vmdescriptionBytes - 6));
  if (start === undefined) return undefined;
  // What was found is the type byte itself, or one of the four bytes of the length behind it.
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

/** Offset of the last byte 0x06, not before `floor`; `undefined` where the input does not end like JSON. */
function lastTypeByte(source: ByteSource, end: number, floor: number): number | undefined {
  const blockBytes = 64 * 1024;
  for (let blockEnd = end; blockEnd > floor;) {
    const blockStart = Math.max(floor, blockEnd - blockBytes);
    const reader = new ByteReader(source, { offset: blockStart, blockBytes });
    const bytes = reader.peek(blockEnd - blockStart);
    if (blockEnd === end && (bytes.at(-1) ?? 0) < 0x09) return undefined;
    const at = bytes.lastIndexOf(SECTION_TYPE.VMDESCRIPTION);
    if (at >= 0) return blockStart + at;
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
