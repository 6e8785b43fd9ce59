/**
 * Makes the compressed files of this folder with the real programs (gzip, bzip2, xz, lzop and zstd must be installed):
 *
 * ```sh
 * deno run -R -W --allow-run=sh testdata/compressed/generate.ts
 * ```
 *
 * @module
 */

import { FIXTURES, ORIGINAL_NAMES, originalBytes, UNSUPPORTED } from "../../tests/compressed.ts";

/** In the headers of gzip and lzop; the same every time. */
const TIME = new Date("2026-01-01T00:00:00Z");

const folder = Deno.makeTempDirSync();
try {
  for (const name of ORIGINAL_NAMES) {
    Deno.writeFileSync(`${folder}/${name}`, originalBytes(name));
    Deno.utimeSync(`${folder}/${name}`, TIME, TIME);
  }
  for (const { file, command } of [...FIXTURES, ...UNSUPPORTED]) {
    const shell = new Deno.Command("sh", { args: ["-c", command], cwd: folder });
    const { success, stdout, stderr } = shell.outputSync();
    if (!success) throw new Error(`${command}: ${new TextDecoder().decode(stderr)}`);
    Deno.writeFileSync(new URL(file, import.meta.url), stdout);
  }
} finally {
  Deno.removeSync(folder, { recursive: true });
}
