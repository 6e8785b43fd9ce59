/**
 * A temporary file for what memory should not hold.
 *
 * @module
 */

import { FormatError } from "../format/error.ts";

/** An anonymous temporary file; it is removed when it is disposed of. */
export class TemporaryFile implements Disposable {
  readonly #path = Deno.makeTempFileSync({ prefix: "migstream-", suffix: ".tmp" });
  readonly #file = Deno.openSync(this.#path, { read: true, write: true });

  /** Writes bytes at a position. */
  writeAt(position: number, bytes: Uint8Array): void {
    this.#file.seekSync(position, Deno.SeekMode.Start);
    for (let done = 0; done < bytes.length;) done += this.#file.writeSync(bytes.subarray(done));
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
  if (Deno.permissions.querySync({ name: "write" }).state === "granted") return new TemporaryFile();
  throw new FormatError(
    "limit-exceeded",
    `${what} for the memory, and temporary files are not allowed (-W)`,
    { offset, expected: `at most ${memoryBytes} bytes` },
  );
}
