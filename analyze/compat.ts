/**
 * The JSON that QEMU's analyze-migration.py prints, character for character.
 *
 * ```text
 * { "<idstr> (<section id>)": value, ... }          4 spaces, ASCII only
 *   ram                         {"section sizes": {"<block>": "0x%016x", ...}, ["memory": {...}]}
 *   other iterable entries      ""
 *   devices                     an object of fields, then subsections
 * unsigned integers "0x" + 2 * size digits, signed ones with " (-n)" if negative; booleans; structures as objects;
 * everything else as two-digit hexadecimal bytes with spaces between them
 * ```
 *
 * A name that occurs more than once among the members of a structure is a list.
 *
 * @module
 */

import type { DeviceState } from "../format/items.ts";
import { parseJson, printPythonJson, quoteJsonAscii } from "../format/json.ts";
import { decodeText } from "../format/text.ts";
import type { VmdescriptionSection } from "../format/vmdescription.ts";
import { isNullStruct, type VmstateField, type VmstateStruct } from "../format/vmstate.ts";
import type { StateEntry, StreamState } from "./state.ts";

/** Prints the memory of a stream: calls `print` with pieces of text, one member a line. */
export type MemoryPrinter = (indent: string, print: (text: string) => void) => void;

const INDENT = "    ";

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

/** Types that are printed as an unsigned number. */
const UNSIGNED_TYPES = new Set(["uint8", "uint16", "uint32", "uint64", "uint32 equal"]);

/** Types that are printed as a signed number; some of them are unsigned, but the script prints them so. */
const SIGNED_TYPES = new Set([
  "int8",
  "int16",
  "int32",
  "int64",
  "int32 equal",
  "int32 le",
  "uint8 equal",
  "uint16 equal",
  "int64 equal",
]);

/** Bytes as two-digit hexadecimal numbers with single spaces between them. */
export function spacedHex(bytes: Uint8Array, start = 0, end: number = bytes.length): string {
  if (start === end) return "";
  let text = HEX[bytes[start]!]!;
  for (let at = start + 1; at < end; at++) text += " " + HEX[bytes[at]!]!;
  return text;
}

/**
 * Prints the state of a stream as the script does with `-d state`, a newline at the end included.
 *
 * @param print Takes the text in pieces.
 * @param memory Prints the pages, for `-m`.
 */
export function printCompatState(
  state: StreamState,
  print: (text: string) => void,
  memory?: MemoryPrinter,
): void {
  const entries = lastOfEachKey(state.entries);
  if (entries.size === 0) return print("{}\n");
  let separator = "{\n";
  for (const [key, entry] of entries) {
    print(`${separator}${INDENT}${quoteJsonAscii(key)}: `);
    if (entry.kind === "ram") printRam(state, print, memory);
    else print(entryText(entry));
    separator = ",\n";
  }
  print("\n}\n");
}

/** Entries of one key (name and id) overwrite each other, in the place of the first. */
function lastOfEachKey(entries: readonly StateEntry[]): Map<string, StateEntry> {
  const byKey = new Map<string, StateEntry>();
  for (const entry of entries) {
    byKey.set(`${entry.section.idstr} (${entry.section.id})`, entry);
  }
  return byKey;
}

function printRam(
  state: StreamState,
  print: (text: string) => void,
  memory: MemoryPrinter | undefined,
): void {
  const inner = INDENT + INDENT;
  const sizes = (state.blocks ?? []).map((block) => {
    const size = block.usedLengthBytes.toString(16).padStart(16, "0");
    return `${inner}${INDENT}${quoteJsonAscii(block.name)}: "0x${size}"`;
  });
  const list = sizes.length === 0 ? "{}" : `{\n${sizes.join(",\n")}\n${inner}}`;
  print(`{\n${inner}"section sizes": ${list}`);
  if (memory !== undefined) {
    print(`,\n${inner}"memory": `);
    memory(inner, print);
  }
  print(`\n${INDENT}}`);
}

function entryText(entry: StateEntry): string {
  const { device, bytes } = entry.first;
  if (device !== undefined) return new DevicePrinter(device).struct(device.state, INDENT);
  // Nothing describes it: in the shape of a device that QEMU describes as one run of bytes.
  if (bytes !== undefined) return `{\n${INDENT}${INDENT}"data": "${spacedHex(bytes)}"\n${INDENT}}`;
  return '""';
}

class DevicePrinter {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;

  constructor(device: DeviceState) {
    this.#bytes = device.bytes;
    this.#view = new DataView(
      device.bytes.buffer,
      device.bytes.byteOffset,
      device.bytes.byteLength,
    );
  }

  struct(struct: VmstateStruct, indent: string): string {
    const inner = indent + INDENT;
    const members = new Map<string, string[]>();
    for (const field of struct.fields) {
      const values = members.get(field.name);
      if (values === undefined) members.set(field.name, this.#values(field, inner));
      else values.push(...this.#values(field, inner));
    }
    for (const subsection of struct.subsections) {
      const value = this.struct(subsection, inner);
      const values = members.get(subsection.vmsdName);
      if (values === undefined) members.set(subsection.vmsdName, [value]);
      else values.push(value);
    }
    if (members.size === 0) return "{}";
    let text = "{\n";
    let separator = "";
    for (const [name, values] of members) {
      text += `${separator}${inner}${quoteJsonAscii(name)}: `;
      text += values.length === 1 ? values[0]! : list(values, inner);
      separator = ",\n";
    }
    return `${text}\n${indent}}`;
  }

  /** The values of all elements. Structures of an array stand one level deeper than a lone one. */
  #values(field: VmstateField, indent: string): string[] {
    if (field.elements !== undefined && field.type === "struct") {
      return field.elements.map((element) =>
        isNullStruct(element) ? '"nullptr"' : this.struct(element, indent)
      );
    }
    if (field.count === 1 || field.lengthBytes === 0) {
      const value = this.#primitive(field.type, field.offset, field.lengthBytes);
      return Array.from({ length: field.count }, () => value);
    }
    const size = field.lengthBytes / field.count;
    return Array.from(
      { length: field.count },
      (_, index) => this.#primitive(field.type, field.offset + index * size, size),
    );
  }

  #primitive(type: string, offset: number, size: number): string {
    if (UNSIGNED_TYPES.has(type)) return `"0x${this.#digits(offset, size)}"`;
    if (SIGNED_TYPES.has(type)) return this.#signed(offset, size);
    if (type === "bool" && size > 0) return this.#bytes[offset] === 0 ? "false" : "true";
    if (type === "nullptr" && this.#bytes[offset] === 0x30) return '"nullptr"';
    return `"${spacedHex(this.#bytes, offset, offset + size)}"`;
  }

  #digits(offset: number, size: number): string {
    let digits = "";
    for (let at = offset; at < offset + size; at++) digits += HEX[this.#bytes[at]!]!;
    return digits;
  }

  #signed(offset: number, size: number): string {
    const digits = this.#digits(offset, size);
    const isNegative = size > 0 && this.#view.getInt8(offset) < 0;
    if (!isNegative) return `"0x${digits}"`;
    return `"0x${digits} (${BigInt.asIntN(size * 8, BigInt(`0x${digits}`))})"`;
  }
}

/** A JSON list; its values are indented for one level less, as members. */
function list(values: readonly string[], indent: string): string {
  const inner = indent + INDENT;
  const deeper = values.map((value) => inner + value.replaceAll("\n", `\n${INDENT}`));
  return `[\n${deeper.join(",\n")}\n${indent}]`;
}

/** The vmdescription as the script prints it with `-d desc`, a newline at the end included. */
export function compatDescription(section: VmdescriptionSection): string {
  return `${
    printPythonJson(parseJson(decodeText(section.text), { offset: section.offset + 5 }))
  }\n`;
}
