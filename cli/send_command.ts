/**
 * The definition of `migstream send`.
 *
 * @module
 */

import {
  Command,
  type CommandUnknownOpts,
  InvalidArgumentError,
  Option,
} from "@commander-js/extra-typings";
import { channelCount } from "./capture_command.ts";
import { sizeOption } from "./common_options.ts";
import type { Streams } from "./main.ts";

/** Makes the command; `finish` takes its exit code. */
export function makeCommand(
  streams: Streams,
  finish: (code: number) => void,
): CommandUnknownOpts {
  return new Command("send")
    .summary("feed an image to a QEMU that waits with -incoming")
    .description(
      "Plays the source of a migration. A classic stream goes as it is, whatever it is wrapped in; " +
        "a captured multifd migration channel by channel; what can't go over a socket as it is " +
        "(mapped-ram, postcopy) is made anew, page by page.",
    )
    .argument("<file>", "the image: a file, a folder with its channels, or - for standard input")
    .argument("<address>", "where the QEMU listens: unix:PATH, tcp:HOST:PORT, tcp:PORT")
    .option("--offset <n>", "where the stream starts in the file", sizeOption, 0)
    .option("--snapshot <name>", "which snapshot of a qcow2 image, by name or id")
    .option("--multifd <n>", "make it anew, with so many multifd channels", channelCount)
    .addOption(
      new Option("--compression <method>", "of the multifd channels")
        .choices(["none", "zlib", "zstd"] as const).default("none" as const),
    )
    .option("--level <n>", "level of the compression (default: 1)", compressionLevel)
    .addOption(
      new Option("--marks <where>", "where channels wait for each other (default: by machine type)")
        .choices(["round", "section"] as const),
    )
    .option("--no-progress", "no progress bar")
    .option("--quiet", "print nothing but errors")
    .option("--debug", "print the stack of an error")
    .addHelpText(
      "after",
      `
The destination is started like the source, with -incoming, and needs the capabilities and
parameters of the migration that is sent: multifd, multifd-channels, multifd-compression.

Examples:
  migstream send guest.save unix:incoming.sock
  migstream send captured/ tcp:192.0.2.7:4444
  migstream send guest.img tcp:4444 --multifd 4 --compression zstd`,
    )
    .action(async (file, address, options) => {
      const { runSend } = await import("./send.ts");
      finish(await runSend(file, address, options, streams));
    });
}

const MAX_LEVEL = 20;

/** Reads a level of compression for commander. */
export function compressionLevel(text: string): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value <= MAX_LEVEL) return value;
  throw new InvalidArgumentError(`Expected 0 to 9 for zlib, 0 to ${MAX_LEVEL} for zstd.`);
}
