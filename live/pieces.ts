/**
 * What is sent on a connection: pieces, each with words for what it is.
 *
 * @module
 */

import type { ByteSource } from "../format/source.ts";

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
  const buffer = new Uint8Array(PIECE_BYTES);
  for (let at = offset; at < end;) {
    const count = source.readAt(at, buffer.subarray(0, Math.min(buffer.length, end - at)));
    if (count === 0) return;
    yield { bytes: buffer.subarray(0, count), what };
    at += count;
  }
}
