/**
 * Writes a guest's RAM blocks to files, one each, and says in `ram.json` what is where.
 *
 * @module
 */

import type { Inflate } from "../../container/inflate.ts";
import type { OpenInput } from "../../container/open.ts";
import type { OutputFile } from "../../container/output_file.ts";
import type { OutputFolder } from "../../container/output_folder.ts";
import { isElsewhere } from "../../format/mapped_ram.ts";
import type { RamBlock } from "../../format/ram.ts";
import { type MissingChannels, missingChannels } from "../memory/completeness.ts";
import { type BlockFiles, RamExtractor } from "../memory/ram_extractor.ts";
import type { ReadStateOptions, StreamState } from "../state.ts";
import { type ChannelsReading, type InputReading, readInputSteps } from "../channels/read_input.ts";
import { hashSteps, type NewHash } from "./hash.ts";

/** What is extracted, and how. */
export interface BlockExtractionOptions {
  /** The only blocks that are wanted; by default all. */
  readonly wanted?: readonly string[] | undefined;
  /** Whether what stands at places of absent pages in a mapped-ram file is written, to files of their own. */
  readonly slack?: boolean;
  /** Makes hashes, if the files shall be hashed. */
  readonly newHash?: NewHash | undefined;
  /** How the stream is read. */
  readonly reading: Omit<ReadStateOptions, "offset" | "visitor">;
}

/** A block in `ram.json`. */
export interface ExtractedBlock {
  /** Name of the block. */
  readonly name: string;
  /** Path of its file in the folder; `null` where the content is in a shared file, not in the stream. */
  readonly file: string | null;
  /** Bytes of the file, and of the block. */
  readonly bytes: number;
  /** Pages that the stream never carried; they are zeros in the file. */
  readonly absentPages: number;
  /** SHA-256 of the file, in hexadecimal digits. */
  readonly sha256?: string;
  /** Where the slack stands, if it was asked for and there is some. */
  readonly slack?: { readonly file: string; readonly pages: number };
}

/** What was extracted. */
export interface BlockExtraction {
  /** The blocks in list order. */
  readonly blocks: readonly ExtractedBlock[];
  /** What the stream says about the guest. */
  readonly state: StreamState;
  /** The other channels; `undefined` if there are none with pages. */
  readonly channels: ChannelsReading | undefined;
  /** The kind of channels that have pages which are missing here: the memory is not whole. */
  readonly missingChannels: MissingChannels | undefined;
}

/** How far an extraction is. */
export interface ExtractionProgress {
  /** What it does now. */
  readonly phase: "memory" | "sha256";
  /** Bytes done, of those there are as far as that is known. */
  readonly doneBytes: number;
  /** Bytes there are. */
  readonly totalBytes: number;
}

/** Name of the file that describes the others. */
const INDEX_NAME = "ram.json";

/** The files of the blocks in a folder. */
class FolderFiles implements BlockFiles {
  readonly memory = new Map<RamBlock, OutputFile>();
  readonly slack = new Map<RamBlock, OutputFile>();
  readonly slackOf?: (block: RamBlock) => OutputFile;
  readonly #folder: OutputFolder;
  readonly #wanted: ReadonlySet<string> | undefined;

  constructor(folder: OutputFolder, { wanted, slack }: BlockExtractionOptions) {
    this.#folder = folder;
    this.#wanted = wanted === undefined ? undefined : new Set(wanted);
    if (slack === true) {
      this.slackOf = (block) => this.#create(this.slack, block, `${block.name}.slack`);
    }
  }

  memoryOf(block: RamBlock): OutputFile | undefined {
    if (this.#wanted?.has(block.name) === false) return undefined;
    return this.memory.get(block) ?? this.#create(this.memory, block, block.name);
  }

  #create(files: Map<RamBlock, OutputFile>, block: RamBlock, name: string): OutputFile {
    const file = this.#folder.create(name);
    file.setSize(block.usedLengthBytes);
    files.set(block, file);
    return file;
  }
}

/**
 * Extracts the blocks of a stream in one pass, so that a pipe is enough. A step is over after some MiB. The files get their names when
 * the caller commits the folder.
 *
 * @throws {FormatError} unless the options for the reading say that it ends quietly
 * @throws {RangeError} if a wanted block isn't there
 */
export function* extractBlocks(
  input: OpenInput,
  folder: OutputFolder,
  inflate: Inflate,
  options: BlockExtractionOptions,
): Generator<ExtractionProgress, BlockExtraction, undefined> {
  // Its name is taken first: a RAM block may be called like that.
  const index = folder.create(INDEX_NAME);
  const files = new FolderFiles(folder, options);
  const extractor = new RamExtractor(files, inflate, { source: input.source });
  const { state, channels, ranPostcopy } = yield* readSteps(input, extractor, options);
  const blocks = state.blocks ?? [];
  checkWanted(blocks, options.wanted);
  const totalBytes = extractor.bytesTaken + extractor.deferredBytes;
  for (const _ of extractor.copyMapped()) {
    yield { phase: "memory", doneBytes: extractor.bytesTaken, totalBytes };
  }
  const extracted: ExtractedBlock[] = [];
  for (const block of blocks) {
    if (options.wanted?.includes(block.name) === false) continue;
    extracted.push(yield* describe(block, { folder, files, extractor, state, options }));
  }
  const summary = { blocks: extracted };
  index.writeAt(0, new TextEncoder().encode(`${JSON.stringify(summary, undefined, 2)}\n`));
  const counts = blocks.flatMap((block) => {
    const pageBytes = block.mapped?.pageBytes ?? state.pageBytes;
    return pageBytes === undefined ? [] : [extractor.table(block, pageBytes).counts];
  });
  const missing = missingChannels({
    isRead: state.error === undefined,
    isMapped: blocks.some(({ mapped }) => mapped !== undefined),
    multifdFlushes: channels === undefined ? extractor.multifdFlushes : 0,
    ranPostcopy,
    counts,
  });
  return { blocks: extracted, state, channels, missingChannels: missing };
}

function* readSteps(
  input: OpenInput,
  extractor: RamExtractor,
  { reading }: BlockExtractionOptions,
): Generator<ExtractionProgress, InputReading & { ranPostcopy: boolean }, undefined> {
  const pages = { content: true, sorted: true };
  const steps = readInputSteps(input, { ...reading, pages, visitor: extractor });
  let totalBytes = 0;
  let ranPostcopy = false;
  for (;;) {
    const { done, value } = steps.next();
    if (done === true) return { ...value, ranPostcopy };
    ranPostcopy ||= value.kind === "command" && value.command.name === "POSTCOPY_RUN";
    if (value.kind === "section" && value.payload?.kind === "ram") {
      for (const block of value.payload.summary.blocks ?? []) totalBytes += block.usedLengthBytes;
    }
    yield { phase: "memory", doneBytes: extractor.bytesTaken, totalBytes };
  }
}

function checkWanted(blocks: readonly RamBlock[], wanted: readonly string[] = []): void {
  const names = blocks.map(({ name }) => name);
  const missing = wanted.find((name) => !names.includes(name));
  if (missing === undefined) return;
  throw new RangeError(`no RAM block ${JSON.stringify(missing)}; there are ${names.join(", ")}`);
}

interface Work {
  readonly folder: OutputFolder;
  readonly files: FolderFiles;
  readonly extractor: RamExtractor;
  readonly state: StreamState;
  readonly options: BlockExtractionOptions;
}

function* describe(
  block: RamBlock,
  { folder, files, extractor, state, options }: Work,
): Generator<ExtractionProgress, ExtractedBlock, undefined> {
  const { name, usedLengthBytes: bytes } = block;
  const absent = absentPages(block, extractor, state);
  if (isInSharedFile(block, absent * (state.pageBytes ?? 0))) {
    return { name, file: null, bytes, absentPages: absent };
  }
  // A block of which no page came is zeros, and has a file all the same.
  const file = files.memoryOf(block)!;
  const slackFile = files.slack.get(block);
  const pages = extractor.slackPages.get(block) ?? 0;
  return {
    name,
    file: folder.relativePath(file),
    bytes,
    absentPages: absent,
    ...(options.newHash === undefined
      ? {}
      : { sha256: yield* hashSteps(file, bytes, options.newHash) }),
    ...(slackFile === undefined ? {} : { slack: { file: folder.relativePath(slackFile), pages } }),
  };
}

function absentPages(block: RamBlock, extractor: RamExtractor, { pageBytes }: StreamState): number {
  const bytes = block.mapped?.pageBytes ?? pageBytes;
  return bytes === undefined ? 0 : extractor.table(block, bytes).counts.absent;
}

/** Whether a block's content was left out with x-ignore-shared; before QEMU 11 only its pages tell. */
function isInSharedFile(
  { mapped, guestAddress, usedLengthBytes }: RamBlock,
  absent: number,
): boolean {
  return mapped === undefined
    ? guestAddress !== undefined && absent === usedLengthBytes
    : isElsewhere(mapped);
}
