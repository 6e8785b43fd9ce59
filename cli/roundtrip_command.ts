/**
 * The definition of `migstream roundtrip`.
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
  return streamCommand("roundtrip", "decode a stream, encode it again, and compare")
    .description(
      "Decodes a stream, encodes it again from the decoded values, and compares the result with the " +
        "original byte for byte, in one pass. Exit code 0 if they are identical, 1 with the first " +
        "difference if they are not. Of a folder each channel is compared. What is inside of a " +
        "wrapper (a compressed file, an image of libvirt, a snapshot) is compared, not the wrapper.",
    )
    .option("--json", "print JSON")
    .option("--no-progress", "no progress bar")
    .option("-q, --quiet", "print nothing but errors")
    .addHelpText(
      "after",
      `
Examples:
  migstream roundtrip guest.img
  migstream roundtrip captured-folder/
  zstdcat guest.img.zst | migstream roundtrip -`,
    )
    .action(async (file, options) => {
      const { runRoundtrip } = await import("./roundtrip.ts");
      finish(await runRoundtrip(file, options, streams));
    });
}
