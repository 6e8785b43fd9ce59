/**
 * Tries inputs: counts what came out, and keeps what may not happen.
 *
 * @module
 */

import { Random } from "../tests/reading.ts";
import type { Workplace } from "./commands.ts";
import { type FuzzInput, TARGETS } from "./targets.ts";

/** What may not happen, and happened. */
export interface Find {
  /** Target, number of the input, how it was made. */
  readonly where: string;
  /** The error, with its stack. */
  readonly error: string;
  /** What finds of one cause have in common. */
  readonly signature: string;
  /** The input. */
  readonly input: FuzzInput;
}

/** Counts of a run. */
export interface Counters {
  /** Inputs by target. */
  readonly targets: Record<string, number>;
  /** Inputs by kind of mutation. */
  readonly kinds: Record<string, number>;
  /** Inputs by outcome. */
  readonly words: Record<string, number>;
  /** Finds by signature. */
  readonly finds: Record<string, number>;
  /** Milliseconds of the slowest input. */
  slowestMs: number;
}

/** No counts yet. */
export function newCounters(): Counters {
  return { targets: {}, kinds: {}, words: {}, finds: {}, slowestMs: 0 };
}

function count(counts: Record<string, number>, name: string): void {
  counts[name] = (counts[name] ?? 0) + 1;
}

/** Milliseconds that an input may take: commands have a share each. */
const FREE_MS = 6000;
/** More for each byte: whole streams are read a dozen times. */
const MS_PER_BYTE = 0.02;

/** The random numbers of one input of a target. */
export function randomOf(seed: number, target: string, index: number): Random {
  let mixed = Math.imul(seed, 0x9e3779b1) ^ Math.imul(index + 1, 0x85ebca6b);
  for (const letter of target) mixed = Math.imul(mixed ^ letter.charCodeAt(0), 0x01000193);
  return new Random(mixed);
}

/** Tries one input; on a machine with other work `patience` times as long as usual. */
export async function tryInput(
  target: string,
  seed: number,
  index: number,
  place: Workplace,
  counters: Counters,
  patience: number = 1,
): Promise<Find | undefined> {
  const random = randomOf(seed, target, index);
  const input = TARGETS[target]!.make(random);
  count(counters.targets, target);
  count(counters.kinds, input.kind);
  const failure = await tried(target, input, random, place, counters, patience);
  if (failure === undefined) return undefined;
  const error = failure instanceof Error ? describeAll(failure) : String(failure);
  const signature = signatureOf(target, error);
  count(counters.words, "FOUND");
  count(counters.finds, signature);
  return {
    where: `${target}, seed ${seed}, input ${index}, ${input.kind}`,
    error,
    signature,
    input,
  };
}

async function tried(
  target: string,
  input: FuzzInput,
  random: Random,
  place: Workplace,
  counters: Counters,
  patience: number,
): Promise<unknown> {
  const start = performance.now();
  try {
    const word = await TARGETS[target]!.run(input, random, place);
    count(counters.words, word);
  } catch (error) {
    return error ?? new Error("nothing was thrown");
  }
  const took = performance.now() - start;
  counters.slowestMs = Math.max(counters.slowestMs, Math.round(took));
  const most = patience * (FREE_MS + MS_PER_BYTE * input.bytes.length);
  return took > most ? new Error(`too slow: ${Math.round(took)} ms`) : undefined;
}

function describeAll(error: Error): string {
  const cause = error.cause instanceof Error ? `\ncause: ${describeAll(error.cause)}` : "";
  return `${error.stack ?? error.message}${cause}`;
}

/** The message without numbers, and the first place in the project. */
function signatureOf(target: string, error: string): string {
  const message = error.split("\n")[0]!.replace(/\d+/g, "N").slice(0, 120);
  const place = /(?:format|container|analyze|cli)\/[\w/]+\.ts:\d+/.exec(error)?.[0] ?? "";
  return place === "" ? `${target}: ${message}` : `${message} (${place})`;
}
