/**
 * What all entry points share: exit codes, and how an error is told.
 *
 * @module
 */

import { isFormatError } from "../format/error.ts";
import { escapeText } from "../format/text.ts";
import { Interrupted } from "./long_work.ts";
import { Output, OutputClosed } from "./output.ts";

/** Exit codes. */
export const EXIT = {
  /** Done; the answer is yes. */
  DONE: 0,
  /** Done; the answer to the question is no. */
  NO: 1,
  /** Could not do it. */
  FAILED: 2,
} as const;

/** What a command writes to. */
export interface Streams {
  /** Results. */
  readonly out: Output;
  /** Everything else. */
  readonly err: Output;
}

/** An error of usage: a wrong option or argument. */
export class UsageError extends Error {
  /** Makes the error. */
  constructor(message: string) {
    super(message);
    this.name = "UsageError";
  }
}

/** An error in one line, without control characters. */
export function describeError(error: unknown): string {
  if (isFormatError(error)) return escapeLine(error.describe());
  return escapeLine(error instanceof Error ? error.message : String(error));
}

/** Text that may contain anything, in one line and without control characters. */
export function escapeLine(text: string): string {
  return escapeText(text).replaceAll('\\"', '"').replaceAll("\\\\", "\\");
}

/**
 * Runs a command, tells its error in one line (with the stack if `debug` is set) and ends the process with its exit code.
 */
export async function runMain(
  program: string,
  debug: boolean,
  command: (streams: Streams) => number | Promise<number>,
): Promise<never> {
  const streams = { out: new Output(Deno.stdout), err: new Output(Deno.stderr) };
  let code: number;
  try {
    code = await command(streams);
    streams.out.flush();
  } catch (error) {
    code = report(program, debug, error, streams);
  }
  streams.err.flush();
  Deno.exit(code);
}

function report(program: string, debug: boolean, error: unknown, streams: Streams): number {
  if (error instanceof OutputClosed) return EXIT.DONE;
  try {
    streams.out.flush();
  } catch (flushError) {
    if (!(flushError instanceof OutputClosed)) throw flushError;
  }
  streams.err.line(`${program}: ${describeError(error)}`);
  if (debug && error instanceof Error) streams.err.line(error.stack ?? "");
  return error instanceof Interrupted ? error.exitCode : EXIT.FAILED;
}
