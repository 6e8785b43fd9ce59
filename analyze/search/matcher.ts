/**
 * What a search looks for, as a function on text.
 *
 * Memory is searched as a string with one character (U+0000 to U+00FF) a byte: the runtime makes such strings at the speed of a copy
 * and searches them natively, which no loop over bytes comes near to.
 *
 * @module
 */

/** Longest match in bytes, and bytes before and behind a match that a regular expression can surely look at. */
export const MAX_MATCH_BYTES = 4096;

/** Where something was found in a text. */
export interface Match {
  /** Index of the first character. */
  readonly start: number;
  /** Characters; at least 1. */
  readonly length: number;
}

/** Something to be found. */
export interface Matcher {
  /** Longest match in bytes. */
  readonly maxBytes: number;
  /** Bytes before a match that decide whether it is one. */
  readonly contextBytes: number;
  /** Whether there can be a match with nothing but zeros in it and near it. */
  readonly matchesZeros: boolean;
  /** Whether the next match may begin inside of the one before. */
  readonly overlapping: boolean;
  /** The first match that begins at index `from` or behind it. */
  next(text: string, from: number): Match | undefined;
}

/** The string that has one character a byte. */
export function latin1(bytes: Iterable<number>): string {
  return Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
}
