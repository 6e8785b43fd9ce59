/**
 * Bytes to be found that are known, wholly or by half: text, and hexadecimal digits with gaps.
 *
 * ```text
 * de ad ?? ef     one byte of any value
 * d? ?d           the upper or the lower half of any value
 * ```
 *
 * Every place where the bytes stand is a match, also one inside of another.
 *
 * @module
 */

import { latin1, type Match, type Matcher, MAX_MATCH_BYTES } from "./matcher.ts";
import { RegexMatcher } from "./regex.ts";

/**
 * Bytes that are frequent in the memory of guests, the most frequent first: zeros, small numbers, lower-case letters, x86 code. To look
 * for another byte of a pattern first means fewer candidates.
 */
const FREQUENT_BYTES = [
  [0x00, 0xff, 0x01, 0x65, 0x61, 0x74, 0x20, 0x6e, 0x69, 0x6f, 0x72, 0x73, 0x2f, 0x08, 0x6c, 0x02],
  [0x48, 0x03, 0x63, 0x04, 0x75, 0x64, 0x8b, 0x89, 0x0f, 0x05, 0x6d, 0x70, 0x67, 0x07, 0x10, 0x0a],
].flat();

/** The native search is fastest for few characters. */
const MAX_ANCHOR_BYTES = 4;

const HALF_ANY = "?";

/** Finds bytes of which some bits may have any value. */
class LiteralMatcher implements Matcher {
  readonly maxBytes: number;
  readonly contextBytes = 0;
  readonly matchesZeros: boolean;
  readonly overlapping = true;
  readonly #values: Uint8Array;
  readonly #masks: Uint8Array;
  /** Known bytes that the native search looks for, and where in the pattern they are. */
  readonly #anchor: string;
  readonly #anchorAt: number;
  /** Indices of the bytes outside of the anchor that have to be compared. */
  readonly #others: readonly number[];

  constructor(values: Uint8Array, masks: Uint8Array) {
    this.maxBytes = values.length;
    this.matchesZeros = values.every((value) => value === 0);
    this.#values = values;
    this.#masks = masks;
    const { start, end } = chooseAnchor(values, masks);
    this.#anchor = latin1(values.subarray(start, end));
    this.#anchorAt = start;
    this.#others = [...values.keys()].filter((index) =>
      masks[index] !== 0 && (index < start || index >= end)
    );
  }

  next(text: string, from: number): Match | undefined {
    const length = this.maxBytes;
    for (let at = from + this.#anchorAt;; at++) {
      at = text.indexOf(this.#anchor, at);
      const start = at - this.#anchorAt;
      if (at < 0 || start + length > text.length) return undefined;
      if (this.#holds(text, start)) return { start, length };
    }
  }

  #holds(text: string, start: number): boolean {
    for (const index of this.#others) {
      if ((text.charCodeAt(start + index) & this.#masks[index]!) !== this.#values[index]) {
        return false;
      }
    }
    return true;
  }
}

/** The part of a pattern that the native search looks for: the known bytes that are expected to cost least. */
function chooseAnchor(values: Uint8Array, masks: Uint8Array): { start: number; end: number } {
  let best = { start: 0, end: 0 };
  let lowest = Infinity;
  for (let start = 0; start < values.length; start++) {
    let end = start;
    let candidates = 1;
    while (end < values.length && end < start + MAX_ANCHOR_BYTES && masks[end] === 0xff) {
      candidates *= frequency(values[end]!);
      end += 1;
    }
    // Each place with the first byte stops the native search for a moment; each candidate is looked at here, which takes longer.
    const cost = frequency(values[start]!) + 6 * candidates;
    if (end === start || cost >= lowest) continue;
    best = { start, end };
    lowest = cost;
  }
  return best;
}

/** How often a byte is expected. */
function frequency(byte: number): number {
  if (byte === 0) return 0.3;
  const rank = FREQUENT_BYTES.indexOf(byte);
  return rank < 0 ? 0.002 : 0.03 / (1 + rank / 4);
}

/**
 * Finds bytes given as hexadecimal digits; `?` stands for half a byte of any value. White space between bytes is left out.
 *
 * @throws {SyntaxError} for what is not that, or has no digit, or too many bytes
 */
export function hexMatcher(digits: string): Matcher {
  const bytes = digits.trim().split(/\s+/).flatMap((part) => part.match(/../gs) ?? [part]);
  const isBytes = bytes.every((byte) => /^[0-9a-f?]{2}$/i.test(byte)) &&
    digits.replace(/\s/g, "").length === 2 * bytes.length;
  if (!isBytes) {
    throw new SyntaxError("bytes are pairs of hexadecimal digits or ?, such as de ad ?? ef");
  }
  if (bytes.every((byte) => byte === "??")) throw new SyntaxError("no byte of them is known");
  checkLength(bytes.length);
  const half = (digit: string) => digit === HALF_ANY ? 0 : parseInt(digit, 16);
  const mask = (digit: string) => digit === HALF_ANY ? 0 : 0xf;
  const values = Uint8Array.from(bytes, (byte) => half(byte[0]!) << 4 | half(byte[1]!));
  const masks = Uint8Array.from(bytes, (byte) => mask(byte[0]!) << 4 | mask(byte[1]!));
  if (masks.includes(0xff)) return new LiteralMatcher(values, masks);
  // Without one known byte there is nothing for the native search to look for.
  const classes = Array.from(values, (value, index) => classOf(value, masks[index]!));
  return new RegexMatcher(classes.join(""), {
    overlapping: true,
    maxBytes: values.length,
    matchesZeros: values.every((value) => value === 0),
  });
}

/** The regular expression for the bytes with the given bits. */
function classOf(value: number, mask: number): string {
  const found = Array.from({ length: 256 }, (_, byte) => byte)
    .filter((byte) => (byte & mask) === value);
  return `[${found.map(escapeByte).join("")}]`;
}

/** A byte in a regular expression. */
function escapeByte(byte: number): string {
  return `\\x${byte.toString(16).padStart(2, "0")}`;
}

/** How a text stands in memory. */
export type TextEncoding = "utf-8" | "utf-16le";

/** How a text is looked for. */
export interface TextMatcherOptions {
  /** How it stands in memory. Default UTF-8. */
  readonly encoding?: TextEncoding;
  /** Whether upper and lower case are the same. */
  readonly ignoreCase?: boolean;
}

/**
 * Finds a text.
 *
 * @throws {SyntaxError} for an empty text, or one that is too long
 */
export function textMatcher(text: string, options: TextMatcherOptions = {}): Matcher {
  const encoding = options.encoding ?? "utf-8";
  if (text === "") throw new SyntaxError("the text is empty");
  const bytes = encodeText(text, encoding);
  checkLength(bytes.length);
  if (options.ignoreCase !== true) {
    return new LiteralMatcher(bytes, new Uint8Array(bytes.length).fill(0xff));
  }
  let maxBytes = 0;
  const parts = Array.from(text, (character) => {
    const variants = caseVariants(character).map((each) => encodeText(each, encoding));
    maxBytes += Math.max(...variants.map(({ length }) => length));
    const choices = variants.map((variant) => Array.from(variant, escapeByte).join(""));
    return choices.length === 1 ? choices[0]! : `(?:${choices.join("|")})`;
  });
  return new RegexMatcher(parts.join(""), {
    overlapping: true,
    maxBytes,
    matchesZeros: bytes.every((byte) => byte === 0),
  });
}

/** A character in both cases, as far as each is one character. */
function caseVariants(character: string): string[] {
  const lower = character.toLowerCase();
  const all = new Set([character, lower, character.toUpperCase(), lower.toUpperCase()]);
  return [...all].filter((each) => [...each].length === 1);
}

function encodeText(text: string, encoding: TextEncoding): Uint8Array {
  if (encoding === "utf-8") return new TextEncoder().encode(text);
  const view = new DataView(new ArrayBuffer(2 * text.length));
  for (let index = 0; index < text.length; index++) {
    view.setUint16(2 * index, text.charCodeAt(index), true);
  }
  return new Uint8Array(view.buffer);
}

function checkLength(bytes: number): void {
  if (bytes <= MAX_MATCH_BYTES) return;
  throw new SyntaxError(`${bytes} bytes are too long: at most ${MAX_MATCH_BYTES}`);
}
