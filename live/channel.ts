/**
 * What a connection of a migration is, told by its first bytes.
 *
 * @module
 */

import type { ConnectionRole } from "../container/capture_folder.ts";
import { HEAD_BYTES, recogniseChannel, recogniseContent } from "../container/recognise.ts";

/** A connection's part in the migration. */
export interface ConnectionKind {
  /** What it carries. */
  readonly role: ConnectionRole;
  /** Number of a multifd channel, as its first packet says. */
  readonly channelId?: number;
}

/** Begins every RAM record of the preempt channel: no address is that high. */
const ADDRESS_START = 0x0000;

/**
 * Recognises a connection; `undefined` while more bytes are needed. `isWhole` says that no more will come.
 */
export function recogniseConnection(
  start: Uint8Array,
  isWhole: boolean,
): ConnectionKind | undefined {
  const head = start.subarray(0, HEAD_BYTES);
  if (recogniseContent(head) === "stream") return { role: "main" };
  const channel = recogniseChannel(head);
  if (channel?.role === "multifd") return { role: "multifd", channelId: channel.channelId };
  if (channel?.role === "preempt" || channel?.role === "cpr") return { role: channel.role };
  if (isWhole || head.length >= HEAD_BYTES || isForeign(head)) return { role: "unknown" };
  return undefined;
}

/** Beginnings that may still become one of the kinds. */
const STARTS = ["QEVM", "\x11\x22\x33\x44", "QCPR"];

function isForeign(head: Uint8Array): boolean {
  const start = String.fromCharCode(...head.subarray(0, 4));
  if (STARTS.some((magic) => magic.startsWith(start) || start === magic)) return false;
  return head.length >= 2 && (head[0]! << 8 | head[1]!) !== ADDRESS_START;
}

/** The name of the file for a connection: by its role, or by its number where that says nothing. */
export function fileNameOf({ role, channelId }: ConnectionKind, connection: number): string {
  if (role === "unknown") return `conn-${connection}`;
  return role === "multifd" ? `multifd-${channelId}` : role;
}
