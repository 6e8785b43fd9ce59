/** What people see: tables that fit their terminal, and colours where they are wanted. */

import { assert, assertEquals, assertMatch, assertNotMatch } from "@std/assert";
import { table } from "../cli/table.ts";
import { UNFINISHED_SUFFIX } from "../container/output_file.ts";
import { filesBelow, migstream, withFolder } from "./process.ts";
import { loadStream, testdataPath } from "./testdata.ts";

const ROWS = [
  ["name", "size", "normal"],
  ["/rom@etc/acpi/tables", "128 KiB", "12"],
  ["pc.ram", "1 MiB", "4096"],
];

Deno.test("table: columns are as wide as they have to be", () => {
  assertEquals(table(ROWS, "lrr"), [
    "name                     size  normal",
    "/rom@etc/acpi/tables  128 KiB      12",
    "pc.ram                  1 MiB    4096",
  ]);
});

Deno.test("table: where it is too wide, gaps shrink first, then texts in their middle", () => {
  assertEquals(table(ROWS, "lrr", 35), [
    "name                    size normal",
    "/rom@etc/acpi/tables 128 KiB     12",
    "pc.ram                 1 MiB   4096",
  ]);
  assertEquals(table(ROWS, "lrr", 27), [
    "name            size normal",
    "/rom@e…ables 128 KiB     12",
    "pc.ram         1 MiB   4096",
  ]);
  for (let width = 23; width < 50; width++) {
    for (const line of table(ROWS, "lrr", width)) assert(line.length <= width, line);
  }
  // Numbers are never shortened, and a name keeps something.
  for (const line of table(ROWS, "lrr", 1)) assert(line.includes(" "), line);
  assertEquals(table(ROWS, "lrr", 1)[1], "/rom…les 128 KiB     12");
});

Deno.test("colours: none in a pipe, unless FORCE_COLOR is set, and never with NO_COLOR", async () => {
  const args = ["validate", testdataPath("pc.mig")];
  const plain = `${testdataPath("pc.mig")}: ok\n`;
  const run = async (env: Record<string, string>, permissions: string[]) =>
    (await migstream(args, { env: { NO_COLOR: "", ...env }, permissions })).out;
  assertEquals(await run({}, ["-R"]), plain);
  assertEquals(
    await run({ FORCE_COLOR: "1" }, ["-R", "-E"]),
    plain.replace("ok", "\x1b[32mok\x1b[39m"),
  );
  assertEquals(await run({ FORCE_COLOR: "1", NO_COLOR: "1" }, ["-R", "-E"]), plain);
  // Without the permission to look, nobody is asked for it.
  assertNotMatch(await run({ FORCE_COLOR: "1" }, ["-R"]), /prompt/i);
});

/** Whether there is a program that gives another one a terminal, and terminals for it. */
const hasScript = await new Deno.Command("script", {
  args: ["-qec", "true", "/dev/null"],
  stdin: "null",
  stdout: "null",
  stderr: "null",
}).output().then(({ success }) => success, () => false);
if (!hasScript) {
  console.error("*** terminals are not tested: there is no program script, or no tty");
}

/** Runs the command on a terminal, with an input that stops in its middle for longer than a bar waits; returns all that was shown. */
async function shownWhile(args: (fifo: string, out: string) => readonly string[]): Promise<string> {
  let shown = "";
  await withFolder(async (folder) => {
    const [fifo, out] = [`${folder}/fifo`, `${folder}/out`];
    assert((await new Deno.Command("mkfifo", { args: [fifo] }).output()).success);
    const command = [Deno.execPath(), "run", "--quiet", "--no-prompt", "-R", "-W", "cli.ts"];
    const line = [...command, ...args(fifo, out)].map((word) => `'${word}'`).join(" ");
    const terminal = new Deno.Command("script", {
      args: ["-qec", `stty columns 80; ${line}`, "/dev/null"],
      cwd: new URL("../", import.meta.url),
      stdin: "null",
      stdout: "piped",
    }).spawn();
    const stream = loadStream("pc");
    // It is opened when the command opens it, so that the command has begun.
    const writer = await Deno.open(fifo, { write: true });
    await writer.write(stream.subarray(0, 60_000));
    const isBegun = () => filesBelow(folder).some((name) => name.endsWith(UNFINISHED_SUFFIX));
    while (!isBegun()) await new Promise((done) => setTimeout(done, 20));
    await new Promise((done) => setTimeout(done, 500));
    for (let at = 60_000; at < stream.length;) at += await writer.write(stream.subarray(at));
    writer.close();
    const { stdout, code } = await terminal.output();
    assertEquals(code, 0, shown = new TextDecoder().decode(stdout));
  });
  return shown;
}

const ERASE = "\x1b[2K";
const BAR = /memory [█░]+ \d+% [\d.]+ [KM]iB of 1\.3 MiB, [\d.]+ [KM]iB\/s, \d+s left/;

Deno.test({
  name: "progress: a bar on a terminal, unless it is not wanted, and none elsewhere",
  ignore: !hasScript,
  async fn() {
    const extract = (fifo: string, out: string) => ["extract", fifo, "--out", out];
    const shown = await shownWhile(extract);
    assertMatch(shown, BAR);
    // It is gone at the end, and the lines have their width.
    const afterwards = shown.slice(shown.lastIndexOf(ERASE));
    assertMatch(afterwards.slice(ERASE.length), /^\S+ {2,}128 KiB {2}/);
    assertNotMatch(afterwards, BAR);
    for (const option of ["--no-progress", "--quiet"]) {
      assertNotMatch(await shownWhile((...paths) => [...extract(...paths), option]), /left/);
    }
  },
});
