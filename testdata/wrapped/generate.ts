/**
 * Makes the compressed streams of this folder with the real programs, as libvirt does; gzip and zstd are in the runtime, and tests compress by
 * themselves.
 *
 * ```sh
 * deno run -R -W --allow-run=sh testdata/wrapped/generate.ts
 * ```
 *
 * @module
 */

import { zstdDecompressSync } from "node:zlib";

const COMMANDS = { bz2: "bzip2 -c", xz: "xz -c", lzo: "lzop -c" } as const;
const STREAM = "pc-stopped";

const stored = Deno.readFileSync(new URL(`../${STREAM}.zst`, import.meta.url));
const folder = Deno.makeTempDirSync();
try {
  Deno.writeFileSync(`${folder}/stream`, zstdDecompressSync(stored));
  for (const [suffix, command] of Object.entries(COMMANDS)) {
    const args = ["-c", `${command} < stream`];
    const { success, stdout, stderr } = new Deno.Command("sh", { args, cwd: folder }).outputSync();
    if (!success) throw new Error(`${command}: ${new TextDecoder().decode(stderr)}`);
    Deno.writeFileSync(new URL(`${STREAM}.${suffix}`, import.meta.url), stdout);
  }
} finally {
  Deno.removeSync(folder, { recursive: true });
}
