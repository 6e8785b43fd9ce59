/**
 * Runs the programs as processes, with no more permissions than it needs.
 *
 * @module
 */

const ROOT = new URL("../", import.meta.url);

/** What a process did. */
export interface ProcessResult {
  /** Exit code. */
  readonly code: number;
  /** Standard output. */
  readonly bytes: Uint8Array;
  /** Standard output as text. */
  readonly out: string;
  /** Standard error. */
  readonly err: string;
}

/** How a process is run. */
export interface ProcessOptions {
  /** Permissions; by default only to read. */
  readonly permissions?: readonly string[];
  /** What comes on standard input. */
  readonly input?: Uint8Array;
  /** Environment variables besides those of this process. Default: no colours. */
  readonly env?: Readonly<Record<string, string>>;
}

/** Prepares a program of the project with arguments. */
function programCommand(
  program: string,
  args: readonly string[],
  permissions: readonly string[] = ["-R"],
  env: Readonly<Record<string, string>> = { NO_COLOR: "1" },
): Deno.Command {
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--no-prompt", ...permissions, program, ...args],
    cwd: ROOT,
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
    env: { ...env },
  });
}

/** Prepares the command with arguments. */
export function migstreamCommand(
  args: readonly string[],
  permissions?: readonly string[],
): Deno.Command {
  return programCommand("cli.ts", args, permissions);
}

/** Runs a program of the project to its end; instead of options, what comes on standard input. */
export async function runProgram(
  program: string,
  args: readonly string[],
  options: ProcessOptions | Uint8Array = {},
): Promise<ProcessResult> {
  const { permissions, input, env }: ProcessOptions = options instanceof Uint8Array
    ? { input: options }
    : options;
  const child = programCommand(program, args, permissions, env).spawn();
  const writer = child.stdin.getWriter();
  // A command that fails early closes its end.
  const sent = (async () => {
    if (input !== undefined) await writer.write(input);
    await writer.close();
  })().catch(() => {});
  const { code, stdout, stderr } = await child.output();
  await sent;
  const decoder = new TextDecoder();
  return { code, bytes: stdout, out: decoder.decode(stdout), err: decoder.decode(stderr) };
}

/** Runs the command to its end. */
export function migstream(
  args: readonly string[],
  options?: ProcessOptions | Uint8Array,
): Promise<ProcessResult> {
  return runProgram("cli.ts", args, options);
}

/** Calls `use` with a new folder, and removes it. */
export async function withFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await use(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Paths of all files below a folder, relative to it; none if there is no such folder. */
export function filesBelow(folder: string, prefix = ""): string[] {
  try {
    Deno.statSync(folder);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
  return [...Deno.readDirSync(folder)].flatMap((entry) =>
    entry.isDirectory
      ? filesBelow(`${folder}/${entry.name}`, `${prefix}${entry.name}/`)
      : [`${prefix}${entry.name}`]
  ).sort();
}
