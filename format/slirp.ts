/**
 * The payload of the `slirp` section: user-mode networking (`-netdev user`). A FULL section of the old style, whose length only the stream's
 * description tells. The layout is libslirp's, seen only for idle networks.
 *
 * ```text
 * { 42, socket state }     u8 42, then a guest forward's connection, of unknown length
 * u8    0                  end of the connections
 * be16  IP identification
 * 16 x  be16 allocated, 6 bytes MAC address       DHCP clients
 * ```
 *
 * @module
 */

import { BytesSource } from "./source.ts";
import { ByteReader } from "./reader.ts";
import type { ByteWriter } from "./writer.ts";

/** Name of the section's entry. */
export const SLIRP_IDSTR = "slirp";
/** The version that QEMU fixed. */
export const SLIRP_VERSION = 4;
/** Byte before a connection. */
export const SLIRP_CONNECTION = 42;
/** DHCP clients in the payload (`NB_BOOTP_CLIENTS`). */
export const SLIRP_BOOTP_CLIENTS = 16;
/** Bytes of the payload behind the connections: all of it in an idle network. */
export const SLIRP_IDLE_BYTES = 131;
/** Ceiling on the payload's bytes; a connection holds at most some hundred KiB. */
export const SLIRP_LIMIT_BYTES = 67108864;

/** An entry of the DHCP clients. */
export interface SlirpBootpClient {
  /** Whether the address of this entry is taken: 0 or 1. */
  readonly allocated: number;
  /** MAC address, 6 bytes. */
  readonly macAddress: Uint8Array;
}

/** User-mode networking, its layout recognised. */
export interface SlirpState {
  /** Which form. */
  readonly kind: "state";
  /** The connections with their leading bytes, as they are; mostly empty. */
  readonly connections: Uint8Array;
  /** Identification of the next IP packet. */
  readonly ipId: number;
  /** The DHCP clients. */
  readonly bootpClients: readonly SlirpBootpClient[];
}

/** User-mode networking in a layout that is not known. */
export interface SlirpRaw {
  /** Which form. */
  readonly kind: "raw";
  /** The whole payload. */
  readonly bytes: Uint8Array;
}

/** User-mode networking. */
export type Slirp = SlirpState | SlirpRaw;

/** Decodes a payload of `lengthBytes`; one of an unknown layout is kept as bytes. */
export function decodeSlirp(reader: ByteReader, lengthBytes: number): Slirp {
  if (lengthBytes > SLIRP_LIMIT_BYTES) {
    throw reader.error("limit-exceeded", "Cannot decode slirp: the payload is too long", {
      expected: `at most ${SLIRP_LIMIT_BYTES} bytes`,
      found: String(lengthBytes),
    });
  }
  const bytes = reader.bytes(lengthBytes, "slirp");
  const connectionsBytes = lengthBytes - SLIRP_IDLE_BYTES;
  const fits = connectionsBytes >= 0 && bytes[connectionsBytes] === 0 &&
    (connectionsBytes === 0 || bytes[0] === SLIRP_CONNECTION);
  if (!fits) return { kind: "raw", bytes };
  const tail = new ByteReader(new BytesSource(bytes), { offset: connectionsBytes + 1 });
  const ipId = tail.u16("slirp IP identification");
  const bootpClients = Array.from({ length: SLIRP_BOOTP_CLIENTS }, () => ({
    allocated: tail.u16("slirp DHCP client"),
    macAddress: tail.bytes(6, "slirp MAC address"),
  }));
  return { kind: "state", connections: bytes.slice(0, connectionsBytes), ipId, bootpClients };
}

/** Encodes the payload. */
export function encodeSlirp(writer: ByteWriter, slirp: Slirp): void {
  if (slirp.kind === "raw") return writer.bytes(slirp.bytes);
  writer.bytes(slirp.connections);
  writer.u8(0, "end of slirp connections");
  writer.u16(slirp.ipId, "slirp IP identification");
  if (slirp.bootpClients.length !== SLIRP_BOOTP_CLIENTS) {
    const found = String(slirp.bootpClients.length);
    throw writer.error("Cannot encode slirp: DHCP clients", `${SLIRP_BOOTP_CLIENTS}`, found);
  }
  for (const client of slirp.bootpClients) {
    if (client.macAddress.length !== 6) {
      const found = String(client.macAddress.length);
      throw writer.error("Cannot encode slirp: bytes of a MAC address", "6", found);
    }
    writer.u16(client.allocated, "slirp DHCP client");
    writer.bytes(client.macAddress);
  }
}
