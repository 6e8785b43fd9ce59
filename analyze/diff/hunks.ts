/**
 * The bytes in which pages differ, with some around them.
 *
 * ```text
 *  start                     ranges[0]      ranges[1]                   end
 *    |--- context ---|=====================|-- gap --|=======|--- context ---|
 * ```
 *
 * @module
 */

import type { MemoryView } from "../memory/memory_view.ts";
import { type ByteRange, changedRanges } from "./byte_ranges.ts";
import type { BlockDiff } from "./memory.ts";

/** Bytes of both sides around bytes that differ. */
export interface Hunk {
  /** Address in the block of the first byte. */
  readonly start: number;
  /** The left side's bytes. */
  readonly left: Uint8Array;
  /** The right side's bytes, as many. */
  readonly right: Uint8Array;
  /** Addresses in the block of the bytes that differ. */
  readonly ranges: readonly ByteRange[];
}

/** Bytes of a hunk at most, beside its context. */
const MAX_BYTES = 4096;

/**
 * The bytes that differ in a block, with `contextBytes` around them. What is read now is not kept.
 *
 * @param contextBytes Bytes before and behind; ranges whose surroundings touch share a hunk.
 */
export function* diffHunks(
  left: MemoryView,
  right: MemoryView,
  { left: ours, right: theirs, ranges, pageBytes }: BlockDiff,
  contextBytes: number,
): Generator<Hunk, void, undefined> {
  if (ours === undefined || theirs === undefined) return;
  const size = Math.min(ours.usedLengthBytes, theirs.usedLengthBytes);
  const read = (start: number, end: number): [Uint8Array, Uint8Array] => {
    const both: [Uint8Array, Uint8Array] = [
      new Uint8Array(end - start),
      new Uint8Array(end - start),
    ];
    left.read(ours, start, both[0]);
    right.read(theirs, start, both[1]);
    return both;
  };
  const hunkOf = (found: readonly ByteRange[]): Hunk => {
    const start = Math.max(0, found[0]![0] - contextBytes);
    const [leftBytes, rightBytes] = read(start, Math.min(size, found.at(-1)![1] + contextBytes));
    return { start, left: leftBytes, right: rightBytes, ranges: found };
  };
  let open: ByteRange[] = [];
  for (const range of changedBytes(ranges, pageBytes, read)) {
    const [first] = open;
    const isNear = first !== undefined && range[0] - open.at(-1)![1] <= 2 * contextBytes &&
      range[1] - first[0] <= MAX_BYTES;
    if (!isNear && first !== undefined) {
      yield hunkOf(open);
      open = [];
    }
    open.push(range);
  }
  if (open.length > 0) yield hunkOf(open);
}

/** The bytes that differ in pages that do, page by page. */
function* changedBytes(
  pages: Iterable<ByteRange>,
  pageBytes: number,
  read: (start: number, end: number) => [Uint8Array, Uint8Array],
): Generator<ByteRange, void, undefined> {
  for (const [start, end] of pages) {
    for (let address = start; address < end; address += pageBytes) {
      const [ours, theirs] = read(address, Math.min(end, address + pageBytes));
      for (const [from, to] of changedRanges(ours, theirs)) yield [address + from, address + to];
    }
  }
}
