/**
 * A temporary file for what memory should not hold.
 *
 * @module
 */

import { FormatError } from "../format/error.ts";
import { DEFAULT_LIMITS } from "../format/limits.ts";

/** An anonymous temporary file; it is removed when it is disposed of. */
export class TemporaryFile implements Disposable {
  readonly #path = Deno.makeTempFileSync({ prefix: "migstream-", suffix: ".tmp" });
  readonly #file = Deno.openSync(this.#path, { read: true, write: true });
  readonly #what: string;
  readonly #offset: number;

  /** Makes the file; for errors, `what` says what it is for, and `offset` is where the input was then. */
  constructor(what = "Too much has to be kept", offset = 0) {
    this.#what = what;
    this.#offset = offset;
  }

  /**
   * Writes bytes at a position.
   *
   * @throws {FormatError} `limit-exceeded` if the file would be too long
   */
  writeAt(position: number, bytes: Uint8Array): void {
    this.checkSize(position + bytes.length);
    try {
      this.#file.seekSync(position, Deno.SeekMode.Start);
      for (let done = 0; done < bytes.length;) done += this.#file.writeSync(bytes.subarray(done));
    } catch (cause) {
      // A full disk: of a file that nobody has named, the path says which one.
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new Error(`Cannot write the temporary file ${this.#path}: ${reason}`, { cause });
    }
  }

  /** Fails if the file may not be so long. */
  checkSize(sizeBytes: number): void {
    const { temporaryBytes } = DEFAULT_LIMITS;
    if (sizeBytes <= temporaryBytes) return;
    throw new FormatError("limit-exceeded", `${this.#what} for a temporary file`, {
      offset: this.#offset,
      expected: `at most ${temporaryBytes} bytes (limit temporaryBytes)`,
    });
  }

  /** Makes it empty. */
  clear(): void {
    this.#file.truncateSync(0);
  }

  /** Reads up to `into.length` bytes at a position; 0 at the end. */
  readAt(position: number, into: Uint8Array): number {
    this.#file.seekSync(position, Deno.SeekMode.Start);
    return this.#file.readSync(into) ?? 0;
  }

  /** Closes and removes the file. */
  [Symbol.dispose](): void {
    this.#file.close();
    Deno.removeSync(this.#path);
  }
}

/**
 * Makes a temporary file where that is allowed.
 *
 * @param what What has become too much, for the error.
 * @param memoryBytes The bound that was reached.
 * @param offset Absolute offset in the input, for the error.
 * @throws {FormatError} `limit-exceeded` without the permission to write.
 */
export function spillTo(what: string, memoryBytes: number, offset: number): TemporaryFile {
  if (Deno.permissions.querySync({ name: "write" }).state === "granted") {
    return new TemporaryFile(what, offset);
  }
  throw new FormatError(
    "limit-exceeded",
    `${what} for the memory, and temporary files are not allowed (-W)`,
    { offset, expected: `at most ${memoryBytes} bytes` },
  );
}
