/**
 * Runs whole processes and measures them: wall time in pairs, peak memory apart from that.
 *
 * Two commands that are compared run in turn (A B A B ...), so that whatever else the machine does meets both. Before that each
 * runs once unmeasured: program, modules and input are then in the page cache.
 *
 * @module
 */

/** A command to measure. */
export interface CommandLine {
  /** Executable. */
  readonly program: string;
  /** Its arguments. */
  readonly args: readonly string[];
  /** Files and folders that are removed before each run, which is not measured. */
  readonly removes?: readonly string[];
  /** Exit codes that are no errors. Default 0. */
  readonly codes?: readonly number[];
}

/** Wall times of two commands that ran one after the other, in seconds. */
export interface PairTimes {
  /** Of the first. */
  readonly ours: number;
  /** Of the second. */
  readonly peer: number;
}

/** Pause between two looks at a process's memory, in ms. */
const POLL_MS = 2;

/** A command that ended with an error. */
export class CommandFailed extends Error {
  /** Makes the error from what the command wrote to standard error. */
  constructor(command: CommandLine, code: number, stderr: Uint8Array) {
    const lines = new TextDecoder().decode(stderr).trim().split("\n");
    super(`exit status ${code} of ${command.program}: ${(lines[0] ?? "").slice(0, 200)}`);
    this.name = "CommandFailed";
  }
}

/** A shell command; `$1`, `$2`... in `script` are the `args`. */
export function shell(script: string, ...args: string[]): CommandLine {
  return { program: "sh", args: ["-c", script, "sh", ...args] };
}

/** The folder that commands run in: the project's. */
const FOLDER = new URL("../", import.meta.url);

function prepare(command: CommandLine, stdout: "null" | "piped"): Deno.Command {
  for (const path of command.removes ?? []) removeIfThere(path);
  return new Deno.Command(command.program, {
    args: [...command.args],
    cwd: FOLDER,
    stdin: "null",
    stdout,
    stderr: "piped",
  });
}

/** Removes a file or a folder. */
export function removeIfThere(path: string): void {
  try {
    Deno.removeSync(path, { recursive: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

function isFine({ codes = [0] }: CommandLine, code: number): boolean {
  return codes.includes(code);
}

/** Runs a command once and returns its wall time in seconds. */
export function timeOnce(command: CommandLine): number {
  const prepared = prepare(command, "null");
  const start = performance.now();
  const { code, stderr } = prepared.outputSync();
  const seconds = (performance.now() - start) / 1000;
  if (!isFine(command, code)) throw new CommandFailed(command, code, stderr);
  return seconds;
}

/** Runs a command and returns what it printed. */
export function outputOf(command: CommandLine): Uint8Array {
  const { success, code, stdout, stderr } = prepare(command, "piped").outputSync();
  if (!success) throw new CommandFailed(command, code, stderr);
  return stdout;
}

/** Whether a command runs without an error. */
export function succeeds(command: CommandLine): boolean {
  try {
    return prepare(command, "null").outputSync().success;
  } catch {
    return false;
  }
}

/** Measures two commands in `pairs` pairs. */
export function timePairs(ours: CommandLine, peer: CommandLine, pairs: number): PairTimes[] {
  timeOnce(ours);
  timeOnce(peer);
  return Array.from({ length: pairs }, () => ({ ours: timeOnce(ours), peer: timeOnce(peer) }));
}

/** Measures one command `times` times and returns the median in seconds. */
export function timeAlone(command: CommandLine, times: number): number {
  timeOnce(command);
  return median(Array.from({ length: times }, () => timeOnce(command)));
}

/** The middle value, or the mean of the two middle ones. */
export function median(values: readonly number[]): number {
  if (values.length === 0) throw new RangeError("No values");
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle]!;
  return sorted.length % 2 === 1 ? upper : (sorted[middle - 1]! + upper) / 2;
}

/**
 * The peak of the resident memory of a command, or of the largest of its descendants, in bytes; `undefined` where the system has no
 * `/proc`. The kernel keeps the peak (VmHWM), so a look every few ms misses at most what the process gained in its
 * last few ms.
 */
export async function peakMemoryBytes(command: CommandLine): Promise<number | undefined> {
  if (Deno.build.os !== "linux") return undefined;
  const child = prepare(command, "null").spawn();
  let peak = 0;
  const timer = setInterval(() => {
    for (const pid of withDescendants(child.pid)) peak = Math.max(peak, highWaterBytes(pid));
  }, POLL_MS);
  try {
    const { code, stderr } = await child.output();
    if (!isFine(command, code)) throw new CommandFailed(command, code, stderr);
  } finally {
    clearInterval(timer);
  }
  return peak === 0 ? undefined : peak;
}

function* withDescendants(pid: number): Generator<number, void, undefined> {
  yield pid;
  for (const child of readProc(`${pid}/task/${pid}/children`).split(" ")) {
    if (child !== "") yield* withDescendants(Number(child));
  }
}

function highWaterBytes(pid: number): number {
  const kibibytes = /^VmHWM:\s+(\d+) kB$/m.exec(readProc(`${pid}/status`))?.[1];
  return Number(kibibytes ?? 0) * 1024;
}

/** A file of `/proc`; empty where the process has ended. */
function readProc(path: string): string {
  try {
    return Deno.readTextFileSync(`/proc/${path}`);
  } catch {
    return "";
  }
}
