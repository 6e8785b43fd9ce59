/**
 * Carries comparisons out and prints them as a table in Markdown.
 *
 * @module
 */

import { format as formatBytes } from "@std/fmt/bytes";
import type { Comparison, TimeTarget } from "./comparisons.ts";
import { median, outputOf, peakMemoryBytes, timeAlone, timePairs } from "./run.ts";

/** A row of the table. */
export interface Row {
  /** What was measured. */
  readonly what: string;
  /** Our figure. */
  readonly ours: string;
  /** The peer's figure and name. */
  readonly peer: string;
  /** Ours to the peer's. */
  readonly ratio: string;
  /** How good it has to be. */
  readonly target: string;
  /** Whether it is; `undefined` where there is no target or nothing to judge. */
  readonly met: boolean | undefined;
  /** Why nothing was measured: a program that isn't there, or that failed. */
  readonly fault?: string;
}

/** How comparisons are carried out. */
export interface Measuring {
  /** Pairs of runs. */
  readonly pairs: number;
  /** Whether the inputs are large enough for the targets to mean anything. */
  readonly judge: boolean;
}

const NONE = "—";

/** Carries out one comparison. A command that fails makes a row with a fault, not an error. */
export async function measure(comparison: Comparison, how: Measuring): Promise<Row> {
  try {
    if (!isThere(comparison.needs)) {
      return faulty(comparison, `${comparison.needs} is NOT THERE: nothing was measured`);
    }
    const row = await measureKind(comparison, how);
    return how.judge || comparison.kind === "output" ? row : { ...row, met: undefined };
  } catch (error) {
    return faulty(comparison, error instanceof Error ? error.message : String(error));
  }
}

function isThere(file: string): boolean {
  try {
    Deno.statSync(new URL(`../${file}`, import.meta.url));
    return true;
  } catch {
    return false;
  }
}

function faulty(comparison: Comparison, fault: string): Row {
  const { what } = comparison;
  return { what, ours: "FAILED", peer: NONE, ratio: NONE, target: NONE, met: undefined, fault };
}

async function measureKind(comparison: Comparison, { pairs }: Measuring): Promise<Row> {
  const { what, ours } = comparison;
  switch (comparison.kind) {
    case "pair":
      return comparePairs(comparison, pairs);
    case "alone": {
      const { limitSeconds, peerName } = comparison;
      const time = timeAlone(ours, pairs);
      return {
        what,
        ours: seconds(time),
        peer: `${seconds(limitSeconds)} ${peerName}`,
        ratio: (time / limitSeconds).toFixed(2),
        target: `≤ ${seconds(limitSeconds)}`,
        met: time <= limitSeconds,
      };
    }
    case "memory": {
      const bytes = await peakMemoryBytes(ours);
      const { limitBytes } = comparison;
      return {
        what: `${what}: peak memory`,
        ours: bytes === undefined ? "only on Linux" : formatBytes(bytes),
        peer: NONE,
        ratio: NONE,
        target: `≤ ${formatBytes(limitBytes)}`,
        met: bytes === undefined ? undefined : bytes <= limitBytes,
      };
    }
    case "output":
      return compareOutput(comparison);
  }
}

function comparePairs(comparison: Comparison & { kind: "pair" }, count: number): Row {
  const { what, peerName, target } = comparison;
  const pairs = timePairs(comparison.ours, comparison.peer, count);
  const peer = median(pairs.map((pair) => pair.peer));
  const row: Row = {
    what,
    ours: seconds(median(pairs.map((pair) => pair.ours))),
    peer: `${seconds(peer)} ${peerName}`,
    ratio: median(pairs.map((pair) => pair.ours / pair.peer)).toFixed(2),
    target: NONE,
    met: undefined,
  };
  if (target === undefined) return row;
  const limit = (peerTime: number): number => target.factor * peerTime + target.plusSeconds;
  return {
    ...row,
    target: `${describeTarget(target)} = ${seconds(limit(peer))}`,
    // Pair by pair, since the machine's speed may have changed between pairs.
    met: median(pairs.map((pair) => pair.ours - limit(pair.peer))) <= 0,
  };
}

function compareOutput(comparison: Comparison & { kind: "output" }): Row {
  const mine = outputOf(comparison.ours);
  const theirs = outputOf(comparison.peer);
  const isSame = mine.length === theirs.length && mine.every((byte, at) => byte === theirs[at]);
  const row: Row = {
    what: `${comparison.what}: what is printed`,
    ours: formatBytes(mine.length),
    peer: `${formatBytes(theirs.length)} ${comparison.peerName}`,
    ratio: NONE,
    target: "the same",
    met: isSame,
  };
  return isSame ? row : { ...row, fault: "the programs print different things" };
}

function describeTarget({ factor, plusSeconds }: TimeTarget): string {
  const plus = plusSeconds === 0 ? "" : ` + ${plusSeconds} s`;
  return `≤ ${factor} × peer${plus}`;
}

function seconds(value: number): string {
  return `${value.toFixed(3)} s`;
}

/** The table as lines of Markdown. */
export function formatTable(rows: readonly Row[]): string[] {
  const cells = [
    ["what", "ours", "peer", "ratio", "target", "met"],
    ...rows.map(({ what, ours, peer, ratio, target, met }) => [
      what,
      ours,
      peer,
      ratio,
      target,
      met === undefined ? NONE : met ? "yes" : "NO",
    ]),
  ];
  const widths = cells[0]!.map((_, column) => Math.max(...cells.map((row) => row[column]!.length)));
  const lines = cells.map((row) =>
    `| ${row.map((cell, column) => cell.padEnd(widths[column]!)).join(" | ")} |`
  );
  lines.splice(1, 0, `|${widths.map((width) => "-".repeat(width + 2)).join("|")}|`);
  return lines;
}
