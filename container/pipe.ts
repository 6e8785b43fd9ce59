/**
 * Pipes as byte sources: read once, forward, without a known end; what has to be read again is kept, in memory up to a bound
 * and in a temporary file beyond it.
 *
 * @module
 */

import { FormatError } from "../format/error.ts";
import type { ByteSource } from "../format/source.ts";
import { spillTo, type TemporaryFile } from "./temporary_file.ts";

/** Bytes kept in memory before a temporary file takes them. */
export const PIPE_MEMORY_BYTES: number = 48 * 1024 * 1024;

/** Bytes that a piece of the kept bytes has room for: small reads share one, or a slow pipe would leave millions of them. */
const CHUNK_BYTES = 64 * 1024;

/** Kept bytes in one piece. */
interface Chunk {
  /** Offset of the first one in the pipe. */
  readonly offset: number;
  /** The bytes: the part of `room` that is in use. */
  bytes: Uint8Array;
  readonly room: Uint8Array;
}

/** Where a pipe's bytes come from; `Deno.stdin` is one. */
export interface SyncReader {
  /** Reads some bytes and returns how many, or `null` at the end. */
  readSync(into: Uint8Array): number | null;
}

/** A {@link ByteSource} over a pipe. */
export class PipeSource implements ByteSource, Disposable {
  /** Always false. */
  readonly seekable = false;
  /** What comes out of the pipe, for errors; `undefined` for the input itself. */
  readonly label: string | undefined;
  readonly #input: SyncReader;
  readonly #memoryBytes: number;
  /** Offset of the next byte that the pipe will give. */
  #position = 0;
  #ended = false;
  /** Whether bytes are kept after they were read. */
  #retaining = false;
  #keepAll = false;
  /** Kept bytes, one behind the other, up to `#position`. */
  #chunks: Chunk[] = [];
  #chunkBytes = 0;
  #spill: Spill | undefined;

  /** Reads from `input`, keeping at most `memoryBytes` in memory. */
  constructor(input: SyncReader, memoryBytes: number = PIPE_MEMORY_BYTES, label?: string) {
    this.#input = input;
    this.label = label;
    this.#memoryBytes = memoryBytes;
  }

  /** The number of bytes that came, once the end was reached. */
  get sizeBytes(): number | undefined {
    return this.#ended ? this.#position : undefined;
  }

  /** Reads on from where the last read ended, or again what is kept. */
  readAt(offset: number, into: Uint8Array): number {
    if (offset < this.#position) return this.#readKept(offset, into);
    while (this.#position < offset) {
      const want = Math.min(into.length, offset - this.#position);
      if (this.#pull(into.subarray(0, want)) === 0) return 0;
    }
    return this.#pull(into);
  }

  #pull(into: Uint8Array): number {
    if (this.#ended) return 0;
    const got = this.#input.readSync(into);
    if (got === null) {
      this.#ended = true;
      return 0;
    }
    if (this.#retaining) this.#keep(this.#position, into.subarray(0, got));
    this.#position += got;
    return got;
  }

  #keep(offset: number, bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    if (this.#spill === undefined && this.#chunkBytes + bytes.length > this.#memoryBytes) {
      const file = spillTo("Too much of the pipe has to be kept", this.#memoryBytes, offset);
      this.#spill = new Spill(file, this.#chunks[0]?.offset ?? offset);
      for (const chunk of this.#chunks) this.#spill.append(chunk.bytes);
      this.#chunks = [];
      this.#chunkBytes = 0;
    }
    if (this.#spill !== undefined) return this.#spill.append(bytes);
    this.#append(offset, bytes);
    this.#chunkBytes += bytes.length;
  }

  #append(offset: number, bytes: Uint8Array): void {
    const last = this.#chunks.at(-1);
    const used = last?.bytes.length ?? 0;
    if (last?.offset === offset - used && used + bytes.length <= last.room.length) {
      last.room.set(bytes, used);
      last.bytes = last.room.subarray(0, used + bytes.length);
      return;
    }
    const room = new Uint8Array(Math.max(CHUNK_BYTES, bytes.length));
    room.set(bytes);
    this.#chunks.push({ offset, bytes: room.subarray(0, bytes.length), room });
  }

  #readKept(offset: number, into: Uint8Array): number {
    const spilled = this.#spill?.read(offset, into) ?? 0;
    if (spilled > 0) return spilled;
    const chunk = this.#chunks.find((each) =>
      offset >= each.offset && offset < each.offset + each.bytes.length
    );
    if (chunk === undefined) {
      throw new FormatError("not-seekable", "Cannot read a pipe backwards", {
        offset,
        expected: "a file instead of a pipe",
      });
    }
    const part = chunk.bytes.subarray(offset - chunk.offset).subarray(0, into.length);
    into.set(part);
    if (!this.#retaining) this.#forget(offset + part.length);
    return part.length;
  }

  #forget(before: number): void {
    let drop = 0;
    while (drop < this.#chunks.length) {
      const { offset, bytes } = this.#chunks[drop]!;
      if (offset + bytes.length > before) break;
      this.#chunkBytes -= bytes.length;
      drop += 1;
    }
    if (drop > 0) this.#chunks.splice(0, drop);
  }

  /** Keeps all bytes from `offset` on; `ahead` holds those that were read already. */
  retain(offset: number, ahead: Uint8Array): void {
    if (this.#keepAll) return;
    this.#forget(offset);
    this.#retaining = true;
    if (this.#spill !== undefined && offset > this.#spill.end) this.#spill.restart(offset);
    const last = this.#chunks.at(-1);
    const keptFrom = this.#spill?.start ?? this.#chunks[0]?.offset ?? Infinity;
    const keptTo = this.#spill?.end ?? (last === undefined ? 0 : last.offset + last.bytes.length);
    // What is ahead may be kept already, wholly or from some point on.
    if (offset >= keptFrom && keptTo >= this.#position) return;
    this.#keep(Math.max(offset, keptTo), ahead.subarray(Math.max(0, keptTo - offset)));
  }

  /** Forgets bytes once they are read. */
  release(): void {
    this.#retaining = this.#keepAll;
  }

  /** Before the first read: keeps everything, so that any part can be read again. */
  keepAll(): void {
    this.#keepAll = true;
    this.#retaining = true;
  }

  /** Removes the temporary file. */
  [Symbol.dispose](): void {
    this.#spill?.[Symbol.dispose]();
    this.#spill = undefined;
    this.#chunks = [];
  }
}

/** The kept bytes of a pipe in a temporary file. */
class Spill implements Disposable {
  /** Offset of its first byte in the pipe. */
  start: number;
  /** Offset behind its last byte in the pipe. */
  end: number;
  readonly #file: TemporaryFile;

  constructor(file: TemporaryFile, start: number) {
    this.#file = file;
    this.start = start;
    this.end = start;
  }

  /** Forgets everything; the next byte to come stands at `offset` of the pipe. */
  restart(offset: number): void {
    this.#file.clear();
    this.start = offset;
    this.end = offset;
  }

  /** Zeros take no room: what was compressed may have more of them than any disk. */
  append(bytes: Uint8Array): void {
    const position = this.end - this.start;
    if (isZero(bytes)) this.#file.checkSize(position + bytes.length);
    else this.#file.writeAt(position, bytes);
    this.end += bytes.length;
  }

  read(offset: number, into: Uint8Array): number {
    if (offset < this.start || offset >= this.end) return 0;
    const part = into.subarray(0, this.end - offset);
    const got = this.#file.readAt(offset - this.start, part);
    if (got > 0) return got;
    // The file is shorter than what it stands for if zeros are the last that came.
    part.fill(0);
    return part.length;
  }

  [Symbol.dispose](): void {
    this.#file[Symbol.dispose]();
  }
}

function isZero(bytes: Uint8Array): boolean {
  let at = 0;
  if ((bytes.byteOffset & 3) === 0) {
    const words = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length >> 2);
    while (at < words.length && words[at] === 0) at += 1;
    if (at < words.length) return false;
    at *= 4;
  }
  while (at < bytes.length && bytes[at] === 0) at += 1;
  return at === bytes.length;
}
