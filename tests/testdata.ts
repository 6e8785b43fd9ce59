/**
 * Access to the recorded streams in `testdata/`, for tests. Works from every directory and needs
 * only `-R`.
 *
 * ```ts
 * import { caseNames, loadStream, loadTruth } from "./testdata.ts";
 *
 * for (const name of caseNames()) {
 *   const bytes = loadStream(name);
 *   const { ramBlocks } = loadTruth(name);
 * }
 * ```
 *
 * @module
 */

import { zstdDecompressSync } from "node:zlib";
import type { FileRole, Manifest, StreamFile, TestCase, Truth } from "../testdata/manifest.ts";

export type { FileRole, Manifest, StreamFile, TestCase, Truth };

const FOLDER = new URL("../testdata/", import.meta.url);

let manifest: Manifest | undefined;
const decompressed = new Map<string, WeakRef<Uint8Array<ArrayBuffer>>>();

/** The manifest, read once. */
export function loadManifest(): Manifest {
  manifest ??= JSON.parse(Deno.readTextFileSync(new URL("manifest.json", FOLDER))) as Manifest;
  return manifest;
}

/** Names of the cases that `filter` accepts, in the order of the manifest. */
export function caseNames(filter: (testCase: TestCase) => boolean = () => true): string[] {
  return loadManifest().cases.filter(filter).map(({ name }) => name);
}

/** One case. */
export function loadCase(name: string): TestCase {
  const found = loadManifest().cases.find((testCase) => testCase.name === name);
  if (found === undefined) throw new Error(`No test data named ${name}`);
  return found;
}

/** What the QEMU that wrote the stream said about its guest. */
export function loadTruth(name: string): Truth {
  return loadCase(name).truth;
}

/** The files of one role, multifd channels in the order of their numbers. */
export function filesOf(name: string, role: FileRole): StreamFile[] {
  return loadCase(name).files.filter((file) => file.role === role);
}

/** Path of a file in `testdata/`, e.g. of a stream that is stored plain. */
export function testdataPath(file: string): string {
  return decodeURIComponent(new URL(file, FOLDER).pathname);
}

/**
 * The bytes of a case, decompressed: of its stream (or main channel), or of the given file.
 *
 * Callers may change the result: it is a copy of their own.
 */
export function loadStream(name: string, file?: StreamFile): Uint8Array<ArrayBuffer> {
  const wanted = file ?? loadCase(name).files[0];
  if (wanted === undefined) throw new Error(`No files for ${name}`);
  const cached = decompressed.get(wanted.file)?.deref();
  if (cached !== undefined) return cached.slice();
  const stored = Deno.readFileSync(new URL(wanted.file, FOLDER));
  const bytes = wanted.file.endsWith(".zst") ? new Uint8Array(zstdDecompressSync(stored)) : stored;
  decompressed.set(wanted.file, new WeakRef(bytes));
  return bytes.slice();
}

/** Calls `use` with the path of a temporary file that holds `bytes`; needs `-W`. */
export async function withTempFile<T>(
  bytes: Uint8Array,
  use: (path: string) => T | Promise<T>,
): Promise<T> {
  const path = await Deno.makeTempFile({ suffix: ".mig" });
  try {
    await Deno.writeFile(path, bytes);
    return await use(path);
  } finally {
    await Deno.remove(path);
  }
}
