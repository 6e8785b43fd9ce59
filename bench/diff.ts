/**
 * The benchmarks of comparing two guests.
 *
 * @module
 */

import type { Comparison, Input, TimeTarget } from "./comparisons.ts";
import type { MemorySetting } from "./memory.ts";
import { type CommandLine, outputOf } from "./run.ts";

/** Names of the files that {@link diffComparisons} writes into the folder. */
export const DIFF_FILES: readonly string[] = ["other.mig", "other.ram"];

const CLI = "cli.ts";
const MEMORY_LIMIT_BYTES = 300_000_000;

/** Both guests have to be read, and that is nearly all there is to do. */
const LIKE_CMP: TimeTarget = { factor: 1.2, plusSeconds: 0 };

/** Next to nothing, start-up included. */
const NO_TIME_SECONDS = 0.6;

/** Writes the copies that are compared with their originals, and gives the comparisons in the order of the table. */
export function diffComparisons(setting: MemorySetting): Comparison[] {
  const { classic, mapped, sparse, ram, folder } = setting;
  const copy = (input: Input, name: string): Input => {
    const path = `${folder}/${name}`;
    outputOf({ program: "cp", args: [input.path, path] });
    return { name: `a copy of ${input.name}`, path };
  };
  const other = copy(classic, "other.mig");
  const otherRam = copy(ram, "other.ram");
  const diff = (left: Input, right: Input): CommandLine => ({
    program: Deno.execPath(),
    args: ["run", "-R", "-W", CLI, "diff", left.path, right.path],
    codes: [0],
  });
  const rows: Comparison[] = [];
  for (const [left, right] of [[classic, other], [classic, mapped]] as const) {
    const base = {
      what: `diff, ${left.name} and ${right.name}`,
      needs: CLI,
      ours: diff(left, right),
    };
    rows.push(
      {
        ...base,
        kind: "pair",
        peerName: "cmp of the memory",
        peer: { program: "cmp", args: [ram.path, otherRam.path] },
        target: LIKE_CMP,
      },
      { ...base, kind: "memory", limitBytes: MEMORY_LIMIT_BYTES },
    );
  }
  rows.push({
    kind: "alone",
    what: `diff, ${sparse.name} and itself`,
    needs: CLI,
    ours: diff(sparse, sparse),
    peerName: "no time",
    limitSeconds: NO_TIME_SECONDS,
  });
  return rows;
}
