/**
 * Streams in the wrappers that libvirt and people put around them, for tests.
 *
 * @module
 */

import { gzipSync, zstdCompressSync } from "node:zlib";
import { encodeLibvirtSave, type LibvirtFormat, type LibvirtSave } from "../container/libvirt.ts";
import type { Compression } from "../container/decompress/compression.ts";
import { ByteWriter } from "../format/writer.ts";
import { loadStream } from "./testdata.ts";

/** The case whose stream is wrapped. */
export const WRAPPED_CASE = "pc-stopped";

/** Its stream. */
export const WRAPPED_STREAM: Uint8Array<ArrayBuffer> = loadStream(WRAPPED_CASE);

const SUFFIXES = { bzip2: "bz2", xz: "xz", lzop: "lzo" } as const;

/** Compresses with gzip. */
export function gzip(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(gzipSync(bytes));
}

/** Compresses with zstd. */
export function zstd(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(zstdCompressSync(bytes));
}

/** The stream of {@link WRAPPED_CASE}, compressed. */
export function compressedStream(compression: Compression): Uint8Array<ArrayBuffer> {
  if (compression === "gzip") return gzip(WRAPPED_STREAM);
  if (compression === "zstd") return zstd(WRAPPED_STREAM);
  const file = `${WRAPPED_CASE}.${SUFFIXES[compression]}`;
  return Deno.readFileSync(new URL(`../testdata/wrapped/${file}`, import.meta.url));
}

/** The XML of a domain. */
export const DOMAIN_XML = `<domain type='kvm'>
  <name>web &amp; mail</name>
  <uuid>12345678-9abc-def0-1122-334455667788</uuid>
</domain>
`;

/** What stands before the stream in an image. */
export function libvirtSaveOf(save: Partial<LibvirtSave> = {}): LibvirtSave {
  return {
    version: 2,
    byteOrder: "little",
    wasRunning: false,
    format: "raw",
    xml: new TextEncoder().encode(DOMAIN_XML),
    cookie: new TextEncoder().encode("<cookie/>\n"),
    reserveBytes: 65536,
    ...save,
  };
}

/** An image of libvirt with a payload. */
export function libvirtImage(
  save: Partial<LibvirtSave>,
  payload: Uint8Array,
): Uint8Array<ArrayBuffer> {
  const writer = new ByteWriter();
  encodeLibvirtSave(writer, libvirtSaveOf(save));
  writer.bytes(payload);
  return new Uint8Array(writer.finish());
}

/** The stream of {@link WRAPPED_CASE} as libvirt stores it in a format. */
export function payloadOf(format: LibvirtFormat): Uint8Array<ArrayBuffer> {
  return format === "raw" || format === "sparse" ? WRAPPED_STREAM : compressedStream(format);
}
