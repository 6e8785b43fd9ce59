/**
 * The definition of `migstream read`.
 *
 * @module
 */

import type { CommandUnknownOpts } from "@commander-js/extra-typings";
import { sizeOption, streamCommand } from "./common_options.ts";
import type { Streams } from "./main.ts";
import { BELOW_4G_HELP, MAP_HELP } from "./physical_help.ts";

/** Bytes that are read unless told otherwise. */
const DEFAULT_LENGTH_BYTES = 256;

/** Makes the command; `finish` takes its exit code. */
export function makeCommand(
  streams: Streams,
  finish: (code: number) => void,
): CommandUnknownOpts {
  return streamCommand("read", "print a part of the memory")
    .description(
      "Prints a part of the guest's memory as hexadecimal digits and ASCII, or as it is (--raw). " +
        "Pages that the stream doesn't have are zeros. A part that leaves its block is refused; " +
        "one that begins in mapped physical memory and leaves it is printed that far, with exit code 2.",
    )
    .option("--physical <address>", "guest-physical address of the first byte", sizeOption)
    .option("--block <name>", "RAM block to read from")
    .option(
      "--address <address>",
      "address in the block of the first byte (default: 0)",
      sizeOption,
    )
    .option(
      "--length <n>",
      "how many bytes (4096, 0x1000, 4K, 1M)",
      sizeOption,
      DEFAULT_LENGTH_BYTES,
    )
    .option("--raw", "print the bytes as they are")
    .option("--slack", "show what a mapped-ram file has in place of zero pages")
    .option("--map <file>", MAP_HELP)
    .option("--below-4g <size>", BELOW_4G_HELP, sizeOption)
    .addHelpText(
      "after",
      `
Examples:
  migstream read guest.img --block pc.ram --address 0x7c00 --length 512
  migstream read guest.img --physical 0xfffffff0 --length 16
  migstream read guest.img --block vga.vram --length 16M --raw > vram.bin`,
    )
    .action(async (file, options) => {
      const { runRead } = await import("./read.ts");
      finish(await runRead(file, options, streams));
    });
}
