/**
 * Whole processes: exit code, one line of error, peak memory, nothing left.
 *
 * @module
 */

import { migstream } from "../tests/process.ts";
import type { Random } from "../tests/reading.ts";
import { remove, type Workplace } from "./commands.ts";

/** Arguments of commands; `IN` and `OUT` are paths. */
const ARGUMENTS: readonly (readonly string[])[] = [
  ["info", "IN", "--json"],
  ["analyze", "IN"],
  ["analyze", "IN", "-d", "rich", "--keep-going"],
  ["layout", "IN"],
  ["validate", "IN"],
  ["diff", "IN", "IN"],
  ["roundtrip", "IN"],
  ["registers", "IN"],
  ["search", "IN", "--hex", "00 ff"],
  ["extract", "IN", "-o", "OUT"],
  ["convert", "IN", "OUT", "--to", "mapped-ram"],
  ["report", "IN", "-o", "OUT"],
];

/** Runs a command as a process, from a file or from standard input. */
export async function runProcess(
  bytes: Uint8Array,
  random: Random,
  place: Workplace,
): Promise<string> {
  const [path, out] = [`${place.folder}/input`, `${place.folder}/out`];
  const template = random.of(ARGUMENTS);
  const isPipe = random.below(4) === 0 && !["diff", "report"].includes(template[0]!);
  const args = template.map((each) =>
    each === "IN" ? isPipe ? "-" : path : each === "OUT" ? out : each
  );
  Deno.writeFileSync(path, bytes);
  try {
    const { code, err } = await migstream(args, {
      permissions: ["-R", `-W=${place.folder}`, "-E"],
      ...(isPipe ? { input: bytes } : {}),
    });
    const where = args.join(" ");
    if (![0, 1, 2].includes(code)) throw new Error(`${where}: exit code ${code}: ${err}`);
    if (/^\s+at |panicked|Uncaught/m.test(err)) throw new Error(`${where}: a stack: ${err}`);
    if (code === 2 && err.trim() === "") throw new Error(`${where}: no word about the error`);
    return `exit ${code}`;
  } finally {
    remove(path);
    remove(out);
    place.checkClean([]);
  }
}
