/**
 * The offsets of a multifd packet: where in its block each page belongs.
 *
 * ```text
 *   0   8*K be64   offset in the block: first the normal pages, in the payload's order, then the zero pages
 * ```
 *
 * All K = 512 KiB / P slots are there (P is the target page size), however few are used. What stands in the others is zero since QEMU
 * 9.0, and left over before it.
 *
 * @module
 */

import type { RamBlock } from "../ram.ts";
import type { ByteReader } from "../reader.ts";
import { hex, quoteText } from "../text.ts";
import type { ByteWriter } from "../writer.ts";
import { badMultifd } from "./error.ts";

/** Most bytes of pages in a packet (`MULTIFD_PACKET_SIZE`). */
export const MULTIFD_PACKET_BYTES: number = 512 * 1024;

const SLOT_BYTES = 8;

/** K: slots for offsets in each packet. */
export function multifdPageCapacity(pageBytes: number): number {
  return MULTIFD_PACKET_BYTES / pageBytes;
}

/** Bytes of the offsets of a packet. */
export function multifdOffsetsBytes(pageBytes: number): number {
  return multifdPageCapacity(pageBytes) * SLOT_BYTES;
}

/** What the offsets of a packet are read with. */
export interface MultifdOffsetsContext {
  /** Absolute offset of the first slot. */
  readonly offset: number;
  /** The block that the pages belong to. */
  readonly block: RamBlock;
  /** Target page size in bytes. */
  readonly pageBytes: number;
  /** Addresses in this packet so far; those that are decoded are added. */
  readonly seen: Set<number>;
}

/** Decodes the slots from `first` on: addresses of pages that lie in the block, none of them twice. */
export function decodeOffsets(
  reader: ByteReader,
  slots: Uint8Array,
  first: number,
  count: number,
  context: MultifdOffsetsContext,
): number[] {
  const view = new DataView(slots.buffer, slots.byteOffset, slots.byteLength);
  const last = context.block.usedLengthBytes - context.pageBytes;
  const addresses = new Array<number>(count);
  for (let index = 0; index < count; index++) {
    const at = (first + index) * SLOT_BYTES;
    // Not exact above 2^53, but then it lies behind every block.
    const address = view.getUint32(at) * 0x100000000 + view.getUint32(at + 4);
    if (address > last || address % context.pageBytes !== 0 || context.seen.has(address)) {
      throw badOffset(reader, view, first + index, context);
    }
    context.seen.add(address);
    addresses[index] = address;
  }
  return addresses;
}

function badOffset(
  reader: ByteReader,
  view: DataView,
  slot: number,
  { offset, block, pageBytes }: MultifdOffsetsContext,
): Error {
  const address = view.getBigUint64(slot * SLOT_BYTES);
  reader.path.push(`offset[${slot}]`);
  const fault = { offset: offset + slot * SLOT_BYTES, found: hex(address) };
  if (address % BigInt(pageBytes) !== 0n) {
    const expected = `a multiple of the page size, ${pageBytes}`;
    return badMultifd(reader, "offset of a page: not on a page border", { ...fault, expected });
  }
  const inside = block.usedLengthBytes - pageBytes;
  if (address > BigInt(inside)) {
    const name = quoteText(block.name);
    const expected = inside < 0
      ? `none: block ${name} is shorter than a page`
      : `at most ${hex(inside)} in block ${name}`;
    return badMultifd(reader, "offset of a page: outside of the block", { ...fault, expected });
  }
  const expected = "each page once in a packet";
  return badMultifd(reader, "offset of a page: a second time", { ...fault, expected });
}

/** Encodes the offsets of a packet; slots that are not used are zero. */
export function encodeOffsets(
  writer: ByteWriter,
  addresses: readonly number[],
  pageBytes: number,
): void {
  const unused = multifdPageCapacity(pageBytes) - addresses.length;
  if (unused < 0) {
    const message = "Cannot encode offsets of a multifd packet: too many pages";
    throw writer.error(message, `at most ${addresses.length + unused}`, `${addresses.length}`);
  }
  for (const address of addresses) writer.u64(address, "offset of a page");
  writer.zeros(unused * SLOT_BYTES);
}
