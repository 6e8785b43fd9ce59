/**
 * The benchmarks of checking an image.
 *
 * @module
 */

import type { Comparison, Input, Setting, TimeTarget } from "./comparisons.ts";
import type { CommandLine } from "./run.ts";

const CLI = "cli.ts";
/** Every record is looked at, which takes reading all of it. */
const LIKE_READING: TimeTarget = { factor: 1.5, plusSeconds: 0 };
/** A mapped-ram file's pages are not read: what is left is the same for every size. */
const NO_TIME_SECONDS = 0.3;
const MEMORY_LIMIT_BYTES = 200_000_000;

function validate({ path }: Input): CommandLine {
  return { program: Deno.execPath(), args: ["run", "-R", CLI, "validate", "--quiet", path] };
}

/** A classic stream beside `cat`, mapped-ram files of any size beside a fixed time. */
export function validateComparisons({ classic, mapped, sparse }: Setting): Comparison[] {
  const base = (input: Input) => ({
    what: `validate, ${input.name}`,
    needs: CLI,
    ours: validate(input),
  });
  const rows: Comparison[] = [{
    ...base(classic),
    kind: "pair",
    peerName: "cat",
    peer: { program: "cat", args: [classic.path] },
    target: LIKE_READING,
  }];
  for (const input of [mapped, sparse]) {
    rows.push({
      ...base(input),
      kind: "alone",
      peerName: "a fixed time",
      limitSeconds: NO_TIME_SECONDS,
    });
  }
  for (const input of [classic, mapped, sparse]) {
    rows.push({ ...base(input), kind: "memory", limitBytes: MEMORY_LIMIT_BYTES });
  }
  return rows;
}
