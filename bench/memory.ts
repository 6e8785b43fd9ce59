/**
 * The benchmarks of what reads the guest's memory: extracting, searching, compressed images.
 *
 * @module
 */

import type { Comparison, Input, Setting, TimeTarget } from "./comparisons.ts";
import { runScript } from "./comparisons.ts";
import { writeClassicStream } from "./generate.ts";
import { sparseGuest } from "./guest.ts";
import { loadRecording } from "./recording.ts";
import { type CommandLine, outputOf, shell, succeeds } from "./run.ts";

/** What there is beyond the setting of the other benchmarks. */
export interface MemorySetting extends Setting {
  /** Folder for what is written. */
  readonly folder: string;
  /** The guest's main memory as a file of its own. */
  readonly ram: Input;
  /** The classic stream, compressed. */
  readonly compressed: readonly (Input & { readonly decompressor: string })[];
  /** A classic stream of a large guest, nearly all zero. */
  readonly zeros: Input;
}

/** Names of the files that {@link prepareMemory} writes into the folder. */
export const MEMORY_FILES: readonly string[] = [
  "pc.ram",
  "ram.json",
  "classic.mig.gz",
  "classic.mig.zst",
  "zeros.mig",
  "extracted",
  "copy.ram",
];

const CLI = "cli.ts";
const GIB = 2 ** 30;
const MEMORY_LIMIT_BYTES = 300_000_000;

/** As near to copying as it gets. */
const LIKE_COPYING: TimeTarget = { factor: 1.3, plusSeconds: 0 };
/** Three times as fast. */
const THIRD: TimeTarget = { factor: 1 / 3, plusSeconds: 0 };
/** Decompression is nearly all there is to do. */
const LIKE_DECOMPRESSING: TimeTarget = { factor: 1.2, plusSeconds: 0 };
/** Half the speed of a program that does nothing else. */
const HALF_SPEED: TimeTarget = { factor: 2, plusSeconds: 0 };

/** Text that no generated memory has. */
const NEEDLE = "needle in a haystack";

function migstream(...args: string[]): CommandLine {
  return { program: Deno.execPath(), args: ["run", "-R", "-W", CLI, ...args] };
}

/** Writes the inputs that only these benchmarks need. */
export function prepareMemory(folder: string, setting: Setting): MemorySetting {
  const ram: Input = { name: "the extracted memory", path: `${folder}/pc.ram` };
  outputOf(migstream("extract", setting.classic.path, "--block", "pc.ram", "--out", folder));
  const compressors = [["gzip", "gz", "zcat"], ["zstd", "zst", "zstdcat"]] as const;
  const compressed = compressors.flatMap(([program, suffix, decompressor]) => {
    if (!succeeds({ program, args: ["--version"] })) {
      console.log(`*** ${program} is not installed: nothing is compared with it.`);
      return [];
    }
    const path = `${setting.classic.path}.${suffix}`;
    outputOf(shell('"$1" -q -c -1 "$2" > "$3"', program, setting.classic.path, path));
    return [{ name: `${setting.classic.name} in ${program}`, path, decompressor }];
  });
  const recording = loadRecording();
  // The large one costs 220 MB of disk; a short run takes a smaller guest.
  const gibibytes = Deno.statSync(ram.path).size < GIB ? 1 : 64;
  const zeros: Input = {
    name: `classic ${gibibytes} GiB, nearly all zero`,
    path: `${folder}/zeros.mig`,
  };
  writeClassicStream(zeros.path, recording, sparseGuest(recording, gibibytes * GIB));
  return { ...setting, folder, ram, compressed, zeros };
}

/** The comparisons, in the order of the table. */
export function memoryComparisons(setting: MemorySetting): Comparison[] {
  return [
    ...extractComparisons(setting),
    ...compressedComparisons(setting),
    ...searchComparisons(setting),
  ];
}

function extractComparisons(setting: MemorySetting): Comparison[] {
  const { classic, mapped, sparse, zeros, ram, folder, script } = setting;
  const out = `${folder}/extracted`;
  const copy = `${folder}/copy.ram`;
  const extract = (input: Input, ...more: string[]): CommandLine => ({
    ...migstream("extract", input.path, "--out", out, "--quiet", ...more),
    removes: [out],
  });
  const cp: CommandLine = {
    program: "cp",
    args: ["--sparse=always", ram.path, copy],
    removes: [copy],
  };
  const cpSync: CommandLine = {
    ...shell('cp --sparse=always "$1" "$2" && sync "$2"', ram.path, copy),
    removes: [copy],
  };
  const rows: Comparison[] = [];
  for (const input of [classic, mapped]) {
    const what = `extract, ${input.name}`;
    rows.push(
      {
        kind: "pair",
        what: `${what}, --no-sync`,
        needs: CLI,
        ours: extract(input, "--no-sync"),
        peerName: "cp --sparse=always",
        peer: cp,
        target: LIKE_COPYING,
      },
      {
        kind: "pair",
        what,
        needs: CLI,
        ours: extract(input),
        peerName: "cp and sync",
        peer: cpSync,
        target: LIKE_COPYING,
      },
    );
  }
  if (script !== undefined) {
    const { program, args } = runScript(script, classic);
    rows.push({
      kind: "pair",
      // The script doesn't wait for the disk.
      what: `extract, ${classic.name}, --no-sync`,
      needs: CLI,
      ours: extract(classic, "--no-sync"),
      peerName: "analyze-migration.py -x",
      peer: {
        ...shell(
          'mkdir "$1" && cd "$1" && shift && exec "$@" -x',
          out,
          program,
          ...args,
        ),
        removes: [out],
      },
      target: THIRD,
    });
  }
  for (const input of [classic, sparse, zeros]) {
    for (const format of ["blocks", "elf"]) {
      rows.push({
        kind: "memory",
        what: `extract --format ${format}, ${input.name}`,
        needs: CLI,
        ours: extract(input, "--format", format, "--no-sync"),
        limitBytes: MEMORY_LIMIT_BYTES,
      });
    }
  }
  return rows;
}

function compressedComparisons({ compressed }: MemorySetting): Comparison[] {
  return compressed.flatMap((input): Comparison[] => {
    const base = {
      what: `analyze, ${input.name}`,
      needs: "analyze.ts",
      ours: { program: Deno.execPath(), args: ["run", "-R", "analyze.ts", input.path] },
    };
    return [
      {
        ...base,
        kind: "pair",
        peerName: input.decompressor,
        peer: { program: input.decompressor, args: [input.path] },
        target: LIKE_DECOMPRESSING,
      },
      { ...base, kind: "memory", limitBytes: MEMORY_LIMIT_BYTES },
    ];
  });
}

function searchComparisons({ classic, mapped, sparse, zeros, ram }: MemorySetting): Comparison[] {
  // Nothing is found, which both programs call 1.
  const search = (input: Input, option: string, pattern: string): CommandLine => ({
    ...migstream("search", input.path, option, pattern),
    codes: [1],
  });
  const grep = (...args: string[]): CommandLine => ({
    ...shell('LC_ALL=C exec grep -c "$@"', ...args, ram.path),
    codes: [1],
  });
  const rows: Comparison[] = [];
  for (const input of [classic, mapped]) {
    rows.push({
      kind: "pair",
      what: `search --text, ${input.name}`,
      needs: CLI,
      ours: search(input, "--text", NEEDLE),
      peerName: "grep -c",
      peer: grep(NEEDLE),
      target: HALF_SPEED,
    });
  }
  rows.push({
    kind: "pair",
    what: `search --regex, ${classic.name}`,
    needs: CLI,
    ours: search(classic, "--regex", "needle in a [a-z]+stack"),
    peerName: "grep -cE",
    peer: grep("-E", "needle in a [a-z]+stack"),
    target: HALF_SPEED,
  });
  for (const input of [classic, sparse, zeros]) {
    rows.push({
      kind: "memory",
      what: `search --text, ${input.name}`,
      needs: CLI,
      ours: search(input, "--text", NEEDLE),
      limitBytes: MEMORY_LIMIT_BYTES,
    });
  }
  return rows;
}
