/**
 * Where two arrays of bytes differ, and how that is told in a line.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { hex } from "../../format/text.ts";

/** Bytes from `start` up to `end`. */
export type ByteRange = readonly [start: number, end: number];

/** Bytes compared at once by the runtime's own routine before single ones are looked at. */
const BLOCK_BYTES = 256;

/** Ranges of a buffer that are shown, and bytes of each. */
const MAX_RANGES = 8;
const MAX_BYTES = 16;

/** Whether two arrays have the same bytes. */
export function equalBytes(left: Uint8Array, right: Uint8Array): boolean {
  return left.length === right.length && Buffer.compare(left, right) === 0;
}

/**
 * The ranges in which bytes differ, as long as can be. What is behind the end of the shorter array differs.
 *
 * @param ignores Whether a byte that differs is passed over.
 */
export function* changedRanges(
  left: Uint8Array,
  right: Uint8Array,
  ignores: (index: number) => boolean = () => false,
): Generator<ByteRange, void, undefined> {
  const common = Math.min(left.length, right.length);
  const total = Math.max(left.length, right.length);
  let start = -1;
  for (let block = 0; block < common; block += BLOCK_BYTES) {
    const end = Math.min(common, block + BLOCK_BYTES);
    if (Buffer.compare(left.subarray(block, end), right.subarray(block, end)) === 0) {
      if (start >= 0) yield [start, block];
      start = -1;
      continue;
    }
    for (let at = block; at < end; at++) {
      const differs = left[at] !== right[at] && !ignores(at);
      if (differs && start < 0) start = at;
      if (differs || start < 0) continue;
      yield [start, at];
      start = -1;
    }
  }
  if (start < 0 && total > common) start = common;
  if (start >= 0) yield [start, total];
}

/** The first of some ranges, and how many more there are. */
export interface FirstRanges {
  /** Ranges that are shown. */
  readonly shown: readonly ByteRange[];
  /** Number of others. */
  readonly more: number;
}

/** Keeps as many ranges as are shown and counts the others. */
export function firstRanges(ranges: Iterable<ByteRange>): FirstRanges {
  const shown: ByteRange[] = [];
  let more = 0;
  for (const range of ranges) {
    if (shown.length < MAX_RANGES) shown.push(range);
    else more += 1;
  }
  return { shown, more };
}

/** Ranges of a buffer with its bytes there, in a line: `0x2..0x4: 1300, 0xb..0xc: 26`. */
export function rangesText(bytes: Uint8Array, { shown, more }: FirstRanges): string {
  const texts = shown.map(([start, end]) => {
    const part = bytes.subarray(start, end);
    const digits = part.subarray(0, MAX_BYTES).toHex() + (part.length > MAX_BYTES ? "..." : "");
    return `${hex(start)}..${hex(end)}: ${digits === "" ? "-" : digits}`;
  });
  return texts.join(", ") + (more > 0 ? `, and ${more} more` : "");
}
