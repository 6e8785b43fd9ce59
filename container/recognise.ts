/**
 * What an input is, told by its first bytes and never by its name.
 *
 * @module
 */

import { CPR_MAGIC } from "../format/cpr.ts";
import { STREAM_MAGIC } from "../format/header.ts";
import { type Compression, recogniseCompression } from "./decompress/compression.ts";
import { LIBVIRT_MAGIC, LIBVIRT_PART_MAGIC } from "./libvirt.ts";
import { QCOW2_MAGIC } from "./qcow2/header.ts";

/** Bytes that are looked at. */
export const HEAD_BYTES = 512;

/** What the first bytes of something say that it is, where migstream can go on from there. */
export type Content = "stream" | "libvirt" | "qcow2" | Compression;

/** Recognises a stream or a wrapper; `undefined` for anything else. */
export function recogniseContent(head: Uint8Array): Content | undefined {
  const text = headText(head);
  if (startsWithMagic(head, STREAM_MAGIC)) return "stream";
  if (text.startsWith(LIBVIRT_MAGIC) || text.startsWith(LIBVIRT_PART_MAGIC)) return "libvirt";
  if (startsWithMagic(head, QCOW2_MAGIC)) return "qcow2";
  return recogniseCompression(head);
}

/** Bytes as text of one character a byte. */
export function headText(head: Uint8Array): string {
  return String.fromCharCode(...head);
}

function startsWithMagic(head: Uint8Array, magic: number): boolean {
  return head.length >= 4 && viewOf(head).getUint32(0) === magic;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** First bytes of a multifd channel, as text of one character a byte: magic and version. */
export const MULTIFD_START = "\x11\x22\x33\x44\0\0\0\x01";
const MULTIFD_FIRST_PACKET_BYTES = 64;

/** What a channel of a migration is besides the main one. */
export type Channel =
  | { readonly role: "multifd"; readonly channelId: number; readonly uuid: Uint8Array }
  | { readonly role: "cpr" | "return-path" | "preempt" };

/** Recognises a channel of a migration that is not the main one. */
export function recogniseChannel(head: Uint8Array): Channel | undefined {
  if (headText(head).startsWith(MULTIFD_START)) {
    if (head.length < MULTIFD_FIRST_PACKET_BYTES) return undefined;
    return { role: "multifd", channelId: head[24]!, uuid: head.slice(8, 24) };
  }
  if (startsWithMagic(head, CPR_MAGIC)) return { role: "cpr" };
  if (isReturnPath(head)) return { role: "return-path" };
  if (isPreempt(head)) return { role: "preempt" };
  return undefined;
}

/** Lengths of the messages on a return path by type; those of 3 and 5 carry the name of a block besides. */
const RETURN_PATH_LENGTHS = [-1, 4, 4, 13, 12, 1, 4, 0];

/** Whether a first message of a return path is there: type, length, payload. */
function isReturnPath(head: Uint8Array): boolean {
  if (head.length < 4) return false;
  const view = viewOf(head);
  const type = view.getUint16(0);
  const length = RETURN_PATH_LENGTHS[type] ?? -1;
  if (length < 0) return false;
  const hasName = type === 3 || type === 5;
  const nameBytes = hasName ? head[4 + length - 1] ?? 0 : 0;
  return (!hasName || nameBytes > 0) && view.getUint16(2) === length + nameBytes;
}

/** Whether RAM records begin at once, as on the channel of postcopy-preempt: a PAGE or ZERO record with the name of its block. */
function isPreempt(head: Uint8Array): boolean {
  if (head.length < 10) return false;
  const view = viewOf(head);
  const flags = view.getUint32(4) & 0xff;
  const name = headText(head.subarray(9, 9 + head[8]!));
  return view.getUint32(0) < 0x10000 && (flags === 0x08 || flags === 0x02) &&
    /^[!-~]+$/.test(name) && name.length === head[8];
}
