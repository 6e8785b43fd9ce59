/**
 * Where a guest's RAM blocks stand in its physical address space.
 *
 * @module
 */

import type { RamBlock } from "../../format/ram.ts";

/** A range of guest-physical addresses that a part of a block is behind. */
export interface PhysicalRange {
  /** First guest-physical address. */
  readonly guestAddress: number;
  /** Bytes. */
  readonly lengthBytes: number;
  /** The block. */
  readonly block: RamBlock;
  /** Address in the block of the first byte. */
  readonly blockAddress: number;
}

/** The guest-physical ranges that RAM blocks stand behind. */
export class PhysicalMap {
  /** The ranges by ascending guest-physical address; they do not overlap, and are as long as they can be. */
  readonly ranges: readonly PhysicalRange[];

  /**
   * Takes the ranges in any order.
   *
   * @throws {RangeError} if two of them overlap, or one is empty or leaves its block
   */
  constructor(ranges: readonly PhysicalRange[]) {
    const merged: PhysicalRange[] = [];
    let end = 0;
    for (const range of ranges.toSorted((a, b) => a.guestAddress - b.guestAddress)) {
      const { guestAddress, lengthBytes, block, blockAddress } = range;
      const inside = lengthBytes > 0 && blockAddress >= 0 &&
        blockAddress + lengthBytes <= block.usedLengthBytes;
      if (!inside) throw new RangeError(`a range leaves its block ${block.name}`);
      if (guestAddress < end) throw new RangeError("two ranges of the physical map overlap");
      end = guestAddress + lengthBytes;
      const last = merged.at(-1);
      if (last !== undefined && continues(last, range)) {
        merged[merged.length - 1] = { ...last, lengthBytes: last.lengthBytes + lengthBytes };
      } else merged.push(range);
    }
    this.ranges = merged;
  }

  /** Address behind the last range. */
  get endAddress(): number {
    const last = this.ranges.at(-1);
    return last === undefined ? 0 : last.guestAddress + last.lengthBytes;
  }

  /** The range that a guest-physical address lies in. */
  find(guestAddress: number): PhysicalRange | undefined {
    return this.ranges.find((range) =>
      guestAddress >= range.guestAddress && guestAddress < range.guestAddress + range.lengthBytes
    );
  }

  /** The guest-physical address of a byte of a block; `undefined` where the block isn't mapped there. */
  toGuest(block: RamBlock, address: number): number | undefined {
    const range = this.ranges.find((each) =>
      each.block.name === block.name && address >= each.blockAddress &&
      address < each.blockAddress + each.lengthBytes
    );
    return range === undefined ? undefined : range.guestAddress + address - range.blockAddress;
  }
}

/** Whether a range is the rest of the one before it. */
function continues(last: PhysicalRange, next: PhysicalRange): boolean {
  return last.block === next.block && last.guestAddress + last.lengthBytes === next.guestAddress &&
    last.blockAddress + last.lengthBytes === next.blockAddress;
}
