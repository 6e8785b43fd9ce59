/**
 * The target page size by the packets of a multifd channel, for a main channel that doesn't say it: the size of the offsets in a packet
 * follows from it, so that only the right one leads from a packet to the next.
 *
 * @module
 */

import { FormatError, isFormatError } from "../../format/error.ts";
import { MULTIFD_INITIAL_BYTES, MULTIFD_MAGIC } from "../../format/multifd/initial_packet.ts";
import { multifdOffsetsBytes } from "../../format/multifd/offsets.ts";
import { decodePacketHeader, payloadBytesOf } from "../../format/multifd/packet_header.ts";
import { PAGE_BYTES_RANGE } from "../../format/ram.ts";
import { ByteReader } from "../../format/reader.ts";
import type { ByteSource } from "../../format/source.ts";

/**
 * Finds the page size.
 *
 * @throws {FormatError} `bad-page-size` if not exactly one leads on
 */
export function inferPageBytes(source: ByteSource): number {
  const found: number[] = [];
  for (
    let pageBytes: number = PAGE_BYTES_RANGE.min;
    pageBytes <= PAGE_BYTES_RANGE.max;
    pageBytes *= 2
  ) {
    if (leadsOn(source, pageBytes)) found.push(pageBytes);
  }
  const [only, other] = found;
  if (only !== undefined && other === undefined) return only;
  throw new FormatError("bad-page-size", "Nothing says the target page size", {
    offset: MULTIFD_INITIAL_BYTES,
    expected: "a main channel that says it, or packets that follow each other",
    found: `${found.length} possible sizes`,
  });
}

/** Whether a packet stands where the first one ends, with pages of this size. */
function leadsOn(source: ByteSource, pageBytes: number): boolean {
  try {
    const reader = new ByteReader(source, { offset: MULTIFD_INITIAL_BYTES, blockBytes: 4096 });
    const header = decodePacketHeader(reader);
    const offsetsBytes = header.kind === "ram" ? multifdOffsetsBytes(pageBytes) : 0;
    reader.skip(offsetsBytes + payloadBytesOf(header), "packet");
    return reader.u32("magic") === MULTIFD_MAGIC;
  } catch (error) {
    if (!isFormatError(error)) throw error;
    return false;
  }
}
