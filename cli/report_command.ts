/**
 * The definition of `migstream report`.
 *
 * @module
 */

import { Command, type CommandUnknownOpts } from "@commander-js/extra-typings";
import { applyLimits, LIMIT_HELP, limitOption, sizeOption } from "./common_options.ts";
import type { Streams } from "./main.ts";

/** Makes the command; `finish` takes its exit code. */
export function makeCommand(
  streams: Streams,
  finish: (code: number) => void,
): CommandUnknownOpts {
  return new Command("report")
    .summary("one HTML page that shows an image, or compares two")
    .description(
      "Writes a page that shows an image: the file to scale, maps of the memory, the passes of a " +
        "live migration, the broken rules, all devices with their fields, the registers. With two " +
        "images it shows what is different. The page is one file and needs no network.",
    )
    .argument("<file>", "the image: a file, a folder with its channels, or - for standard input")
    .argument("[other]", "an image to compare with")
    .requiredOption("-o, --output <page>", "the page; - for standard output")
    .option("--slack", "look for old content at absent pages, however large a mapped-ram file is")
    .option("--offset <n>", "where the stream starts in the file", sizeOption, 0)
    .option("--snapshot <name>", "which snapshot of a qcow2 image, by name or id")
    .option("--offset-b <n>", "the same of the other image (default: as --offset)", sizeOption)
    .option("--snapshot-b <name>", "the same of the other image (default: as --snapshot)")
    .option("--vmdesc <file>", "take the vmdescription from another image or a JSON file")
    .option("--force", "replace the page if it is there")
    .option("--no-progress", "no progress bar")
    .option("--limit <name=value>", LIMIT_HELP, limitOption)
    .option("--debug", "print the stack of an error")
    .hook("preAction", applyLimits)
    .addHelpText(
      "after",
      `
A damaged image is shown as far as it can be read.

Examples:
  migstream report guest.img -o guest.html
  migstream report before.img after.img -o difference.html
  migstream report disk.qcow2 disk.qcow2 --snapshot one --snapshot-b two -o difference.html`,
    )
    .action(async (file, other, options) => {
      const { runReport } = await import("./report.ts");
      finish(await runReport(other === undefined ? [file] : [file, other], options, streams));
    });
}
