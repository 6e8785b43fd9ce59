/**
 * Values of fields as short texts.
 *
 * @module
 */

import { escapeText, hex } from "../../format/text.ts";
import { decodePrimitive } from "../../format/vmstate_types.ts";
import { printableText } from "../rich/values.ts";

/** Bytes of a buffer that are shown. */
const SHOWN_BYTES = 32;
/** Elements of an array that are shown. */
const SHOWN_ELEMENTS = 32;
/** Characters of a text that are shown. */
const SHOWN_CHARACTERS = 160;

/** A text, cut where it is long. */
export function clip(text: string, most: number = SHOWN_CHARACTERS): string {
  if (text.length <= most) return text;
  // Half of a character outside of the basic plane would be none.
  const cut = text.slice(0, most).replace(/[\ud800-\udbff]$/, "");
  return `${cut}… (${text.length} characters)`;
}

/** A sentence that may quote anything, in one line and without control characters. */
export function sentence(text: string): string {
  return escapeText(text).replaceAll('\\"', '"').replaceAll("\\\\", "\\");
}

/** A value of a type. */
export function fieldText(type: string, bytes: Uint8Array): string {
  const primitive = decodePrimitive(type, bytes);
  switch (primitive.kind) {
    case "unsigned":
      return integerText(primitive.value);
    case "signed":
    case "bool":
    case "float64":
    case "marker":
      return String(primitive.value);
    case "timer":
      return primitive.value === null ? "not armed" : `${primitive.value} ns`;
    case "words":
      return clip(`[${primitive.value.map((word) => hex(word)).join(", ")}]`);
    case "text":
      return clip(`"${escapeText(primitive.value)}"`);
    case "bytes":
    case "counted":
    case "bitmap":
      return bytesText(primitive.value);
  }
}

/** An integer in both notations: registers and masks are read in hexadecimal, counters are not. */
export function integerText(value: number | bigint): string {
  return value < 10 ? String(value) : `${value} (${hex(value)})`;
}

/** The bytes of a buffer. */
export function bytesText(bytes: Uint8Array): string {
  const text = printableText(bytes.subarray(0, SHOWN_CHARACTERS));
  if (text !== undefined) {
    return bytes.length > SHOWN_CHARACTERS ? `"${text}"… (${bytes.length} bytes)` : `"${text}"`;
  }
  if (bytes.length > SHOWN_BYTES && bytes.every((byte) => byte === bytes[0])) {
    return `${bytes.length} × ${bytes.subarray(0, 1).toHex()}`;
  }
  const shown = bytes.subarray(0, SHOWN_BYTES).toHex();
  return bytes.length > SHOWN_BYTES ? `${shown}… (${bytes.length} bytes)` : shown;
}

/** The first elements of an array. */
export function listText(count: number, elementText: (index: number) => string): string {
  const shown = Math.min(count, SHOWN_ELEMENTS);
  const texts = Array.from({ length: shown }, (_, index) => elementText(index));
  return clip(`[${texts.join(", ")}${count > shown ? `, … (${count})` : ""}]`);
}
