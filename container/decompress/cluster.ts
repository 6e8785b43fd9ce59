/**
 * Compressed clusters of qcow2 images: small, of known size, read in any order, and followed by bytes of other clusters.
 *
 * @module
 */

import { RuntimeStream } from "./runtime_stream.ts";

/** How a cluster is compressed: raw deflate, or one zstd frame. */
export type ClusterCompression = "deflate" | "zstd";

/**
 * Decompresses the beginning of `bytes` to exactly `intoBytes`; what follows the compressed data there is ignored.
 *
 * @throws {Error} if the data is damaged or gives fewer bytes.
 */
export type ClusterInflate = (
  type: ClusterCompression,
  bytes: Uint8Array,
  intoBytes: number,
) => Uint8Array;

/** Loads zlib and zstd. */
export async function loadClusterInflate(): Promise<ClusterInflate> {
  const { createInflateRaw, createZstdDecompress } = await import("node:zlib");
  const create = {
    deflate: () => new RuntimeStream(createInflateRaw()),
    zstd: () => new RuntimeStream(createZstdDecompress()),
  };
  return (type, bytes, intoBytes) => {
    // A stream for each: one that was left inside of its data, at a damage or where enough was there, is not used again.
    using stream = create[type]();
    return inflate(stream, bytes, intoBytes);
  };
}

function inflate(stream: RuntimeStream, bytes: Uint8Array, intoBytes: number): Uint8Array {
  const result = new Uint8Array(intoBytes);
  let consumed = 0;
  let produced = 0;
  while (produced < intoBytes) {
    stream.run(bytes, consumed, bytes.length, result.subarray(produced));
    consumed += stream.consumed;
    produced += stream.produced;
    if (stream.consumed === 0 && stream.produced === 0) break;
  }
  if (produced < intoBytes) {
    throw new Error(`the cluster decompresses to ${produced} byte(s) of ${intoBytes}`);
  }
  return result;
}
