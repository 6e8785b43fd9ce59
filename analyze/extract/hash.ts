/**
 * SHA-256 of large files, in steps.
 *
 * @module
 */

import type { RandomAccessFile } from "../memory/block_writer.ts";
import type { ExtractionProgress } from "./blocks.ts";

/** A hash that takes its input piece by piece. */
export interface Hash {
  /** Takes bytes. */
  update(bytes: Uint8Array): unknown;
  /** Gives the hash in hexadecimal digits. */
  digest(encoding: "hex"): string;
}

/** Makes a SHA-256. */
export type NewHash = () => Hash;

/** Loads the runtime's SHA-256. */
export async function loadSha256(): Promise<NewHash> {
  const { createHash } = await import("node:crypto");
  return () => createHash("sha256");
}

/** Bytes read at once. */
const CHUNK_BYTES = 1 << 20;

/** Hashes the first `sizeBytes` bytes of a file. */
export function* hashSteps(
  file: RandomAccessFile,
  sizeBytes: number,
  newHash: NewHash,
): Generator<ExtractionProgress, string, undefined> {
  const hash = newHash();
  const buffer = new Uint8Array(Math.min(CHUNK_BYTES, sizeBytes));
  for (let done = 0; done < sizeBytes;) {
    const part = buffer.subarray(0, Math.min(buffer.length, sizeBytes - done));
    file.readAt(done, part);
    hash.update(part);
    done += part.length;
    yield { phase: "sha256", doneBytes: done, totalBytes: sizeBytes };
  }
  return hash.digest("hex");
}
