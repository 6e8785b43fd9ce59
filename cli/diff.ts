/**
 * `migstream diff`: what is different between two saved guests.
 *
 * @module
 */

import { diffGuests } from "../analyze/diff/diff.ts";
import { DEFAULT_IGNORES } from "../analyze/diff/ignore.ts";
import { type DiffSide, readDiffSide } from "../analyze/diff/side.ts";
import { loadVmdescription } from "../analyze/load_vmdescription.ts";
import { UnknownMapError } from "../analyze/memory/guest.ts";
import type { PhysicalMap } from "../analyze/memory/physical_map.ts";
import { type OpenInput, openInput } from "../container/open.ts";
import { isFormatError } from "../format/error.ts";
import type { Vmdescription } from "../format/vmdescription.ts";
import { printDiffJson } from "./diff_json.ts";
import { printDiffText, type ShownDiff } from "./diff_text.ts";
import { describeError, escapeLine, EXIT, type Streams, UsageError } from "./main.ts";
import { type Progress, progressOver, readingProgress, startProgress } from "./progress.ts";
import { physicalMapOf } from "./physical_options.ts";

/** Options of `diff`. */
export interface DiffCommandOptions {
  /** Whether configuration, sections and device state are compared, and memory only if that is asked for too. */
  readonly state?: boolean | undefined;
  /** The same for memory. */
  readonly ram?: boolean | undefined;
  /** Globs over paths that are passed over. */
  readonly ignore?: readonly string[] | undefined;
  /** Whether clocks and timers are passed over. */
  readonly defaultIgnores: boolean;
  /** Bytes shown around bytes of memory that differ; `undefined` if bytes are not shown. */
  readonly context?: number | undefined;
  /** File with a physical map. */
  readonly map?: string | undefined;
  /** Bytes of a PC's memory below 4 GiB. */
  readonly below4g?: number | undefined;
  /** Absolute offset of both streams in their inputs. */
  readonly offset?: number | undefined;
  /** Of the left one. */
  readonly offsetA?: number | undefined;
  /** Of the right one. */
  readonly offsetB?: number | undefined;
  /** Name or id of a snapshot in the left qcow2 image. */
  readonly snapshotA?: string | undefined;
  /** In the right one. */
  readonly snapshotB?: string | undefined;
  /** File that a vmdescription is taken from. */
  readonly vmdesc?: string | undefined;
  /** Whether what stands before a damaged place is compared. */
  readonly keepGoing?: boolean | undefined;
  /** Whether there may be a progress bar. */
  readonly progress: boolean;
  /** Whether to print JSON. */
  readonly json?: boolean | undefined;
  /** Whether nothing but errors is printed. */
  readonly quiet?: boolean | undefined;
}

/** One of the two inputs. */
interface Side extends Disposable {
  readonly path: string;
  readonly input: OpenInput;
  readonly read: DiffSide;
}

/** How both are read. */
interface Reading {
  readonly keepGoing: boolean;
  readonly vmdescription: Vmdescription | undefined;
  readonly progress: Progress;
}

/** Compares two inputs. */
export async function runDiff(
  a: string,
  b: string,
  options: DiffCommandOptions,
  streams: Streams,
): Promise<number> {
  if (a === "-" && b === "-") throw new UsageError("only one of both can be standard input");
  const { vmdesc, offset = 0, state = false, ram = false, ignore = [] } = options;
  const vmdescription = vmdesc === undefined ? undefined : await loadVmdescription(vmdesc);
  const { keepGoing = false, offsetA = offset, offsetB = offset, snapshotA, snapshotB } = options;
  using progress = await startProgress(options.progress && options.quiet !== true);
  const reading = { keepGoing, vmdescription, progress };
  using left = await openSide(a, { offset: offsetA, snapshot: snapshotA }, reading);
  using right = await openSide(b, { offset: offsetB, snapshot: snapshotB }, reading);
  const blocks = [...left.read.memory.blocks, ...right.read.memory.blocks];
  const diff = diffGuests(left.read, right.read, {
    ignore: options.defaultIgnores ? [...ignore, ...DEFAULT_IGNORES] : ignore,
    state: state || !ram,
    ram: ram || !state,
    onProgress: progressOver(blocks, progress, "compared"),
  });
  progress.clear();
  const { map, notes } = diff.ram.length === 0 ? { notes: [] } : findMap([left, right], options);
  const { context } = options;
  const shown: ShownDiff = { diff, left: left.read.memory, right: right.read.memory, map, context };
  if (options.quiet !== true) {
    if (options.json === true) printDiffJson(shown, streams.out);
    else printDiffText(shown, streams.out);
    for (const note of [...diff.notes, ...notes]) streams.err.line(`note: ${escapeLine(note)}`);
  }
  return conclude(diff.same ? EXIT.DONE : EXIT.NO, [left, right], options, streams);
}

async function openSide(
  path: string,
  { offset, snapshot }: { readonly offset: number; readonly snapshot: string | undefined },
  reading: Reading,
): Promise<Side> {
  let input: OpenInput | undefined;
  try {
    const opened = input = await openInput(path, { offset, snapshot, keepAll: true });
    const { progress, ...options } = reading;
    const onItem = readingProgress(opened, progress);
    const read = readDiffSide(opened, { ...options, onItem });
    const dispose = () => {
      read[Symbol.dispose]();
      opened[Symbol.dispose]();
    };
    return { path, input: opened, read, [Symbol.dispose]: dispose };
  } catch (error) {
    input?.[Symbol.dispose]();
    // Which of both it is, the error doesn't know.
    if (!isFormatError(error)) throw error;
    throw new Error(`${path}: ${error.describe()}`, { cause: error });
  }
}

/** The physical map of the guest that has one; without a map addresses in blocks have to do. */
function findMap(
  sides: readonly Side[],
  options: DiffCommandOptions,
): { readonly map?: PhysicalMap; readonly notes: readonly string[] } {
  const { map, below4g } = options;
  let reason = "";
  for (const { read } of sides) {
    try {
      return physicalMapOf(read.guest, { map, below4g });
    } catch (error) {
      if (!(error instanceof UnknownMapError)) throw error;
      reason ||= error.message;
    }
  }
  return { notes: [reason] };
}

/** Tells what deserves attention about the inputs, and errors that were passed over. */
function conclude(
  code: number,
  sides: readonly Side[],
  { quiet }: DiffCommandOptions,
  { err }: Streams,
): number {
  let isDamaged = false;
  for (const { path, input, read } of sides) {
    const notes = quiet === true ? [] : input.notes;
    for (const note of notes) err.line(`note: ${escapeLine(`${path}: ${note}`)}`);
    const { error } = read.state;
    if (error === undefined) continue;
    isDamaged = true;
    err.line(`error: ${escapeLine(path)}: ${describeError(error)}; compared up to there`);
  }
  return isDamaged ? EXIT.FAILED : code;
}
