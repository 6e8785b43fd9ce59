/**
 * XBZRLE: a page as the runs of bytes that changed since it was last sent.
 *
 * ```text
 * delta = { zrun nzrun }
 * zrun  = uleb            unchanged bytes; 0 only in the first pair
 * nzrun = uleb bytes      n >= 1, then n bytes that replace the old ones
 * uleb  = 1 or 2 bytes    0..0x3fff, low seven bits first
 * ```
 *
 * Unchanged bytes at the end are left out.
 *
 * @module
 */

import { FormatError } from "./error.ts";

/** Largest run that the two-byte numbers of a delta can say. */
const MAX_RUN = 0x3fff;

interface Uleb {
  value: number;
  size: number;
}

function malformed(
  at: number,
  baseOffset: number,
  reason: string,
  rule = "RAM-043",
): FormatError {
  return new FormatError("bad-xbzrle", `Cannot decode XBZRLE delta: ${reason}`, {
    offset: baseOffset + at,
    rule,
  });
}

/**
 * Walks over a delta and reports each run of new bytes, without a page at hand.
 *
 * @param delta The encoded delta.
 * @param pageBytes Size of the page it applies to.
 * @param baseOffset Absolute offset of the delta in the input, for errors.
 * @param visit Called with the run's position in the page and its range in `delta`.
 * @throws {FormatError} `bad-xbzrle` if a run is malformed, empty or leaves the page.
 */
export function walkXbzrle(
  delta: Uint8Array,
  pageBytes: number,
  baseOffset: number,
  visit?: (position: number, start: number, end: number) => void,
): void {
  const uleb: Uleb = { value: 0, size: 0 };
  let at = 0;
  let position = 0;
  while (at < delta.length) {
    readUleb(delta, at, baseOffset, uleb);
    if (uleb.value === 0 && at !== 0) throw malformed(at, baseOffset, "empty run of old bytes");
    at += uleb.size;
    position += uleb.value;
    if (position > pageBytes) throw malformed(at, baseOffset, "old bytes beyond the page");
    readUleb(delta, at, baseOffset, uleb);
    if (uleb.value === 0) throw malformed(at, baseOffset, "empty run of new bytes");
    at += uleb.size;
    const end = at + uleb.value;
    if (position + uleb.value > pageBytes) {
      throw malformed(at, baseOffset, "new bytes beyond the page");
    }
    if (end > delta.length) throw malformed(at, baseOffset, "new bytes beyond the delta");
    visit?.(position, at, end);
    position += uleb.value;
    at = end;
  }
}

function readUleb(delta: Uint8Array, at: number, baseOffset: number, into: Uleb): void {
  // QEMU wants two bytes to be left even for a number of one.
  if (at + 2 > delta.length) throw malformed(at, baseOffset, "it ends inside a pair of runs");
  const low = delta[at]!;
  if (low < 0x80) {
    into.value = low;
    into.size = 1;
    return;
  }
  const high = delta[at + 1]!;
  if (high >= 0x80) {
    throw malformed(at, baseOffset, "a number of more than two bytes", "RAM-044");
  }
  into.value = (low & 0x7f) | (high << 7);
  into.size = 2;
}

/**
 * Applies a delta to a page, which holds the old content before and the new content afterwards. On an error the page's content is
 * undefined.
 *
 * @throws {FormatError} `bad-xbzrle`
 */
export function decodeXbzrle(delta: Uint8Array, page: Uint8Array, baseOffset = 0): void {
  walkXbzrle(delta, page.length, baseOffset, (position, start, end) => {
    page.set(delta.subarray(start, end), position);
  });
}

/**
 * The delta that turns `before` into `after`, byte for byte as QEMU's encoder makes it.
 *
 * @param before The page as it was last sent.
 * @param after The page as it is now; of the same size.
 * @param limitBytes Longest delta worth sending; QEMU uses the page size.
 * @returns The delta; `"unchanged"` if nothing differs; `"overflow"` if the delta would be too long or a run
 * does not fit its number, so that the page has to be sent whole.
 */
export function encodeXbzrle(
  before: Uint8Array,
  after: Uint8Array,
  limitBytes: number = after.length,
): Uint8Array | "unchanged" | "overflow" {
  const size = after.length;
  const out = new Uint8Array(limitBytes + 4);
  let length = 0;
  let at = 0;
  while (at < size) {
    if (length > limitBytes - 2) return "overflow";
    const oldStart = at;
    while (at < size && before[at] === after[at]) at += 1;
    if (at === size) {
      if (oldStart === 0) return "unchanged";
      break;
    }
    if (at - oldStart > MAX_RUN) return "overflow";
    length = writeUleb(out, length, at - oldStart);
    if (length > limitBytes - 2) return "overflow";
    const newStart = at;
    while (at < size && before[at] !== after[at]) at += 1;
    const count = at - newStart;
    if (count > MAX_RUN) return "overflow";
    length = writeUleb(out, length, count);
    if (length + count > limitBytes) return "overflow";
    out.set(after.subarray(newStart, at), length);
    length += count;
  }
  return out.slice(0, length);
}

function writeUleb(out: Uint8Array, at: number, value: number): number {
  if (value < 0x80) {
    out[at] = value;
    return at + 1;
  }
  out[at] = (value & 0x7f) | 0x80;
  out[at + 1] = value >> 7;
  return at + 2;
}
