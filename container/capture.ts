/**
 * A captured migration: a file for each of its channels, told apart by their content.
 *
 * @module
 */

import { FormatError, isFormatError } from "../format/error.ts";
import { quoteText } from "../format/text.ts";
import type { Compression } from "./decompress/compression.ts";
import { openDecompressor } from "./decompress/open.ts";
import { openSource, peekAt } from "./open_source.ts";
import { PipeSource } from "./pipe.ts";
import { HEAD_BYTES, recogniseChannel, recogniseContent } from "./recognise.ts";
import type { CapturedChannel } from "./wrapper.ts";

/** The files of a captured migration. */
export interface Capture {
  /** Path of the main channel. */
  readonly mainPath: string;
  /** The other files, those that are no channel included; empty ones are left out. */
  readonly channels: readonly CapturedChannel[];
  /** What deserves attention. */
  readonly notes: readonly string[];
}

/**
 * Tells the files of a captured migration apart.
 *
 * @throws {FormatError} `bad-container` unless exactly one of them is a main channel.
 */
export async function sortChannels(paths: readonly string[]): Promise<Capture> {
  const mains: string[] = [];
  const channels: CapturedChannel[] = [];
  for (const path of paths) {
    const found = await identify(path);
    if (found === "main") mains.push(path);
    else if (found !== "empty") channels.push(found);
  }
  const [mainPath, second] = mains;
  if (mainPath === undefined || second !== undefined) {
    const problem = mainPath === undefined
      ? "no file is the main channel"
      : "more than one file is a main channel";
    throw new FormatError("bad-container", `Not the channels of one migration: ${problem}`, {
      offset: 0,
      rule: "MFD-031",
      expected: 'one file that begins with "QEVM" (51 45 56 4d)',
      found: mainPath === undefined ? countText(channels) : mains.map(quoteText).join(" and "),
    });
  }
  return { mainPath, channels, notes: channelNotes(channels) };
}

/** What a file of a capture is, by its content; compressed files are looked into. */
async function identify(path: string): Promise<"main" | "empty" | CapturedChannel> {
  using source = openSource(path);
  if (!source.seekable) throw new Error(`${path} is not a file: channels have to be files`);
  const sizeBytes = source.sizeBytes ?? 0;
  if (sizeBytes === 0) return "empty";
  let head = peekAt(source, 0, HEAD_BYTES);
  let content = recogniseContent(head);
  if (content !== undefined && isCompression(content)) {
    const inner = await decompressedHead(content, path);
    if (inner?.length === 0) return "empty";
    head = inner ?? head;
    content = recogniseContent(head);
  }
  if (content === "stream") return "main";
  // What a capture of our own says about itself is no channel.
  if (/^\{\s*"format": "migstream-capture"/.test(new TextDecoder().decode(head))) return "empty";
  const channel = recogniseChannel(head);
  if (channel === undefined) return { path, role: "unknown", head, sizeBytes };
  if (channel.role !== "multifd") return { path, role: channel.role, sizeBytes };
  const { role, channelId, uuid } = channel;
  const hasUuid = uuid.some((byte) => byte !== 0);
  return { path, role, channelId, ...(hasUuid ? { uuid: uuidText(uuid) } : {}), sizeBytes };
}

function isCompression(content: string): content is Compression {
  return content !== "stream" && content !== "libvirt" && content !== "qcow2";
}

/** The first bytes of compressed data; `undefined` if it is damaged. */
async function decompressedHead(
  compression: Compression,
  path: string,
): Promise<Uint8Array | undefined> {
  using source = openSource(path);
  try {
    using decompressor = await openDecompressor(compression, source, 0);
    using pipe = new PipeSource(decompressor);
    return peekAt(pipe, 0, HEAD_BYTES);
  } catch (error) {
    if (isFormatError(error)) return undefined;
    throw error;
  }
}

/** A UUID as text: 8, 4, 4, 4 and 12 digits. */
function uuidText(bytes: Uint8Array): string {
  const digits = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return digits.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

function countText(channels: readonly CapturedChannel[]): string {
  if (channels.length === 0) return "no file with content";
  const counts = new Map<string, number>();
  for (const { role } of channels) counts.set(role, (counts.get(role) ?? 0) + 1);
  return [...counts].map(([role, count]) => `${count} of role ${role}`).join(", ");
}

function channelNotes(channels: readonly CapturedChannel[]): string[] {
  const notes: string[] = [];
  const ids = channels.flatMap(({ channelId }) => channelId ?? []);
  if (new Set(ids).size < ids.length) notes.push("two multifd channels have the same number");
  return notes;
}
