/**
 * Options that several subcommands share.
 *
 * @module
 */

import {
  Command,
  type CommandUnknownOpts,
  InvalidArgumentError,
} from "@commander-js/extra-typings";
import { nearestName } from "../analyze/edit/nearest.ts";
import { DEFAULT_LIMITS, type Limits, setDefaultLimits } from "../format/limits.ts";
import { UsageError } from "./main.ts";
import { parseSize } from "./size.ts";

/** Reads a size for commander. */
export function sizeOption(text: string): number {
  try {
    return parseSize(text, "this option");
  } catch (error) {
    if (error instanceof UsageError) throw new InvalidArgumentError(error.message);
    throw error;
  }
}

/** The help of `--limit`. */
export const LIMIT_HELP = "raise a limit for a huge image (docs/errors.md; may be repeated)";

/** Reads a limit and its value for commander, and adds them to those before. */
export function limitOption(text: string, before: Partial<Limits> = {}): Partial<Limits> {
  const [, name = "", size = ""] = /^([^=]*)=(.*)$/.exec(text) ?? [];
  const names = Object.keys(DEFAULT_LIMITS);
  if (!names.includes(name)) {
    const near = nearestName(names, name);
    const hint = near === undefined ? `The limits are ${names.join(", ")}.` : `Is it ${near}?`;
    throw new InvalidArgumentError(`It takes NAME=VALUE. ${hint}`);
  }
  const value = sizeOption(size);
  if (value === 0) throw new InvalidArgumentError("A limit is at least 1.");
  return { ...before, [name]: value };
}

/** Sets the limits that a command was given, before it does anything. */
export function applyLimits(command: CommandUnknownOpts): void {
  const { limit } = command.opts() as { readonly limit?: Partial<Limits> };
  if (limit !== undefined) setDefaultLimits(limit);
}

/** The options that every command has which reads a stream. */
// An interface would lack the implicit index signature that the framework asks for.
export type StreamOptions = {
  /** Absolute offset of the stream in the input. */
  offset: number;
  /** Name or id of a snapshot in a qcow2 image. */
  snapshot?: string | undefined;
  /** File that a vmdescription is taken from. */
  vmdesc?: string | undefined;
  /** Whether what stands before a damaged place is shown. */
  keepGoing?: true | undefined;
  /** Other limits than the usual ones. */
  limit?: Partial<Limits> | undefined;
  /** Whether the stack of an error is printed. */
  debug?: true | undefined;
};

/** A command that reads one stream: its argument and the options that every such command has. */
export function streamCommand(name: string, summary: string): Command<[string], StreamOptions> {
  return new Command(name)
    .summary(summary)
    .argument("<file>", "the stream: a file, a folder with its channels, or - for standard input")
    .option("--offset <n>", "where it starts in the file (4096, 0x1000, 4K, 1M)", sizeOption, 0)
    .option("--snapshot <name>", "which snapshot of a qcow2 image, by name or id")
    .option("--vmdesc <file>", "take the vmdescription from another image or a JSON file")
    .option("--keep-going", "show what stands before a damaged place")
    .option("--limit <name=value>", LIMIT_HELP, limitOption)
    .option("--debug", "print the stack of an error")
    .hook("preAction", applyLimits);
}
