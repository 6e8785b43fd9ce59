/**
 * Every command on a file, in this process: what may be thrown, what may be written and where, and that the results agree.
 *
 * @module
 */

import { EditError } from "../analyze/edit/edit_error.ts";
import { NeedsMemoryError } from "../analyze/image/map_stream.ts";
import { UnknownMapError } from "../analyze/memory/guest.ts";
import { type AnalyzeOptions, runAnalyze } from "../cli/analyze.ts";
import { type ConvertCommandOptions, runConvert } from "../cli/convert.ts";
import { runDiff } from "../cli/diff.ts";
import { type ExtractCommandOptions, runExtract } from "../cli/extract.ts";
import { runInfo } from "../cli/info.ts";
import { runLayout } from "../cli/layout.ts";
import { type Streams, UsageError } from "../cli/main.ts";
import { Output } from "../cli/output.ts";
import { runRead } from "../cli/read.ts";
import { runRegisters } from "../cli/registers.ts";
import { runReport } from "../cli/report.ts";
import { runRoundtrip } from "../cli/roundtrip.ts";
import { runSearch } from "../cli/search.ts";
import { runValidate } from "../cli/validate.ts";
import { openInput } from "../container/open.ts";
import { readGuestMemory } from "../analyze/memory/open_memory.ts";
import { isFormatError } from "../format/error.ts";
import { checksum } from "../tests/reading.ts";

/** A command on a path: `out` is where it may write. */
type Command = (path: string, out: string, at: number, streams: Streams) => Promise<number>;

const common = { offset: 0, snapshot: undefined, vmdesc: undefined, keepGoing: false } as const;
const writing = { ...common, sync: false, progress: false } as const;
const PATTERN = { text: undefined, hex: "00 ff", regex: undefined };

function analyze(options: Partial<AnalyzeOptions>): Command {
  return (path, out, _, streams) =>
    runAnalyze(
      path,
      { ...common, dump: "state", memory: false, extract: false, out, ...options },
      streams,
    );
}

function extract(options: Partial<ExtractCommandOptions>): Command {
  return (path, out, _, streams) =>
    runExtract(path, { ...writing, out, format: "blocks", ...options }, streams);
}

function convert(to: ConvertCommandOptions["to"]): Command {
  return (path, out, _, streams) =>
    runConvert(path, out, { ...writing, to, compression: "none" }, streams);
}

/** The commands by name. */
export const COMMANDS: Readonly<Record<string, Command>> = {
  "info": (path, _, __, streams) =>
    runInfo(path, { ...common, json: false, raw: undefined, slack: true }, streams),
  "info --json --keep-going": (path, _, __, streams) =>
    runInfo(
      path,
      { ...common, json: true, raw: undefined, slack: false, keepGoing: true },
      streams,
    ),
  "analyze": analyze({}),
  "analyze -d desc": analyze({ dump: "desc" }),
  "analyze -d rich": analyze({ dump: "rich", keepGoing: true }),
  "analyze -m": analyze({ memory: true }),
  "analyze -x": analyze({ extract: true }),
  "layout": (path, _, __, streams) =>
    runLayout(path, { ...common, json: false, at: undefined }, streams),
  "layout --json --keep-going": (path, _, __, streams) =>
    runLayout(path, { ...common, json: true, at: undefined, keepGoing: true }, streams),
  "layout --at": (path, _, at, streams) => runLayout(path, { ...common, json: true, at }, streams),
  "validate": (path, _, __, streams) =>
    runValidate([path], { offset: 0, progress: false }, streams),
  "validate --json": (path, _, __, streams) =>
    runValidate([path], { offset: 0, progress: false, json: true, slack: true }, streams),
  "diff": (path, _, __, streams) =>
    runDiff(path, path, { defaultIgnores: false, context: 16, progress: false }, streams),
  "extract": extract({ slack: true }),
  "extract --keep-going": extract({ keepGoing: true, sha256: true }),
  "extract -f elf": extract({ format: "elf" }),
  "convert --to stream": convert("stream"),
  "convert --to mapped-ram": convert("mapped-ram"),
  "convert --to capture": convert("capture"),
  "roundtrip": (path, _, __, streams) =>
    runRoundtrip(path, { offset: 0, progress: false, json: true }, streams),
  "search": (path, _, __, streams) =>
    runSearch(
      path,
      { offset: 0, pattern: PATTERN, max: 1000, json: true, progress: false },
      streams,
    ),
  "search --slack": (path, _, __, streams) =>
    runSearch(
      path,
      { offset: 0, pattern: PATTERN, max: 10, slack: true, keepGoing: true, progress: false },
      streams,
    ),
  "read": (path, _, at, streams) =>
    runRead(path, { offset: 0, physical: at, length: 1000 }, streams),
  "registers": (path, _, __, streams) =>
    runRegisters(path, { ...common, cpu: undefined, json: true }, streams),
  "report": (path, out, _, streams) =>
    runReport([path, path], { output: out, offset: 0, progress: false }, streams),
};

/** Messages of errors without a code that the commands are documented to give. */
const ANSWERS: readonly RegExp[] = [
  /^The stream carries no memory/,
  /^The memory is not whole/,
  /^This is a stream of version 2/,
  /^Multifd has no marks for pages/,
  /is not a file: channels have to be files$/,
  /^Cannot write .*: /,
];

/** Errors that tell people what to do instead. */
const NAMED = [UsageError, EditError, UnknownMapError, NeedsMemoryError] as const;

/** A word for an error that is an answer; the error itself is thrown if it is none. */
export function answerOf(error: unknown): string {
  if (isFormatError(error)) {
    if (error.describe().includes("\n")) {
      throw new Error("an error of several lines", { cause: error });
    }
    return error.code;
  }
  if (NAMED.some((each) => error instanceof each)) return (error as Error).name;
  if (error instanceof Error && error.cause !== undefined && isFormatError(error.cause)) {
    return error.cause.code;
  }
  if (error instanceof Error && ANSWERS.some((answer) => answer.test(error.message))) {
    return "refused";
  }
  throw error;
}

/** Bytes that a command may print: an input of a few KiB has no more to say. */
const PRINTED_FREE_BYTES = 64 << 20;
const PRINTED_PER_BYTE = 2000;

/** What a command gave: its exit code or a word, and the JSON that it printed. */
export interface CommandResult {
  /** `exit 0`, or the word of the error. */
  readonly word: string;
  /** The beginning of standard output. */
  readonly out: string;
}

/** Runs a command on a path; throws what may not happen. */
export async function runCommand(
  name: string,
  path: string,
  out: string,
  sizeBytes: number,
  at: number,
): Promise<CommandResult> {
  let printed = 0;
  const kept: string[] = [];
  const decoder = new TextDecoder();
  const sink = {
    writeSync: (bytes: Uint8Array) => {
      printed += bytes.length;
      if (printed > PRINTED_FREE_BYTES + PRINTED_PER_BYTE * sizeBytes) {
        throw new RangeError(`${name} prints without end`);
      }
      if (kept.length < 64) kept.push(decoder.decode(bytes, { stream: true }));
      return bytes.length;
    },
  };
  const streams = {
    out: new Output(sink),
    err: new Output({ writeSync: (bytes) => bytes.length }),
  };
  let word: string;
  try {
    word = `exit ${await COMMANDS[name]!(path, out, at, streams)}`;
  } catch (error) {
    word = answerOf(error);
  }
  streams.out.flush();
  return { word, out: kept.join("") };
}

/** Files that the runtime opens for itself at one time or another. */
const RUNTIME_DESCRIPTORS = 8;

/** A folder for one input after the other, and what may be in it. */
export class Workplace implements Disposable {
  /** The folder. */
  readonly folder: string;
  readonly #temporary: string;
  #descriptors: number | undefined;
  readonly #before = Deno.env.get("TMPDIR");

  /** Makes the folder; temporary files of this process go there, too. */
  constructor() {
    this.folder = Deno.makeTempDirSync({ prefix: "fuzz-" });
    this.#temporary = `${this.folder}/temporary`;
    Deno.mkdirSync(this.#temporary);
    Deno.env.set("TMPDIR", this.#temporary);
  }

  /** Removes it. */
  [Symbol.dispose](): void {
    if (this.#before === undefined) Deno.env.delete("TMPDIR");
    else Deno.env.set("TMPDIR", this.#before);
    Deno.removeSync(this.folder, { recursive: true });
  }

  /** Fails unless nothing is there but what is expected, and removes what was written. */
  checkClean(expected: readonly string[]): void {
    const names = [...Deno.readDirSync(this.folder)].map(({ name }) => name);
    const strange = names.filter((name) => !["temporary", ...expected].includes(name));
    const left = [...Deno.readDirSync(this.#temporary)].map(({ name }) => name);
    for (const name of strange) Deno.removeSync(`${this.folder}/${name}`, { recursive: true });
    for (const name of left) Deno.removeSync(`${this.#temporary}/${name}`);
    if (strange.length > 0) throw new Error(`written where nothing belongs: ${strange}`);
    if (left.length > 0) throw new Error(`temporary files are left: ${left}`);
    const open = countDescriptors();
    this.#descriptors ??= open;
    if (open <= this.#descriptors + RUNTIME_DESCRIPTORS) return;
    const before = this.#descriptors;
    this.#descriptors = open;
    throw new Error(`${open} open files, ${before} before`);
  }
}

/** Removes a file or folder, if it is there. */
export function remove(path: string): void {
  try {
    Deno.removeSync(path, { recursive: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** Open files of this process; 0 where the system does not tell. */
function countDescriptors(): number {
  try {
    return [...Deno.readDirSync("/proc/self/fd")].length;
  } catch {
    return 0;
  }
}

/** Bytes of memory whose checksum is compared. */
const COMPARED_BYTES = 64 << 20;

/** A line for each block of an input's memory: name, length, checksum; `undefined` if it can't be read. */
export async function memoryLines(
  path: string,
  seekable: boolean,
): Promise<string[] | undefined> {
  try {
    using input = await openInput(path, { keepAll: true, seekable });
    using guest = readGuestMemory(input);
    return guest.memory.blocks.map((block) => {
      const { name, usedLengthBytes } = block;
      const bytes = new Uint8Array(Math.min(usedLengthBytes, COMPARED_BYTES));
      guest.memory.read(block, 0, bytes);
      return `${name} ${usedLengthBytes} ${checksum(bytes)}`;
    });
  } catch (error) {
    answerOf(error);
    return undefined;
  }
}
