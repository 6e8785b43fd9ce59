/**
 * Which clusters of an image are in use, so that two uses of one show.
 *
 * @module
 */

import { FormatError } from "../../format/error.ts";

const CHUNK_BYTES = 4096;
const CHUNK_CLUSTERS = CHUNK_BYTES * 8;
/** Chunks that are allocated at most: 64 MiB, for 512 million clusters side by side. */
const MAX_CHUNKS = 16384;

/** One bit a cluster, in chunks that are allocated when they are needed. */
export class ClusterMarks {
  readonly #chunks = new Map<number, Uint8Array>();

  /** Marks a cluster by its number; false if it was marked before. `offset` is where it is referred to, for the error. */
  mark(cluster: number, offset: number): boolean {
    const number = Math.floor(cluster / CHUNK_CLUSTERS);
    const chunk = this.#chunks.get(number) ?? this.#allocate(number, offset);
    const bit = cluster % CHUNK_CLUSTERS;
    const mask = 1 << (bit & 7);
    const before = chunk[bit >> 3]!;
    chunk[bit >> 3] = before | mask;
    return (before & mask) === 0;
  }

  #allocate(number: number, offset: number): Uint8Array {
    if (this.#chunks.size >= MAX_CHUNKS) {
      throw new FormatError("limit-exceeded", "The vm state's clusters lie too far apart", {
        offset,
        path: ["qcow2 image"],
        rule: "LIM-001",
        expected: `at most ${MAX_CHUNKS} regions of ${CHUNK_CLUSTERS} clusters`,
      });
    }
    const chunk = new Uint8Array(CHUNK_BYTES);
    this.#chunks.set(number, chunk);
    return chunk;
  }
}
