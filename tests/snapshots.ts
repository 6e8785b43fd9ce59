/**
 * Access to the qcow2 images in `testdata/snapshots/`, for tests.
 *
 * @module
 */

import { zstdDecompressSync } from "node:zlib";
import { ByteReader } from "../format/reader.ts";
import type { ByteSource } from "../format/source.ts";
import type { DiskTruth, SnapshotManifest } from "../testdata/snapshots/manifest.ts";
import { loadCase, loadStream } from "./testdata.ts";

const FOLDER = new URL("../testdata/snapshots/", import.meta.url);

/** The manifest. */
export function loadSnapshotManifest(): SnapshotManifest {
  return JSON.parse(Deno.readTextFileSync(new URL("manifest.json", FOLDER)));
}

/** The bytes of an image. */
export function loadImage({ file }: { readonly file: string }): Uint8Array<ArrayBuffer> {
  return new Uint8Array(zstdDecompressSync(Deno.readFileSync(new URL(file, FOLDER))));
}

/** The bytes of an image whose disk is a stream, with the snapshot of the disk made one of a state; and the stream. */
export function loadCompressedState(disk: DiskTruth): {
  readonly image: Uint8Array<ArrayBuffer>;
  readonly stream: Uint8Array<ArrayBuffer>;
} {
  const image = loadImage(disk);
  const stream = loadStream(disk.stream, loadCase(disk.stream).files[0]!);
  const view = new DataView(image.buffer);
  const entry = Number(view.getBigUint64(64));
  view.setUint32(entry + 32, stream.length);
  view.setBigUint64(entry + 40, BigInt(stream.length));
  view.setBigUint64(entry + 48, 0n);
  return { image, stream };
}

/** All bytes of a source from an offset on. */
export function readAll(source: ByteSource, offset = 0): Uint8Array {
  return new ByteReader(source, { offset }).bytesUpTo(1 << 30, "everything");
}

/** Lower-case hexadecimal SHA-256. */
export async function sha256(bytes: Uint8Array): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", new Uint8Array(bytes));
  return new Uint8Array(digest).toHex();
}
