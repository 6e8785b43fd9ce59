/**
 * The compressors and decompressors of the runtime's zlib and zstd, driven synchronously.
 *
 * `node:zlib` offers whole buffers, which is no way to read what is larger than memory, and streams, which are asynchronous and, for zstd,
 * three times slower. The object behind such a stream has a synchronous `writeSync` that decompresses from one buffer straight into
 * another; Node's own synchronous functions are built on it, and Deno has it for that reason. It is no documented interface, so all use of it is in
 * this file, and a runtime without it is told apart from damaged data.
 *
 * @module
 */

/** What stands behind a `node:zlib` stream. */
interface Handle {
  /** Called with the reason when zlib finds the data damaged. zstd throws instead. */
  onerror: (reason: string) => void;
  writeSync(
    flush: number,
    input: Uint8Array,
    inputStart: number,
    inputBytes: number,
    into: Uint8Array,
    intoStart: number,
    intoBytes: number,
  ): void;
  reset(): void;
  close(): void;
}

/** The part of a `node:zlib` stream that is used. */
interface Stream {
  readonly _handle?: Handle;
  /** After a write: room left in the output, bytes left of the input. */
  readonly _writeState?: Uint32Array;
}

const NO_FLUSH = 0;
const NO_BYTES = new Uint8Array(0);

/** A compressor or decompressor of the runtime. What it throws says why the data is damaged; its errors are plain ones. */
export class RuntimeStream implements Disposable {
  /** Bytes of the input that the last {@link run} used up. */
  consumed = 0;
  /** Bytes that the last {@link run} wrote. */
  produced = 0;
  readonly #handle: Handle;
  readonly #state: Uint32Array;
  readonly #flush: number;
  #failure: string | undefined;

  /**
   * Takes over what `zlib.createInflateRaw()` or `zlib.createZstdCompress()` made.
   *
   * @param flush What a run does at the end of its input, unless it is told otherwise: a constant of zlib or of zstd. Default: nothing.
   */
  constructor(created: unknown, flush: number = NO_FLUSH) {
    this.#flush = flush;
    const stream = created as Stream;
    if (typeof stream._handle?.writeSync !== "function" || stream._writeState === undefined) {
      throw new TypeError("This runtime has no synchronous zlib that reads piece by piece");
    }
    this.#handle = stream._handle;
    this.#state = stream._writeState;
    this.#handle.onerror = (reason) => this.#failure = reason;
  }

  /** Takes from `input` (`start` to `end`) and writes into `into` until one of them is used up or the compressed data ends. */
  run(
    input: Uint8Array,
    start: number,
    end: number,
    into: Uint8Array,
    flush: number = this.#flush,
  ): void {
    const length = end - start;
    this.#handle.writeSync(flush, input, start, length, into, 0, into.length);
    if (this.#failure !== undefined) {
      const reason = this.#failure;
      this.#failure = undefined;
      throw new Error(reason);
    }
    this.produced = into.length - this.#state[0]!;
    this.consumed = length - this.#state[1]!;
  }

  /** Writes what did not fit into the output of the last {@link run}. */
  drain(into: Uint8Array): void {
    this.run(NO_BYTES, 0, 0, into);
  }

  /** Makes it ready for new data. */
  reset(): void {
    this.#handle.reset();
    this.#failure = undefined;
  }

  /** Frees its memory. */
  [Symbol.dispose](): void {
    // The stream's own `close` waits for a turn of the event loop, which does not come while data is read synchronously.
    this.#handle.close();
  }
}
