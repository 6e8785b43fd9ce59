/**
 * One input through everything at once: what the tests do with inputs that once found something.
 *
 * @module
 */

import { Random } from "../tests/reading.ts";
import type { Workplace } from "./commands.ts";
import { TARGETS } from "./targets.ts";

/** The targets for a stream: a file of any container can be given to those that take files. */
const OF_STREAMS = ["reading", "agreement", "memory", "views", "pipe", "commands"];

/**
 * Tries bytes. `target` is the name of a target, `stream` for all of those that take a stream, or `file` for all commands; fails if
 * something happens that may not.
 */
export async function tryEverything(
  target: string,
  bytes: Uint8Array,
  place: Workplace,
): Promise<void> {
  const names = target === "stream" ? OF_STREAMS : target === "file" ? ["commands"] : [target];
  for (const name of names) {
    const tried = TARGETS[name];
    if (tried === undefined) throw new Error(`no target ${name}`);
    await tried.run({ kind: "given", bytes, offset: 0 }, new Random(1), place);
  }
}
