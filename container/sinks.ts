/**
 * Sinks for encoded bytes: files, and whatever takes bytes as `Deno.stdout` and sockets do.
 *
 * @module
 */

import type { ByteSink } from "../format/sink.ts";
import type { OutputFile } from "./output_file.ts";

/** Writes to a file that gets its name when it is complete; zeros stay holes. */
export class FileSink implements ByteSink {
  readonly #file: OutputFile;
  #position: number;

  /** Writes to `file` from `position` on. {@link finish} has to be called before the file is committed. */
  constructor(file: OutputFile, position = 0) {
    this.#file = file;
    this.#position = position;
  }

  /** Absolute offset in the file of the next byte. */
  get position(): number {
    return this.#position;
  }

  /** Writes all of `bytes`. */
  write(bytes: Uint8Array): void {
    this.#file.writeAt(this.#position, bytes);
    this.#position += bytes.length;
  }

  /** Leaves a hole. */
  hole(lengthBytes: number): void {
    this.#position += lengthBytes;
  }

  /** Makes the file as long as what was written: a hole at its end counts, too. */
  finish(): void {
    this.#file.setSize(this.#position);
  }
}

/** Takes bytes, some at a time; `Deno.stdout` does. */
export interface SyncByteWriter {
  /** Writes some of the bytes and returns how many. */
  writeSync(bytes: Uint8Array): number;
}

/** Zeros that are written at once. */
const ZEROS = new Uint8Array(64 * 1024);

/** Writes to anything with `writeSync`. */
export class WriterSink implements ByteSink {
  readonly #writer: SyncByteWriter;

  /** Writes to `writer`. */
  constructor(writer: SyncByteWriter) {
    this.#writer = writer;
  }

  /** Writes all of `bytes`. */
  write(bytes: Uint8Array): void {
    for (let done = 0; done < bytes.length;) done += this.#writer.writeSync(bytes.subarray(done));
  }

  /** Writes zeros. */
  hole(lengthBytes: number): void {
    for (let left = lengthBytes; left > 0; left -= ZEROS.length) {
      this.write(left < ZEROS.length ? ZEROS.subarray(0, left) : ZEROS);
    }
  }
}
