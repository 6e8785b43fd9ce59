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

/** The pages of a packet: their addresses in the block. */
export interface MultifdPages {
  /** Pages in the payload, in its order. */
  readonly normal: readonly number[];
  /** Pages that are zero. */
  readonly zero: readonly number[];
}

/** Decodes the offsets of a packet: addresses of pages that lie in the block, none of them twice. */
export function decodeOffsets(
  reader: ByteReader,
  normalPages: number,
  zeroPages: number,
  block: RamBlock,
  pageBytes: number,
): MultifdPages {
  const offsetsBytes = multifdOffsetsBytes(pageBytes);
  reader.need(offsetsBytes, "offsets of a multifd packet");
  const { view, head } = reader;
  const last = block.usedLengthBytes - pageBytes;
  const addresses = new Array<number>(normalPages + zeroPages);
  let previous = -1;
  let isAscending = true;
  for (let slot = 0; slot < addresses.length; slot++) {
    const at = head + slot * SLOT_BYTES;
    // Not exact above 2^53, but then it lies behind every block.
    const address = view.getUint32(at) * 0x100000000 + view.getUint32(at + 4);
    if (address > last || (address & (pageBytes - 1)) !== 0) {
      throw badOffset(reader, slot, block, pageBytes);
    }
    if (address <= previous) isAscending = false;
    addresses[slot] = previous = address;
  }
  // Pages mostly come in order, and a set of them is what would take most of the time.
  const repeated = isAscending ? -1 : firstRepeated(addresses, pageBytes);
  if (repeated >= 0) throw badOffset(reader, repeated, block, pageBytes);
  reader.head += offsetsBytes;
  return { normal: addresses.slice(0, normalPages), zero: addresses.slice(normalPages) };
}

/** Index of the first address that stands there a second time, or -1. */
function firstRepeated(addresses: readonly number[], pageBytes: number): number {
  const seen = new Set<number>();
  return addresses.findIndex((address) => seen.size === seen.add(address / pageBytes).size);
}

function badOffset(
  reader: ByteReader,
  slot: number,
  block: RamBlock,
  pageBytes: number,
): Error {
  const address = reader.view.getBigUint64(reader.head + slot * SLOT_BYTES);
  reader.path.push(`offset[${slot}]`);
  const fault = { offset: reader.offset + slot * SLOT_BYTES, found: hex(address) };
  if (address % BigInt(pageBytes) !== 0n) {
    const expected = `a multiple of the page size, ${pageBytes}`;
    return badMultifd(reader, "offset of a page: not on a page border", {
      ...fault,
      expected,
      rule: "MFD-012",
    });
  }
  const last = block.usedLengthBytes - pageBytes;
  if (address > BigInt(last)) {
    const name = quoteText(block.name);
    const expected = last < 0
      ? `none: block ${name} is shorter than a page`
      : `at most ${hex(last)} in block ${name}`;
    return badMultifd(reader, "offset of a page: outside of the block", {
      ...fault,
      expected,
      rule: "MFD-011",
    });
  }
  const expected = "each page once in a packet";
  return badMultifd(reader, "offset of a page: a second time", {
    ...fault,
    expected,
    rule: "MFD-013",
  });
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
