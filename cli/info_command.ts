/**
 * The definition of `migstream info`.
 *
 * @module
 */

import type { CommandUnknownOpts } from "@commander-js/extra-typings";
import { streamCommand } from "./common_options.ts";
import type { Streams } from "./main.ts";

/** Makes the command; `finish` takes its exit code. */
export function makeCommand(
  streams: Streams,
  finish: (code: number) => void,
): CommandUnknownOpts {
  return streamCommand("info", "overview of a stream: machine, RAM blocks, sections, commands")
    .description(
      "Shows what a stream is: container, machine, capabilities, page size, RAM blocks " +
        "with their pages by kind, RAM sections, commands, sections, sizes.",
    )
    .option("--json", "print JSON")
    .addHelpText(
      "after",
      `
Examples:
  migstream info guest.img
  migstream info guest.img --json | jq '.ramBlocks[].pages'
  zstdcat guest.img.zst | migstream info -`,
    )
    .action(async (file, { offset, vmdesc, json = false, keepGoing = false }) => {
      const { runInfo } = await import("./info.ts");
      finish(await runInfo(file, { json, offset, vmdesc, keepGoing }, streams));
    });
}
