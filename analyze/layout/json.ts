/**
 * Where in a JSON text an offset is.
 *
 * @module
 */

import { decodeText, escapeText } from "../../format/text.ts";

const WHITE_SPACE: ReadonlySet<number | undefined> = new Set([0x20, 0x09, 0x0a, 0x0d]);
const QUOTE = 0x22, COMMA = 0x2c, COLON = 0x3a, BACKSLASH = 0x5c;
const BRACKET_OPEN = 0x5b, BRACKET_CLOSE = 0x5d, BRACE_OPEN = 0x7b, BRACE_CLOSE = 0x7d;

/** Names longer than this are cut off: they are not those of a description. */
const NAME_MAX_BYTES = 255;

/** An array or object around the place: the number of an array's element, or the range of a member's name. */
interface Level {
  index: number | undefined;
  nameStart: number;
  nameEnd: number;
}

/**
 * The path of the innermost value whose text, the member's name included, has the byte `at`, e.g. `devices[3].fields[2].name`; empty for
 * the whole. The text has to be correct JSON up to there. Escapes in names are left as they are.
 */
export function jsonPathAt(text: Uint8Array, at: number): string {
  const levels: Level[] = [];
  for (let index = 0; index <= at && index < text.length; index++) {
    const level = levels.at(-1);
    switch (text[index]) {
      case QUOTE: {
        const end = stringEnd(text, index);
        if (level !== undefined && level.index === undefined && isName(text, end)) {
          level.nameStart = index + 1;
          level.nameEnd = end - 1;
        }
        index = end - 1;
        break;
      }
      case BRACE_OPEN:
      case BRACKET_OPEN: {
        // A bracket itself belongs to the value that it begins or ends.
        const first = text[index] === BRACKET_OPEN ? 0 : undefined;
        if (index < at) levels.push({ index: first, nameStart: 0, nameEnd: 0 });
        break;
      }
      case BRACE_CLOSE:
      case BRACKET_CLOSE:
        levels.pop();
        break;
      case COMMA:
        if (level?.index !== undefined) level.index += 1;
        else if (level !== undefined) level.nameEnd = level.nameStart;
        break;
    }
  }
  return levels.map((level, depth) => step(text, level, depth)).join("");
}

/** Index behind the string that begins at `start`. */
function stringEnd(text: Uint8Array, start: number): number {
  let at = start + 1;
  while (at < text.length && text[at] !== QUOTE) at += text[at] === BACKSLASH ? 2 : 1;
  return Math.min(at + 1, text.length);
}

/** Whether the string before `end` is a member's name. */
function isName(text: Uint8Array, end: number): boolean {
  let at = end;
  while (WHITE_SPACE.has(text[at])) at += 1;
  return text[at] === COLON;
}

function step(text: Uint8Array, level: Level, depth: number): string {
  if (level.index !== undefined) return `[${level.index}]`;
  if (level.nameEnd <= level.nameStart) return "";
  const end = Math.min(level.nameEnd, level.nameStart + NAME_MAX_BYTES);
  const name = escapeText(decodeText(text.subarray(level.nameStart, end)));
  return depth === 0 ? name : `.${name}`;
}
