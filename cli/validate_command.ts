/**
 * The definition of `migstream validate`.
 *
 * @module
 */

import { Command, type CommandUnknownOpts } from "@commander-js/extra-typings";
import { applyLimits, LIMIT_HELP, limitOption, sizeOption } from "./common_options.ts";
import { type Streams, UsageError } from "./main.ts";

/** Makes the command; `finish` takes its exit code. */
export function makeCommand(
  streams: Streams,
  finish: (code: number) => void,
): CommandUnknownOpts {
  return new Command("validate")
    .summary("check an image against the rules of the format")
    .description(
      "Checks images against the rules of the format, says for each broken rule where it is broken " +
        "and what QEMU does about it, and goes on behind damage where the stream can be found " +
        "again. The exit code is 0 for valid images, 1 for invalid ones, 2 if it could not check.",
    )
    .argument("[files...]", "the images: files, folders with channels, or - for standard input")
    .option("--json", "print JSON")
    .option("--sarif", "print SARIF 2.1.0, for CI systems")
    .option("--strict", "warnings make an image invalid, too")
    .option("--slack", "look also at what stands in a mapped-ram file at absent pages")
    .option("--against <file>", "would it load there? a vmdescription, an image, or -dump-vmstate")
    .option("--rules", "list the rules")
    .option("--explain <rule>", "what a rule says, and what QEMU does about it")
    .option("--offset <n>", "where the stream starts in the file", sizeOption, 0)
    .option("--snapshot <name>", "which snapshot of a qcow2 image, by name or id")
    .option("--vmdesc <file>", "take the vmdescription from another image or a JSON file")
    .option("--no-progress", "no progress bar")
    .option("--quiet", "print nothing, the exit code says it")
    .option("--limit <name=value>", LIMIT_HELP, limitOption)
    .option("--debug", "print the stack of an error")
    .hook("preAction", applyLimits)
    .addHelpText(
      "after",
      `
Examples:
  migstream validate guest.save
  migstream validate *.img --strict --sarif > findings.sarif
  migstream validate guest.img --against other-qemu.json
  migstream validate --explain RAM-028`,
    )
    .action(async (files, options) => {
      const { json = false, sarif = false, quiet = false } = options;
      if ([json, sarif, quiet].filter((each) => each).length > 1) {
        throw new UsageError("--json, --sarif and --quiet exclude each other");
      }
      const { runValidate, showRule, showRules } = await import("./validate.ts");
      if (options.explain !== undefined) return finish(showRule(options.explain, streams));
      if (options.rules === true) return finish(showRules(json, streams));
      if (files.length === 0) throw new UsageError("which image?");
      finish(await runValidate(files, options, streams));
    });
}
