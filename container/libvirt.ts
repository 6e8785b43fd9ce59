/**
 * The save image of libvirt (`virsh save`, managed save): a header, the domain's XML, and then the stream, compressed or not.
 *
 * ```text
 *    0 16 bytes  magic "LibvirtQemudSave"; "LibvirtQemudPart" until it is complete
 *   16  4 u32    version: 1 or 2
 *   20  4 u32    data length: bytes between this header and the stream
 *   24  4 u32    was running: 1 if the domain is to run when it is restored
 *   28  4 u32    format (version 2; in version 1 always raw)
 *   32  4 u32    cookie offset, relative to the header's end; 0 = none
 *   36 56        zero
 *   92    bytes  XML, NUL; at the cookie offset: cookie, NUL; zeros up to the data length
 * ```
 *
 * Integers are in the byte order of the host that saved. The stream follows without any alignment, and the offsets in a mapped-ram stream
 * (format sparse) count from the beginning of the file.
 *
 * @module
 */

import type { FormatError } from "../format/error.ts";
import type { ByteReader } from "../format/reader.ts";
import { decodeText, hex, quoteText } from "../format/text.ts";
import type { ByteWriter } from "../format/writer.ts";

/** First bytes of a complete image. */
export const LIBVIRT_MAGIC = "LibvirtQemudSave";
/** First bytes of an image whose writing has not ended. */
export const LIBVIRT_PART_MAGIC = "LibvirtQemudPart";
/** Size of the header in bytes. */
export const LIBVIRT_HEADER_BYTES = 92;
/** Bytes of zeros that libvirt leaves behind the cookie, so that the XML may become longer. */
export const LIBVIRT_RESERVE_BYTES = 65536;
/** The longest XML or cookie that is read, in bytes. */
export const LIBVIRT_XML_MAX_BYTES: number = 64 * 1024 * 1024;
/** How the stream is stored, by the number in the header. */
export const LIBVIRT_FORMATS = ["raw", "gzip", "bzip2", "xz", "lzop", "zstd", "sparse"] as const;
/** Name of a way in which the stream is stored. */
export type LibvirtFormat = typeof LIBVIRT_FORMATS[number];

const MAGIC_BYTES = 16;
const MAX_VERSION = 2;
const FIELDS_BYTES = 20;
const UNUSED_BYTES = 56;
/** Bytes of the reserve that are looked at: more than libvirt leaves. */
const SEEN_RESERVE_BYTES = 1024 * 1024;

/** What stands before the stream in a save image. */
export interface LibvirtSave {
  /** Version of the header: 1 or 2. */
  readonly version: number;
  /** Byte order of the header. */
  readonly byteOrder: "little" | "big";
  /** Whether the domain is to run when it is restored. */
  readonly wasRunning: boolean;
  /** How the stream is stored. */
  readonly format: LibvirtFormat;
  /** The domain's XML, without the NUL behind it. */
  readonly xml: Uint8Array;
  /** The cookie, without the NUL behind it, if there is one. */
  readonly cookie: Uint8Array | undefined;
  /** Bytes between the last NUL and the stream. */
  readonly reserveBytes: number;
  /** Offset of the first byte that libvirt leaves zero and that is not, if one was seen. */
  readonly oddByteOffset?: number;
}

/**
 * Decodes what stands before the stream; the reader is then at the stream. Fails with `bad-container` where libvirt itself would refuse the
 * image, and where a length leaves the file.
 */
export function decodeLibvirtSave(reader: ByteReader): LibvirtSave {
  reader.path.push("libvirt save image");
  const start = reader.offset;
  const magic = decodeText(reader.bytes(MAGIC_BYTES, "libvirt magic"));
  if (magic === LIBVIRT_PART_MAGIC) throw incomplete(reader, start);
  if (magic !== LIBVIRT_MAGIC) {
    const expected = quoteText(LIBVIRT_MAGIC);
    throw bad(reader, "not an image of libvirt", start, expected, quoteText(magic), "CON-001");
  }
  const save = decodeBody(reader, start);
  reader.path.pop();
  return save;
}

/** Everything behind the magic. */
function decodeBody(reader: ByteReader, start: number): LibvirtSave {
  const fields = decodeFields(reader);
  const { version, byteOrder, dataBytes, wasRunning, code, cookieOffset } = fields;
  const format = LIBVIRT_FORMATS[version === 1 ? 0 : code];
  if (format === undefined) {
    throw bad(reader, "unknown format", start + 28, "0 to 6", String(code), "CON-003");
  }
  if (dataBytes === 0) {
    throw bad(reader, "no XML", start + 20, "a data length above 0", "0", "CON-004");
  }
  if (cookieOffset > dataBytes) {
    const most = `at most ${dataBytes}, the data length`;
    const found = String(cookieOffset);
    throw bad(reader, "the cookie is outside", start + 32, most, found, "CON-004");
  }
  const { remaining } = reader;
  if (remaining !== undefined && dataBytes > remaining) {
    const most = `at most ${remaining}, which is what the file has`;
    const found = String(dataBytes);
    throw bad(reader, "the data length leaves the file", start + 20, most, found, "CON-004");
  }
  const dataOffset = start + LIBVIRT_HEADER_BYTES;
  const xml = nulTerminated(reader, cookieOffset === 0 ? dataBytes : cookieOffset, "XML");
  let cookie: Uint8Array | undefined;
  if (cookieOffset > 0 && cookieOffset < dataBytes) {
    cookie = nulTerminated(reader, dataBytes - cookieOffset, "cookie", dataOffset + cookieOffset);
  }
  const reserveBytes = dataOffset + dataBytes - reader.offset;
  const oddByteOffset = fields.oddByteOffset ?? firstNonZero(reader, reserveBytes);
  reader.skip(dataOffset + dataBytes - reader.offset, "reserve of the libvirt save image");
  const odd = oddByteOffset === undefined ? {} : { oddByteOffset };
  return { version, byteOrder, wasRunning, format, xml, cookie, reserveBytes, ...odd };
}

interface Fields {
  readonly version: number;
  readonly byteOrder: "little" | "big";
  readonly dataBytes: number;
  readonly wasRunning: boolean;
  readonly code: number;
  readonly cookieOffset: number;
  readonly oddByteOffset: number | undefined;
}

/** The offset of the first byte of the reserve that is not zero. */
function firstNonZero(reader: ByteReader, reserveBytes: number): number | undefined {
  for (let left = Math.min(reserveBytes, SEEN_RESERVE_BYTES); left > 0;) {
    reader.need(1, "reserve of the libvirt save image");
    const there = reader.peek(Math.min(left, reader.tail - reader.head));
    const odd = there.findIndex((byte) => byte !== 0);
    if (odd >= 0) return reader.offset + odd;
    reader.skip(there.length, "reserve of the libvirt save image");
    left -= there.length;
  }
  return undefined;
}

/** The integers of the header; the version shows their byte order, as it does to libvirt. */
function decodeFields(reader: ByteReader): Fields {
  const { offset } = reader;
  const bytes = reader.bytes(LIBVIRT_HEADER_BYTES - MAGIC_BYTES, "libvirt header");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const odd = bytes.subarray(FIELDS_BYTES).findIndex((byte) => byte !== 0);
  const isLittle = view.getUint32(0, true) <= MAX_VERSION;
  const version = view.getUint32(0, isLittle);
  if (version < 1 || version > MAX_VERSION) {
    const found = `${hex(version, 8)}, in the other byte order ${hex(view.getUint32(0, true), 8)}`;
    throw bad(reader, "unknown version", offset, "version 1 or 2", found, "CON-002");
  }
  return {
    version,
    byteOrder: isLittle ? "little" : "big",
    dataBytes: view.getUint32(4, isLittle),
    wasRunning: view.getUint32(8, isLittle) !== 0,
    code: view.getUint32(12, isLittle),
    cookieOffset: view.getUint32(16, isLittle),
    oddByteOffset: odd < 0 ? undefined : offset + FIELDS_BYTES + odd,
  };
}

/** Text in at most `limit` bytes from `offset` on; the reader is then behind its NUL. */
function nulTerminated(
  reader: ByteReader,
  limit: number,
  what: string,
  offset = reader.offset,
): Uint8Array {
  reader.skip(offset - reader.offset, `bytes before the ${what}`);
  const parts: Uint8Array[] = [];
  for (let length = 0; length < limit;) {
    if (length >= LIBVIRT_XML_MAX_BYTES) {
      throw reader.error("limit-exceeded", `Cannot decode ${what}: it is too long`, {
        expected: `at most ${LIBVIRT_XML_MAX_BYTES} bytes`,
      });
    }
    reader.need(1, what);
    const there = reader.peek(Math.min(limit - length, reader.tail - reader.head));
    const end = there.indexOf(0);
    const part = there.slice(0, end < 0 ? there.length : end);
    parts.push(part);
    length += part.length;
    reader.skip(end < 0 ? part.length : part.length + 1, what);
    if (end >= 0) return joined(parts, length);
  }
  throw bad(reader, `no NUL behind the ${what}`, reader.offset, `a NUL before`, "none", "CON-006");
}

function joined(parts: readonly Uint8Array[], lengthBytes: number): Uint8Array {
  const whole = new Uint8Array(lengthBytes);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

function bad(
  reader: ByteReader,
  problem: string,
  offset: number,
  expected: string,
  found: string,
  rule: string,
): FormatError {
  const message = `Cannot decode libvirt save image: ${problem}`;
  return reader.error("bad-container", message, { offset, expected, found, rule });
}

/** An image that virsh did not finish: the error tells whether something of a stream is there. */
function incomplete(reader: ByteReader, start: number): FormatError {
  let found = quoteText(LIBVIRT_PART_MAGIC);
  try {
    decodeBody(reader, start);
    const { offset } = reader;
    const hasStream = decodeText(reader.peek(4)) === "QEVM";
    if (hasStream) {
      found += `; the beginning of a stream is at offset ${offset}: --offset ${offset}`;
    }
  } catch {
    found += "; its header is not complete either";
  }
  const problem = "incomplete: virsh save did not finish";
  return bad(reader, problem, start, quoteText(LIBVIRT_MAGIC), found, "CON-001");
}

/** Encodes what stands before the stream. */
export function encodeLibvirtSave(writer: ByteWriter, save: LibvirtSave): void {
  const { version, byteOrder, wasRunning, format, xml, cookie, reserveBytes } = save;
  const cookieOffset = cookie === undefined ? 0 : xml.length + 1;
  const cookieBytes = cookie === undefined ? 0 : cookie.length + 1;
  const u32 = (value: number, what: string) =>
    writer.u32(byteOrder === "big" ? value : swapped(value), what);
  writer.bytes(new TextEncoder().encode(LIBVIRT_MAGIC));
  u32(version, "version");
  u32(xml.length + 1 + cookieBytes + reserveBytes, "data length");
  u32(wasRunning ? 1 : 0, "was running");
  u32(LIBVIRT_FORMATS.indexOf(format), "format");
  u32(cookieOffset, "cookie offset");
  writer.zeros(UNUSED_BYTES);
  writer.bytes(xml);
  writer.u8(0, "NUL");
  if (cookie !== undefined) {
    writer.bytes(cookie);
    writer.u8(0, "NUL");
  }
  writer.zeros(reserveBytes);
}

/** A number of 32 bits in the other byte order; what has more bits stays too large. */
function swapped(value: number): number {
  if (value > 0xffffffff) return value;
  const view = new DataView(new ArrayBuffer(4));
  view.setUint32(0, value);
  return view.getUint32(0, true);
}
