/**
 * Every command with the permissions that it needs and no other; everything else is denied, so that a question for it would be an error.
 *
 * @module
 */

import { assertEquals, assertMatch } from "@std/assert";
import { type ProcessOptions, type ProcessResult, runProgram, withFolder } from "./process.ts";
import { loadStream } from "./testdata.ts";

const DENIED = ["env", "net", "sys", "run", "ffi"].map((name) => `--deny-${name}`);

function run(
  args: readonly string[],
  permissions: readonly string[],
  options: ProcessOptions = {},
  program = "cli.ts",
): Promise<ProcessResult> {
  const all = [...permissions, ...DENIED];
  return runProgram(program, args, { ...options, permissions: all });
}

/** Calls `use` with the path of a stream in a folder. */
async function withImage(use: (path: string, folder: string) => Promise<void>): Promise<void> {
  await withFolder(async (folder) => {
    const path = `${folder}/image`;
    Deno.writeFileSync(path, loadStream("pc"));
    await use(path, folder);
  });
}

/** What reads, and its exit code for this image. */
const READING: readonly (readonly [string, number, ...string[]])[] = [
  ["info", 0],
  ["info", 0, "--json"],
  ["analyze", 0],
  ["analyze", 0, "--memory"],
  ["analyze", 0, "--dump", "rich"],
  ["layout", 0],
  ["layout", 0, "--at", "0x100"],
  ["validate", 0],
  ["validate", 0, "--sarif"],
  ["roundtrip", 0],
  ["registers", 0],
  ["read", 0, "--block", "pc.ram"],
  ["search", 1, "--text", "in no memory at all"],
];

Deno.test("privilege: reading takes the permission to read the input, and nothing else", async () => {
  await withImage(async (path) => {
    for (const [command, expected, ...options] of READING) {
      for (const permissions of [["-R"], [`-R=${path}`]]) {
        const { code, err } = await run([command, path, ...options], permissions);
        assertEquals([code, err], [expected, ""], `${command} ${options} ${permissions}`);
      }
      const none = await run([command, path, ...options], []);
      assertEquals(none.code, 2, command);
      assertMatch(none.err, /^(migstream|error): [^\n]*read access[^\n]*\n$/);
    }
    const both = await run(["diff", path, path], [`-R=${path}`]);
    assertEquals([both.code, both.err], [0, ""]);
    for (const permissions of [["-R"], [`-R=${path}`]]) {
      const { code, err } = await run([path], permissions, {}, "analyze.ts");
      assertEquals([code, err], [0, ""], `analyze.ts ${permissions}`);
    }
  });
});

Deno.test("privilege: a pipe takes no permission at all", async () => {
  const input = loadStream("pc");
  for (const [command, expected, ...options] of READING) {
    const { code, err } = await run([command, "-", ...options], [], { input });
    assertEquals([code, err], [expected, ""], `${command} ${options}`);
  }
});

Deno.test("privilege: writing takes the folder that is written to", async () => {
  await withImage(async (path, folder) => {
    const out = `${folder}/out`;
    Deno.mkdirSync(out);
    const narrow = [`-R=${path},${out}`, `-W=${out}`];
    const writing = [
      ["extract", path, "--out", `${out}/blocks`],
      ["extract", path, "--out", `${out}/elf`, "--format", "elf"],
      ["convert", path, `${out}/stream`, "--to", "stream"],
      ["convert", path, `${out}/packed`, "--to", "stream", "--compress", "zstd"],
      ["convert", path, `${out}/mapped`, "--to", "mapped-ram"],
      ["convert", path, `${out}/capture`, "--to", "capture"],
      ["report", path, "--output", `${out}/page.html`],
      ["analyze", path, "--extract", "--out", `${out}/script`],
    ];
    for (const args of writing) {
      const refused = await run(args, ["-R"]);
      assertEquals([refused.code, refused.out], [2, ""], `${args}`);
      assertMatch(refused.err, /^migstream: [^\n]*write access[^\n]*\n$/);
    }
    assertEquals([...Deno.readDirSync(out)], []);
    for (const args of writing) {
      const { code, err } = await run(args, narrow);
      assertEquals(code, 0, `${args}: ${err}`);
    }
  });
});

Deno.test("privilege: more of a pipe than memory takes says what it needs in one line", async () => {
  // A state that is read twice, behind more zeros than are kept in memory.
  const stream = loadStream("pc");
  const input = new Uint8Array(stream.length + (64 << 20));
  input.set(stream);
  const page = ["report", "-", "--output", "-"];
  const { code, out, err } = await run(page, ["-R"], { input });
  assertEquals([code, out], [2, ""]);
  assertMatch(err, /^migstream: [^\n]*Too much of the pipe has to be kept[^\n]*\n$/);
});
