/**
 * The definition of `migstream diff`.
 *
 * @module
 */

import {
  Command,
  type CommandUnknownOpts,
  InvalidArgumentError,
} from "@commander-js/extra-typings";
import { applyLimits, LIMIT_HELP, limitOption, sizeOption } from "./common_options.ts";
import type { Streams } from "./main.ts";
import { BELOW_4G_HELP, MAP_HELP } from "./physical_help.ts";

/** Most bytes of context; a page has no more. */
const MAX_CONTEXT = 65536;

/** Makes the command; `finish` takes its exit code. */
export function makeCommand(
  streams: Streams,
  finish: (code: number) => void,
): CommandUnknownOpts {
  return new Command("diff")
    .summary("what is different between two saved guests")
    .description(
      "Compares two inputs, whatever form each has: configuration, sections, device state field by " +
        "field, and memory. Prints a summary first. What one side does not carry is told, and is no " +
        "difference. Paths of fields are those that convert --set takes.",
    )
    .argument("<a>", "the left side: a file, a folder with its channels, or - for standard input")
    .argument("<b>", "the right side; one of both may be -")
    .option("--state", "compare configuration, sections and device state only")
    .option("--ram", "compare memory only")
    .option(
      "--ignore <glob>",
      "pass over fields; * is any text, e.g. '*/irq_state' (may be repeated)",
      (glob: string, before: string[] | undefined) => [...(before ?? []), glob],
    )
    .option("--no-default-ignores", "do not pass over clocks and timers (docs/diff.md)")
    .option("--context <n>", "print the bytes that differ, with n bytes around them", contextOption)
    .option("--map <file>", MAP_HELP)
    .option("--below-4g <size>", BELOW_4G_HELP, sizeOption)
    .option("--offset <n>", "where the streams start in their files (4096, 4K)", sizeOption)
    .option("--offset-a <n>", "the same, of the left side only", sizeOption)
    .option("--offset-b <n>", "the same, of the right side only", sizeOption)
    .option("--snapshot-a <name>", "which snapshot of the left qcow2 image, by name or id")
    .option("--snapshot-b <name>", "which snapshot of the right one")
    .option("--vmdesc <file>", "take the vmdescription from another image or a JSON file")
    .option("--keep-going", "compare what stands before a damaged place")
    .option("--no-progress", "no progress bar")
    .option("--json", "print JSON")
    .option("-q, --quiet", "print nothing but errors")
    .option("--limit <name=value>", LIMIT_HELP, limitOption)
    .option("--debug", "print the stack of an error")
    .hook("preAction", applyLimits)
    .addHelpText(
      "after",
      `
Exit codes: 0 the same, 1 different, 2 trouble.

Examples:
  migstream diff before.img after.img
  migstream diff guest.mig guest.mapped --ram --context 8
  migstream diff disk.qcow2 disk.qcow2 --snapshot-a clean --snapshot-b broken --json
  migstream diff a.img b.img --ignore 'cpu/*' --no-default-ignores`,
    )
    .action(async (a, b, options) => {
      const { runDiff } = await import("./diff.ts");
      finish(await runDiff(a, b, options, streams));
    });
}

/** Reads a number of bytes for commander. */
function contextOption(text: string): number {
  const bytes = sizeOption(text);
  if (bytes <= MAX_CONTEXT) return bytes;
  throw new InvalidArgumentError(`this option takes at most ${MAX_CONTEXT}`);
}
