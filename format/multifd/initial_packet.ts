/**
 * The first packet of a multifd channel: which channel of which VM it is.
 *
 * ```text
 *   0    4 be32  magic 0x11223344
 *   4    4 be32  version 1
 *   8   16       UUID of the VM, zero if it has none
 *  24    1 u8    channel id: 0..N-1, whatever the order of the connections
 *  25   39       zero
 * ```
 *
 * @module
 */

import type { ByteReader } from "../reader.ts";
import { hex } from "../text.ts";
import type { ByteWriter } from "../writer.ts";
import { badMultifd } from "./error.ts";

/** First word of each packet (`MULTIFD_MAGIC`). */
export const MULTIFD_MAGIC = 0x11223344;
/** Second word of each packet (`MULTIFD_VERSION`). */
export const MULTIFD_VERSION = 1;
/** Bytes of the first packet (`MultiFDInit_t`). */
export const MULTIFD_INITIAL_BYTES = 64;

const UUID_BYTES = 16;
const RESERVED_BYTES = 39;

/** The first packet of a channel (QEMU's `MultiFDInit_t`). */
export interface MultifdInitialPacket {
  /** UUID of the VM, 16 bytes. */
  readonly uuid: Uint8Array;
  /** Number of the channel. */
  readonly channelId: number;
  /** 39 bytes that QEMU writes as zero and does not look at. */
  readonly reserved: Uint8Array;
}

/** Decodes magic and version, which every packet begins with; others break `rule`. */
export function decodePacketMagic(reader: ByteReader, what: string, rule: string): void {
  const offset = reader.offset;
  const magic = reader.u32(`magic of ${what}`);
  if (magic !== MULTIFD_MAGIC) {
    throw badMultifd(reader, `${what}: wrong magic`, {
      offset,
      expected: hex(MULTIFD_MAGIC),
      found: hex(magic, 8),
      rule,
    });
  }
  const version = reader.u32(`version of ${what}`);
  if (version !== MULTIFD_VERSION) {
    throw badMultifd(reader, `${what}: unknown version`, {
      offset: offset + 4,
      expected: String(MULTIFD_VERSION),
      found: String(version),
      rule,
    });
  }
}

/** Encodes magic and version. */
export function encodePacketMagic(writer: ByteWriter): void {
  writer.u32(MULTIFD_MAGIC, "magic");
  writer.u32(MULTIFD_VERSION, "version");
}

/** Decodes the first packet of a channel. */
export function decodeInitialPacket(reader: ByteReader): MultifdInitialPacket {
  const what = "first packet of a multifd channel";
  decodePacketMagic(reader, what, "MFD-001");
  return {
    uuid: reader.bytes(UUID_BYTES, `UUID in the ${what}`),
    channelId: reader.u8(`id in the ${what}`),
    reserved: reader.bytes(RESERVED_BYTES, `reserved bytes of the ${what}`),
  };
}

/** Encodes the first packet of a channel. Without `uuid` the VM has none. */
export function encodeInitialPacket(
  writer: ByteWriter,
  packet: Pick<MultifdInitialPacket, "channelId"> & Partial<MultifdInitialPacket>,
): void {
  const { uuid = new Uint8Array(UUID_BYTES), reserved = new Uint8Array(RESERVED_BYTES) } = packet;
  if (uuid.length !== UUID_BYTES || reserved.length !== RESERVED_BYTES) {
    const message = "Cannot encode first packet of a multifd channel: a field of another size";
    const expected = `${UUID_BYTES} and ${RESERVED_BYTES} bytes`;
    throw writer.error(message, expected, `${uuid.length} and ${reserved.length}`);
  }
  encodePacketMagic(writer);
  writer.bytes(uuid);
  writer.u8(packet.channelId, "multifd channel id");
  writer.bytes(reserved);
}
