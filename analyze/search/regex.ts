/**
 * Regular expressions on bytes: each byte is the character U+0000 to U+00FF of its value.
 *
 * JavaScript's syntax and rules with the flags `g` and `m`: `.` is any byte but a line break (0x0a, 0x0d), `[^]` any byte, `^` and `$` are
 * the borders of lines. Matches don't overlap; of those that begin at one place, the expression's order decides. A match that would be
 * longer than 4096 bytes is what matches if the memory ended there; as far is what look-ahead and look-behind surely see. An expression
 * that backtracks without end (`(a+)+b`) takes as long as it takes.
 *
 * @module
 */

import { type Match, type Matcher, MAX_MATCH_BYTES } from "./matcher.ts";

/** How a regular expression is used. */
export interface RegexMatcherOptions {
  /** Whether upper and lower case are the same: letters of Latin-1, that is also bytes from 0xc0 on. */
  readonly ignoreCase?: boolean;
  /** Whether the next match may begin inside of the one before. */
  readonly overlapping?: boolean;
  /** Longest match, where it is known; nothing around the match then matters. */
  readonly maxBytes?: number;
  /** Whether zeros can match, where it is known. */
  readonly matchesZeros?: boolean;
}

/** Finds what a regular expression matches. */
export class RegexMatcher implements Matcher {
  /** Longest match in bytes. */
  readonly maxBytes: number;
  /** Bytes before a match that decide whether it is one. */
  readonly contextBytes: number;
  /** Whether there can be a match with nothing but zeros in it and near it. */
  readonly matchesZeros: boolean;
  /** Whether the next match may begin inside of the one before. */
  readonly overlapping: boolean;
  readonly #regex: RegExp;
  readonly #sticky: RegExp;

  /**
   * Compiles a regular expression.
   *
   * @throws {SyntaxError} for what is no regular expression
   */
  constructor(source: string, options: RegexMatcherOptions = {}) {
    const flags = options.ignoreCase === true ? "im" : "m";
    this.#regex = new RegExp(source, `${flags}g`);
    this.#sticky = new RegExp(source, `${flags}y`);
    this.overlapping = options.overlapping ?? false;
    this.maxBytes = options.maxBytes ?? MAX_MATCH_BYTES;
    this.contextBytes = options.maxBytes === undefined ? MAX_MATCH_BYTES : 0;
    this.matchesZeros = options.matchesZeros ?? this.#findsZeros();
  }

  /** Whether there is a match in a text of zeros, far from both ends: if at one place, then everywhere. */
  #findsZeros(): boolean {
    const text = "\0".repeat(3 * MAX_MATCH_BYTES + 2);
    this.#sticky.lastIndex = MAX_MATCH_BYTES + 1;
    return (this.#sticky.exec(text)?.[0].length ?? 0) > 0;
  }

  /** The first match that begins at index `from` or behind it. */
  next(text: string, from: number): Match | undefined {
    const regex = this.#regex;
    regex.lastIndex = from;
    for (;;) {
      const found = regex.exec(text);
      if (found === null) return undefined;
      const start = found.index;
      const { length } = found[0];
      if (length > 0 && length <= this.maxBytes) return { start, length };
      // Too long: how much of the text is visible here must not decide what matches.
      const shorter = length === 0 ? 0 : this.#matchWithin(text, start);
      if (shorter > 0) return { start, length: shorter };
      regex.lastIndex = start + 1;
    }
  }

  /** Length of the match at `start` if the text ended where the longest match has to. */
  #matchWithin(text: string, start: number): number {
    const first = Math.max(0, start - this.contextBytes);
    this.#sticky.lastIndex = start - first;
    return this.#sticky.exec(text.slice(first, start + this.maxBytes))?.[0].length ?? 0;
  }
}

/**
 * Finds what a regular expression matches.
 *
 * @throws {SyntaxError} for what is no regular expression, or one that matches nothing at all at every place
 */
export function regexMatcher(source: string, ignoreCase = false): Matcher {
  // deno-lint-ignore no-control-regex -- the class is the point: all but ASCII
  if (/[^\x00-\x7f]/.test(source)) {
    throw new SyntaxError("bytes above 0x7f are written \\x80 to \\xff in a regular expression");
  }
  const matcher = new RegexMatcher(source, { ignoreCase });
  if (new RegExp(source, "m").test("")) {
    throw new SyntaxError("the expression also matches the empty text, which is everywhere");
  }
  return matcher;
}
