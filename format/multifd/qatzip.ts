/**
 * The payload of a packet that QATzip compressed: gzip members that say how long they are.
 *
 * ```text
 *    0  10         1f 8b 08 04, mtime 0, xfl 0, os ff
 *   10   2 le16    bytes of the extra field, 12
 *   12   2         "QZ"
 *   14   2 le16    bytes of the subfield, 8
 *   16   4 le32    uncompressed bytes
 *   20   4 le32    n: bytes of the deflate data
 *   24   n         deflate data
 * 24+n   4 le32    CRC-32 of the uncompressed bytes
 * 28+n   4 le32    uncompressed bytes
 * ```
 *
 * One member holds all pages of the packet; the library may cut larger inputs into several.
 *
 * @module
 */

import { FormatError } from "../error.ts";
import { hexBytes } from "../text.ts";
import type { ByteWriter } from "../writer.ts";

/** First bytes of a member: gzip, deflate, with an extra field. */
const GZIP_BYTES = [0x1f, 0x8b, 0x08, 0x04] as const;
/** From the extra field's length on: 12 bytes, "QZ", 8 bytes. */
const EXTRA_BYTES = [12, 0, 0x51, 0x5a, 8, 0] as const;
const EXTRA_OFFSET = 10;
const HEADER_BYTES = 24;
const TRAILER_BYTES = 8;

/** A member of a payload. */
export interface QatzipMember {
  /** Uncompressed bytes. */
  readonly pagesBytes: number;
  /** Index in the payload of the deflate data. */
  readonly start: number;
  /** Index in the payload behind the deflate data. */
  readonly end: number;
  /** CRC-32 of the uncompressed bytes. */
  readonly crc: number;
  /** Index in the payload behind the member. */
  readonly nextStart: number;
}

/**
 * Decodes the frame of the member at an index of a payload.
 *
 * @param roomBytes Uncompressed bytes that are left in the packet.
 * @throws {FormatError} `bad-multifd`, with an index in the payload as the offset.
 */
export function decodeQatzipMember(
  payload: Uint8Array,
  at: number,
  roomBytes: number,
): QatzipMember {
  const fail = (offset: number, reason: string, expected: string, found: string): FormatError => {
    const message = `Cannot decode QATzip member: ${reason}`;
    return new FormatError("bad-multifd", message, { offset, expected, found, rule: "MFD-027" });
  };
  const least = HEADER_BYTES + TRAILER_BYTES;
  const left = payload.length - at;
  if (left < least) throw fail(at, "too short", `at least ${least} bytes`, String(left));
  const view = new DataView(payload.buffer, payload.byteOffset + at, left);
  for (const [start, bytes] of [[0, GZIP_BYTES], [EXTRA_OFFSET, EXTRA_BYTES]] as const) {
    const found = payload.subarray(at + start, at + start + bytes.length);
    if (bytes.every((byte, index) => byte === found[index])) continue;
    const reason = start === 0 ? "not of gzip" : "another extra field";
    throw fail(at + start, reason, hexBytes(Uint8Array.from(bytes)), hexBytes(found));
  }
  const pagesBytes = view.getUint32(16, true);
  if (pagesBytes === 0 || pagesBytes > roomBytes) {
    throw fail(at + 16, "its uncompressed bytes", `1..${roomBytes}`, String(pagesBytes));
  }
  const deflatedBytes = view.getUint32(20, true);
  if (deflatedBytes > left - least) {
    throw fail(at + 20, "its deflate data", `at most ${left - least}`, String(deflatedBytes));
  }
  const trailer = HEADER_BYTES + deflatedBytes;
  const again = view.getUint32(trailer + 4, true);
  if (again !== pagesBytes) {
    const offset = at + trailer + 4;
    throw fail(offset, "its end has another size", String(pagesBytes), String(again));
  }
  return {
    pagesBytes,
    start: at + HEADER_BYTES,
    end: at + trailer,
    crc: view.getUint32(trailer, true),
    nextStart: at + trailer + TRAILER_BYTES,
  };
}

/** Encodes a member from its deflate data, and the CRC-32 and number of the bytes in it. */
export function encodeQatzipMember(
  writer: ByteWriter,
  deflated: Uint8Array,
  crc: number,
  pagesBytes: number,
): void {
  const header = new Uint8Array(HEADER_BYTES);
  const view = new DataView(header.buffer);
  header.set(GZIP_BYTES);
  header[9] = 0xff;
  header.set(EXTRA_BYTES, EXTRA_OFFSET);
  view.setUint32(16, pagesBytes, true);
  view.setUint32(20, deflated.length, true);
  writer.bytes(header);
  writer.bytes(deflated);
  const trailer = new Uint8Array(TRAILER_BYTES);
  new DataView(trailer.buffer).setUint32(0, crc, true);
  new DataView(trailer.buffer).setUint32(4, pagesBytes, true);
  writer.bytes(trailer);
}
