/**
 * Runs `analyze.ts` as people do: in a process of its own, with no more permissions than it documents.
 *
 * @module
 */

import { assertEquals } from "@std/assert";

/** Path of the program. */
export const ANALYZE: string = decodeURIComponent(
  new URL("../../analyze.ts", import.meta.url).pathname,
);

/** How a run ended. */
export interface Run {
  /** Exit code. */
  readonly code: number;
  /** Standard output. */
  readonly out: string;
  /** Standard error. */
  readonly err: string;
}

/** How to run it. */
export interface RunOptions {
  /** Permissions. Default `-R`. */
  readonly permissions?: string;
  /** File that is written into its standard input, a pipe. */
  readonly stdin?: string;
}

const decoder = new TextDecoder("utf-8", { fatal: true });

/** Runs the program, whatever comes of it. */
export async function tryAnalyze(args: readonly string[], options: RunOptions = {}): Promise<Run> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-prompt", options.permissions ?? "-R", ANALYZE, ...args],
    stdin: options.stdin === undefined ? "null" : "piped",
    stdout: "piped",
    stderr: "piped",
    env: { NO_COLOR: "1" },
  }).spawn();
  if (options.stdin !== undefined) {
    const file = await Deno.open(options.stdin);
    // It may have read enough before the end.
    await file.readable.pipeTo(child.stdin).catch(() => {});
  }
  const { code, stdout, stderr } = await child.output();
  return { code, out: decoder.decode(stdout), err: decoder.decode(stderr) };
}

/** Runs the program, which has to succeed, and returns its standard output. */
export async function analyze(args: readonly string[], options: RunOptions = {}): Promise<string> {
  const { code, out, err } = await tryAnalyze(args, options);
  assertEquals(code, 0, err);
  return out;
}
