/**
 * The definition of `migstream search`.
 *
 * @module
 */

import { type CommandUnknownOpts, InvalidArgumentError } from "@commander-js/extra-typings";
import { sizeOption, streamCommand } from "./common_options.ts";
import type { Streams } from "./main.ts";
import { BELOW_4G_HELP, MAP_HELP } from "./physical_help.ts";

/** Hits that are printed unless told otherwise. */
const MAX_HITS = 1_000_000;

/** Makes the command; `finish` takes its exit code. */
export function makeCommand(
  streams: Streams,
  finish: (code: number) => void,
): CommandUnknownOpts {
  return streamCommand("search", "find text, bytes or a regular expression in the memory")
    .description(
      "Finds text, bytes or a regular expression in the guest's memory, across the borders of " +
        "pages. Prints the block, the address in it, the guest-physical address, and what stands " +
        "there. Text and bytes are found wherever they stand, also one inside of another.",
    )
    .option("--text <text>", "find a text, as UTF-8")
    .option("--hex <bytes>", "find bytes such as 'de ad ?? e?'; ? is any half of a byte")
    .option("--regex <regex>", "find a regular expression of JavaScript, on bytes")
    .option("--ignore-case", "take upper and lower case for the same")
    .option("--utf16", "find the text as UTF-16 (little-endian), too")
    .option("--block <name>", "search this RAM block only")
    .option("--max <n>", "print at most this many hits", countOption, MAX_HITS)
    .option("--slack", "search what a mapped-ram file has in place of zero pages, too")
    .option("--map <file>", MAP_HELP)
    .option("--below-4g <size>", BELOW_4G_HELP, sizeOption)
    .option("--json", "print JSON, one object a line")
    .option("--no-progress", "no progress bar")
    .addHelpText(
      "after",
      `
In a regular expression, \\x80 to \\xff are bytes, . is any byte but a line break,
[^] any byte, ^ and $ are the ends of lines. A match has at most 4096 bytes;
matches don't overlap.

Exit codes: 0 something was found, 1 nothing, 2 trouble.

Examples:
  migstream search guest.img --text 'Linux version'
  migstream search guest.img --hex '7f 45 4c 46 02' --block pc.ram
  migstream search guest.img --regex 'root:[^:\\n]*:\\d+:' --json | jq .guestAddress`,
    )
    .action(async (file, options) => {
      const { runSearch } = await import("./search.ts");
      const { text, hex, regex, ignoreCase, utf16 } = options;
      const pattern = { text, hex, regex, ignoreCase, utf16 };
      finish(await runSearch(file, { ...options, pattern }, streams));
    });
}

/** Reads a count for commander. */
function countOption(text: string): number {
  const count = /^\d+$/.test(text) ? Number(text) : NaN;
  if (Number.isSafeInteger(count) && count > 0) return count;
  throw new InvalidArgumentError("this option takes a number above 0");
}
