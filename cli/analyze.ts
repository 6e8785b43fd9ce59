/**
 * What analyze-migration.py does: a stream's device state as JSON, its description, its memory, or all of them as files.
 *
 * @module
 */

import { compatDescription, compatState, writeCompatState } from "../analyze/compat/compat.ts";
import { imageVmdescription, loadVmdescription } from "../analyze/load_vmdescription.ts";
import { readState, type ReadStateOptions, type StreamState } from "../analyze/state.ts";
import { type OpenInput, openInput } from "../container/open.ts";
import type { OutputFile } from "../container/output_file.ts";
import { FormatError } from "../format/error.ts";
import type { StreamItem } from "../format/items.ts";
import type { StreamVisitor } from "../format/payload.ts";
import type { RamBlock } from "../format/ram.ts";
import type { Vmdescription } from "../format/vmdescription.ts";
import type { DUMPS } from "./dumps.ts";
import { undisturbed } from "./long_work.ts";
import { describeError, escapeLine, EXIT, type Streams, UsageError } from "./main.ts";

/** Options of the analysis. */
export interface AnalyzeOptions {
  /** The device state in the script's form, the vmdescription, or the state in our own richer form. */
  readonly dump: typeof DUMPS[number];
  /** Whether the state includes the memory. */
  readonly memory: boolean;
  /** Whether everything is written to files instead. */
  readonly extract: boolean;
  /** Folder for those files. */
  readonly out: string;
  /** Absolute offset of the stream in the input. */
  readonly offset: number;
  /** Name or id of a snapshot in a qcow2 image. */
  readonly snapshot: string | undefined;
  /** File that a vmdescription is taken from, for a stream that carries none. */
  readonly vmdesc: string | undefined;
  /** Whether what stands before a damaged place is printed. */
  readonly keepGoing: boolean;
}

interface Job {
  readonly input: OpenInput;
  readonly options: AnalyzeOptions;
  readonly given: Vmdescription | undefined;
  readonly streams: Streams;
}

/** Runs the analysis of one input. */
export async function runAnalyze(
  path: string,
  options: AnalyzeOptions,
  streams: Streams,
): Promise<number> {
  if (options.memory && options.dump !== "state") {
    throw new UsageError("--memory goes with --dump state only");
  }
  const given = options.vmdesc === undefined ? undefined : await loadVmdescription(options.vmdesc);
  // Pages are printed after they were passed, so all of a pipe has to be kept for that.
  const keepAll = options.memory && !options.extract && options.dump === "state";
  const { offset, snapshot } = options;
  using input = await openInput(path, { offset, keepAll, snapshot });
  try {
    return await run({ input, options, given, streams });
  } finally {
    // Some notes come with the last byte of the input.
    for (const note of input.notes) streams.err.line(`note: ${escapeLine(note)}`);
  }
}

async function run(job: Job): Promise<number> {
  if (job.options.extract) return await extract(job);
  if (job.options.dump === "desc") return printDescription(job);
  if (job.options.dump === "rich") return await printRich(job);
  return await printState(job);
}

/** Reads the stream, with the pages in other channels. */
async function readPages(job: Job, visitor: StreamVisitor, sorted: boolean): Promise<StreamState> {
  const { readInput } = await import("../analyze/channels/read_input.ts");
  const pages = { content: true, sorted };
  return readInput(job.input, { ...readOptions(job), visitor, pages }).state;
}

/** Device state is in the main channel alone. */
function readDevices(job: Job): ReadStateOptions {
  return { ...readOptions(job), offset: job.input.streamOffset };
}

function readOptions({ options, given }: Job): Omit<ReadStateOptions, "offset"> {
  return {
    keepGoing: options.keepGoing,
    onItem: refuseCompatRecord,
    ...(given === undefined ? {} : { vmdescription: given }),
  };
}

/** The records of the obsolete version have no description and no sections: there is no state to print. */
function refuseCompatRecord(item: StreamItem): void {
  if (item.kind !== "compat-record") return;
  throw new FormatError(
    "unsupported-version",
    "Streams of the obsolete version 2 have no state to print",
    {
      offset: item.offset,
      expected: "version 3; 'migstream info' and 'layout' show version 2 too",
    },
  );
}

/** Tells on standard error what the result does not show, and gives the exit code. */
function conclude(state: StreamState, streams: Streams): number {
  const { guessed } = state;
  if (guessed.length > 0) {
    const how = guessed.every((item) => item.boundary === "footer") ? "footer" : "next section";
    const count = guessed.length === 1 ? "1 section has" : `${guessed.length} sections have`;
    streams.err.line(
      `note: ${count} no description; the end was found by the ${how}, the bytes are shown as they are`,
    );
  }
  if (state.trailingBytes > 0) {
    streams.err.line(`note: ${state.trailingBytes} byte(s) behind the end of the stream`);
  }
  for (const { first } of state.entries) {
    if (first.problem !== undefined) streams.err.line(`note: ${describeError(first.problem)}`);
  }
  if (state.error === undefined) return EXIT.DONE;
  streams.err.line(`error: ${describeError(state.error)}`);
  return EXIT.FAILED;
}

function printDescription({ input, streams }: Job): number {
  const section = imageVmdescription(input.source, input.streamOffset);
  if (section === undefined) {
    throw new FormatError("bad-vmdescription", "The stream carries no vmdescription", {
      offset: input.source.sizeBytes ?? 0,
      expected: "a vmdescription behind the stream's end",
    });
  }
  streams.out.text(compatDescription(section));
  return EXIT.DONE;
}

async function printState(job: Job): Promise<number> {
  const { options, streams } = job;
  const write = (bytes: Uint8Array) => streams.out.bytes(bytes);
  if (!options.memory) {
    const state = readState(job.input.source, readDevices(job));
    writeCompatState(state, write);
    return conclude(state, streams);
  }
  const { OrderedGuestMemory } = await import("../analyze/memory/ordered_memory.ts");
  const { compatMemory } = await import("../analyze/compat/memory.ts");
  const { inflate } = await import("../container/inflate.ts");
  using memory = new OrderedGuestMemory(job.input.source, inflate);
  const state = await readPages(job, memory, false);
  writeCompatState(state, write, compatMemory(memory, state.pageBytes ?? 0));
  return conclude(state, streams);
}

async function printRich(job: Job): Promise<number> {
  const { printRichState } = await import("../analyze/rich/rich.ts");
  const { readRichState } = await import("../analyze/rich/state.ts");
  const rich = readRichState(job.input.source, readDevices(job));
  printRichState(rich, (text) => job.streams.out.text(text));
  return conclude(rich.state, job.streams);
}

async function extract(job: Job): Promise<number> {
  const { options, streams } = job;
  const { RamExtractor } = await import("../analyze/memory/ram_extractor.ts");
  const { inflate } = await import("../container/inflate.ts");
  const { OutputFolder } = await import("../container/output_folder.ts");
  // Like the script, this writes over what is there.
  const inputs = [job.input.path, options.vmdesc].filter((each) => each !== undefined);
  using folder = new OutputFolder(options.out, { force: true, inputs });
  // The names of these two are taken first: a RAM block may be called like that.
  const description = folder.create("desc.json");
  const stateFile = folder.create("state.json");
  const names: string[] = [];
  const memoryOf = (block: RamBlock) => {
    names.push(block.name);
    const file = folder.create(block.name);
    file.setSize(block.usedLengthBytes);
    return file;
  };
  const state = await readPages(job, new RamExtractor({ memoryOf }, inflate), true);
  if (state.vmdescription === undefined) folder.discard(description);
  else {
    writeText(description, compatDescription(state.vmdescription).trimEnd());
    names.unshift("desc.json");
  }
  writeText(stateFile, compatState(state).trimEnd());
  names.push("state.json");
  undisturbed(() => folder.commit());
  for (const name of names) streams.out.line(escapeLine(name));
  return conclude(state, streams);
}

function writeText(file: OutputFile, text: string): void {
  file.writeAt(0, new TextEncoder().encode(text));
}
