/**
 * `migstream convert`: an image in another form, or changed.
 *
 * @module
 */

import { type EditRequest, isLateEdit, renameBlocks, resolveEdits } from "../analyze/edit/edits.ts";
import { parseAssignment } from "../analyze/edit/set_field.ts";
import { type GuestImage, memoryBytes } from "../analyze/image/image.ts";
import { type LoadedImage, loadImageSteps } from "../analyze/image/load_image.ts";
import { mainPieces } from "../analyze/image/main_channel.ts";
import { mapStreamSteps, NeedsMemoryError } from "../analyze/image/map_stream.ts";
import { mappedRamSteps } from "../analyze/image/mapped_ram.ts";
import { makeMigration, vmUuid } from "../analyze/image/migration.ts";
import { imageOf } from "../analyze/image/read_image.ts";
import { captureSteps } from "../analyze/image/write_capture.ts";
import { loadVmdescription } from "../analyze/load_vmdescription.ts";
import { beginCaptureFolder, removeStaleFiles } from "../container/capture_folder.ts";
import type { FileCompression } from "../container/file_compressions.ts";
import { LIBVIRT_RESERVE_BYTES } from "../container/libvirt.ts";
import { type OpenInput, openInput } from "../container/open.ts";
import { listFolder } from "../container/open_source.ts";
import { OutputFile, type OutputFileOptions } from "../container/output_file.ts";
import type { Vmdescription } from "../format/vmdescription.ts";
import {
  type LibvirtHead,
  libvirtHeadBytes,
  refuseInputs,
  SequentialOutput,
} from "./convert_output.ts";
import type { CONVERT_TARGETS } from "./convert_targets.ts";
import { SignalGuard, undisturbed } from "./long_work.ts";
import { escapeLine, EXIT, type Streams, UsageError } from "./main.ts";
import { type MultifdCommandOptions, multifdOptions } from "./multifd_options.ts";
import { type Progress, readingProgress, startProgress } from "./progress.ts";
import { sizeText } from "./size_text.ts";

/** A name and a value from the command line. */
interface Pair {
  readonly name: string;
  readonly value: string;
}

/** Options of `convert`. */
export interface ConvertCommandOptions extends MultifdCommandOptions {
  /** What is written. */
  readonly to: typeof CONVERT_TARGETS[number];
  /** Fields and their new values. */
  readonly set?: readonly string[] | undefined;
  /** Fields, and files with their new bytes. */
  readonly setFile?: readonly Pair[] | undefined;
  /** Devices that are left out. */
  readonly dropSection?: readonly string[] | undefined;
  /** RAM blocks and their new names. */
  readonly renameBlock?: readonly Pair[] | undefined;
  /** Name of the machine type. */
  readonly machine?: string | undefined;
  /** Whether the vmdescription is left out. */
  readonly stripVmdesc?: boolean | undefined;
  /** Whether pages that are nearly zero become deltas. */
  readonly xbzrle?: boolean | undefined;
  /** How a stream is compressed. */
  readonly compress?: FileCompression | undefined;
  /** File with the domain XML of a save image. */
  readonly libvirt?: string | undefined;
  /** Absolute offset of the stream in the input. */
  readonly offset: number;
  /** Name or id of a snapshot in a qcow2 image. */
  readonly snapshot?: string | undefined;
  /** File that a vmdescription is taken from. */
  readonly vmdesc?: string | undefined;
  /** Whether what is there is replaced. */
  readonly force?: boolean | undefined;
  /** Whether files are on the disk before they get their names. */
  readonly sync: boolean;
  /** Whether there may be a progress bar. */
  readonly progress: boolean;
  /** Whether nothing but errors is printed. */
  readonly quiet?: boolean | undefined;
}

/** What is to be done. */
interface Task {
  readonly path: string;
  readonly out: string;
  readonly options: ConvertCommandOptions;
  readonly edits: EditRequest;
  readonly vmdescription: Vmdescription | undefined;
  readonly output: OutputFileOptions;
  readonly progress: Progress;
  readonly streams: Streams;
}

/** The same once the input is open. */
interface Job extends Task {
  readonly guard: SignalGuard;
}

/** Converts an image. */
export async function runConvert(
  path: string,
  out: string,
  options: ConvertCommandOptions,
  streams: Streams,
): Promise<number> {
  checkUsage(out, options);
  const { sync, force = false, vmdesc, quiet = false } = options;
  using progress = await startProgress(options.progress && !quiet);
  const task: Task = {
    path,
    out,
    options,
    edits: await readEdits(options),
    vmdescription: vmdesc === undefined ? undefined : await loadVmdescription(vmdesc),
    output: { force, sync, inputs: inputsOf(path, options) },
    progress,
    streams,
  };
  const written = await convert(task);
  progress[Symbol.dispose]();
  if (!quiet) {
    for (const note of written.notes) streams.err.line(`note: ${escapeLine(note)}`);
    if (out !== "-") streams.out.line(`${escapeLine(out)}  ${describe(options, written)}`);
  }
  return EXIT.DONE;
}

/** Everything that is read: none of it is replaced. */
function inputsOf(path: string, { setFile = [], libvirt, vmdesc }: ConvertCommandOptions) {
  const others = [libvirt, vmdesc, ...setFile.map(({ value }) => value)];
  return [path, ...listFolder(path) ?? [], ...others.filter((each) => each !== undefined)];
}

function checkUsage(out: string, options: ConvertCommandOptions): void {
  const { to, compress, libvirt, xbzrle, multifd, machine } = options;
  if (machine === "") throw new UsageError("--machine takes the name of a machine type");
  if (out === "-" && to !== "stream") {
    throw new UsageError("only --to stream can be written to standard output");
  }
  if (compress !== undefined && to !== "stream") {
    throw new UsageError("--compress goes with --to stream");
  }
  if (libvirt !== undefined && to === "capture") {
    throw new UsageError("--libvirt goes with --to stream and --to mapped-ram");
  }
  if (xbzrle === true && to !== "stream") throw new UsageError("--xbzrle goes with --to stream");
  if (to === "capture") return;
  if (multifd !== undefined) throw new UsageError("--multifd goes with --to capture");
  multifdOptions(options, "--to capture");
}

async function readEdits(options: ConvertCommandOptions): Promise<EditRequest> {
  const { set = [], setFile = [], renameBlock = [] } = options;
  const files = await Promise.all(setFile.map(async ({ name, value }) => ({
    path: name,
    bytes: await Deno.readFile(value),
  })));
  return {
    machine: options.machine,
    dropped: options.dropSection,
    renamed: renameBlock.map(({ name, value }) => ({ from: name, to: value })),
    assignments: [...set.map(parseAssignment), ...files],
    stripVmdescription: options.stripVmdesc,
  };
}

/** What was written. */
interface Written {
  /** Bytes of all files. */
  readonly bytes: number;
  /** What deserves attention. */
  readonly notes: readonly string[];
}

async function convert(task: Task): Promise<Written> {
  const { path, options: { to, offset, snapshot }, edits } = task;
  const isDirect = to === "mapped-ram" && !isLateEdit(edits);
  using input = await openInput(path, { offset, snapshot, keepAll: !isDirect });
  // Not before: unpacking may be one long step.
  using guard = new SignalGuard(path);
  const job: Job = { ...task, guard };
  if (isDirect) {
    try {
      return await mapDirectly(job, input);
    } catch (error) {
      if (!(error instanceof NeedsMemoryError) || !input.source.seekable) throw error;
    }
  }
  using loaded = await job.guard.run(
    loadImageSteps(input, { vmdescription: job.vmdescription }),
    readingProgress(input, job.progress),
  );
  const image = changedImage(loaded, job);
  switch (to) {
    case "stream":
      return await writeStream(job, input, image);
    case "mapped-ram":
      return await writeMapped(job, input, image);
    case "capture":
      return await writeCapture(job, input, image);
  }
}

function changedImage(loaded: LoadedImage, { edits, options }: Job): GuestImage {
  const changes = resolveEdits(edits, loaded.items);
  const memory = renameBlocks(loaded.memory, edits.renamed ?? []);
  const needsDescription = options.to === "capture" && loaded.ranPostcopy;
  return imageOf({ ...loaded, memory }, { ...changes, needsDescription });
}

/** libvirt's header: what the input's own said, if it had one, and the XML of the file. */
async function libvirtHead({ options }: Job, input: OpenInput): Promise<LibvirtHead | undefined> {
  if (options.libvirt === undefined) return undefined;
  const xml = await Deno.readFile(options.libvirt);
  if (xml.includes(0) || !new TextDecoder().decode(xml).includes("<domain")) {
    throw new UsageError(`${options.libvirt} is no XML of a domain`);
  }
  const before = input.wrappers.find(({ kind }) => kind === "libvirt");
  const known = before?.kind === "libvirt" ? before : undefined;
  return {
    version: 2,
    byteOrder: "little",
    wasRunning: known?.wasRunning ?? false,
    xml,
    cookie: known?.cookie,
    reserveBytes: LIBVIRT_RESERVE_BYTES,
  };
}

async function mapDirectly(job: Job, input: OpenInput): Promise<Written> {
  const { edits: { machine, stripVmdescription = false }, vmdescription, progress } = job;
  return await writeMappedFile(job, input, async (file, baseOffset) => {
    const changes = { machine, ...(stripVmdescription ? { vmdescription: null } : {}) };
    const steps = mapStreamSteps(input, file, { changes, baseOffset, vmdescription });
    return await job.guard.run(
      steps,
      ({ doneBytes, totalBytes }) => progress.update(doneBytes, totalBytes, "memory"),
    );
  });
}

async function writeMapped(job: Job, input: OpenInput, image: GuestImage): Promise<Written> {
  const totalBytes = memoryBytes(image);
  return await writeMappedFile(job, input, (file, baseOffset) =>
    job.guard.run(
      mappedRamSteps(image, file, baseOffset),
      (doneBytes) => job.progress.update(doneBytes, totalBytes, "memory"),
    ));
}

async function writeMappedFile(
  job: Job,
  input: OpenInput,
  write: (file: OutputFile, baseOffset: number) => Promise<number>,
): Promise<Written> {
  const head = await libvirtHead(job, input);
  const headBytes = head === undefined ? undefined : libvirtHeadBytes(head, "sparse");
  using file = new OutputFile(job.out, job.output);
  if (headBytes !== undefined) file.writeAt(0, headBytes);
  const bytes = await write(file, headBytes?.length ?? 0);
  undisturbed(() => file.commit());
  return { bytes, notes: input.notes };
}

async function writeStream(job: Job, input: OpenInput, image: GuestImage): Promise<Written> {
  const { options: { compress: compression, xbzrle = false }, out, output, progress } = job;
  const libvirt = await libvirtHead(job, input);
  using sink = new SequentialOutput(out, job.streams.out, { ...output, compression, libvirt });
  const totalBytes = memoryBytes(image);
  let doneBytes = 0;
  await job.guard.run(
    (function* (): Generator<void, void, undefined> {
      for (const { bytes } of mainPieces(image, { xbzrle })) {
        sink.write(bytes);
        doneBytes += bytes.length;
        yield;
      }
    })(),
    () => progress.update(doneBytes, totalBytes, "memory"),
  );
  if (job.out === "-") {
    // Whoever reads standard output may keep it waiting, but not a signal.
    job.guard[Symbol.dispose]();
    sink.commit();
  } else undisturbed(() => sink.commit());
  return { bytes: sink.writtenBytes, notes: input.notes };
}

/** What QEMU's own default is. */
const DEFAULT_CHANNELS = 2;

async function writeCapture(job: Job, input: OpenInput, image: GuestImage): Promise<Written> {
  const { options, out, output: { force = false, sync = true, inputs = [] }, progress } = job;
  const multifd = multifdOptions({ ...options, multifd: options.multifd ?? DEFAULT_CHANNELS })!;
  const uuid = vmUuid(input, image.configuration);
  using migration = await makeMigration(image, {
    multifd: { ...multifd, uuid },
    marks: options.marks,
    returnPath: true,
  });
  refuseInputs(out, inputs);
  using folder = beginCaptureFolder(out, { force, sync });
  const totalBytes = memoryBytes(image);
  const files = await job.guard.run(
    captureSteps(migration, folder),
    (doneBytes) => progress.update(doneBytes, totalBytes, "memory"),
  );
  undisturbed(() => folder.commit());
  removeStaleFiles(out, files);
  return { bytes: files.reduce((sum, { bytes }) => sum + bytes, 0), notes: input.notes };
}

function describe({ to, compress, libvirt, multifd }: ConvertCommandOptions, { bytes }: Written) {
  const form = to === "capture"
    ? `${multifd ?? DEFAULT_CHANNELS} multifd channels`
    : to === "stream"
    ? "classic stream"
    : "mapped-ram";
  const how = [form, compress, libvirt === undefined ? undefined : "save image of libvirt"];
  return `${how.filter((each) => each !== undefined).join(", ")}, ${sizeText(bytes)}`;
}
