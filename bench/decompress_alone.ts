/**
 * Decompresses files with the runtime's engines, each one stream without an end, and does nothing with what comes out.
 *
 * @module
 */

import * as zlib from "node:zlib";

/** Decompresses a file and returns the number of bytes. */
async function decompress(method: string, path: string): Promise<number> {
  const engine = method === "zstd" ? zlib.createZstdDecompress() : zlib.createInflate();
  let bytes = 0;
  engine.on("data", (part: Uint8Array) => bytes += part.length);
  // The streams are cut off where the migration ended.
  const ended = new Promise((resolve) => engine.on("error", resolve).on("close", resolve));
  using file = Deno.openSync(path);
  const buffer = new Uint8Array(1 << 20);
  for (;;) {
    const got = file.readSync(buffer);
    if (got === null) break;
    if (!engine.write(buffer.slice(0, got))) {
      await new Promise((resolve) => engine.once("drain", resolve));
    }
  }
  engine.end();
  await ended;
  return bytes;
}

if (import.meta.main) {
  const [method = "", ...paths] = Deno.args;
  let total = 0;
  for (const path of paths) total += await decompress(method, path);
  console.log(`${total} bytes`);
}
