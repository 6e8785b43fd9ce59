/**
 * Runs the command as a process, with no more permissions than it needs.
 *
 * @module
 */

const ROOT = new URL("../", import.meta.url);

/** What a process did. */
export interface ProcessResult {
  /** Exit code. */
  readonly code: number;
  /** Standard output. */
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
}

/** Prepares `cli.ts` with arguments. */
export function migstreamCommand(
  args: readonly string[],
  permissions: readonly string[] = ["-R"],
): Deno.Command {
  return new Deno.Command(Deno.execPath(), {
    args: ["run", ...permissions, "--no-prompt", "cli.ts", ...args],
    cwd: ROOT,
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
    env: { NO_COLOR: "1" },
  });
}

/** Runs `cli.ts` to its end. */
export async function migstream(
  args: readonly string[],
  { permissions, input }: ProcessOptions = {},
): Promise<ProcessResult> {
  const child = migstreamCommand(args, permissions).spawn();
  const writer = child.stdin.getWriter();
  // A command that fails early closes its end.
  const sent = (async () => {
    if (input !== undefined) await writer.write(input);
    await writer.close();
  })().catch(() => {});
  const { code, stdout, stderr } = await child.output();
  await sent;
  return { code, out: new TextDecoder().decode(stdout), err: new TextDecoder().decode(stderr) };
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
