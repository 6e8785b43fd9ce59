/**
 * What stands where in the channels beside the main one of a captured migration: rows that tile each of them.
 *
 * @module
 */

import type { OpenChannel } from "../../container/channels.ts";
import type { OpenInput } from "../../container/open.ts";
import { DEFAULT_LIMITS } from "../../format/limits.ts";
import { MultifdChannelReader, type MultifdPacket } from "../../format/multifd/channel.ts";
import { MULTIFD_INITIAL_BYTES } from "../../format/multifd/initial_packet.ts";
import type { RamBlock } from "../../format/ram.ts";
import { newRamContext, RamScanner } from "../../format/ram_scanner.ts";
import { ByteReader } from "../../format/reader.ts";
import { hex, quoteText } from "../../format/text.ts";
import { channelName } from "../channels/merger.ts";
import { inferPageBytes } from "../channels/page_size.ts";
import { readState } from "../state.ts";
import type { LayoutKind, LayoutOptions, LayoutRow } from "./row.ts";
import { describePending, extendPending, type PendingRun, pendingRun } from "./runs.ts";

/**
 * Visits the rows of all channels that carry pages, one channel behind the other. The main channel is read once more for its block list.
 *
 * @throws {FormatError} after the rows before the damage were visited
 */
export function layoutChannels(
  input: OpenInput,
  options: Pick<LayoutOptions, "vmdescription">,
  visit: (row: LayoutRow) => void,
): void {
  const channels = input.pageChannels?.channels ?? [];
  if (channels.length === 0) return;
  const { blocks = [], pageBytes } = readState(input.source, {
    ...options,
    offset: input.streamOffset,
  });
  const byName = new Map(blocks.map((block) => [block.name, block]));
  for (const open of channels) {
    const isMultifd = open.channel.role === "multifd";
    if (isMultifd) layoutMultifd(open, byName, pageBytes ?? inferPageBytes(open.source), visit);
    else layoutPreempt(open, byName, pageBytes, visit);
  }
}

function layoutMultifd(
  open: OpenChannel,
  blocks: ReadonlyMap<string, RamBlock>,
  pageBytes: number,
  visit: (row: LayoutRow) => void,
): void {
  const channel = channelName(open);
  const row = (
    offset: number,
    lengthBytes: number,
    kind: LayoutKind,
    path: string,
    description: string,
  ) => {
    if (lengthBytes > 0) visit({ channel, offset, lengthBytes, depth: 0, kind, path, description });
  };
  const reader = new ByteReader(open.source, { blockBytes: 4096 });
  using packets = new MultifdChannelReader(reader, { blocks, pageBytes, content: false });
  const { channelId } = packets.initial;
  const first = `initial packet of channel ${channelId}`;
  row(0, MULTIFD_INITIAL_BYTES, "packet-header", `${channel} > initial packet`, first);
  for (let index = 0;; index++) {
    const packet = packets.next();
    if (packet === undefined) return;
    const { offset, payloadOffset, payloadBytes } = packet;
    const path = `${channel} > packet ${index}`;
    row(offset, payloadOffset - offset, "packet-header", `${path} > header`, describe(packet));
    const content = packet.kind === "ram"
      ? `${packet.normal.length} page(s)${packet.method === "none" ? "" : `, ${packet.method}`}`
      : "device state";
    row(payloadOffset, payloadBytes, "packet-payload", `${path} > payload`, content);
  }
}

function describe(packet: MultifdPacket): string {
  if (packet.kind === "device-state") {
    return `DEVICE_STATE packet of ${quoteText(packet.idstr)} #${packet.instanceId}`;
  }
  const { packetNumber, isSync, normal, zero, block, flags } = packet;
  const parts = [`packet ${packetNumber}`, `flags ${hex(flags)}`];
  if (isSync) parts.push("SYNC");
  if (block !== undefined) {
    parts.push(`${quoteText(block.name)}: ${normal.length} normal, ${zero.length} zero`);
  }
  return parts.join(", ");
}

function layoutPreempt(
  open: OpenChannel,
  blocks: ReadonlyMap<string, RamBlock>,
  pageBytes: number | undefined,
  visit: (row: LayoutRow) => void,
): void {
  const channel = channelName(open);
  const reader = new ByteReader(open.source, { path: [channel] });
  const context = { ...newRamContext(), pageBytes };
  for (const [name, block] of blocks) context.blocks.set(name, block);
  const scanner = new RamScanner(reader, context, DEFAULT_LIMITS);
  let pending: PendingRun | undefined;
  let at = 0;
  const flush = () => {
    if (pending === undefined) return;
    const { kind, end } = pending;
    const description = describePending(pending);
    visit({
      channel,
      offset: at,
      lengthBytes: end - at,
      depth: 0,
      kind,
      path: channel,
      description,
    });
    at = end;
    pending = undefined;
  };
  while (!reader.atEnd()) {
    const run = scanner.next();
    const bytes = context.pageBytes ?? 0;
    if (pending !== undefined && extendPending(pending, run, bytes)) continue;
    flush();
    pending = pendingRun(run, bytes);
  }
  flush();
}
