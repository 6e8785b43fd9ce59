/**
 * Looks for streams in a file that does not begin with one.
 *
 * @module
 */

import { STREAM_MAGIC } from "../format/header.ts";
import { SECTION_TYPE } from "../format/section.ts";
import type { ByteSource } from "../format/source.ts";
import { LIBVIRT_HEADER_BYTES, LIBVIRT_MAGIC } from "./libvirt.ts";

/** Bytes that are searched. */
export const SEARCH_BYTES: number = 64 * 1024 * 1024;

/** Places that are told at most. */
const MAX_FOUND = 3;
const BLOCK_BYTES = 1024 * 1024;
const STREAM_VERSION = 3;
/** Types that the first element of a stream has. */
const FIRST_TYPES: readonly number[] = [
  SECTION_TYPE.CONFIGURATION,
  SECTION_TYPE.START,
  SECTION_TYPE.FULL,
  SECTION_TYPE.COMMAND,
];

/** A place where a stream seems to begin. */
export interface FoundStream {
  /** What begins there. */
  readonly what: "a stream" | "a libvirt save image";
  /** Absolute offset. */
  readonly offset: number;
}

/** The first places from `from` on where a stream or an image of libvirt seems to begin. */
export function findStreams(source: ByteSource, from: number): FoundStream[] {
  const found: FoundStream[] = [];
  const block = new Uint8Array(BLOCK_BYTES);
  for (let offset = from; offset < from + SEARCH_BYTES && found.length < MAX_FOUND;) {
    const filled = fill(source, offset, block);
    searchBlock(block.subarray(0, filled), offset, found);
    if (filled < block.length) break;
    // What begins near the block's end is looked at again with what follows it.
    offset += BLOCK_BYTES - LIBVIRT_HEADER_BYTES;
  }
  return found.sort((one, other) => one.offset - other.offset);
}

function fill(source: ByteSource, offset: number, into: Uint8Array): number {
  let filled = 0;
  while (filled < into.length) {
    const got = source.readAt(offset + filled, into.subarray(filled));
    if (got === 0) break;
    filled += got;
  }
  return filled;
}

function searchBlock(block: Uint8Array, base: number, found: FoundStream[]): void {
  const view = new DataView(block.buffer, block.byteOffset, block.byteLength);
  for (const [first, what] of [[0x51, "a stream"], [0x4c, "a libvirt save image"]] as const) {
    for (let at = block.indexOf(first); at >= 0; at = block.indexOf(first, at + 1)) {
      const fits = what === "a stream" ? isStream(view, at) : isLibvirt(view, at);
      if (!fits || found.some(({ offset }) => offset === base + at)) continue;
      found.push({ what, offset: base + at });
      if (found.length >= MAX_FOUND) return;
    }
  }
}

function isStream(view: DataView, at: number): boolean {
  return at + 9 <= view.byteLength && view.getUint32(at) === STREAM_MAGIC &&
    view.getUint32(at + 4) === STREAM_VERSION && FIRST_TYPES.includes(view.getUint8(at + 8));
}

function isLibvirt(view: DataView, at: number): boolean {
  if (at + LIBVIRT_HEADER_BYTES > view.byteLength) return false;
  for (let index = 0; index < LIBVIRT_MAGIC.length; index++) {
    if (view.getUint8(at + index) !== LIBVIRT_MAGIC.charCodeAt(index)) return false;
  }
  return Math.min(view.getUint32(at + 16, true), view.getUint32(at + 16)) <= 2;
}
