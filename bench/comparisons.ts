/**
 * What is compared with what, and how good it has to be.
 *
 * @module
 */

import { type CommandLine, shell } from "./run.ts";

/** How long ours may take: `factor` times the peer's time and `plusSeconds` more. */
export interface TimeTarget {
  /** Multiple of the peer's time. */
  readonly factor: number;
  /** Seconds on top of that. */
  readonly plusSeconds: number;
}

interface ComparisonBase {
  /** What is measured, for people. */
  readonly what: string;
  /** File of the project that has to be there. */
  readonly needs: string;
  /** Our command. */
  readonly ours: CommandLine;
}

/** Two commands side by side. */
export interface PairComparison extends ComparisonBase {
  /** Discriminator. */
  readonly kind: "pair";
  /** Name of the peer. */
  readonly peerName: string;
  /** The peer's command. */
  readonly peer: CommandLine;
  /** How long ours may take; absent where the row is for information. */
  readonly target?: TimeTarget;
}

/** One command against a fixed time. */
export interface AloneComparison extends ComparisonBase {
  /** Discriminator. */
  readonly kind: "alone";
  /** Where the limit comes from. */
  readonly peerName: string;
  /** Longest time in seconds. */
  readonly limitSeconds: number;
}

/** Peak memory of one command. */
export interface MemoryComparison extends ComparisonBase {
  /** Discriminator. */
  readonly kind: "memory";
  /** Most memory in bytes. */
  readonly limitBytes: number;
}

/** Whether two commands print the same. */
export interface OutputComparison extends ComparisonBase {
  /** Discriminator. */
  readonly kind: "output";
  /** Name of the peer. */
  readonly peerName: string;
  /** The peer's command. */
  readonly peer: CommandLine;
}

/** A row of the table. */
export type Comparison =
  | PairComparison
  | AloneComparison
  | MemoryComparison
  | OutputComparison;

/** QEMU's script. */
export interface Script {
  /** The Python itself: a version manager's stand-in of that name may take as long as the script. */
  readonly interpreter: string;
  /** Path of analyze-migration.py. */
  readonly path: string;
}

/** A stream to read. */
export interface Input {
  /** What it is, for people. */
  readonly name: string;
  /** Where it is. */
  readonly path: string;
}

/** What there is to compare with and to read. */
export interface Setting {
  /** The generated classic stream. */
  readonly classic: Input;
  /** The generated mapped-ram stream of the same guest. */
  readonly mapped: Input;
  /** The generated mapped-ram stream of a large, nearly empty guest. */
  readonly sparse: Input;
  /** A recorded classic stream of a guest with the same devices and next to no memory. */
  readonly small: Input;
  /** A recorded stream of next to nothing. */
  readonly tiny: Input;
  /** How QEMU's analyze-migration.py is run, where it is at hand. */
  readonly script?: Script;
  /** Whether that script reads mapped-ram streams. */
  readonly scriptReadsMapped: boolean;
}

/** A stream's state is to be had nearly as fast as its bytes can be read at all. */
const LIKE_CAT: TimeTarget = { factor: 1.25, plusSeconds: 0.15 };
/** QEMU's script looks at every page in Python. */
const FIFTH: TimeTarget = { factor: 0.2, plusSeconds: 0 };
/** Where neither has to look at pages. */
const NOT_SLOWER: TimeTarget = { factor: 1, plusSeconds: 0 };
/** Equal, as far as that can be measured. */
const SAME: TimeTarget = { factor: 1.1, plusSeconds: 0 };
/** Most memory, whatever the size of the guest. */
const MEMORY_LIMIT_BYTES = 150_000_000;
/** What QEMU's script takes for the small stream on the machine of docs/performance.md. */
const SCRIPT_SMALL_SECONDS = 0.11;

const SCRIPT_NAME = "analyze-migration.py";
const ANALYZE = "analyze.ts";
const CLI = "cli.ts";

function deno(...args: string[]): CommandLine {
  return { program: Deno.execPath(), args };
}

function analyze(input: Input): CommandLine {
  return deno("run", "-R", ANALYZE, input.path);
}

function info(input: Input): CommandLine {
  return deno("run", "-R", CLI, "info", input.path, "--json");
}

/** QEMU's script on a stream. */
export function runScript(script: Script, input: Input): CommandLine {
  return { program: script.interpreter, args: [script.path, "-f", input.path] };
}

/** A command that gets the input on standard input. */
function piped(input: Input, ...command: string[]): CommandLine {
  return shell('file=$1; shift; cat "$file" | "$@"', input.path, ...command);
}

/** All comparisons, in the order of the table. */
export function listComparisons(setting: Setting): Comparison[] {
  return [
    ...classicComparisons(setting),
    ...pipeComparisons(setting),
    ...mappedComparisons(setting, "analyze", ANALYZE, analyze),
    ...mappedComparisons(setting, "info --json", CLI, info),
    ...startComparisons(setting),
  ];
}

function classicComparisons({ classic, script }: Setting): Comparison[] {
  const cat: CommandLine = { program: "cat", args: [classic.path] };
  const rows: Comparison[] = [];
  for (const [name, needs, ours] of programs(classic)) {
    const base = { what: `${name}, ${classic.name}`, needs, ours };
    rows.push(
      { ...base, kind: "pair", peerName: "cat", peer: cat, target: LIKE_CAT },
      { ...base, kind: "memory", limitBytes: MEMORY_LIMIT_BYTES },
    );
  }
  if (script !== undefined) {
    const base = {
      what: `analyze, ${classic.name}`,
      needs: ANALYZE,
      ours: analyze(classic),
      peerName: SCRIPT_NAME,
      peer: runScript(script, classic),
    };
    rows.push({ ...base, kind: "pair", target: FIFTH }, { ...base, kind: "output" });
  }
  return rows;
}

function programs(input: Input): [name: string, needs: string, ours: CommandLine][] {
  return [["analyze", ANALYZE, analyze(input)], ["info --json", CLI, info(input)]];
}

function pipeComparisons({ classic }: Setting): Comparison[] {
  const base = {
    what: `analyze -, ${classic.name} on a pipe`,
    needs: ANALYZE,
    ours: piped(classic, Deno.execPath(), "run", "-R", ANALYZE, "-"),
  };
  const cat: CommandLine = { program: "cat", args: [classic.path] };
  return [
    // A pipe has a price of its own, which no reader can avoid.
    {
      ...base,
      kind: "pair",
      peerName: "cat to cat",
      peer: piped(classic, "cat"),
      target: LIKE_CAT,
    },
    { ...base, kind: "pair", peerName: "cat", peer: cat },
    { ...base, kind: "memory", limitBytes: MEMORY_LIMIT_BYTES },
  ];
}

function mappedComparisons(
  setting: Setting,
  name: string,
  needs: string,
  command: (input: Input) => CommandLine,
): Comparison[] {
  const { mapped, sparse, small, script, scriptReadsMapped } = setting;
  const rows: Comparison[] = [];
  for (const input of [mapped, sparse]) {
    const base = { what: `${name}, ${input.name}`, needs, ours: command(input) };
    if (script === undefined) {
      const peerName = `${SCRIPT_NAME} on ${small.name}, as recorded`;
      rows.push({ ...base, kind: "alone", peerName, limitSeconds: SCRIPT_SMALL_SECONDS });
    } else {
      const read = scriptReadsMapped ? input : small;
      const peerName = scriptReadsMapped ? SCRIPT_NAME : `${SCRIPT_NAME} on ${small.name}`;
      rows.push({
        ...base,
        kind: "pair",
        peerName,
        peer: runScript(script, read),
        target: NOT_SLOWER,
      });
    }
    rows.push({ ...base, kind: "memory", limitBytes: MEMORY_LIMIT_BYTES });
  }
  rows.push({
    kind: "pair",
    what: `${name}, ${sparse.name}`,
    needs,
    ours: command(sparse),
    peerName: `${name}, ${mapped.name}`,
    peer: command(mapped),
    target: SAME,
  });
  return rows;
}

function startComparisons({ tiny, script }: Setting): Comparison[] {
  const rows: Comparison[] = [];
  for (const [name, needs, ours] of programs(tiny)) {
    const base = { what: `${name}, ${tiny.name}`, needs, ours };
    rows.push({ ...base, kind: "pair", peerName: "deno eval ''", peer: deno("eval", "") });
    if (script === undefined) continue;
    rows.push({ ...base, kind: "pair", peerName: SCRIPT_NAME, peer: runScript(script, tiny) });
  }
  return rows;
}
