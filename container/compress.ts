/**
 * Compresses a file while it is written, by the runtime's zlib and zstd.
 *
 * @module
 */

import { builtinZlib } from "./builtin_zlib.ts";
import type { FileCompression } from "./file_compressions.ts";
import { RuntimeStream } from "./decompress/runtime_stream.ts";

/** Bytes of compressed data that are made at once. */
const OUTPUT_BYTES = 256 * 1024;
const NO_BYTES = new Uint8Array(0);

/** Compresses what is written to it. */
export class FileCompressor implements Disposable {
  readonly #stream: RuntimeStream;
  readonly #end: number;
  readonly #write: (bytes: Uint8Array) => void;
  readonly #output = new Uint8Array(OUTPUT_BYTES);

  /** Passes compressed bytes, valid during the call, to `write`. */
  constructor(compression: FileCompression, write: (bytes: Uint8Array) => void) {
    const { constants, createGzip, createZstdCompress } = builtinZlib();
    const isGzip = compression === "gzip";
    this.#stream = new RuntimeStream(isGzip ? createGzip() : createZstdCompress());
    this.#end = isGzip ? constants.Z_FINISH : constants.ZSTD_e_end;
    this.#write = write;
  }

  /** Takes bytes. */
  write(bytes: Uint8Array): void {
    for (let done = 0; done < bytes.length;) {
      this.#stream.run(bytes, done, bytes.length, this.#output);
      done += this.#stream.consumed;
      this.#pass();
    }
  }

  #pass(): void {
    const { produced } = this.#stream;
    if (produced > 0) this.#write(this.#output.subarray(0, produced));
  }

  /** Writes what is left and the format's end. */
  finish(): void {
    do {
      this.#stream.run(NO_BYTES, 0, 0, this.#output, this.#end);
      this.#pass();
    } while (this.#stream.produced === this.#output.length);
  }

  /** Frees its memory. */
  [Symbol.dispose](): void {
    this.#stream[Symbol.dispose]();
  }
}
