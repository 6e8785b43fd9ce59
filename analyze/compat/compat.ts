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

import { parseJson } from "../../format/json.ts";
import { printPythonJson, quoteJsonAscii } from "../../format/json_print.ts";
import { decodeText } from "../../format/text.ts";
import type { VmdescriptionSection } from "../../format/vmdescription.ts";
import { isNullStruct, type VmstateField, type VmstateStruct } from "../../format/vmstate.ts";
import { AsciiBuffer } from "../ascii_buffer.ts";
import type { StateEntry, StreamState } from "../state.ts";

/** Writes the memory of a stream as an object whose closing brace stands at `indent`. */
export type MemoryPrinter = (indent: string, out: AsciiBuffer) => void;

const INDENT = "    ";

/** Types that are printed as an unsigned number. */
const UNSIGNED_TYPES = ["uint8", "uint16", "uint32", "uint64", "uint32 equal"];

/** Types that are printed as a signed number; some of them are unsigned, but the script prints them so. */
const SIGNED_TYPES = [
  "int8",
  "int16",
  "int32",
  "int64",
  "int32 equal",
  "int32 le",
  "uint8 equal",
  "uint16 equal",
  "int64 equal",
];

/**
 * Writes the state of a stream as the script prints it with `-d state`, a newline at the end included.
 *
 * @param write Takes the text in pieces of ASCII, which it must not keep.
 * @param memory Writes the pages, for `-m`.
 */
export function writeCompatState(
  state: StreamState,
  write: (bytes: Uint8Array) => void,
  memory?: MemoryPrinter,
): void {
  const out = new AsciiBuffer(write);
  let separator = "{\n";
  for (const [key, entry] of lastOfEachKey(state.entries)) {
    out.text(`${separator}${INDENT}${quoteJsonAscii(key)}: `);
    if (entry.kind === "ram") printRam(state, out, memory);
    else printEntry(entry, out);
    separator = ",\n";
  }
  out.text(separator === "{\n" ? "{}\n" : "\n}\n");
  out.flush();
}

/** As {@link writeCompatState}, into a string. */
export function compatState(state: StreamState, memory?: MemoryPrinter): string {
  const decoder = new TextDecoder();
  let text = "";
  writeCompatState(state, (bytes) => text += decoder.decode(bytes), memory);
  return text;
}

/** Entries of one key (name and id) overwrite each other, in the place of the first. */
function lastOfEachKey(entries: readonly StateEntry[]): Map<string, StateEntry> {
  const byKey = new Map<string, StateEntry>();
  for (const entry of entries) {
    byKey.set(`${entry.section.idstr} (${entry.section.id})`, entry);
  }
  return byKey;
}

function printRam(state: StreamState, out: AsciiBuffer, memory: MemoryPrinter | undefined): void {
  const inner = INDENT + INDENT;
  const sizes = (state.blocks ?? []).map((block) => {
    const size = block.usedLengthBytes.toString(16).padStart(16, "0");
    return `${inner}${INDENT}${quoteJsonAscii(block.name)}: "0x${size}"`;
  });
  const list = sizes.length === 0 ? "{}" : `{\n${sizes.join(",\n")}\n${inner}}`;
  out.text(`{\n${inner}"section sizes": ${list}`);
  if (memory !== undefined) {
    out.text(`,\n${inner}"memory": `);
    memory(inner, out);
  }
  out.text(`\n${INDENT}}`);
}

function printEntry(entry: StateEntry, out: AsciiBuffer): void {
  const { device, bytes } = entry.first;
  if (device !== undefined) new DevicePrinter(device.bytes, out).struct(device.state, INDENT);
  else if (bytes === undefined) out.text('""');
  else {
    // Nothing describes it: in the shape of a device that QEMU describes as one run of bytes.
    out.text(`{\n${INDENT}${INDENT}"data": "`);
    out.spacedHex(bytes, 0, bytes.length);
    out.text(`"\n${INDENT}}`);
  }
}

/** Prints a device; every piece of text is made once, at its final indentation. */
class DevicePrinter {
  readonly #bytes: Uint8Array;
  readonly #out: AsciiBuffer;

  constructor(bytes: Uint8Array, out: AsciiBuffer) {
    this.#bytes = bytes;
    this.#out = out;
  }

  struct(struct: VmstateStruct, indent: string): void {
    const members = membersByName(struct);
    if (members.size === 0) return this.#out.text("{}");
    const inner = indent + INDENT;
    let separator = "{\n";
    for (const [name, parts] of members) {
      this.#out.text(`${separator}${inner}${quoteJsonAscii(name)}: `);
      this.#member(parts, inner);
      separator = ",\n";
    }
    this.#out.text(`\n${indent}}`);
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
    this.#out.text(`\n${indent}]`);
  }

  /** The values of a member, the first one behind `separator`, the others behind `next`. */
  #values(part: Member, separator: string, indent: string, next: string): void {
    if (!("count" in part)) {
      this.#out.text(separator);
      return this.struct(part, indent);
    }
    if (part.type === "struct" && part.elements !== undefined) {
      for (const [index, element] of part.elements.entries()) {
        this.#out.text(index === 0 ? separator : next);
        if (isNullStruct(element)) this.#out.text('"nullptr"');
        else this.struct(element, indent);
      }
      return;
    }
    const print = PRIMITIVES.get(part.type) ?? printBytes;
    const size = part.lengthBytes / part.count;
    for (let index = 0; index < part.count; index++) {
      this.#out.text(index === 0 ? separator : next);
      const start = part.offset + index * size;
      print(this.#out, this.#bytes, start, start + size);
    }
  }
}

type PrimitivePrinter = (out: AsciiBuffer, bytes: Uint8Array, start: number, end: number) => void;

const printBytes: PrimitivePrinter = (out, bytes, start, end) => {
  out.text('"');
  out.spacedHex(bytes, start, end);
  out.text('"');
};

const printUnsigned: PrimitivePrinter = (out, bytes, start, end) => {
  out.text('"0x');
  out.hex(bytes, start, end);
  out.text('"');
};

const printSigned: PrimitivePrinter = (out, bytes, start, end) => {
  const isNegative = end > start && bytes[start]! >= 0x80;
  if (!isNegative) return printUnsigned(out, bytes, start, end);
  let value = 0n;
  for (let at = start; at < end; at++) value = value << 8n | BigInt(bytes[at]!);
  out.text('"0x');
  out.hex(bytes, start, end);
  out.text(` (${BigInt.asIntN((end - start) * 8, value)})"`);
};

const printBool: PrimitivePrinter = (out, bytes, start, end) => {
  if (end === start) printBytes(out, bytes, start, end);
  else out.text(bytes[start] === 0 ? "false" : "true");
};

const printNull: PrimitivePrinter = (out, bytes, start, end) => {
  if (bytes[start] === 0x30) out.text('"nullptr"');
  else printBytes(out, bytes, start, end);
};

const PRIMITIVES = new Map<string, PrimitivePrinter>([
  ...UNSIGNED_TYPES.map((type): [string, PrimitivePrinter] => [type, printUnsigned]),
  ...SIGNED_TYPES.map((type): [string, PrimitivePrinter] => [type, printSigned]),
  ["bool", printBool],
  ["nullptr", printNull],
]);

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
