/**
 * `migstream report`: a page that shows an image, or compares two.
 *
 * @module
 */

import { diffGuests } from "../analyze/diff/diff.ts";
import { readDiffSide } from "../analyze/diff/side.ts";
import { loadVmdescription } from "../analyze/load_vmdescription.ts";
import { reportSideSteps, TREE_CHARACTERS } from "../analyze/report/collect.ts";
import { comparisonModel } from "../analyze/report/comparison.ts";
import type { ComparisonModel, ReportModel, SideModel } from "../analyze/report/model.ts";
import { type OpenInput, openInput, type OpenOptions } from "../container/open.ts";
import { OutputFile, type OutputFileOptions, refuseExisting } from "../container/output_file.ts";
import config from "../deno.json" with { type: "json" };
import { isFormatError } from "../format/error.ts";
import type { Vmdescription } from "../format/vmdescription.ts";
import { SignalGuard, undisturbed } from "./long_work.ts";
import { EXIT, type Streams, UsageError } from "./main.ts";
import {
  type Progress,
  progressOver,
  readingProgress,
  startProgress,
  unpackingProgress,
} from "./progress.ts";
import { reportPage } from "./report_page.ts";

/** Options of `report`. */
export interface ReportCommandOptions {
  /** Path of the page; `-` for standard output. */
  readonly output: string;
  /** Whether slack is looked for however much there is to read. */
  readonly slack?: true | undefined;
  /** Absolute offset of the stream in the input. */
  readonly offset: number;
  /** Name or id of a snapshot in a qcow2 image. */
  readonly snapshot?: string | undefined;
  /** The offset in the other input, if it is another one. */
  readonly offsetB?: number | undefined;
  /** The snapshot of the other input, if it is another one. */
  readonly snapshotB?: string | undefined;
  /** File that a vmdescription is taken from. */
  readonly vmdesc?: string | undefined;
  /** Whether a page that is there is replaced. */
  readonly force?: true | undefined;
  /** Whether there may be a progress bar. */
  readonly progress: boolean;
}

/** Writes a report of one input or two. */
export async function runReport(
  paths: readonly string[],
  options: ReportCommandOptions,
  streams: Streams,
): Promise<number> {
  const { output, force = false, vmdesc } = options;
  if (paths.filter((path) => path === "-").length > 1) {
    throw new UsageError("standard input can be only one of the two images");
  }
  // What is in the way is told before the work, not behind it.
  const inputs = vmdesc === undefined ? paths : [...paths, vmdesc];
  if (output !== "-") refuseExisting(output, { force, inputs });
  const vmdescription = vmdesc === undefined ? undefined : await loadVmdescription(vmdesc);
  using progress = await startProgress(options.progress);
  const page = await reportPage(await readModel(paths, options, vmdescription, progress));
  progress.clear();
  if (output === "-") streams.out.text(page);
  else undisturbed(() => writeWhole(output, page, { force, inputs }));
  return EXIT.DONE;
}

function writeWhole(path: string, text: string, options: OutputFileOptions): void {
  using file = new OutputFile(path, options);
  file.writeAt(0, new TextEncoder().encode(text));
  file.commit();
}

async function readModel(
  paths: readonly string[],
  options: ReportCommandOptions,
  vmdescription: Vmdescription | undefined,
  progress: Progress,
): Promise<ReportModel> {
  const { offset, snapshot, offsetB = offset, snapshotB = snapshot, slack = false } = options;
  const places = [{ offset, snapshot }, { offset: offsetB, snapshot: snapshotB }];
  using stack = new DisposableStack();
  const inputs: OpenInput[] = [];
  const sides: SideModel[] = [];
  for (const [index, path] of paths.entries()) {
    const onUnpack = unpackingProgress(progress);
    const opening = { ...places[index], seekable: true, keepAll: true, onUnpack };
    const input = stack.use(await open(path, opening));
    // Not before: unpacking is one long step.
    using guard = new SignalGuard(path);
    inputs.push(input);
    const treeCharacters = TREE_CHARACTERS / paths.length;
    sides.push(
      await guard.run(
        reportSideSteps(input, { slack, vmdescription, treeCharacters }),
        readingProgress(input, progress),
      ),
    );
  }
  const [left, right] = inputs;
  return {
    version: 1,
    generator: `migstream ${config.version}`,
    sides,
    comparison: left === undefined || right === undefined
      ? null
      : compare(left, right, vmdescription, progress),
  };
}

/** Which of two inputs it is, an error doesn't know. */
async function open(path: string, options: OpenOptions): Promise<OpenInput> {
  try {
    return await openInput(path, options);
  } catch (error) {
    if (!isFormatError(error)) throw error;
    throw new Error(`${path}: ${error.describe()}`, { cause: error });
  }
}

/** Damage ends the comparison where it stands; both sides tell it themselves. */
function compare(
  left: OpenInput,
  right: OpenInput,
  vmdescription: Vmdescription | undefined,
  progress: Progress,
): ComparisonModel {
  const options = { keepGoing: true, vmdescription };
  using ours = readDiffSide(left, options);
  using theirs = readDiffSide(right, options);
  const blocks = [...ours.memory.blocks, ...theirs.memory.blocks];
  const onProgress = progressOver(blocks, progress, "compared");
  return comparisonModel(diffGuests(ours, theirs, { onProgress }));
}
