/**
 * Runs the migstream command as a process that may read and nothing else, and makes streams with memory for it.
 *
 * @module
 */

import { encodePage, encodeRamEos, encodeRamWord, RAM_SAVE_FLAG } from "../format/ram.ts";
import { encodeBlockEntry } from "../format/ram_blocks.ts";
import { StreamBuilder } from "./streams.ts";

const ROOT = new URL("../", import.meta.url);

/** What a process left. */
export interface CommandResult {
  /** Exit code. */
  readonly code: number;
  /** Standard output. */
  readonly bytes: Uint8Array;
  /** Standard output as text. */
  readonly out: string;
  /** Standard error. */
  readonly err: string;
}

/** Runs migstream with `input` on its standard input. */
export async function migstream(
  args: readonly string[],
  input: Uint8Array = new Uint8Array(),
): Promise<CommandResult> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--no-prompt", "-R", "cli.ts", ...args],
    cwd: ROOT,
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
    env: { NO_COLOR: "1" },
  }).spawn();
  const writer = child.stdin.getWriter();
  // A command that fails early closes its end.
  const sent = writer.write(input).then(() => writer.close()).catch(() => {});
  const { code, stdout, stderr } = await child.output();
  await sent;
  const decoder = new TextDecoder();
  return { code, bytes: stdout, out: decoder.decode(stdout), err: decoder.decode(stderr) };
}

/** A stream whose memory has blocks with the given content; pages behind it are never sent. */
export function memoryStream(
  blocks: readonly (readonly [name: string, pages: number, content: Uint8Array])[],
  pageBytes = 4096,
): Uint8Array {
  const total = blocks.reduce((sum, [, pages]) => sum + pages * pageBytes, 0);
  const subsections = [{
    name: "configuration/target-page-bits",
    targetPageBits: Math.log2(pageBytes),
  }] as const;
  return new StreamBuilder().configuration({ subsections }).section("start", 1, "ram", (writer) => {
    encodeRamWord(writer, total, RAM_SAVE_FLAG.MEM_SIZE);
    for (const [index, [name, pages]] of blocks.entries()) {
      const entryOffset = writer.offset;
      const usedLengthBytes = pages * pageBytes;
      encodeBlockEntry(writer, { name, index, usedLengthBytes, entryOffset, entryBytes: 0 });
    }
    for (const [block, , content] of blocks) {
      for (let address = 0; address < content.length; address += pageBytes) {
        const page = new Uint8Array(pageBytes);
        page.set(content.subarray(address, address + pageBytes));
        encodePage(writer, { block, address }, page);
      }
    }
    encodeRamEos(writer);
  }, { versionId: 4 }).eof().description({ page_size: pageBytes, devices: [] }).bytes();
}
