/**
 * The definition of `migstream layout`.
 *
 * @module
 */

import type { CommandUnknownOpts } from "@commander-js/extra-typings";
import { sizeOption, streamCommand } from "./common_options.ts";
import type { Streams } from "./main.ts";

/** Makes the command; `finish` takes its exit code. */
export function makeCommand(
  streams: Streams,
  finish: (code: number) => void,
): CommandUnknownOpts {
  return streamCommand("layout", "every byte range of a stream and what it is")
    .description(
      "Lists every byte range of the input and what it is; with --at, explains one " +
        "offset down to the field.",
    )
    .option("--at <offset>", "explain this offset (also 0x1000, 4K)", sizeOption)
    .option("--json", "print JSON")
    .addHelpText(
      "after",
      `
Examples:
  migstream layout guest.img
  migstream layout guest.img --at 0x3f7a1
  migstream layout guest.img --json`,
    )
    .action(async (file, { offset, snapshot, at, vmdesc, json = false, keepGoing = false }) => {
      const { runLayout } = await import("./layout.ts");
      finish(await runLayout(file, { json, at, offset, snapshot, vmdesc, keepGoing }, streams));
    });
}
