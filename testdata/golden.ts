/**
 * Makes `golden/`: what QEMU's own analyze-migration.py prints for the recorded streams.
 *
 * ```sh
 * deno run -A testdata/golden.ts --script PATH --release VERSION
 * ```
 *
 * PATH is `scripts/analyze-migration.py` of QEMU's source of that release; Python 3 runs it. It can't read every stream; for
 * what it fails at there is no file, and the manifest says so. Only the script's output is kept, never ours.
 *
 * @module
 */

import { constants, zstdCompressSync } from "node:zlib";
import { parseArgs } from "node:util";
import type { Golden, GoldenManifest } from "./golden_manifest.ts";
import type { Manifest, TestCase } from "./manifest.ts";
import { sha256 } from "./truth.ts";
import { loadStream } from "../tests/testdata.ts";

const HERE = new URL(".", import.meta.url);
const FOLDER = new URL("golden/", HERE);
const DUMPS = ["state", "desc"] as const;
/** Memory dumps are three times as large as the stream: of them only the checksum is kept. */
const MEMORY_MAX_BYTES = 300_000;

async function main(): Promise<void> {
  const { values } = parseArgs({
    args: Deno.args,
    options: { script: { type: "string" }, release: { type: "string" } },
  });
  const { script, release } = values;
  if (script === undefined || release === undefined) {
    throw new Error("--script PATH and --release VERSION are needed");
  }
  const { cases } = JSON.parse(
    await Deno.readTextFile(new URL("manifest.json", HERE)),
  ) as Manifest;
  await Deno.remove(FOLDER, { recursive: true }).catch(() => {});
  await Deno.mkdir(FOLDER);
  const goldens: Golden[] = [];
  for (const testCase of cases) goldens.push(await make(testCase, script));
  const manifest: GoldenManifest = {
    about: "What QEMU's analyze-migration.py prints, made by golden.ts.",
    script: { release, sha256: await sha256(await Deno.readFile(script)) },
    goldens,
  };
  const text = JSON.stringify(manifest, null, 1);
  await Deno.writeTextFile(new URL("manifest.json", FOLDER), `${text}\n`);
}

async function make(
  { name, streamOffset, capabilities }: TestCase,
  script: string,
): Promise<Golden> {
  // The script begins at the file's first byte; only mapped-ram has offsets that count from there.
  const isMapped = capabilities.includes("mapped-ram");
  const stream = loadStream(name).subarray(isMapped ? 0 : streamOffset);
  const path = await Deno.makeTempFile();
  const dumps: { state?: string; desc?: string } = {};
  let memory: string | undefined;
  try {
    await Deno.writeFile(path, stream);
    for (const dump of DUMPS) {
      const printed = await run(script, ["-f", path, "-d", dump]);
      if (printed === undefined) continue;
      dumps[dump] = await sha256(printed);
      const params = { [constants.ZSTD_c_compressionLevel]: 19 };
      const packed = zstdCompressSync(printed, { params });
      await Deno.writeFile(new URL(`${name}.${dump}.json.zst`, FOLDER), packed);
    }
    if (dumps.state !== undefined && stream.length <= MEMORY_MAX_BYTES) {
      const printed = await run(script, ["-f", path, "-m"]);
      memory = printed === undefined ? undefined : await sha256(printed);
    }
  } finally {
    await Deno.remove(path);
  }
  console.log(name, Object.keys(dumps).join(" ") || "fails", memory === undefined ? "" : "memory");
  return { name, ...dumps, ...(memory === undefined ? {} : { memory }) };
}

/** What the script prints, or undefined if it fails. */
async function run(script: string, args: string[]): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const { success, stdout } = await new Deno.Command("python3", { args: [script, ...args] })
    .output();
  return success ? new Uint8Array(stdout) : undefined;
}

await main();
