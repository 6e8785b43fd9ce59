/**
 * Opens compressed data by the name of its compression.
 *
 * @module
 */

import { ByteReader } from "../../format/reader.ts";
import type { ByteSource } from "../../format/source.ts";
import type { Compression } from "./compression.ts";
import { type Decoder, DecoderReader, type Decompressor, ofCompression } from "./decompressor.ts";

/** Each is loaded when it is needed: nobody waits for what isn't. */
const DECODERS: Readonly<
  Record<Compression, (reader: ByteReader, notes: string[]) => Promise<Decoder>>
> = {
  gzip: async (reader, notes) => (await import("./gzip.ts")).GzipDecoder.open(reader, notes),
  bzip2: async (reader, notes) => new (await import("./bzip2.ts")).Bzip2Decoder(reader, notes),
  xz: async (reader) => (await import("./xz.ts")).XzDecoder.open(reader),
  lzop: async (reader, notes) => (await import("./lzop.ts")).LzopDecoder.open(reader, notes),
  zstd: async (reader, notes) => (await import("./zstd.ts")).ZstdDecoder.open(reader, notes),
};

/**
 * Decompresses what `source` holds from `offset` on, to its end. The source is read forward only, in bounded memory.
 *
 * @example
 * ```ts
 * import { BytesSource } from "../../format/source.ts";
 * import { openDecompressor } from "./open.ts";
 *
 * const gzip = Uint8Array.fromBase64("H4sIAAAAAAAAA8tIzcnJBwCGphA2BQAAAA==");
 * using data = await openDecompressor("gzip", new BytesSource(gzip), 0);
 * const into = new Uint8Array(100);
 * console.log(new TextDecoder().decode(into.subarray(0, data.readSync(into) ?? 0))); // hello
 * ```
 */
export async function openDecompressor(
  compression: Compression,
  source: ByteSource,
  offset: number,
): Promise<Decompressor> {
  const reader = new ByteReader(source, { offset });
  const notes: string[] = [];
  try {
    return new DecoderReader(reader, await DECODERS[compression](reader, notes), notes);
  } catch (error) {
    throw ofCompression(error);
  }
}
