/**
 * The definition of `migstream convert`.
 *
 * @module
 */

import {
  Command,
  type CommandUnknownOpts,
  InvalidArgumentError,
  Option,
} from "@commander-js/extra-typings";
import { FILE_COMPRESSIONS } from "../container/file_compressions.ts";
import { channelCount } from "./capture_command.ts";
import { applyLimits, LIMIT_HELP, limitOption, sizeOption } from "./common_options.ts";
import { CONVERT_TARGETS } from "./convert_targets.ts";
import type { Streams } from "./main.ts";
import { compressionLevel } from "./send_command.ts";

/** A name and what stands behind its first, or last, equals sign. */
interface Pair {
  readonly name: string;
  readonly value: string;
}

/** Makes the command; `finish` takes its exit code. */
export function makeCommand(
  streams: Streams,
  finish: (code: number) => void,
): CommandUnknownOpts {
  return new Command("convert")
    .summary("write an image in another form, or changed")
    .description(
      "Writes an image as a classic stream, a mapped-ram file or a captured multifd migration, " +
        "whatever it comes in. The rounds of a live migration become one; the state of the " +
        "devices goes over as it is, but for what the options change. A file gets its name when " +
        "it is complete.",
    )
    .argument("<file>", "the image: a file, a folder with its channels, or - for standard input")
    .argument("<out>", "the file, or the folder of a capture; - for standard output")
    .addOption(
      new Option("--to <form>", "what is written").choices(CONVERT_TARGETS).makeOptionMandatory(),
    )
    .option("--set <path=value>", "change a device's field (may be repeated)", collect)
    .option("--set-file <path=file>", "the same, with the bytes of a file", collectPairs)
    .option("--drop-section <name>", "leave a device out: its name, or name/instance", collect)
    .option("--rename-block <old=new>", "give a RAM block another name", collectPairs)
    .option("--machine <name>", "name of the machine type")
    .option("--strip-vmdesc", "leave the vmdescription out")
    .option("--xbzrle", "in a stream: pages that are nearly zero as XBZRLE deltas")
    .addOption(new Option("--compress <how>", "compress a stream").choices(FILE_COMPRESSIONS))
    .option("--libvirt <xml>", "make a save image of libvirt, with the domain XML of this file")
    .option("--multifd <n>", "channels of a capture (default: 2)", channelCount)
    .addOption(
      new Option("--compression <method>", "of the multifd channels")
        .choices(["none", "zlib", "zstd"] as const).default("none" as const),
    )
    .option("--level <n>", "level of that compression (default: 1)", compressionLevel)
    .addOption(
      new Option("--marks <where>", "where channels wait for each other (default: by machine type)")
        .choices(["round", "section"] as const),
    )
    .option("--offset <n>", "where the stream starts in the file", sizeOption, 0)
    .option("--snapshot <name>", "which snapshot of a qcow2 image, by name or id")
    .option("--vmdesc <file>", "take the vmdescription from another image or a JSON file")
    .option("--force", "replace what is there")
    .option("--no-sync", "don't wait until the disk has everything")
    .option("--no-progress", "no progress bar")
    .option("--quiet", "print nothing but errors")
    .option("--limit <name=value>", LIMIT_HELP, limitOption)
    .option("--debug", "print the stack of an error")
    .hook("preAction", applyLimits)
    .addHelpText(
      "after",
      `
A field's path is NAME/INSTANCE/FIELD, as 'migstream layout --at' shows it:
  cpu/0/env.eip    0000:00:01.1/ide/0/parent_obj.config[4]

Examples:
  migstream convert guest.save guest.img --to mapped-ram
  migstream convert guest.img channels/ --to capture --multifd 4 --compression zstd
  migstream convert guest.img changed.mig --to stream --set 'cpu/0/env.eip=0x7c00'
  migstream convert guest.img guest.save --to stream --compress zstd --libvirt domain.xml`,
    )
    .action(async (file, out, options) => {
      const { runConvert } = await import("./convert.ts");
      finish(await runConvert(file, out, options, streams));
    });
}

function collect(text: string, before: readonly string[] = []): readonly string[] {
  return [...before, text];
}

/** Values may contain equals signs, names of fields don't. */
function collectPairs(text: string, before: readonly Pair[] = []): readonly Pair[] {
  const at = text.indexOf("=");
  if (at < 1) throw new InvalidArgumentError("Expected NAME=VALUE.");
  return [...before, { name: text.slice(0, at), value: text.slice(at + 1) }];
}
