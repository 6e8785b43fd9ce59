/**
 * The original of a stream that is encoded anew: passes a source's bytes on to the reader and keeps those that were not compared yet.
 *
 * ```text
 *            compared | read, kept to be compared | read ahead, in search of the description
 * ... forgotten ...   ^ position                  ^ end                                      ^
 * ```
 *
 * What is behind `end` is read once more: from a file in any case, from a pipe because it keeps what was read in search of something.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import type { ByteSource } from "../../format/source.ts";

/** Bytes of a piece of what is kept: they are used again and again, and stay in the processor's cache. */
const PIECE_BYTES = 256 * 1024;
/** Most bytes that are kept of what can be read again. */
const WINDOW_BYTES = 1024 * 1024;

/** Kept bytes in one piece of memory. */
interface Piece {
  readonly room: Uint8Array<ArrayBuffer>;
  /** Absolute offset of its first byte. */
  readonly offset: number;
  lengthBytes: number;
}

/** A source that remembers what it has given, up to where it was compared. */
export class Original implements ByteSource {
  readonly #inner: ByteSource;
  /** Absolute offset of the first byte that was not compared. */
  #position: number;
  /** Absolute offset behind the last byte that is kept. */
  #end: number;
  /** What is kept, without gaps. */
  readonly #pieces: Piece[] = [];
  #spare: Uint8Array<ArrayBuffer>[] = [];
  /** Whether the source keeps what is read from now on. */
  #retaining = false;

  /** Passes on what `inner` gives; what is compared begins at absolute offset `offset`. */
  constructor(inner: ByteSource, offset: number) {
    this.#inner = inner;
    this.#position = offset;
    this.#end = offset;
  }

  /** Size of the input. */
  get sizeBytes(): number | undefined {
    return this.#inner.sizeBytes;
  }

  /** Whether any offset can be read. */
  get seekable(): boolean {
    return this.#inner.seekable;
  }

  /** What the offsets count in. */
  get label(): string | undefined {
    return this.#inner.label;
  }

  /** Absolute offset of the first byte that was not compared yet, or differs. */
  get position(): number {
    return this.#position;
  }

  /** Reads, and keeps what has to be compared. */
  readAt(offset: number, into: Uint8Array): number {
    if (!this.#isRepeatable) this.#fillUpTo(offset);
    const got = this.#inner.readAt(offset, into);
    if (offset > this.#end || offset + got <= this.#end) return got;
    const isFull = this.#end - this.#position >= WINDOW_BYTES;
    if (!(isFull && this.#isRepeatable)) this.#keep(into.subarray(this.#end - offset, got));
    return got;
  }

  /** Whether what is read now can be read again. */
  get #isRepeatable(): boolean {
    return this.#inner.seekable || this.#retaining;
  }

  /** Reads what is kept nowhere before the source forgets it. */
  #fillUpTo(offset: number): void {
    if (this.#inner.seekable) return;
    const room = this.#end < offset ? new Uint8Array(PIECE_BYTES) : undefined;
    while (this.#end < offset) {
      const part = room!.subarray(0, Math.min(PIECE_BYTES, offset - this.#end));
      const got = this.#inner.readAt(this.#end, part);
      if (got === 0) return;
      this.#keep(part.subarray(0, got));
    }
  }

  #keep(bytes: Uint8Array): void {
    for (let done = 0; done < bytes.length;) {
      let last = this.#pieces.at(-1);
      if (last === undefined || last.lengthBytes === PIECE_BYTES) {
        const room = this.#spare.pop() ?? new Uint8Array(PIECE_BYTES);
        last = { room, offset: this.#end, lengthBytes: 0 };
        this.#pieces.push(last);
      }
      const part = bytes.subarray(done, done + PIECE_BYTES - last.lengthBytes);
      last.room.set(part, last.lengthBytes);
      last.lengthBytes += part.length;
      this.#end += part.length;
      done += part.length;
    }
  }

  /** Passes on, with what was not compared yet in safety. */
  retain(offset: number, ahead: Uint8Array): void {
    this.#fillUpTo(offset);
    this.#inner.retain?.(offset, ahead);
    this.#retaining = true;
  }

  /** Passes on. */
  release(): void {
    this.#inner.release?.();
    this.#retaining = false;
  }

  /**
   * Compares the bytes at {@link position} with `bytes`, and moves on as far as they are equal.
   *
   * @returns the index in `bytes` of the first one that differs or has no counterpart, or `undefined`
   */
  compare(bytes: Uint8Array): number | undefined {
    for (let done = 0; done < bytes.length;) {
      const original = this.#next(bytes.length - done);
      if (original.length === 0) return done;
      const part = bytes.subarray(done, done + original.length);
      const equal = Buffer.compare(original, part) === 0
        ? original.length
        : commonLength(original, part);
      this.#advance(equal);
      done += equal;
      if (equal < original.length) return done;
    }
    return undefined;
  }

  /** Up to `most` of the original's bytes at {@link position}; none at its end. */
  #next(most: number): Uint8Array {
    const piece = this.#pieces[0];
    if (piece !== undefined) {
      const start = this.#position - piece.offset;
      return piece.room.subarray(start, Math.min(piece.lengthBytes, start + most));
    }
    const into = new Uint8Array(Math.min(most, PIECE_BYTES));
    return into.subarray(0, this.#inner.readAt(this.#position, into));
  }

  #advance(count: number): void {
    this.#position += count;
    const piece = this.#pieces[0];
    if (piece === undefined) this.#end = this.#position;
    else if (this.#position === piece.offset + piece.lengthBytes) {
      this.#pieces.shift();
      this.#spare.push(piece.room);
      if (this.#spare.length > 4) this.#spare = this.#spare.slice(0, 4);
    }
  }

  /** Up to `most` of the original's bytes at {@link position}, which stays. */
  peek(most: number): Uint8Array {
    return this.#next(most).slice();
  }
}

/** Number of equal bytes at the beginning of two different runs of one length. */
function commonLength(left: Uint8Array, right: Uint8Array): number {
  let equal = 0;
  let different = left.length;
  while (different - equal > 1) {
    const middle = (equal + different) >> 1;
    const isEqual =
      Buffer.compare(left.subarray(equal, middle), right.subarray(equal, middle)) === 0;
    if (isEqual) equal = middle;
    else different = middle;
  }
  return equal;
}
