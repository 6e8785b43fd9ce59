/**
 * Runs `migstream` as people do, and reads what it says as JSON or bytes.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { migstream as run, migstreamCommand } from "../process.ts";

/** Runs the command, which has to succeed, and returns its standard output. */
export async function migstream(
  args: readonly string[],
  permissions: readonly string[] = ["-R"],
): Promise<string> {
  const { code, out, err } = await run(args, { permissions });
  assertEquals(code, 0, err);
  return out;
}

/** Runs the command, which has to succeed, and returns its standard output as bytes. */
export async function migstreamBytes(args: readonly string[]): Promise<Uint8Array> {
  const child = migstreamCommand(args).spawn();
  await child.stdin.close();
  const { code, stdout, stderr } = await child.output();
  assertEquals(code, 0, new TextDecoder().decode(stderr));
  return stdout;
}

/** A block as `ram.json` describes it. */
export interface ExtractedBlock {
  /** Name. */
  readonly name: string;
  /** Its file. */
  readonly file: string | null;
  /** Size. */
  readonly bytes: number;
  /** What `--sha256` found. */
  readonly sha256?: string;
}

/** Extracts the RAM blocks of a stream into a folder, hashed, and returns what `ram.json` says. */
export async function extractBlocks(
  stream: string,
  out: string,
  ...args: string[]
): Promise<readonly ExtractedBlock[]> {
  await migstream(["extract", stream, "--out", out, "--sha256", ...args], ["-R", "-W"]);
  return JSON.parse(await Deno.readTextFile(`${out}/ram.json`)).blocks;
}

/** Why a program that a test runs isn't there; `undefined` if it is. */
export function missing(program: string): string | undefined {
  const name = program.replace(/^.*\//, "");
  try {
    const { success } = new Deno.Command(program, {
      args: ["--version"],
      stdout: "null",
      stderr: "null",
    }).outputSync();
    return success ? undefined : `${name} does not start`;
  } catch {
    return `${name} is not installed`;
  }
}
