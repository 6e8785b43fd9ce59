/**
 * The headers of multifd packets: one for pages and synchronisation, one for the state of a device.
 *
 * ```text
 * RAM and SYNC packet, 320 bytes; then the offsets (offsets.ts), then the payload
 *   0    4 be32  magic 0x11223344
 *   4    4 be32  version 1
 *   8    4 be32  flags (flags.ts)
 *  12    4 be32  pages_alloc: slots of the offsets in use
 *  16    4 be32  normal_pages: pages in the payload
 *  20    4 be32  next_packet_size: bytes of the payload, if normal_pages > 0
 *  24    8 be64  packet_num
 *  32    4 be32  zero_pages; before QEMU 9.0 reserved, 0
 *  36   28       reserved, zero
 *  64  256       name of the RAM block, padded with NUL
 *
 * DEVICE_STATE packet (QEMU 10.0 and later), 276 bytes; then the payload
 *   0    4 be32  magic 0x11223344
 *   4    4 be32  version 1
 *   8    4 be32  flags: 0x40
 *  12  256       idstr of the device's entry, padded with NUL
 * 268    4 be32  instance id
 * 272    4 be32  next_packet_size: bytes of the payload, at least 1
 * ```
 *
 * Before 9.0, packets without pages show what the packet before them had: only flags, normal_pages and packet_num count there.
 *
 * @module
 */

import type { ByteReader } from "../reader.ts";
import { decodeText, encodeText, hexBytes } from "../text.ts";
import type { ByteWriter } from "../writer.ts";
import { badMultifd, isZero } from "./error.ts";
import { checkMultifdFlags, MULTIFD_FLAG } from "./flags.ts";
import { decodePacketMagic, encodePacketMagic } from "./initial_packet.ts";

/** Bytes of the header of a RAM or SYNC packet, before the offsets. */
export const MULTIFD_RAM_HEADER_BYTES = 320;
/** Bytes of the header of a DEVICE_STATE packet. */
export const MULTIFD_DEVICE_STATE_HEADER_BYTES = 276;
/** Bytes of a name in a header. */
export const MULTIFD_NAME_BYTES = 256;
/** Where the fields of a RAM or SYNC packet's header stand in it. */
export const MULTIFD_RAM_FIELD_OFFSETS = {
  flags: 8,
  pagesAlloc: 12,
  normalPages: 16,
  nextPacketBytes: 20,
  zeroPages: 32,
  name: 64,
} as const;

const RESERVED_BYTES = 28;

/** Header of a RAM or SYNC packet (QEMU's `MultiFDPacket_t`), each field as it stands there. */
export interface MultifdRamHeader {
  /** What kind of packet it is. */
  readonly kind: "ram";
  /** Flags, see {@link MULTIFD_FLAG} and `MULTIFD_METHOD_FLAGS`. */
  readonly flags: number;
  /** Slots of the offsets that the sender uses. */
  readonly pagesAlloc: number;
  /** Pages in the payload. */
  readonly normalPages: number;
  /** Bytes of the payload; says nothing if there are no normal pages, see {@link payloadBytesOf}. */
  readonly nextPacketBytes: number;
  /** Number of the packet, in one count over all channels. */
  readonly packetNumber: number;
  /** Pages that are zero. */
  readonly zeroPages: number;
  /** 28 bytes that QEMU writes as zero and does not look at. */
  readonly reserved: Uint8Array;
  /** The 256 bytes of the block's name. */
  readonly name: Uint8Array;
}

/** Header of a DEVICE_STATE packet (QEMU's `MultiFDPacketDeviceState_t`), each field as it stands there. */
export interface MultifdDeviceStateHeader {
  /** What kind of packet it is. */
  readonly kind: "device-state";
  /** {@link MULTIFD_FLAG}.DEVICE_STATE. */
  readonly flags: number;
  /** The 256 bytes of the idstr. */
  readonly name: Uint8Array;
  /** Instance id of the device's entry. */
  readonly instanceId: number;
  /** Bytes of the payload. */
  readonly nextPacketBytes: number;
}

/** Header of a packet. */
export type MultifdPacketHeader = MultifdRamHeader | MultifdDeviceStateHeader;

/**
 * Decodes the header of a packet, of which magic, version and flags have to be right. This is all that can be read of a channel
 * whose page size is not known.
 */
export function decodePacketHeader(reader: ByteReader): MultifdPacketHeader {
  decodePacketMagic(reader, "multifd packet", "MFD-006");
  const flagsOffset = reader.offset;
  const flags = reader.u32("flags of a multifd packet");
  checkMultifdFlags(reader, flags, flagsOffset);
  if ((flags & MULTIFD_FLAG.DEVICE_STATE) !== 0) {
    return {
      kind: "device-state",
      flags,
      name: reader.bytes(MULTIFD_NAME_BYTES, "idstr"),
      instanceId: reader.u32("instance id"),
      nextPacketBytes: reader.u32("next_packet_size"),
    };
  }
  return {
    kind: "ram",
    flags,
    pagesAlloc: reader.u32("pages_alloc"),
    normalPages: reader.u32("normal_pages"),
    nextPacketBytes: reader.u32("next_packet_size"),
    packetNumber: reader.u64("packet_num"),
    zeroPages: reader.u32("zero_pages"),
    reserved: reader.bytes(RESERVED_BYTES, "reserved words of a multifd packet"),
    name: reader.bytes(MULTIFD_NAME_BYTES, "name of a RAM block"),
  };
}

/** Encodes the header of a packet. */
export function encodePacketHeader(writer: ByteWriter, header: MultifdPacketHeader): void {
  encodePacketMagic(writer);
  writer.u32(header.flags, "flags of a multifd packet");
  if (header.kind === "device-state") {
    sized(writer, header.name, MULTIFD_NAME_BYTES, "idstr");
    writer.u32(header.instanceId, "instance id");
    writer.u32(header.nextPacketBytes, "next_packet_size");
    return;
  }
  writer.u32(header.pagesAlloc, "pages_alloc");
  writer.u32(header.normalPages, "normal_pages");
  writer.u32(header.nextPacketBytes, "next_packet_size");
  writer.u64(header.packetNumber, "packet_num");
  writer.u32(header.zeroPages, "zero_pages");
  sized(writer, header.reserved, RESERVED_BYTES, "reserved words of a multifd packet");
  sized(writer, header.name, MULTIFD_NAME_BYTES, "name of a RAM block");
}

function sized(writer: ByteWriter, bytes: Uint8Array, size: number, what: string): void {
  if (bytes.length !== size) {
    const message = `Cannot encode ${what}: it has another size`;
    throw writer.error(message, `${size} bytes`, `${bytes.length}`);
  }
  writer.bytes(bytes);
}

/** The reserved words of a header as QEMU writes them. */
export function noReservedWords(): Uint8Array {
  return new Uint8Array(RESERVED_BYTES);
}

/** Bytes of the payload behind a header. A RAM packet without normal pages has none, whatever next_packet_size says. */
export function payloadBytesOf(header: MultifdPacketHeader): number {
  return header.kind === "ram" && header.normalPages === 0 ? 0 : header.nextPacketBytes;
}

/** Decodes a name that stands at `offset`: the text before the first NUL, without which it breaks `rule`. */
export function decodePacketName(
  reader: ByteReader,
  name: Uint8Array,
  offset: number,
  what: string,
  rule: string,
): string {
  const end = name.indexOf(0);
  if (end < 0) {
    throw badMultifd(reader, `${what}: no NUL ends it`, {
      offset: offset + name.length - 1,
      expected: "00",
      found: hexBytes(name.subarray(-1)),
      rule,
    });
  }
  return decodeText(name.subarray(0, end));
}

/** The bytes of a name in a header. */
export function encodePacketName(writer: ByteWriter, text: string, what: string): Uint8Array {
  const bytes = encodeText(text);
  if (bytes.length >= MULTIFD_NAME_BYTES || bytes.includes(0)) {
    const message = `Cannot encode ${what}: too long, or with a NUL`;
    throw writer.error(message, `at most ${MULTIFD_NAME_BYTES - 1} bytes`, `${bytes.length}`);
  }
  const name = new Uint8Array(MULTIFD_NAME_BYTES);
  name.set(bytes);
  return name;
}

/** What is odd in a header but does no harm: bytes that QEMU writes as zero and does not look at. */
export function headerNotes(header: MultifdPacketHeader): string[] {
  const notes: string[] = [];
  if (header.kind === "ram" && !isZero(header.reserved)) {
    notes.push("the reserved words are not zero");
  }
  const end = header.name.indexOf(0);
  if (end >= 0 && !isZero(header.name.subarray(end))) {
    notes.push("bytes behind the name are not zero");
  }
  return notes;
}
