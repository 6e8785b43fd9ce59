/**
 * Converting an image, beside copying its file.
 *
 * @module
 */

import type { Comparison, Input, Setting, TimeTarget } from "./comparisons.ts";
import { type CommandLine, shell } from "./run.ts";

/** Each byte has to be read and written, whatever form it gets. */
const LIKE_COPY: TimeTarget = { factor: 1.5, plusSeconds: 0 };
/** Most memory, whatever the size of the guest. */
const MEMORY_LIMIT_BYTES = 200_000_000;

const CLI = "cli.ts";

/** What the commands write, in the folder of the inputs. */
export const CONVERT_FILES: readonly string[] = ["converted.mig", "copied.mig"];

/** Where the commands write, beside an input. */
function outputs({ path }: Input): [converted: string, copied: string] {
  const folder = path.slice(0, path.lastIndexOf("/"));
  return [`${folder}/${CONVERT_FILES[0]}`, `${folder}/${CONVERT_FILES[1]}`];
}

function convert(input: Input, to: string, sync: boolean): CommandLine {
  const [out] = outputs(input);
  const options = ["--to", to, "--quiet", ...(sync ? [] : ["--no-sync"])];
  const args = ["run", "-R", "-W", CLI, "convert", input.path, out, ...options];
  return { program: Deno.execPath(), args, removes: outputs(input) };
}

function copy(input: Input, sync: boolean): CommandLine {
  const [, out] = outputs(input);
  const command = shell(
    `cp --sparse=always "$1" "$2"${sync ? ' && sync "$2"' : ""}`,
    input.path,
    out,
  );
  return { ...command, removes: outputs(input) };
}

/** From each form to the other, and reading, encoding and comparing without writing. */
export function convertComparisons({ classic, mapped }: Setting): Comparison[] {
  const rows: Comparison[] = [];
  for (const [input, to] of [[classic, "mapped-ram"], [mapped, "stream"]] as const) {
    for (const sync of [false, true]) {
      const what = `convert --to ${to}${sync ? "" : " --no-sync"}, ${input.name}`;
      rows.push({
        kind: "pair",
        what,
        needs: CLI,
        ours: convert(input, to, sync),
        peerName: `cp --sparse=always${sync ? " and sync" : ""}`,
        peer: copy(input, sync),
        target: LIKE_COPY,
      });
    }
    rows.push({
      kind: "memory",
      what: `convert --to ${to}, ${input.name}`,
      needs: CLI,
      ours: convert(input, to, false),
      limitBytes: MEMORY_LIMIT_BYTES,
    });
  }
  rows.push({
    kind: "pair",
    what: `roundtrip, ${classic.name}`,
    needs: CLI,
    ours: { program: Deno.execPath(), args: ["run", "-R", CLI, "roundtrip", classic.path] },
    peerName: "cat",
    peer: { program: "cat", args: [classic.path] },
  });
  return rows;
}
