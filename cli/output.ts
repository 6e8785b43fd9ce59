/**
 * Standard output and standard error: buffered, synchronous, and quiet when the reader at the other end has gone.
 *
 * @module
 */

/** Thrown when nobody reads standard output any more (`| head`). */
export class OutputClosed extends Error {
  /** Makes the error. */
  constructor() {
    super("standard output was closed");
    this.name = "OutputClosed";
  }
}

/** Takes the bytes of an {@link Output}; `Deno.stdout` is one. */
export interface SyncWriter {
  /** Writes some bytes and returns how many. */
  writeSync(bytes: Uint8Array): number;
}

const BUFFER_BYTES = 64 * 1024;
const encoder = new TextEncoder();

/** Buffered text and bytes to one file. */
export class Output {
  readonly #writer: SyncWriter;
  readonly #buffer = new Uint8Array(BUFFER_BYTES);
  #length = 0;

  /** Writes to `writer`. */
  constructor(writer: SyncWriter) {
    this.#writer = writer;
  }

  /** Writes text. */
  text(text: string): void {
    // Pieces that surely fit are encoded in place; a UTF-16 unit takes at most three bytes.
    for (let start = 0; start < text.length;) {
      if (BUFFER_BYTES - this.#length < 4) this.flush();
      const { read, written } = encoder.encodeInto(
        start === 0 ? text : text.slice(start),
        this.#buffer.subarray(this.#length),
      );
      this.#length += written;
      start += read;
    }
  }

  /** Writes text and a line break. */
  line(text = ""): void {
    this.text(text);
    this.text("\n");
  }

  /** Writes bytes. */
  bytes(bytes: Uint8Array): void {
    if (bytes.length > BUFFER_BYTES - this.#length) this.flush();
    if (bytes.length >= BUFFER_BYTES) return this.#write(bytes);
    this.#buffer.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  /** Writes what is buffered. */
  flush(): void {
    const length = this.#length;
    this.#length = 0;
    this.#write(this.#buffer.subarray(0, length));
  }

  #write(bytes: Uint8Array): void {
    try {
      for (let done = 0; done < bytes.length;) {
        done += this.#writer.writeSync(bytes.subarray(done));
      }
    } catch (error) {
      if (error instanceof Deno.errors.BrokenPipe) throw new OutputClosed();
      throw error;
    }
  }
}
