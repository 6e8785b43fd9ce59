/**
 * Pipes as byte sources: read once, forward, without a known end; what has to be read again is kept, in memory up to a bound
 * and in a temporary file beyond it.
 *
 * @module
 */

import { FormatError } from "../format/error.ts";
import type { ByteSource } from "../format/source.ts";

/** Bytes kept in memory before a temporary file takes them. */
export const PIPE_MEMORY_BYTES: number = 48 * 1024 * 1024;

/** Where a pipe's bytes come from; `Deno.stdin` is one. */
export interface SyncReader {
  /** Reads some bytes and returns how many, or `null` at the end. */
  readSync(into: Uint8Array): number | null;
}

/** A {@link ByteSource} over a pipe. */
export class PipeSource implements ByteSource, Disposable {
  /** Always false. */
  readonly seekable = false;
  readonly #input: SyncReader;
  readonly #memoryBytes: number;
  /** Offset of the next byte that the pipe will give. */
  #position = 0;
  #ended = false;
  /** Whether bytes are kept after they were read. */
  #retaining = false;
  /** Kept bytes, one behind the other, up to `#position`. */
  #chunks: { offset: number; bytes: Uint8Array }[] = [];
  #chunkBytes = 0;
  #spill: Spill | undefined;

  /** Reads from `input`, keeping at most `memoryBytes` in memory. */
  constructor(input: SyncReader, memoryBytes: number = PIPE_MEMORY_BYTES) {
    this.#input = input;
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
    if (this.#retaining) this.#keep(this.#position, into.slice(0, got));
    this.#position += got;
    return got;
  }

  #keep(offset: number, bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    if (this.#spill === undefined && this.#chunkBytes + bytes.length > this.#memoryBytes) {
      this.#spill = openSpill(offset, this.#memoryBytes);
      for (const chunk of this.#chunks) this.#spill.write(chunk.offset, chunk.bytes);
      this.#chunks = [];
      this.#chunkBytes = 0;
    }
    if (this.#spill !== undefined) return this.#spill.write(offset, bytes);
    this.#chunks.push({ offset, bytes });
    this.#chunkBytes += bytes.length;
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
    this.#forget(offset);
    this.#retaining = true;
    const last = this.#chunks.at(-1);
    const keptFrom = this.#spill?.start ?? this.#chunks[0]?.offset ?? Infinity;
    const keptTo = this.#spill?.end ?? (last === undefined ? 0 : last.offset + last.bytes.length);
    // What is ahead may be kept already, wholly or from some point on.
    if (offset >= keptFrom && keptTo >= this.#position) return;
    this.#keep(Math.max(offset, keptTo), ahead.subarray(Math.max(0, keptTo - offset)));
  }

  /** Forgets bytes once they are read. */
  release(): void {
    this.#retaining = false;
  }

  /** Removes the temporary file. */
  [Symbol.dispose](): void {
    this.#spill?.[Symbol.dispose]();
    this.#spill = undefined;
    this.#chunks = [];
  }
}

function openSpill(offset: number, memoryBytes: number): Spill {
  try {
    if (Deno.permissions.querySync({ name: "write" }).state === "granted") return new Spill();
  } catch {
    // Without a place for temporary files the limit below is all there is.
  }
  throw new FormatError(
    "limit-exceeded",
    "Too much of the pipe has to be kept: use a file, or allow temporary files (-W)",
    { offset, expected: `at most ${memoryBytes} bytes` },
  );
}

/** A temporary file that holds a range of the pipe's bytes. */
class Spill implements Disposable {
  /** Offset of its first byte in the pipe. */
  start = 0;
  /** Offset behind its last byte in the pipe. */
  end = 0;
  readonly #path = Deno.makeTempFileSync({ prefix: "migstream-", suffix: ".tmp" });
  readonly #file = Deno.openSync(this.#path, { read: true, write: true });

  write(offset: number, bytes: Uint8Array): void {
    if (this.start === this.end) this.start = this.end = offset;
    this.#file.seekSync(offset - this.start, Deno.SeekMode.Start);
    for (let done = 0; done < bytes.length;) done += this.#file.writeSync(bytes.subarray(done));
    this.end = offset + bytes.length;
  }

  read(offset: number, into: Uint8Array): number {
    if (offset < this.start || offset >= this.end) return 0;
    this.#file.seekSync(offset - this.start, Deno.SeekMode.Start);
    return this.#file.readSync(into.subarray(0, this.end - offset)) ?? 0;
  }

  [Symbol.dispose](): void {
    this.#file.close();
    Deno.removeSync(this.#path);
  }
}
