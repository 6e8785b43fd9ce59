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
  if (device !== undefined) return new DevicePrinter(device.bytes).print(device.state);
  // Nothing describes it: in the shape of a device that QEMU describes as one run of bytes.
  if (bytes !== undefined) return `{\n${INDENT}${INDENT}"data": "${spacedHex(bytes)}"\n${INDENT}}`;
  return '""';
}

/** Prints one device; every piece of text is made once, at its final indentation. */
class DevicePrinter {
  readonly #bytes: Uint8Array;
  #text = "";

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  print(struct: VmstateStruct): string {
    this.#struct(struct, INDENT);
    return this.#text;
  }

  #struct(struct: VmstateStruct, indent: string): void {
    const members = membersByName(struct);
    if (members.size === 0) {
      this.#text += "{}";
      return;
    }
    const inner = indent + INDENT;
    let separator = "{\n";
    for (const [name, parts] of members) {
      this.#text += `${separator}${inner}${quoteJsonAscii(name)}: `;
      this.#member(parts, inner);
      separator = ",\n";
    }
    this.#text += `\n${indent}}`;
  }

  #member(parts: readonly Member[], indent: string): void {
    let count = 0;
    for (const part of parts) count += "count" in part ? part.count : 1;
    if (count === 1) return this.#values(parts[0]!, "", indent, "");
    const inner = indent + INDENT;
    let separator = `[\n${inner}`;
    for (const part of parts) {
      this.#values(part, separator, inner, `,\n${inner}`);
      separator = `,\n${inner}`;
    }
    this.#text += `\n${indent}]`;
  }

  /** The values of a member, the first one behind `separator`, the others behind `next`. */
  #values(part: Member, separator: string, indent: string, next: string): void {
    if (!("count" in part)) {
      this.#text += separator;
      return this.#struct(part, indent);
    }
    if (part.type === "struct" && part.elements !== undefined) {
      for (const [index, element] of part.elements.entries()) {
        this.#text += index === 0 ? separator : next;
        if (isNullStruct(element)) this.#text += '"nullptr"';
        else this.#struct(element, indent);
      }
      return;
    }
    const size = part.lengthBytes / part.count;
    for (let index = 0; index < part.count; index++) {
      this.#text += index === 0 ? separator : next;
      this.#text += this.#primitive(part.type, part.offset + index * size, size);
    }
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
    const isNegative = size > 0 && this.#bytes[offset]! >= 0x80;
    if (!isNegative) return `"0x${digits}"`;
    return `"0x${digits} (${BigInt.asIntN(size * 8, BigInt(`0x${digits}`))})"`;
  }
}

/** What stands under a name: fields, which may be arrays, or subsections. */
type Member = VmstateField | VmstateStruct;

/** The members of a structure; those of one name are together, in the place of the first. */
function membersByName(struct: VmstateStruct): Map<string, Member[]> {
  const members = new Map<string, Member[]>();
  const add = (name: string, member: Member) => {
    const same = members.get(name);
    if (same === undefined) members.set(name, [member]);
    else same.push(member);
  };
  for (const field of struct.fields) add(field.name, field);
  for (const subsection of struct.subsections) add(subsection.vmsdName, subsection);
  return members;
}

/** The vmdescription as the script prints it with `-d desc`, a newline at the end included. */
export function compatDescription(section: VmdescriptionSection): string {
  return `${
    printPythonJson(parseJson(decodeText(section.text), { offset: section.offset + 5 }))
  }\n`;
}
