/**
 * The definition of `migstream info`.
 *
 * @module
 */

import type { CommandUnknownOpts } from "@commander-js/extra-typings";
import { streamCommand } from "./common_options.ts";
import { type Streams, UsageError } from "./main.ts";

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
    .option(
      "--slack",
      "count old content at absent pages of a mapped-ram file, however large it is",
    )
    .option("--xml", "print the domain's XML out of a libvirt save image, nothing else")
    .option("--cookie", "print libvirt's cookie out of such an image, nothing else")
    .addHelpText(
      "after",
      `
Examples:
  migstream info guest.img
  migstream info guest.img --json | jq '.ramBlocks[].pages'
  migstream info --xml /var/lib/libvirt/qemu/save/guest.save > guest.xml
  zstdcat guest.img.zst | migstream info -`,
    )
    .action(async (file, { offset, snapshot, vmdesc, ...options }) => {
      const { json = false, keepGoing = false, slack = false, xml, cookie } = options;
      if ([json, xml, cookie].filter((each) => each === true).length > 1) {
        throw new UsageError("--json, --xml and --cookie exclude each other");
      }
      const raw = xml === true ? "xml" : cookie === true ? "cookie" : undefined;
      const { runInfo } = await import("./info.ts");
      finish(
        await runInfo(file, { json, offset, snapshot, raw, vmdesc, keepGoing, slack }, streams),
      );
    });
}
