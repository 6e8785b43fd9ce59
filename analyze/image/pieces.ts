/**
 * What is sent on a connection: pieces, each with words for what it is.
 *
 * @module
 */

import type { StreamItem } from "../../format/items.ts";
import type { ByteSource } from "../../format/source.ts";

/** Some bytes of a connection. */
export interface Piece {
  /** The bytes, valid until the next piece is taken. */
  readonly bytes: Uint8Array;
  /** What they are: `section 3 "ram"`. */
  readonly what: string;
}

/** A connection to be made, and what goes over it. */
export interface OutgoingChannel {
  /** What it is: `main channel`, `multifd channel 0`. */
  readonly name: string;
  /** The pieces, made when they are asked for. */
  readonly pieces: Iterable<Piece>;
}

/** Bytes of a piece of a file. */
const PIECE_BYTES = 256 * 1024;

/** The bytes of a source from `offset` up to `end`, or to its end. */
export function* sourcePieces(
  source: ByteSource,
  what: string,
  offset = 0,
  end: number = Number.MAX_SAFE_INTEGER,
): Generator<Piece, void, undefined> {
  const buffer = new Uint8Array(Math.min(PIECE_BYTES, Math.max(0, end - offset)));
  for (let at = offset; at < end;) {
    const count = source.readAt(at, buffer.subarray(0, Math.min(buffer.length, end - at)));
    if (count === 0) return;
    yield { bytes: buffer.subarray(0, count), what };
    at += count;
  }
}

/** What an item is, for people. */
export function labelOf(item: StreamItem): string {
  if (item.kind === "section" || item.kind === "footer") {
    return `section ${item.section.id} "${item.section.idstr}"`;
  }
  return item.kind === "command" ? item.command.name : item.kind;
}

/** Items that follow each other go in one piece up to this: some streams have tens of thousands of empty sections. */
const GATHERED_BYTES = 64 * 1024;

/** The bytes of items, in their order. */
export function* itemPieces(
  source: ByteSource,
  items: Iterable<StreamItem>,
): Generator<Piece, void, undefined> {
  let [what, start, end] = ["", 0, 0];
  for (const item of items) {
    if (item.offset !== end || end - start >= GATHERED_BYTES) {
      yield* sourcePieces(source, what, start, end);
      [what, start] = [labelOf(item), item.offset];
    }
    end = item.offset + item.lengthBytes;
  }
  yield* sourcePieces(source, what, start, end);
}
