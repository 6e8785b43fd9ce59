/**
 * The payload of a packet whose pages are compressed one by one (QPL and UADK).
 *
 * ```text
 *   0   4*n be32   bytes of each page's data, 1..P
 * 4*n              the data, in the same order
 * ```
 *
 * Data of P bytes, a page's size, are the page itself. Shorter ones are deflate data of their own: raw ones with QPL, with the zlib header and
 * checksum with UADK.
 *
 * @module
 */

import { FormatError } from "../error.ts";
import type { ByteReader } from "../reader.ts";
import type { ByteWriter } from "../writer.ts";
import { badMultifd } from "./error.ts";

const LENGTH_BYTES = 4;

/** Bytes of the lengths before the data. */
export function pageLengthsBytes(pages: number): number {
  return pages * LENGTH_BYTES;
}

/**
 * Looks at the lengths without moving: each must be one of a page's data, and all together must make up the payload.
 *
 * @param pages Number of pages.
 * @param payloadBytes Bytes of the payload, as next_packet_size at `sizeOffset` says.
 */
export function checkPageLengths(
  reader: ByteReader,
  pages: number,
  pageBytes: number,
  payloadBytes: number,
  sizeOffset: number,
): void {
  const start = reader.offset;
  let total = pageLengthsBytes(pages);
  const least = total + pages;
  const most = total + pages * pageBytes;
  const message = "next_packet_size: not that of the pages' lengths";
  if (payloadBytes < least || payloadBytes > most) {
    throw badMultifd(reader, message, {
      offset: sizeOffset,
      expected: `${least}..${most}`,
      found: String(payloadBytes),
      rule: "MFD-027",
    });
  }
  const lengthsBytes = total;
  reader.need(lengthsBytes, "lengths of pages");
  for (let at = 0; at < lengthsBytes; at += LENGTH_BYTES) {
    const length = reader.view.getUint32(reader.head + at);
    if (length === 0 || length > pageBytes) {
      reader.path.push(`length[${at / LENGTH_BYTES}]`);
      throw badMultifd(reader, "length of a compressed page", {
        offset: start + at,
        expected: `1..${pageBytes}`,
        found: String(length),
        rule: "MFD-027",
      });
    }
    total += length;
  }
  if (total !== payloadBytes) {
    throw badMultifd(reader, message, {
      offset: sizeOffset,
      expected: String(total),
      found: String(payloadBytes),
      rule: "MFD-027",
    });
  }
}

/** Calls `visit` with the index of each page and the range of its data in the payload, whose lengths have to fit. */
export function walkPageParts(
  payload: Uint8Array,
  pages: number,
  visit: (page: number, start: number, end: number) => void,
): void {
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
  let start = pageLengthsBytes(pages);
  for (let page = 0; page < pages; page++) {
    const at = page * LENGTH_BYTES;
    const end = start + (at + LENGTH_BYTES <= payload.length ? view.getUint32(at) : Infinity);
    if (end > payload.length) throw misfit(at, `at most ${payload.length - start}`, end - start);
    visit(page, start, end);
    start = end;
  }
  if (start < payload.length) {
    throw misfit(start, `${start} bytes`, payload.length);
  }
}

function misfit(offset: number, expected: string, found: number): FormatError {
  const message = "Cannot decode compressed pages: the payload has another size";
  return new FormatError("bad-multifd", message, {
    offset,
    expected,
    found: `${found}`,
    rule: "MFD-027",
  });
}

/** Encodes a payload from the data of each page. */
export function encodePageParts(writer: ByteWriter, parts: readonly Uint8Array[]): void {
  for (const part of parts) writer.u32(part.length, "length of a compressed page");
  for (const part of parts) writer.bytes(part);
}
