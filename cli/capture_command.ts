/**
 * The definition of `migstream capture`.
 *
 * @module
 */

import {
  Command,
  type CommandUnknownOpts,
  InvalidArgumentError,
} from "@commander-js/extra-typings";
import type { Streams } from "./main.ts";

/** Makes the command; `finish` takes its exit code. */
export function makeCommand(
  streams: Streams,
  finish: (code: number) => void,
): CommandUnknownOpts {
  return new Command("capture")
    .summary("record a migration, channel by channel")
    .description(
      "Listens, plays the destination of a migration well enough for its source to complete, and " +
        "writes what comes on each connection to a file of its own; or stands between the source " +
        "and a real destination (--forward) and records both directions. capture.json says what " +
        "each file is and whether it is whole.",
    )
    .requiredOption("--listen <address>", "where the source connects to")
    .requiredOption("-o, --out <folder>", "where the files go")
    .option("--forward <address>", "where the real destination listens")
    .option("--channels <n>", "how many multifd channels have to come", channelCount)
    .option("--force", "replace a capture that is there")
    .option("--no-sync", "don't wait until the disk has everything")
    .option("--no-progress", "no status line")
    .option("--quiet", "print nothing but errors")
    .option("--debug", "print the stack of an error")
    .addHelpText(
      "after",
      `
Addresses: unix:PATH, tcp:HOST:PORT, or tcp:PORT for this machine alone. In the source:
  migrate -d unix:migration.sock

Ctrl-C keeps what came, marked as incomplete.

Examples:
  migstream capture --listen unix:migration.sock --out guest/
  migstream capture --listen tcp:4444 --out guest/ --forward tcp:192.0.2.7:4444`,
    )
    .action(async (options) => {
      const { runCapture } = await import("./capture.ts");
      finish(await runCapture(options, streams));
    });
}

/** QEMU has at most 255 channels. */
const MAX_CHANNELS = 255;

/** Reads a number of multifd channels for commander. */
export function channelCount(text: string): number {
  const count = Number(text);
  if (/^\d+$/.test(text) && count >= 1 && count <= MAX_CHANNELS) return count;
  throw new InvalidArgumentError(`Expected 1 to ${MAX_CHANNELS}.`);
}
