/**
 * Values that people write, as the bytes of a field.
 *
 * ```text
 * integer        42, 0x2a, 0b101010, -1 where the type is signed
 * bool           true, false
 * timer          ns of its clock; null or off: not armed
 * float64        1.5, -1e3, inf, -inf, nan
 * words, arrays  [1, 2, 0x3]
 * text           as long as the one that stands there
 * bitmap         hex digits: item n is bit n % 8 of byte n / 8
 * bytes          hex digits, two a byte, spaces between bytes allowed; or a text, filled up with NULs: in double quotes,
 *                or as it is where the field holds a text already
 * ```
 *
 * A field keeps its size: what is shorter or longer is refused.
 *
 * @module
 */

import { concat } from "@std/bytes/concat";
import { isFormatError } from "../../format/error.ts";
import { encodeText, escapeText } from "../../format/text.ts";
import {
  decodePrimitive,
  encodePrimitive,
  type VmstateKind,
  vmstateKind,
  type VmstatePrimitive,
} from "../../format/vmstate_types.ts";
import { shownText } from "./edit_error.ts";
import type { FieldSlot, FieldTarget } from "./field_path.ts";

/** The bytes of a value, or why it does not fit. */
export type FieldBytes =
  | { readonly bytes: Uint8Array; readonly isText: boolean; readonly reason?: undefined }
  | { readonly reason: string };

/** A primitive, or what the type takes instead. */
type Parsed = VmstatePrimitive | string;

const MARKER_REASON = "it is the marker of a pointer: what it announces would have to come or go";

/**
 * The bytes of what `text` says.
 *
 * @param target The field.
 * @param text The value.
 * @param payload The section's payload.
 */
export function fieldBytesOfText(
  target: FieldTarget,
  text: string,
  payload: Uint8Array,
): FieldBytes {
  if (!target.isList) return slotBytes(target.slots[0]!, text, payload);
  const items = splitList(text);
  const count = target.slots.length;
  if (items === undefined) {
    return { reason: `it is an array: it takes a list of ${count}, or name an element, e.g. [0]` };
  }
  if (items.length !== count) {
    return { reason: `an array of ${count} element(s), and a list of ${items.length}` };
  }
  const parts: Uint8Array[] = [];
  for (const [index, slot] of target.slots.entries()) {
    const part = slotBytes(slot, items[index]!, payload);
    if (part.reason !== undefined) return { reason: `element [${index}]: ${part.reason}` };
    parts.push(part.bytes);
  }
  return { bytes: concat(parts), isText: false };
}

/** Takes `bytes` for those of a whole field, or says why they are not. */
export function fieldBytesOfFile(target: FieldTarget, bytes: Uint8Array): FieldBytes {
  const total = target.slots.reduce((sum, slot) => sum + slot.sizeBytes, 0);
  if (bytes.length !== total) {
    return { reason: `the field has ${total} byte(s), the file ${bytes.length}` };
  }
  let at = 0;
  for (const { type, sizeBytes } of target.slots) {
    const kind = vmstateKind(type, sizeBytes);
    if (kind === "marker") return { reason: MARKER_REASON };
    const hasLength = kind === "text" || kind === "counted";
    const found = decodePrimitive(type, bytes.subarray(at, at + sizeBytes)).kind;
    if (hasLength && found !== kind) {
      return { reason: `the file does not begin with the length of what follows, as ${kind} does` };
    }
    at += sizeBytes;
  }
  return { bytes: bytes.slice(), isText: false };
}

function slotBytes(slot: FieldSlot, text: string, payload: Uint8Array): FieldBytes {
  const { type, sizeBytes, offset } = slot;
  const kind = vmstateKind(type, sizeBytes);
  if (kind === "marker") return { reason: MARKER_REASON };
  if (kind === "bytes") {
    return plainBytes(slot, text, payload.subarray(offset, offset + sizeBytes));
  }
  const parsed = parsePrimitive(kind, text, sizeBytes);
  if (typeof parsed === "string") return doesNotFit(slot, text, parsed);
  try {
    return { bytes: encodePrimitive(type, sizeBytes, parsed), isText: false };
  } catch (error) {
    if (!isFormatError(error)) throw error;
    return doesNotFit(slot, text, error.expected ?? error.message);
  }
}

function doesNotFit({ type }: FieldSlot, text: string, takes: string): FieldBytes {
  return { reason: `"${shownText(text)}" does not fit: type ${escapeText(type)} takes ${takes}` };
}

/** The value, or what the type takes instead. */
function parsePrimitive(kind: VmstateKind, text: string, sizeBytes: number): Parsed {
  const trimmed = text.trim();
  switch (kind) {
    case "unsigned":
    case "signed": {
      const value = parseInteger(trimmed);
      return value === undefined ? `numbers, ${range(kind, sizeBytes)}` : { kind, value };
    }
    case "bool":
      if (trimmed !== "true" && trimmed !== "false") return "true or false";
      return { kind, value: trimmed === "true" };
    case "timer": {
      if (trimmed === "null" || trimmed === "off") return { kind, value: null };
      const value = parseInteger(trimmed);
      return value === undefined ? `ns, ${range("unsigned", 8)}, or null` : { kind, value };
    }
    case "float64": {
      const value = parseFloat64(trimmed);
      return value === undefined ? "numbers, inf, -inf and nan" : { kind, value };
    }
    case "words":
      return parseWords(trimmed, sizeBytes / 8);
    case "text": {
      const value = unquoted(text) ?? text;
      const { length } = encodeText(value);
      if (length === sizeBytes - 1) return { kind, value };
      return `a text as long as the one that stands there, ${sizeBytes - 1} byte(s), not ${length}`;
    }
    default: {
      const most = kind === "counted" ? sizeBytes - 4 : sizeBytes;
      const value = parseHex(text);
      if (value?.length !== most) return hexWanted(most, value);
      return { kind: kind === "counted" ? kind : "bitmap", value };
    }
  }
}

function parseWords(text: string, count: number): Parsed {
  const value: bigint[] = [];
  for (const word of splitList(text) ?? []) {
    const number = parseInteger(word);
    if (number !== undefined) value.push(number);
  }
  if (value.length === count && splitList(text)?.length === count) return { kind: "words", value };
  return `a list of ${count} numbers, each ${range("unsigned", 8)}`;
}

function hexWanted(lengthBytes: number, found: Uint8Array | undefined): string {
  const digits = `${lengthBytes} byte(s) as hex digits`;
  return found === undefined ? digits : `${digits}, not ${found.length}`;
}

/** Plain bytes; a text only where it is said, or known, to be one: a mistyped number is none. */
function plainBytes(slot: FieldSlot, text: string, current: Uint8Array): FieldBytes {
  const { sizeBytes } = slot;
  const quoted = unquoted(text);
  const bytes = quoted === undefined ? parseHex(text) : undefined;
  if (bytes?.length === sizeBytes) return { bytes, isText: false };
  const isText = quoted !== undefined || !/^(0x)?[0-9a-f\s]*$/i.test(text) && holdsText(current);
  if (!isText) {
    const takes = `${hexWanted(sizeBytes, bytes)}, or a text in double quotes`;
    return doesNotFit(slot, text, takes);
  }
  const content = encodeText(quoted ?? text);
  if (content.length > sizeBytes) {
    const takes = `a text of at most ${sizeBytes} byte(s) here, not ${content.length}`;
    return doesNotFit(slot, text, takes);
  }
  const filled = new Uint8Array(sizeBytes);
  filled.set(content);
  return { bytes: filled, isText: true };
}

/** Whether bytes are printable ASCII, and NULs behind it. */
function holdsText(bytes: Uint8Array): boolean {
  const nul = bytes.indexOf(0);
  const end = nul < 0 ? bytes.length : nul;
  return end > 0 && bytes.subarray(0, end).every((byte) => byte >= 0x20 && byte < 0x7f) &&
    bytes.subarray(end).every((byte) => byte === 0);
}

function unquoted(text: string): string | undefined {
  const isQuoted = text.length >= 2 && text.startsWith('"') && text.endsWith('"');
  return isQuoted ? text.slice(1, -1) : undefined;
}

function parseHex(text: string): Uint8Array | undefined {
  const digits = text.trim().replace(/^0x/i, "").replace(/([0-9a-f]{2})\s+(?=[0-9a-f]{2})/gi, "$1");
  return /^([0-9a-f]{2})*$/i.test(digits) ? Uint8Array.fromHex(digits) : undefined;
}

function parseInteger(text: string): bigint | undefined {
  const match = /^(-?)(0x[0-9a-f]+|0b[01]+|\d+)$/i.exec(text);
  if (match === null) return undefined;
  const value = BigInt(match[2]!);
  return match[1] === "-" ? -value : value;
}

function parseFloat64(text: string): number | undefined {
  if (/^nan$/i.test(text)) return NaN;
  const infinite = /^(-?)inf(inity)?$/i.exec(text);
  if (infinite !== null) return infinite[1] === "-" ? -Infinity : Infinity;
  return /^-?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i.test(text) ? Number(text) : undefined;
}

function range(kind: "unsigned" | "signed", sizeBytes: number): string {
  const values = 2n ** BigInt(8 * sizeBytes);
  const low = kind === "signed" ? -values / 2n : 0n;
  return `${low}..${low + values - 1n}`;
}

/** The items of `[a, b]`; commas in quotes and in inner brackets separate nothing. */
function splitList(text: string): string[] | undefined {
  const trimmed = text.trim();
  if (!trimmed.startsWith("[") || !trimmed.endsWith("]") || trimmed.length < 2) return undefined;
  const inside = trimmed.slice(1, -1);
  if (inside.trim() === "") return [];
  const items: string[] = [];
  let depth = 0;
  let isQuoted = false;
  let start = 0;
  for (let at = 0; at < inside.length; at++) {
    const character = inside[at];
    if (character === '"') isQuoted = !isQuoted;
    if (isQuoted) continue;
    if (character === "[") depth += 1;
    if (character === "]") depth -= 1;
    if (character !== "," || depth > 0) continue;
    items.push(inside.slice(start, at).trim());
    start = at + 1;
  }
  return [...items, inside.slice(start).trim()];
}
