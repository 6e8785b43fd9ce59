/**
 * Guest-physical addresses of ranges of a RAM block.
 *
 * @module
 */

import type { PhysicalMap } from "../memory/physical_map.ts";
import type { ByteRange } from "./byte_ranges.ts";

/** The guest-physical ranges behind which the bytes of a block from `start` up to `end` are, by their place in the block. */
export function* guestRanges(
  map: PhysicalMap,
  block: string,
  [start, end]: ByteRange,
): Generator<ByteRange, void, undefined> {
  const inBlock = map.ranges.filter((range) => range.block.name === block)
    .sort((a, b) => a.blockAddress - b.blockAddress);
  for (const { blockAddress, lengthBytes, guestAddress } of inBlock) {
    const from = Math.max(start, blockAddress);
    const to = Math.min(end, blockAddress + lengthBytes);
    const shift = guestAddress - blockAddress;
    if (from < to) yield [from + shift, to + shift];
  }
}
