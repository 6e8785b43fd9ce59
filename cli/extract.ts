/**
 * `migstream extract`: the guest's memory, as files.
 *
 * @module
 */

import { type BlockExtraction, extractBlocks } from "../analyze/extract/blocks.ts";
import { hashSteps, loadSha256, type NewHash } from "../analyze/extract/hash.ts";
import { beginPhysical, mappedBytes, type PhysicalFormat } from "../analyze/extract/physical.ts";
import { vmcoreinfoNote } from "../analyze/extract/vmcoreinfo.ts";
import { loadVmdescription } from "../analyze/load_vmdescription.ts";
import type { MissingChannels } from "../analyze/memory/completeness.ts";
import { readGuestMemorySteps } from "../analyze/memory/open_memory.ts";
import { readCpuStates } from "../analyze/registers/mod.ts";
import { inflate } from "../container/inflate.ts";
import { type OpenInput, openInput } from "../container/open.ts";
import { OutputFile, type OutputFileOptions } from "../container/output_file.ts";
import { OutputFolder } from "../container/output_folder.ts";
import type { FormatError } from "../format/error.ts";
import type { Vmdescription } from "../format/vmdescription.ts";
import type { EXTRACT_FORMATS } from "./extract_formats.ts";
import { SignalGuard, undisturbed } from "./long_work.ts";
import { describeError, escapeLine, EXIT, type Streams, UsageError } from "./main.ts";
import { physicalMapOf } from "./physical_options.ts";
import { readingProgress, startProgress } from "./progress.ts";
import { sizeText } from "./size_text.ts";
import { table } from "./table.ts";
import { outputWidth } from "./terminal.ts";

/** Options of `extract`. */
export interface ExtractCommandOptions {
  /** The folder, or the file. */
  readonly out: string;
  /** What is written. */
  readonly format: typeof EXTRACT_FORMATS[number];
  /** The only RAM blocks that are wanted. */
  readonly block?: readonly string[] | undefined;
  /** Whether the files are hashed. */
  readonly sha256?: boolean | undefined;
  /** Whether slack is written. */
  readonly slack?: boolean | undefined;
  /** File with a physical map. */
  readonly map?: string | undefined;
  /** Bytes of a PC's memory below 4 GiB. */
  readonly below4g?: number | undefined;
  /** Whether files that are there are replaced. */
  readonly force?: boolean | undefined;
  /** Whether files are on the disk before they get their names. */
  readonly sync: boolean;
  /** Whether there may be a progress bar. */
  readonly progress: boolean;
  /** Whether nothing but errors is printed. */
  readonly quiet?: boolean | undefined;
  /** Absolute offset of the stream in the input. */
  readonly offset: number;
  /** Name or id of a snapshot in a qcow2 image. */
  readonly snapshot?: string | undefined;
  /** File that a vmdescription is taken from. */
  readonly vmdesc?: string | undefined;
  /** Whether what came before a damaged place is written. */
  readonly keepGoing?: boolean | undefined;
}

interface Job {
  readonly input: OpenInput;
  readonly options: ExtractCommandOptions;
  readonly output: OutputFileOptions;
  readonly newHash: NewHash | undefined;
  readonly guard: SignalGuard;
  readonly streams: Streams;
}

/** Writes the memory of a guest to files. */
export async function runExtract(
  path: string,
  options: ExtractCommandOptions,
  streams: Streams,
): Promise<number> {
  const { format, offset, snapshot } = options;
  checkUsage(options);
  // Physical memory is written in another order than it comes.
  const keepAll = format !== "blocks";
  const choice = snapshot === undefined ? {} : { snapshot };
  using input = await openInput(path, { offset, keepAll, ...choice });
  const inputs = [path, options.vmdesc, options.map].filter((each) => each !== undefined);
  const output = { force: options.force ?? false, sync: options.sync, inputs };
  const newHash = options.sha256 === true ? await loadSha256() : undefined;
  using guard = new SignalGuard(path);
  const job = { input, options, output, newHash, guard, streams };
  return format === "blocks" ? await runBlocks(job) : await runPhysical(job, format);
}

function checkUsage({ format, block, slack, map, below4g }: ExtractCommandOptions): void {
  if (format === "blocks") {
    if (map === undefined && below4g === undefined) return;
    throw new UsageError("--map and --below-4g go with the formats of physical memory");
  }
  if (block !== undefined) throw new UsageError("--block goes with --format blocks only");
  if (slack === true) throw new UsageError("--slack goes with --format blocks only");
}

async function runBlocks(job: Job): Promise<number> {
  const { input, options, output, newHash, guard } = job;
  using folder = new OutputFolder(options.out, output);
  using progress = await startProgress(options.progress && options.quiet !== true);
  const vmdescription = await givenDescription(options);
  const steps = extractBlocks(input, folder, inflate, {
    wanted: options.block,
    slack: options.slack ?? false,
    newHash,
    reading: {
      keepGoing: options.keepGoing ?? false,
      ...(vmdescription === undefined ? {} : { vmdescription }),
    },
  });
  const extraction = await guard.run(
    steps,
    ({ doneBytes, totalBytes, phase }) => progress.update(doneBytes, totalBytes, phase),
  );
  const { blocks, missingChannels, state } = extraction;
  refuseParts(missingChannels, options);
  if (blocks.length === 0 && state.error === undefined) {
    throw new Error("The stream carries no memory");
  }
  undisturbed(() => folder.commit());
  progress[Symbol.dispose]();
  printBlocks(extraction, job);
  return conclude(job, state.error);
}

function refuseParts(missing: MissingChannels | undefined, options: ExtractCommandOptions): void {
  if (missing === undefined || options.keepGoing === true) return;
  throw new Error(
    `The memory is not whole: this is the main channel of a ${missing} migration, and pages are ` +
      "in the other channels (--keep-going writes what is here)",
  );
}

async function givenDescription(
  { vmdesc }: ExtractCommandOptions,
): Promise<Vmdescription | undefined> {
  return vmdesc === undefined ? undefined : await loadVmdescription(vmdesc);
}

function printBlocks({ blocks }: BlockExtraction, { options, streams }: Job): void {
  if (options.quiet === true) return;
  const rows = blocks.map(({ name, file, bytes, sha256 }) => [
    escapeLine(name),
    sizeText(bytes),
    file === null ? "in a shared file, not in the stream" : escapeLine(`${options.out}/${file}`),
    ...(sha256 === undefined ? [] : [sha256]),
  ]);
  for (const line of table(rows, "lrll", outputWidth())) streams.out.line(line);
  for (const { name, file, absentPages, slack } of blocks) {
    if (absentPages > 0 && file !== null) {
      note(streams, `${name}: ${absentPages} page(s) are not in the stream: zeros in the file`);
    }
    if (slack !== undefined) note(streams, `${name}: ${slack.pages} page(s) of slack`);
  }
}

function note(streams: Streams, text: string): void {
  streams.err.line(`note: ${escapeLine(text)}`);
}

/** Tells what deserves attention, and gives the exit code. */
function conclude({ input, options, streams }: Job, error: FormatError | undefined): number {
  if (options.quiet !== true) { for (const text of input.notes) note(streams, text); }
  if (error === undefined) return EXIT.DONE;
  streams.err.line(`error: ${describeError(error)}`);
  return EXIT.FAILED;
}

async function runPhysical(job: Job, format: PhysicalFormat): Promise<number> {
  const { input, options, output, newHash, guard, streams } = job;
  const { keepGoing = false, map: mapFile, below4g, quiet } = options;
  const vmdescription = await givenDescription(options);
  using progress = await startProgress(options.progress && quiet !== true);
  using guest = await guard.run(
    readGuestMemorySteps(input, { vmdescription, keepGoing }),
    readingProgress(input, progress),
  );
  refuseParts(guest.missingChannels, options);
  const { map, notes } = physicalMapOf(guest.guest, { map: mapFile, below4g });
  using file = new OutputFile(options.out, output);
  guest.memory.usePhysicalMap(map);
  const kernelNote = vmcoreinfoNote(
    guest.state,
    (address, into) => guest.memory.readPhysical(address, into),
  );
  const image = {
    memory: guest.memory,
    map,
    cpus: readCpuStates(guest.state),
    notes: kernelNote === undefined ? [] : [kernelNote],
  };
  const begun = beginPhysical(image, format, file);
  const totalBytes = mappedBytes(map);
  await guard.run(
    begun.copy,
    (doneBytes) => progress.update(doneBytes, totalBytes, "memory"),
  );
  const sha256 = newHash === undefined ? undefined : await guard.run(
    hashSteps(file, begun.fileBytes, newHash),
    ({ doneBytes }) => progress.update(doneBytes, begun.fileBytes, "sha256"),
  );
  undisturbed(() => file.commit());
  progress[Symbol.dispose]();
  if (quiet !== true) {
    const size = `${sizeText(totalBytes)} of memory in ${map.ranges.length} range(s)`;
    const hash = sha256 === undefined ? "" : `  ${sha256}`;
    streams.out.line(`${escapeLine(options.out)}  ${size}${hash}`);
    for (const text of [...notes, ...begun.notes]) note(streams, text);
  }
  return conclude(job, guest.state.error);
}
