/**
 * What went over one channel, in numbers.
 *
 * @module
 */

import type { CapturedChannel } from "../../container/wrapper.ts";
import type { MultifdMethod } from "../../format/multifd/flags.ts";

/** Sums over a channel that carries pages. */
export interface ChannelTotals {
  /** Path of the file. */
  readonly path: string;
  /** What it is. */
  readonly role: "multifd" | "preempt";
  /** Number of a multifd channel. */
  readonly channelId: number | null;
  /** How pages are compressed; `null` where there are none. */
  method: MultifdMethod | null;
  /** Packets, SYNC and device state included. */
  packets: number;
  /** SYNC packets. */
  syncs: number;
  /** Pages with content. */
  normalPages: number;
  /** Zero pages. */
  zeroPages: number;
  /** Packets with the state of a device. */
  deviceStatePackets: number;
  /** Bytes of all payloads, as they went over the channel. */
  payloadBytes: number;
  /** Bytes of the pages with content. */
  contentBytes: number;
}

/** No packets yet. */
export function newTotals({ path, role, channelId }: CapturedChannel): ChannelTotals {
  return {
    path,
    role: role === "preempt" ? "preempt" : "multifd",
    channelId: channelId ?? null,
    method: null,
    packets: 0,
    syncs: 0,
    normalPages: 0,
    zeroPages: 0,
    deviceStatePackets: 0,
    payloadBytes: 0,
    contentBytes: 0,
  };
}
