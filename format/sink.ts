/**
 * Where encoded bytes go: the counterpart of a byte source, and the block buffer in front of it.
 *
 * @module
 */

import { ByteWriter } from "./writer.ts";

/**
 * Takes bytes one behind the other.
 *
 * Whoever writes reuses the memory afterwards, so a sink that keeps bytes copies them.
 */
export interface ByteSink {
  /** Takes all of `bytes`. */
  write(bytes: Uint8Array): void;
  /** Takes `lengthBytes` zeros, which a file may leave out as a hole. */
  hole(lengthBytes: number): void;
}

/** Size of the block buffer in bytes: like the reader's, so that a run of pages passes in one piece. */
export const SINK_BLOCK_BYTES: number = 256 * 1024;

/** Longest run of zeros that is worth no hole. */
const SMALL_HOLE_BYTES = 4096;
/** Runs of bytes of this length go to the sink directly. */
const DIRECT_BYTES = 128 * 1024;

/**
 * A {@link ByteSink} that collects everything in memory.
 *
 * @example
 * ```ts
 * import { BytesSink } from "@migstream/migstream";
 *
 * const sink = new BytesSink();
 * sink.write(Uint8Array.of(1, 2));
 * sink.hole(2);
 * console.log(sink.bytes()); // 1, 2, 0, 0
 * ```
 */
export class BytesSink implements ByteSink {
  #buffer = new Uint8Array(1024);
  #length = 0;

  /** Bytes collected. */
  get lengthBytes(): number {
    return this.#length;
  }

  /** Appends a copy. */
  write(bytes: Uint8Array): void {
    const at = this.#grow(bytes.length);
    this.#buffer.set(bytes, at);
  }

  /** Appends zeros. */
  hole(lengthBytes: number): void {
    const at = this.#grow(lengthBytes);
    this.#buffer.fill(0, at, at + lengthBytes);
  }

  #grow(count: number): number {
    const at = this.#length;
    this.#length += count;
    if (this.#length > this.#buffer.length) {
      const grown = new Uint8Array(Math.max(this.#length, this.#buffer.length * 2));
      grown.set(this.#buffer.subarray(0, at));
      this.#buffer = grown;
    }
    return at;
  }

  /** What was collected, as an array of its own. */
  bytes(): Uint8Array<ArrayBuffer> {
    return this.#buffer.slice(0, this.#length);
  }
}

/**
 * A block buffer in front of a sink. Encoders that need every cycle write into {@link buffer} and {@link view} where {@link room}
 * tells them to.
 */
export class BufferedSink implements ByteSink {
  /** The block buffer. */
  readonly buffer: Uint8Array<ArrayBuffer> = new Uint8Array(SINK_BLOCK_BYTES);
  /** The same bytes, for integers at any index. */
  readonly view: DataView = new DataView(this.buffer.buffer);
  readonly #sink: ByteSink;
  /** For {@link encode}; a stream may have hundreds of thousands of small structures. */
  readonly #writer = new ByteWriter();
  /** Absolute offset of `buffer[0]`. */
  #base: number;
  #length = 0;

  /** Writes to `sink`; its first byte stands at absolute offset `offset` of the output. */
  constructor(sink: ByteSink, offset = 0) {
    this.#sink = sink;
    this.#base = offset;
  }

  /** Absolute offset of the next byte. */
  get offset(): number {
    return this.#base + this.#length;
  }

  /** Bytes that {@link room} gives without passing anything on. */
  get freeBytes(): number {
    return this.buffer.length - this.#length;
  }

  /** Index in the buffer of the next `count` bytes, at most the buffer's size, which the caller fills. */
  room(count: number): number {
    if (count > this.freeBytes) this.flush();
    const at = this.#length;
    this.#length += count;
    return at;
  }

  /** Writes bytes; many at once are not copied. */
  write(bytes: Uint8Array): void {
    if (bytes.length >= DIRECT_BYTES) {
      this.flush();
      this.#sink.write(bytes);
      this.#base += bytes.length;
      return;
    }
    const at = this.room(bytes.length);
    this.buffer.set(bytes, at);
  }

  /** Writes zeros. */
  hole(lengthBytes: number): void {
    if (lengthBytes > SMALL_HOLE_BYTES) {
      this.flush();
      this.#sink.hole(lengthBytes);
      this.#base += lengthBytes;
      return;
    }
    const at = this.room(lengthBytes);
    this.buffer.fill(0, at, at + lengthBytes);
  }

  /** Writes what an encoder writes. */
  encode(encoder: (writer: ByteWriter) => void): void {
    const writer = this.#writer;
    writer.clear(this.offset);
    encoder(writer);
    this.write(writer.written);
  }

  /** Passes on what is in the buffer. */
  flush(): void {
    if (this.#length === 0) return;
    const length = this.#length;
    this.#length = 0;
    this.#base += length;
    this.#sink.write(this.buffer.subarray(0, length));
  }
}
