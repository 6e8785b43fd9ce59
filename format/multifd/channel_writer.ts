/**
 * Writes a multifd channel packet by packet, each the bytes that it was decoded from.
 *
 * @module
 */

import type { BufferedSink } from "../sink.ts";
import { encodeInitialPacket, type MultifdInitialPacket } from "./initial_packet.ts";
import { encodePacketHead, type MultifdRawPacket } from "./packet.ts";

/** Writes a multifd channel. */
export class MultifdChannelWriter {
  readonly #out: BufferedSink;

  /** Writes into `out`, which is the caller's to flush. */
  constructor(out: BufferedSink) {
    this.#out = out;
  }

  /** Writes the first packet. */
  initial(packet: MultifdInitialPacket): void {
    this.#out.encode((writer) => encodeInitialPacket(writer, packet));
  }

  /** Writes another packet. */
  packet(packet: MultifdRawPacket): void {
    this.#out.encode((writer) => encodePacketHead(writer, packet));
    this.#out.write(packet.payload);
  }
}
