/**
 * Takes devices out of the text of a vmdescription, and leaves the rest of it as it was written.
 *
 * @module
 */

import { parseJson } from "./json.ts";
import { decodeText } from "./text.ts";

/** A range of bytes in a text. */
interface Range {
  readonly start: number;
  readonly end: number;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const OPENING = new Set([0x5b, 0x7b]);
const CLOSING = new Set([0x5d, 0x7d]);

/**
 * The text without the elements of its list `devices` for which `isKept` says so, by their position.
 *
 * @param text JSON that `parseVmdescription` has accepted.
 */
export function cutDevices(
  text: Uint8Array,
  isKept: (index: number) => boolean,
): Uint8Array<ArrayBuffer> {
  const elements = deviceElements(text);
  const kept = elements.filter((_, index) => isKept(index));
  const [first, last] = [elements[0], elements.at(-1)];
  if (first === undefined || last === undefined || kept.length === elements.length) {
    return text.slice();
  }
  const parts = [text.subarray(0, first.start)];
  for (const [index, { start, end }] of kept.entries()) {
    if (index > 0) parts.push(Uint8Array.of(COMMA, 0x20));
    parts.push(text.subarray(start, end));
  }
  parts.push(text.subarray(last.end));
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** Where the elements of the last list `devices` of the outermost object stand: the one that counts. */
function deviceElements(text: Uint8Array): Range[] {
  let elements: Range[] = [];
  let depth = 0;
  let name = "";
  let element: number | undefined;
  let inDevices = false;
  for (let at = 0; at < text.length; at++) {
    const byte = text[at]!;
    if (byte === QUOTE) {
      const end = stringEnd(text, at);
      if (depth === 1) {
        name = String(parseJson(decodeText(text.subarray(at, end + 1)), { offset: at }));
      }
      at = end;
    } else if (OPENING.has(byte)) {
      if (depth === 1 && name === "devices") [inDevices, elements] = [true, []];
      if (depth === 2 && inDevices) element = at;
      depth += 1;
    } else if (CLOSING.has(byte)) {
      depth -= 1;
      if (depth === 2 && element !== undefined) {
        elements.push({ start: element, end: at + 1 });
        element = undefined;
      }
      if (depth === 1) inDevices = false;
    }
  }
  return elements;
}

function stringEnd(text: Uint8Array, start: number): number {
  let at = start + 1;
  while (at < text.length && text[at] !== QUOTE) at += text[at] === BACKSLASH ? 2 : 1;
  return at;
}
