/**
 * Device sections, decoded by their description.
 *
 * ```text
 * structure  = fields in order, then subsections in order
 * field      = array_len (or 1) elements of `size` bytes; a structure's size includes its subsections
 * subsection = u8 0x05, counted string name, be32 version, structure
 * qtailq, qlist = { u8 1, element }, u8 0
 * gtree      = be32 count, { u8 1, [key], value }, u8 0
 * ```
 *
 * The result refers to the section's bytes and copies nothing: a field knows where it stands. vmstate_value.ts makes plain values of it,
 * vmstate_encode.ts is the way back.
 *
 * @module
 */

import { FormatError, type FormatErrorCode } from "./error.ts";
import { DEFAULT_LIMITS } from "./limits.ts";
import { type ArrayReading, NULL_POINTER, runCounts } from "./pointer_arrays.ts";
import { SECTION_TYPE } from "./section.ts";
import { decodeText, encodeText, hex, quoteText } from "./text.ts";
import type { FieldDescription, VmsdDescription } from "./vmdescription.ts";

/** A decoded structure: a device, a `struct` field's element, a subsection. */
export interface VmstateStruct {
  /** Name of the VMStateDescription. */
  readonly vmsdName: string;
  /** Version as written. */
  readonly version: number;
  /** Offset in the section's payload; of the framing, for a subsection. */
  readonly offset: number;
  /** Bytes, subsections (and a subsection's framing) included. */
  readonly lengthBytes: number;
  /** Fields in stream order. */
  readonly fields: readonly VmstateField[];
  /** Subsections in stream order. */
  readonly subsections: readonly VmstateStruct[];
}

/** A decoded field: one value, or a run of array elements with one description. */
export interface VmstateField {
  /** Name; consecutive fields of one name are one array. */
  readonly name: string;
  /** Type string. */
  readonly type: string;
  /** Offset in the section's payload. */
  readonly offset: number;
  /** Bytes of all elements together. */
  readonly lengthBytes: number;
  /** Number of elements. */
  readonly count: number;
  /** Whether the description calls it an array (`array_len`). */
  readonly isArray: boolean;
  /** The elements, where they have an inside: structures, and elements of containers. */
  readonly elements?: readonly VmstateStruct[];
  /** The keys of a `gtree` whose keys are plain numbers, one for each element. */
  readonly keys?: readonly bigint[];
}

/**
 * Fields and array elements that may still be decoded, over all sections of a stream. What takes bytes is paid for by its bytes; what
 * takes none could be described without end.
 */
export interface ElementBudget {
  /** How many are left. */
  left: number;
}

/** Fields and elements that each byte of device state pays for. */
const ELEMENTS_PER_BYTE = 4;

/** How a device section is decoded. */
export interface DecodeVmstateOptions {
  /** Absolute offset of the payload's first byte, for errors. */
  readonly offset?: number;
  /** Path that errors begin with. */
  readonly path?: readonly string[];
  /** How arrays of pointers are read. Default `described`. */
  readonly reading?: ArrayReading;
  /** What is left of a stream's budget; without it the section has one of its own. */
  readonly budget?: ElementBudget;
}

/** Bytes that a structure takes by its description, which is an upper bound where null pointers are described wrongly. */
export function describedBytes(vmsd: VmsdDescription): number {
  let total = 0;
  for (const field of vmsd.fields) total += field.sizeBytes * (field.arrayLength ?? 1);
  for (const subsection of vmsd.subsections) {
    total += 6 + encodeText(subsection.vmsdName).length + describedBytes(subsection);
  }
  return total;
}

/**
 * Decodes a device section's payload. `payload` may be longer than the device: the result's length tells how much it took.
 *
 * @throws {FormatError} `device-mismatch`, with the field's path, where the bytes do not fit the description.
 */
export function decodeVmstate(
  payload: Uint8Array,
  vmsd: VmsdDescription,
  options: DecodeVmstateOptions = {},
): VmstateStruct {
  const decoder = new VmstateDecoder(payload, options);
  try {
    return decoder.struct(vmsd, 0, undefined);
  } finally {
    decoder.settle();
  }
}

class VmstateDecoder {
  readonly #bytes: Uint8Array;
  readonly #options: DecodeVmstateOptions;
  readonly #path: string[] = [];
  #at = 0;
  #visited = 0;
  readonly #budget: ElementBudget;

  constructor(bytes: Uint8Array, options: DecodeVmstateOptions) {
    this.#bytes = bytes;
    this.#options = options;
    this.#budget = options.budget ?? { left: DEFAULT_LIMITS.deviceElements };
  }

  /** Takes from the budget what the bytes did not pay for. */
  settle(): void {
    this.#budget.left -= Math.max(0, this.#visited - this.#at * ELEMENTS_PER_BYTE);
  }

  #error(
    code: FormatErrorCode,
    message: string,
    expected?: string,
    found?: string,
    rule?: string,
  ): FormatError {
    return new FormatError(code, `Cannot decode device state: ${message}`, {
      offset: (this.#options.offset ?? 0) + this.#at,
      path: [...(this.#options.path ?? []), ...this.#path],
      ...(expected === undefined ? {} : { expected }),
      ...(found === undefined ? {} : { found }),
      rule,
    });
  }

  #visit(count = 1): void {
    this.#visited += count;
    if (this.#visited <= this.#budget.left + this.#at * ELEMENTS_PER_BYTE) return;
    throw this.#error("limit-exceeded", "too many fields and array elements");
  }

  #take(count: number): void {
    if (this.#at + count > this.#bytes.length) {
      throw this.#error(
        "device-mismatch",
        "the description asks for more bytes than there are",
        `${count} byte(s)`,
        `${this.#bytes.length - this.#at} byte(s)`,
      );
    }
    this.#at += count;
  }

  #u8(what: string): number {
    if (this.#at >= this.#bytes.length) {
      throw this.#error("device-mismatch", `the bytes end before ${what}`);
    }
    return this.#bytes[this.#at++]!;
  }

  struct(vmsd: VmsdDescription, start: number, sizeBytes: number | undefined): VmstateStruct {
    const fields: VmstateField[] = [];
    const counts = this.#options.reading === "runs" ? runCounts(vmsd.fields) : undefined;
    for (const [index, field] of vmsd.fields.entries()) {
      this.#path.push(field.name);
      fields.push(this.#field(field, counts?.[index] ?? field.arrayLength ?? 1));
      this.#path.pop();
    }
    const subsections = vmsd.subsections.map((subsection) => this.#subsection(subsection));
    const lengthBytes = this.#at - start;
    if (sizeBytes !== undefined && sizeBytes !== lengthBytes) {
      throw this.#error(
        "device-mismatch",
        `structure ${quoteText(vmsd.vmsdName)} has another size than its members`,
        `${sizeBytes} byte(s)`,
        `${lengthBytes} byte(s)`,
        "VMD-003",
      );
    }
    return {
      vmsdName: vmsd.vmsdName,
      version: vmsd.version,
      offset: start,
      lengthBytes,
      fields,
      subsections,
    };
  }

  #subsection(vmsd: VmsdDescription): VmstateStruct {
    const start = this.#at;
    this.#path.push(vmsd.vmsdName);
    const tag = this.#u8("a subsection");
    if (tag !== SECTION_TYPE.SUBSECTION) {
      this.#at = start;
      throw this.#error("device-mismatch", "no subsection here", "0x05", hex(tag, 2), "SUB-001");
    }
    const length = this.#u8("a subsection's name");
    const nameStart = this.#at;
    this.#take(length);
    const name = decodeText(this.#bytes.subarray(nameStart, this.#at));
    if (name !== vmsd.vmsdName) {
      this.#at = nameStart;
      throw this.#error(
        "device-mismatch",
        "another subsection than described",
        quoteText(vmsd.vmsdName),
        quoteText(name),
        "VMD-011",
      );
    }
    const versionAt = this.#at;
    this.#take(4);
    const version = this.#be32(versionAt);
    if (version !== vmsd.version) {
      this.#at = versionAt;
      throw this.#error(
        "device-mismatch",
        "another subsection version than described",
        String(vmsd.version),
        String(version),
        "VMD-011",
      );
    }
    const inside = this.struct(vmsd, this.#at, undefined);
    this.#path.pop();
    return { ...inside, offset: start, lengthBytes: this.#at - start };
  }

  #be32(at: number): number {
    return new DataView(this.#bytes.buffer, this.#bytes.byteOffset + at, 4).getUint32(0);
  }

  #field(field: FieldDescription, count: number): VmstateField {
    const offset = this.#at;
    if (field.type === "gtree") return this.#gtree(field);
    const elements = this.#elements(field, count);
    if (elements === undefined) {
      this.#visit(field.sizeBytes === 0 ? count : 1);
      this.#take(field.sizeBytes * count);
    }
    return this.#result(field, offset, count, elements);
  }

  /** Fields are many: no object is made that is not kept. */
  #result(
    field: FieldDescription,
    offset: number,
    count: number,
    elements: readonly VmstateStruct[] | undefined,
  ): VmstateField {
    const { name, type } = field;
    const lengthBytes = this.#at - offset;
    const isArray = field.arrayLength !== undefined;
    return elements === undefined
      ? { name, type, offset, lengthBytes, count, isArray }
      : { name, type, offset, lengthBytes, count, isArray, elements };
  }

  #elements(field: FieldDescription, count: number): VmstateStruct[] | undefined {
    switch (field.type) {
      case "struct":
        if (field.struct === undefined) return undefined;
        return this.#repeat(field, field.struct, count);
      case "tmp":
      case "vstruct": {
        const vmsd = field.inline[0];
        return vmsd === undefined ? undefined : this.#repeat(field, vmsd, count);
      }
      case "qtailq":
      case "qlist":
        return this.#container(field, 1, 0);
      default:
        return undefined;
    }
  }

  #repeat(field: FieldDescription, vmsd: VmsdDescription, count: number): VmstateStruct[] {
    const structs: VmstateStruct[] = [];
    for (let index = 0; index < count; index++) {
      this.#visit();
      if (this.#isUntoldNull(field)) {
        structs.push(nullStruct(this.#at));
        this.#at += 1;
        continue;
      }
      if (count > 1) this.#path.push(`[${index}]`);
      structs.push(this.struct(vmsd, this.#at, field.sizeBytes));
      if (count > 1) this.#path.pop();
    }
    return structs;
  }

  #isUntoldNull(field: FieldDescription): boolean {
    return this.#options.reading === "nulls" && field.type === "struct" &&
      this.#bytes[this.#at] === NULL_POINTER;
  }

  /** Elements behind marker bytes: as many as the description repeats, and as many as the markers say. */
  #container(
    field: FieldDescription,
    perElement: number,
    headBytes: number,
    keys?: bigint[],
  ): VmstateStruct[] {
    const start = this.#at - headBytes;
    const structs: VmstateStruct[] = [];
    let next = 0;
    while (this.#u8("an element's marker") !== 0) {
      if (keys !== undefined) {
        this.#take(8);
        keys.push(BigInt(this.#be32(this.#at - 8)) << 32n | BigInt(this.#be32(this.#at - 4)));
      }
      for (let part = 0; part < perElement; part++) {
        const vmsd = field.inline[next++];
        if (vmsd === undefined) {
          throw this.#error("device-mismatch", "more elements than described");
        }
        this.#visit();
        structs.push(this.struct(vmsd, this.#at, undefined));
      }
    }
    if (this.#at - start !== field.sizeBytes) {
      throw this.#error(
        "device-mismatch",
        "a container of another size than described",
        `${field.sizeBytes} byte(s)`,
        `${this.#at - start} byte(s)`,
        "VMD-003",
      );
    }
    return structs;
  }

  #gtree(field: FieldDescription): VmstateField {
    const offset = this.#at;
    this.#take(4);
    const nodes = this.#be32(offset);
    // Keys that are plain numbers have no description: then there is one a node, of the value.
    const keys: bigint[] | undefined = nodes > 0 && field.inline.length === nodes ? [] : undefined;
    const elements = this.#container(field, keys === undefined ? 2 : 1, 4, keys);
    const result = this.#result(field, offset, 1, elements);
    return keys === undefined ? result : { ...result, keys };
  }
}

/** Fields of a structure by name: consecutive ones of one name are one array. */
export function fieldGroups(fields: readonly VmstateField[]): VmstateField[][] {
  const groups: VmstateField[][] = [];
  for (const field of fields) {
    const last = groups.at(-1);
    if (last?.[0]?.name === field.name) last.push(field);
    else groups.push([field]);
  }
  return groups;
}

/** Stands for a null pointer that the description passes over. */
function nullStruct(offset: number): VmstateStruct {
  return {
    vmsdName: "",
    version: 0,
    offset,
    lengthBytes: 1,
    fields: [],
    subsections: [],
  };
}

/** Whether a decoded structure stands for a null pointer. */
export function isNullStruct(struct: VmstateStruct): boolean {
  return struct.vmsdName === "" && struct.lengthBytes === 1 && struct.fields.length === 0;
}
