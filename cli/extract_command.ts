/**
 * The definition of `migstream extract`.
 *
 * @module
 */

import { type CommandUnknownOpts, Option } from "@commander-js/extra-typings";
import { sizeOption, streamCommand } from "./common_options.ts";
import { EXTRACT_FORMATS } from "./extract_formats.ts";
import type { Streams } from "./main.ts";
import { BELOW_4G_HELP, MAP_HELP } from "./physical_help.ts";

/** Makes the command; `finish` takes its exit code. */
export function makeCommand(
  streams: Streams,
  finish: (code: number) => void,
): CommandUnknownOpts {
  return streamCommand("extract", "write the guest's memory to files")
    .description(
      "Writes the guest's memory as the stream leaves it: one sparse file for each RAM block and " +
        "ram.json into a folder, or all of its physical memory into one file, as ELF core, LiME " +
        "image or as it is. A file gets its name when it is complete.",
    )
    .requiredOption("-o, --out <path>", "the folder, or the file")
    .addOption(
      new Option("--format <format>", "what is written").choices(EXTRACT_FORMATS)
        .default("blocks" as const),
    )
    .option(
      "--block <name>",
      "only this RAM block (may be repeated)",
      (name: string, before: string[] | undefined) => [...(before ?? []), name],
    )
    .option("--sha256", "hash what was written")
    .option(
      "--slack",
      "write what stands in a mapped-ram file at absent pages, to files of its own",
    )
    .option("--map <file>", MAP_HELP)
    .option("--below-4g <size>", BELOW_4G_HELP, sizeOption)
    .option("--force", "replace files that are there")
    .option("--no-sync", "don't wait until the disk has everything")
    .option("--no-progress", "no progress bar")
    .option("--quiet", "print nothing but errors")
    .addHelpText(
      "after",
      `
Examples:
  migstream extract guest.save --out memory/
  migstream extract guest.img --block pc.ram --sha256 --out memory/
  migstream extract disk.qcow2 --snapshot clean --format elf --out guest.core
  migstream extract guest.save --format lime --out guest.lime`,
    )
    .action(async (file, options) => {
      const { runExtract } = await import("./extract.ts");
      finish(await runExtract(file, options, streams));
    });
}
