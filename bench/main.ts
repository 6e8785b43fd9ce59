/**
 * The benchmarks: whole processes on streams as large as real ones, beside the programs one would use otherwise.
 *
 * ```text
 * deno task bench [--smoke] [--script analyze-migration.py] [--pairs N] [--only TEXT] [--dir FOLDER] [--keep]
 * ```
 *
 * @module
 */

import { format as formatBytes } from "@std/fmt/bytes";
import { parseArgs } from "@std/cli/parse-args";
import {
  type Input,
  listComparisons,
  runScript,
  type Script,
  type Setting,
} from "./comparisons.ts";
import { CONVERT_FILES, convertComparisons } from "./convert.ts";
import { DIFF_FILES, diffComparisons } from "./diff.ts";
import { writeClassicStream, writeMappedStream, type Written } from "./generate.ts";
import { halfZeroGuest, sparseGuest } from "./guest.ts";
import { loadRecording } from "./recording.ts";
import { MEMORY_FILES, memoryComparisons, prepareMemory } from "./memory.ts";
import { CAPTURE_FILES, multifdComparisons, writeCaptures } from "./multifd.ts";
import { outputOf, removeIfThere, succeeds } from "./run.ts";
import { formatTable, measure, type Row } from "./table.ts";
import { validateComparisons } from "./validate.ts";

const USAGE = `Usage: deno task bench [options]

  --smoke         small inputs, one pair each, no judgement: only shows that everything runs
  --script PATH   QEMU's analyze-migration.py to compare with (or set ANALYZE_MIGRATION);
                  bench/fetch_peer.sh gets one from Debian
  --pairs N       measured runs of each command (default 7)
  --only TEXT     only rows whose name contains this, e.g. "info"
  --dir FOLDER    where the inputs are written (default: a new folder in the system's temporary one)
  --keep          leave the inputs there
  --help          this text`;

const MIB = 2 ** 20;
const GIB = 2 ** 30;

/** What the command line asks for. */
interface Options {
  readonly smoke: boolean;
  readonly script: string | undefined;
  readonly pairs: number;
  readonly only: string;
  readonly dir: string | undefined;
  readonly keep: boolean;
}

function parseOptions(args: string[]): Options {
  const wrong: string[] = [];
  const flags = parseArgs(args, {
    boolean: ["smoke", "keep", "help"],
    string: ["script", "pairs", "only", "dir"],
    unknown: (arg) => {
      wrong.push(arg);
      return false;
    },
  });
  const script = flags.script ?? Deno.env.get("ANALYZE_MIGRATION");
  if (script !== undefined && !isFile(script)) wrong.push(`--script ${script}: no such file`);
  const pairs = Number(flags.pairs ?? (flags.smoke ? 1 : 7));
  if (!Number.isInteger(pairs) || pairs < 1) wrong.push(`--pairs ${flags.pairs}`);
  if (flags.help || wrong.length > 0) {
    console.log(wrong.length > 0 ? `Not understood: ${wrong.join(" ")}\n\n${USAGE}` : USAGE);
    Deno.exit(wrong.length > 0 ? 2 : 0);
  }
  return {
    smoke: flags.smoke,
    script: script === undefined ? undefined : Deno.realPathSync(script),
    pairs,
    only: flags.only ?? "",
    dir: flags.dir,
    keep: flags.keep,
  };
}

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

/** The Python behind the name `python3`. */
function findPython(): string {
  const args = ["-c", "import sys; print(sys.executable)"];
  return new TextDecoder().decode(outputOf({ program: "python3", args })).trim();
}

/** Writes the inputs and says what they are. */
function prepare(folder: string, { smoke, script: path }: Options): Setting {
  const recording = loadRecording();
  const ramBytes = smoke ? 32 * MIB : 2 * GIB;
  const sparseBytes = smoke ? GIB : 64 * GIB;
  const guest = halfZeroGuest(recording, ramBytes);
  const make = (file: string, name: string, write: (path: string) => Written): Input => {
    const start = performance.now();
    const input: Input = { name, path: `${folder}/${file}` };
    const { sizeBytes, zeroPages, normalPages } = write(input.path);
    const seconds = ((performance.now() - start) / 1000).toFixed(1);
    console.error(
      `${name}: ${formatBytes(sizeBytes)}, ${normalPages} pages with content, ` +
        `${zeroPages} zero; written in ${seconds} s`,
    );
    return input;
  };
  const size = (bytes: number): string => formatBytes(bytes, { binary: true }).replace(".00", "");
  const classic = make(
    "classic.mig",
    `classic ${size(ramBytes)}`,
    (path) => writeClassicStream(path, recording, guest),
  );
  const mapped = make(
    "mapped.mig",
    `mapped-ram ${size(ramBytes)}`,
    (path) => writeMappedStream(path, recording, guest),
  );
  const sparse = make(
    "sparse.mig",
    `mapped-ram ${size(sparseBytes)}`,
    (path) => writeMappedStream(path, recording, sparseGuest(recording, sparseBytes)),
  );
  const small: Input = { name: "pc.mig", path: "testdata/pc.mig" };
  const tiny: Input = { name: "none.mig", path: "testdata/none.mig" };
  const setting = { classic, mapped, sparse, small, tiny };
  if (path === undefined) return { ...setting, scriptReadsMapped: false };
  const script: Script = { interpreter: findPython(), path };
  return { ...setting, script, scriptReadsMapped: succeeds(runScript(script, mapped)) };
}

function printHeading(options: Options, setting: Setting): void {
  let cpu = Deno.build.arch as string;
  try {
    cpu = /^model name\s*: (.*)$/m.exec(Deno.readTextFileSync("/proc/cpuinfo"))?.[1] ?? cpu;
  } catch {
    // Only Linux says more than the architecture.
  }
  const memory = formatBytes(Deno.systemMemoryInfo().total, { binary: true });
  console.log(`Deno ${Deno.version.deno}, ${Deno.build.os} ${Deno.osRelease()}`);
  console.log(`${navigator.hardwareConcurrency} × ${cpu}, ${memory} of memory`);
  console.log(`medians of ${options.pairs} pair(s) of runs, page cache warm`);
  if (setting.script === undefined) {
    console.log(
      "*** QEMU's analyze-migration.py is not at hand: not compared with it. See --help.",
    );
  } else if (!setting.scriptReadsMapped) {
    console.log(
      "This analyze-migration.py does not read mapped-ram streams: a small classic one with",
    );
    console.log("the same devices stands in for them.");
  }
  if (options.smoke) console.log("*** --smoke: the inputs are too small to judge anything.");
  console.log();
}

function printResult(rows: readonly Row[]): void {
  for (const line of formatTable(rows)) console.log(line);
  const faults = rows.filter(({ fault }) => fault !== undefined);
  if (faults.length > 0) console.log();
  for (const { what, fault } of faults) console.log(`*** ${what}: ${fault}`);
  const missed = rows.filter(({ met }) => met === false);
  console.log(`\n${rows.length} rows, ${missed.length} target(s) missed, ${faults.length} failed`);
}

async function main(options: Options): Promise<number> {
  const folder = options.dir ?? Deno.makeTempDirSync({ prefix: "migstream-bench-" });
  Deno.mkdirSync(folder, { recursive: true });
  const inputs = ["classic.mig", "mapped.mig", "sparse.mig"];
  const names = [...inputs, ...CONVERT_FILES, ...DIFF_FILES, ...MEMORY_FILES, ...CAPTURE_FILES];
  const files = names
    .map((file) => `${folder}/${file}`);
  try {
    const setting = prepare(Deno.realPathSync(folder), options);
    printHeading(options, setting);
    const rows: Row[] = [];
    const memory = prepareMemory(Deno.realPathSync(folder), setting);
    const recording = loadRecording();
    const guest = halfZeroGuest(recording, options.smoke ? 32 * MIB : 2 * GIB);
    const captures = await writeCaptures(Deno.realPathSync(folder), recording, guest);
    const comparisons = [
      ...listComparisons(setting),
      ...convertComparisons(setting),
      ...validateComparisons(setting),
      ...memoryComparisons(memory),
      ...diffComparisons(memory),
      ...multifdComparisons(captures),
    ];
    for (const comparison of comparisons) {
      if (!comparison.what.includes(options.only)) continue;
      console.error(`measuring: ${comparison.what} (${comparison.kind})`);
      rows.push(await measure(comparison, { pairs: options.pairs, judge: !options.smoke }));
    }
    printResult(rows);
    return rows.some(({ fault }) => fault !== undefined) ? 1 : 0;
  } finally {
    if (!options.keep) {
      for (const file of files) removeIfThere(file);
      // Of a folder that was given, only what was put there is removed.
      if (options.dir === undefined) Deno.removeSync(folder);
    }
  }
}

if (import.meta.main) Deno.exit(await main(parseOptions(Deno.args)));
