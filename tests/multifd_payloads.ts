/**
 * Compressed payloads of multifd channels, and what they decompress to.
 *
 * @module
 */

import { crc32, deflateRawSync, deflateSync } from "node:zlib";
import { loadMultifdCompressors, newMultifdDecompressor } from "../container/multifd_decompress.ts";
import type { MultifdCompressor, MultifdDecompressor } from "../format/multifd/compression.ts";
import type { MultifdMethod } from "../format/multifd/flags.ts";
import { encodePageParts } from "../format/multifd/page_payload.ts";
import { encodeQatzipMember } from "../format/multifd/qatzip.ts";
import { written } from "./annotated.ts";
import { originalBytes } from "./compressed.ts";
import { PAGE_BYTES } from "./multifd_channels.ts";

/** Makes a decompressor for a channel. */
export const newDecompressor: () => MultifdDecompressor = newMultifdDecompressor;
/** Makes a compressor for a channel. */
export const newCompressor: (method: "zlib" | "zstd", level?: number) => MultifdCompressor =
  await loadMultifdCompressors();

/** The methods that compress. */
export type Compressed = Exclude<MultifdMethod, "none">;
/** All of them. */
export const METHODS: readonly Compressed[] = ["zlib", "zstd", "qpl", "uadk", "qatzip"];

/** Cuts bytes into pieces of a size. */
function pieces(bytes: Uint8Array, size: number): Uint8Array[] {
  const count = Math.ceil(bytes.length / size);
  return Array.from({ length: count }, (_, at) => bytes.subarray(at * size, (at + 1) * size));
}

/** A packet of QATzip. */
export function qatzip(pages: Uint8Array): Uint8Array {
  const deflated = deflateRawSync(pages);
  return written((writer) => encodeQatzipMember(writer, deflated, crc32(pages), pages.length));
}

/** The payloads of packets with the given pages, as one channel has them. */
export function compress(
  method: Compressed,
  packets: readonly Uint8Array[],
  level = 1,
): Uint8Array[] {
  if (method === "zlib" || method === "zstd") {
    using compressor = newCompressor(method, level);
    return packets.map((pages) => compressor.compress(pages).slice());
  }
  if (method === "qatzip") return packets.map(qatzip);
  const deflate = method === "qpl" ? deflateRawSync : deflateSync;
  return packets.map((pages) => {
    const parts = pieces(pages, PAGE_BYTES).map((page) => {
      const deflated = new Uint8Array(deflate(page));
      return deflated.length < PAGE_BYTES ? deflated : page;
    });
    return written((writer) => encodePageParts(writer, parts));
  });
}

/** What payloads decompress to, one after the other. */
export function decompress(
  method: Compressed,
  payloads: readonly Uint8Array[],
  sizes: readonly number[],
): Uint8Array[] {
  using decompressor = newDecompressor();
  return payloads.map((payload, index) => {
    const into = new Uint8Array(sizes[index]!);
    decompressor.decompress(method, payload, into, PAGE_BYTES);
    return into;
  });
}

const mixed = originalBytes("mixed");
/** The pages of some packets. */
export const PACKETS: readonly Uint8Array[] = [1, 7, 128, 2].map((pages, index) =>
  Uint8Array.from(
    { length: pages * PAGE_BYTES },
    (_, at) => mixed[(at + index * 99) % mixed.length]!,
  )
);
/** How many bytes those are. */
export const SIZES: readonly number[] = PACKETS.map(({ length }) => length);
