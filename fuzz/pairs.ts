/**
 * Targets with two inputs: one is damaged, the other is what it is compared with, or what it describes.
 *
 * @module
 */

import { runDiff } from "../cli/diff.ts";
import { Output } from "../cli/output.ts";
import { runReport } from "../cli/report.ts";
import { runValidate } from "../cli/validate.ts";
import { writeCompatState } from "../analyze/compat/compat.ts";
import { readState } from "../analyze/state.ts";
import { validateSteps } from "../analyze/validate/validate.ts";
import { isFormatError } from "../format/error.ts";
import { BytesSource } from "../format/source.ts";
import { parseVmdescription } from "../format/vmdescription.ts";
import { inputOf } from "../tests/breaking.ts";
import type { Random } from "../tests/reading.ts";
import { answerOf, remove, type Workplace } from "./commands.ts";
import type { Dissection } from "./dissect.ts";

const quiet = () => {
  const nowhere = { writeSync: (bytes: Uint8Array) => bytes.length };
  return { out: new Output(nowhere), err: new Output(nowhere) };
};

async function wordOf(act: () => Promise<number>): Promise<string> {
  try {
    return `exit ${await act()}`;
  } catch (error) {
    return answerOf(error);
  }
}

/** Compares a damaged stream with another one, both ways round, with and without damage in the way. */
export async function tryPair(
  bytes: Uint8Array,
  other: Uint8Array,
  random: Random,
  place: Workplace,
): Promise<string> {
  const [a, b, page] = ["a", "b", "page"].map((name) => `${place.folder}/${name}`) as [
    string,
    string,
    string,
  ];
  Deno.writeFileSync(a, bytes);
  Deno.writeFileSync(b, other);
  try {
    const context = random.of([undefined, 0, 16]);
    const json = random.below(2) === 0;
    const options = {
      defaultIgnores: true,
      progress: false,
      keepGoing: true,
      json,
      context,
    } as const;
    const words: string[] = [];
    for (const [left, right] of [[a, b], [b, a]] as const) {
      words.push(await wordOf(() => runDiff(left, right, options, quiet())));
    }
    if (words[0] !== words[1]) throw new Error(`one way ${words[0]}, the other ${words[1]}`);
    if (random.below(4) === 0) {
      const made = { output: page, offset: 0, progress: false };
      await wordOf(() => runReport([a, b], made, quiet()));
    }
    return words[0]!;
  } finally {
    remove(a);
    remove(b);
    remove(page);
    place.checkClean([]);
  }
}

/** Reads a stream that carries no description with a damaged one. */
export function tryGiven(description: Uint8Array, { bytes, offset }: Dissection): string {
  try {
    const vmdescription = parseVmdescription(description, 0);
    const state = readState(new BytesSource(bytes), { offset, vmdescription, keepGoing: true });
    writeCompatState(state, () => {});
    const steps = validateSteps(inputOf(bytes, offset), { vmdescription });
    for (let step = steps.next(); step.done !== true;) step = steps.next();
    return state.error?.code ?? "ok";
  } catch (error) {
    if (!isFormatError(error)) throw error;
    return error.code;
  }
}

/** Checks a stream against a destination whose description is damaged. */
export async function tryAgainst(
  description: Uint8Array,
  { bytes, offset }: Dissection,
  place: Workplace,
): Promise<string> {
  const [path, against] = [`${place.folder}/input`, `${place.folder}/against`];
  Deno.writeFileSync(path, bytes);
  Deno.writeFileSync(against, description);
  try {
    const options = { offset, against, progress: false, json: true };
    return await wordOf(() => runValidate([path], options, quiet()));
  } finally {
    remove(path);
    remove(against);
    place.checkClean([]);
  }
}
