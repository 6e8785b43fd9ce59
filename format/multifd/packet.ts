/**
 * A whole packet of a multifd channel, and what holds for its numbers.
 *
 * ```text
 * channel = first packet (64 bytes), packets until the connection closes
 * packet  = RAM header (320 bytes) | K offsets (8*K bytes) | payload      1344 bytes and the payload with pages of 4 KiB
 *         | DEVICE_STATE header (276 bytes) | payload
 * ```
 *
 * | compression | next_packet_size                                              |
 * |-------------|---------------------------------------------------------------|
 * | none        | normal_pages * P                                              |
 * | zlib, zstd  | 1 byte to 1 MiB; the next part of the channel's one stream     |
 * | qpl, uadk   | 4 * normal_pages and the lengths that stand there             |
 * | qatzip      | 1 byte to 1 MiB                                               |
 *
 * @module
 */

import type { RamBlock } from "../ram.ts";
import type { ByteReader } from "../reader.ts";
import { quoteText } from "../text.ts";
import type { ByteWriter } from "../writer.ts";
import { badMultifd } from "./error.ts";
import { MULTIFD_FLAG, MULTIFD_METHOD_FLAGS, type MultifdMethod, multifdMethod } from "./flags.ts";
import {
  encodeOffsets,
  MULTIFD_PACKET_BYTES,
  multifdOffsetsBytes,
  multifdPageCapacity,
} from "./offsets.ts";
import {
  decodePacketHeader,
  decodePacketName,
  encodePacketHeader,
  encodePacketName,
  MULTIFD_NAME_BYTES,
  MULTIFD_RAM_FIELD_OFFSETS,
  type MultifdDeviceStateHeader,
  type MultifdPacketHeader,
  type MultifdRamHeader,
  noReservedWords,
  payloadBytesOf,
} from "./packet_header.ts";
import { checkPageLengths } from "./page_payload.ts";

/** Most bytes of a compressed payload that QEMU takes. */
export const MULTIFD_COMPRESSED_MAX_BYTES: number = 2 * MULTIFD_PACKET_BYTES;
/** Most bytes of a DEVICE_STATE payload that are believed: as much as of a device section. */
export const MULTIFD_DEVICE_STATE_MAX_BYTES: number = 1024 * 1024 * 1024;

const NO_BYTES = new Uint8Array(0);
const AT = MULTIFD_RAM_FIELD_OFFSETS;

/** A packet, each byte of it as it stands there, left-over ones too. */
export interface MultifdRawPacket {
  /** The header. */
  readonly header: MultifdPacketHeader;
  /** The bytes of all offsets; none in a DEVICE_STATE packet. */
  readonly offsets: Uint8Array;
  /** The payload; none in a RAM packet without normal pages. */
  readonly payload: Uint8Array;
}

/** Decodes a packet whole. What needs the block list, the names and offsets, is not looked at. */
export function decodePacket(reader: ByteReader, pageBytes: number): MultifdRawPacket {
  const offset = reader.offset;
  const header = decodePacketHeader(reader);
  let offsets: Uint8Array = NO_BYTES;
  if (header.kind === "ram") {
    checkRamCounts(reader, header, offset, pageBytes);
    offsets = reader.bytes(multifdOffsetsBytes(pageBytes), "offsets of a multifd packet");
    checkRamPayload(reader, header, offset, pageBytes);
  } else {
    checkDeviceStateSize(reader, header);
  }
  const payload = reader.bytes(payloadBytesOf(header), "payload of a multifd packet");
  return { header, offsets, payload };
}

/** Encodes a packet: the bytes that it was decoded from. */
export function encodePacket(writer: ByteWriter, packet: MultifdRawPacket): void {
  encodePacketHead(writer, packet);
  writer.bytes(packet.payload);
}

/** Encodes a packet up to its payload. */
export function encodePacketHead(writer: ByteWriter, packet: MultifdRawPacket): void {
  const { header, offsets, payload } = packet;
  if (payloadBytesOf(header) !== payload.length) {
    const message = "Cannot encode multifd packet: next_packet_size is not the payload's";
    throw writer.error(message, String(payload.length), String(payloadBytesOf(header)));
  }
  encodePacketHeader(writer, header);
  writer.bytes(offsets);
}

/** Fails unless the counts of pages in a header that began at `offset` are possible. */
export function checkRamCounts(
  reader: ByteReader,
  header: MultifdRamHeader,
  offset: number,
  pageBytes: number,
): void {
  const capacity = multifdPageCapacity(pageBytes);
  const { pagesAlloc, normalPages, zeroPages } = header;
  const check = (field: keyof typeof AT, name: string, found: number, most: number): void => {
    if (found <= most) return;
    throw badMultifd(reader, `${name}: too many`, {
      offset: offset + AT[field],
      expected: `at most ${most}`,
      found: String(found),
      rule: "MFD-009",
    });
  };
  check("pagesAlloc", "pages_alloc", pagesAlloc, capacity);
  check("normalPages", "normal_pages", normalPages, pagesAlloc);
  check("zeroPages", "zero_pages", zeroPages, pagesAlloc - normalPages);
}

/**
 * Fails unless next_packet_size of a header that began at `offset` can be that of its pages. The reader stands at the payload, and stays
 * there.
 */
export function checkRamPayload(
  reader: ByteReader,
  header: MultifdRamHeader,
  offset: number,
  pageBytes: number,
): void {
  const { normalPages, nextPacketBytes } = header;
  if (normalPages === 0) return;
  const sizeOffset = offset + AT.nextPacketBytes;
  const fail = (rule: string, reason: string, expected: string): Error =>
    badMultifd(reader, `next_packet_size: ${reason}`, {
      offset: sizeOffset,
      expected,
      found: String(nextPacketBytes),
      rule,
    });
  switch (multifdMethod(header.flags)) {
    case "none":
      if (nextPacketBytes === normalPages * pageBytes) return;
      throw fail("MFD-014", "not that of the pages", String(normalPages * pageBytes));
    case "qpl":
    case "uadk":
      checkPageLengths(reader, normalPages, pageBytes, nextPacketBytes, sizeOffset);
      return;
    default:
      if (nextPacketBytes >= 1 && nextPacketBytes <= MULTIFD_COMPRESSED_MAX_BYTES) return;
      throw fail(
        "MFD-015",
        "impossible for compressed pages",
        `1..${MULTIFD_COMPRESSED_MAX_BYTES}`,
      );
  }
}

/** Fails unless the payload of a DEVICE_STATE packet, behind whose header the reader stands, has a possible size. */
export function checkDeviceStateSize(reader: ByteReader, header: MultifdDeviceStateHeader): void {
  const found = header.nextPacketBytes;
  if (found >= 1 && found <= MULTIFD_DEVICE_STATE_MAX_BYTES) return;
  throw badMultifd(reader, "next_packet_size: impossible for a device's state", {
    offset: reader.offset - 4,
    expected: `1..${MULTIFD_DEVICE_STATE_MAX_BYTES}`,
    found: String(found),
    rule: found === 0 ? "MFD-023" : "LIM-001",
  });
}

/** The block that the pages of a packet belong to, whose header began at `offset`. */
export function findPacketBlock(
  reader: ByteReader,
  header: MultifdRamHeader,
  offset: number,
  blocks: ReadonlyMap<string, RamBlock>,
): RamBlock {
  const at = offset + AT.name;
  const name = decodePacketName(reader, header.name, at, "name of a RAM block", "MFD-010");
  const block = blocks.get(name);
  if (block !== undefined) return block;
  throw badMultifd(reader, "name of a RAM block: unknown", {
    offset: at,
    expected: "a block of the block list",
    found: quoteText(name),
    rule: "MFD-010",
  });
}

/** What a RAM or SYNC packet says, for writing. */
export interface MultifdRamFields {
  /** Number of the packet, in one count over all channels. */
  readonly packetNumber: number;
  /** Whether it ends a round. */
  readonly isSync?: boolean;
  /** How the payload is compressed. Default `none`; QEMU names it in packets without normal pages, too, but not in SYNC packets. */
  readonly method?: MultifdMethod;
  /** Name of the block; absent where there are no pages. */
  readonly block?: string;
  /** Addresses of the normal pages, in the payload's order. */
  readonly normal?: readonly number[];
  /** Addresses of the zero pages. */
  readonly zero?: readonly number[];
  /** The normal pages, compressed as `method` says. */
  readonly payload?: Uint8Array;
  /** pages_alloc. Default: all slots in a packet with pages, otherwise 0. */
  readonly pagesAlloc?: number;
}

/** Encodes a RAM or SYNC packet as QEMU 9.0 and later write it, with its payload. */
export function encodeRamPacket(
  writer: ByteWriter,
  fields: MultifdRamFields,
  pageBytes: number,
): void {
  const { normal = [], zero = [], payload = NO_BYTES, method = "none", block } = fields;
  const pages = normal.length + zero.length;
  const isSized = method === "none"
    ? payload.length === normal.length * pageBytes
    : (payload.length > 0) === (normal.length > 0);
  if (!isSized || payload.length > MULTIFD_COMPRESSED_MAX_BYTES) {
    const message = "Cannot encode multifd packet: the payload is not that of the normal pages";
    throw writer.error(message, `${normal.length} page(s)`, `${payload.length} byte(s)`);
  }
  encodePacketHeader(writer, {
    kind: "ram",
    flags: (fields.isSync === true ? MULTIFD_FLAG.SYNC : 0) | MULTIFD_METHOD_FLAGS[method],
    pagesAlloc: fields.pagesAlloc ?? (pages > 0 ? multifdPageCapacity(pageBytes) : 0),
    normalPages: normal.length,
    nextPacketBytes: payload.length,
    packetNumber: fields.packetNumber,
    zeroPages: zero.length,
    reserved: noReservedWords(),
    name: block === undefined
      ? new Uint8Array(MULTIFD_NAME_BYTES)
      : encodePacketName(writer, block, "name of a RAM block"),
  });
  encodeOffsets(writer, [...normal, ...zero], pageBytes);
  writer.bytes(payload);
}

/** Encodes a DEVICE_STATE packet with its payload. */
export function encodeDeviceStatePacket(
  writer: ByteWriter,
  packet: { readonly idstr: string; readonly instanceId: number; readonly payload: Uint8Array },
): void {
  const { idstr, instanceId, payload } = packet;
  if (payload.length === 0 || payload.length > MULTIFD_DEVICE_STATE_MAX_BYTES) {
    const message = "Cannot encode multifd packet: the device's state has an impossible size";
    throw writer.error(message, `1..${MULTIFD_DEVICE_STATE_MAX_BYTES}`, `${payload.length}`);
  }
  encodePacketHeader(writer, {
    kind: "device-state",
    flags: MULTIFD_FLAG.DEVICE_STATE,
    name: encodePacketName(writer, idstr, "idstr"),
    instanceId,
    nextPacketBytes: payload.length,
  });
  writer.bytes(payload);
}
