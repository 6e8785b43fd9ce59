/**
 * The definition of `migstream analyze`.
 *
 * @module
 */

import { type CommandUnknownOpts, Option } from "@commander-js/extra-typings";
import { DUMPS } from "./dumps.ts";
import { streamCommand } from "./common_options.ts";
import type { Streams } from "./main.ts";

/** Makes the command; `finish` takes its exit code. */
export function makeCommand(
  streams: Streams,
  finish: (code: number) => void,
): CommandUnknownOpts {
  return streamCommand("analyze", "device state as JSON, as analyze-migration.py prints it")
    .description(
      "Dumps a stream as JSON, character for character as QEMU's analyze-migration.py " +
        "does, also for the streams that the script cannot read.",
    )
    .option("-m, --memory", "dump RAM contents as well")
    .addOption(
      new Option("-d, --dump <what>", "state, desc (the vmdescription) or rich (our own form)")
        .choices(DUMPS).default("state" as const),
    )
    .option("-x, --extract", "write state, description and RAM blocks to files")
    .option("--out <dir>", "folder for those files", ".")
    .addHelpText(
      "after",
      `
Examples:
  migstream analyze guest.img
  migstream analyze --dump desc guest.img
  migstream analyze --extract --out contents guest.img
  migstream analyze --snapshot before-update disk.qcow2
  migstream analyze --vmdesc other.img guest-without-description.img`,
    )
    .action(async (file, options) => {
      const { dump, out, offset, snapshot, vmdesc } = options;
      const { memory = false, extract = false, keepGoing = false } = options;
      const { runAnalyze } = await import("./analyze.ts");
      const chosen = { dump, memory, extract, out, offset, snapshot, vmdesc, keepGoing };
      finish(await runAnalyze(file, chosen, streams));
    });
}
