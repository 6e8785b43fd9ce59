/**
 * A port of QEMU's analyze-migration.py: dumps a migration stream as JSON.
 *
 * ```text
 * deno run -R analyze.ts dump.img
 * ```
 *
 * @module
 */

import { parseArgs } from "@std/cli/parse-args";
import { type AnalyzeOptions, runAnalyze } from "./cli/analyze.ts";
import { DUMPS } from "./cli/dumps.ts";
import { EXIT, runMain, UsageError } from "./cli/main.ts";
import { parseSize } from "./cli/size.ts";

const HELP = `Usage: analyze.ts [options] FILE

Dumps a QEMU migration stream as JSON, as QEMU's analyze-migration.py does. FILE may be
- for standard input, an image of virsh save, a qcow2 image with a saved state, a folder
with the channels of a migration, and compressed; what it is shows by its content.

Options:
  -f, --file FILE     the stream, as an option
  -m, --memory        dump RAM contents as well
  -d, --dump WHAT     what to dump: state (default), desc (the vmdescription), or
                      rich (the state with types, offsets and decoded payloads)
  -x, --extract       write state, description and RAM blocks to files
      --out DIR       folder for those files (default: the current one)
      --offset N      where the stream starts in the file (also 0x1000, 4K, 1M)
      --snapshot NAME which snapshot of a qcow2 image, by name or id
      --vmdesc FILE   take the vmdescription from another image or a JSON file,
                      for streams that carry none
      --keep-going    print what stands before a damaged place
      --debug         print the stack of an error
  -h, --help          print this help

Examples:
  deno run -R analyze.ts dump.img
  deno run -R analyze.ts -d desc dump.img
  deno run -RW analyze.ts -x --out contents dump.img
  ssh host cat dump.img.gz | deno run -R analyze.ts -
`;

function parse(args: string[]): { path: string; options: AnalyzeOptions; debug: boolean } | "help" {
  const flags = parseArgs(args, {
    boolean: ["memory", "extract", "keep-going", "debug", "help"],
    string: ["file", "dump", "out", "offset", "snapshot", "vmdesc"],
    alias: { f: "file", m: "memory", d: "dump", x: "extract", h: "help" },
    unknown: (argument, key) => {
      if (key !== undefined) throw new UsageError(`unknown option ${argument}; try --help`);
    },
  });
  if (flags.help) return "help";
  const paths = [...flags._.map(String), ...(flags.file === undefined ? [] : [flags.file])];
  const [path] = paths;
  if (path === undefined || path === "" || paths.length > 1) {
    throw new UsageError("exactly one FILE is needed; try --help");
  }
  const dump = DUMPS.find((each) => each === (flags.dump ?? "state"));
  if (dump === undefined) throw new UsageError(`--dump takes ${DUMPS.join(", ")}`);
  const options = {
    dump,
    memory: flags.memory,
    extract: flags.extract,
    out: flags.out ?? ".",
    offset: flags.offset === undefined ? 0 : parseSize(flags.offset, "--offset"),
    snapshot: flags.snapshot,
    vmdesc: flags.vmdesc,
    keepGoing: flags["keep-going"],
  };
  return { path, options, debug: flags.debug };
}

if (import.meta.main) {
  await runMain("analyze", Deno.args.includes("--debug"), (streams) => {
    const parsed = parse(Deno.args);
    if (parsed !== "help") return runAnalyze(parsed.path, parsed.options, streams);
    streams.out.text(HELP);
    return EXIT.DONE;
  });
}
