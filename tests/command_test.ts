/**
 * The migstream command as a whole process, with the permission to read and no other.
 *
 * @module
 */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { migstream } from "./process.ts";
import { testdataPath } from "./testdata.ts";

const PC = testdataPath("pc.mig");
const NONE = testdataPath("none.mig");

Deno.test("command: version and help", async () => {
  const version = await migstream(["--version"]);
  assertMatch(version.out, /^migstream \d+\.\d+\.\d+\n$/);
  const help = await migstream(["--help"]);
  assertEquals([help.code, help.err], [0, ""]);
  for (
    const name of [
      "info",
      "analyze",
      "layout",
      "extract",
      "search",
      "read",
      "registers",
      "validate",
      "diff",
      "convert",
      "roundtrip",
      "capture",
      "send",
      "completions",
      "man",
    ]
  ) {
    assertStringIncludes(help.out, `  ${name} `);
    const own = await migstream([name, "--help"]);
    assertEquals([own.code, own.err], [0, ""], name);
    assertStringIncludes(own.out, "Examples:");
    assertEquals((await migstream(["help", name])).out, own.out);
  }
});

Deno.test("command: errors of usage are one line and exit code 2", async () => {
  for (
    const [args, said] of [
      [[], /Usage: migstream/],
      [["info"], /^migstream: missing required argument 'file'\n$/],
      [["ifno", PC], /unknown command 'ifno'\n\(Did you mean info\?\)/],
      [["info", "--jsno", PC], /unknown option '--jsno'\n\(Did you mean --json\?\)/],
      [["info", "--offset", "x", PC], /'x' is invalid.*takes a number of bytes/],
      [["analyze", "--dump", "all", PC], /Allowed choices are state, desc, rich/],
      [["info", `${PC}.missing`], /^migstream: No such file or directory.*\n$/],
    ] as const
  ) {
    const { code, out, err } = await migstream([...args]);
    assertEquals([code, out], [2, ""], args.join(" "));
    assertMatch(err, said);
  }
});

Deno.test("command: info as text fits 80 columns and has no colours in a pipe", async () => {
  const { code, out, err } = await migstream(["info", PC]);
  assertEquals([code, err], [0, ""]);
  assertStringIncludes(out, "container:     none\n");
  assertStringIncludes(out, "machine:       pc-i440fx-10.0\n");
  assertStringIncludes(out, "  pc.ram ");
  assert(!out.includes("\x1b"));
  const head = out.split("\n").slice(2);
  for (const line of head) assert(line.length <= 80, line);
});

Deno.test("command: info as JSON is the same from a file and from standard input", async () => {
  const fromFile = await migstream(["info", PC, "--json"]);
  const fromPipe = await migstream(["info", "-", "--json"], await Deno.readFile(PC));
  assertEquals([fromFile.code, fromPipe.code], [0, 0]);
  const file = JSON.parse(fromFile.out);
  const pipe = JSON.parse(fromPipe.out);
  assertEquals(file.input, {
    path: PC,
    container: "none",
    streamOffset: 0,
    sizeBytes: (await Deno.stat(PC)).size,
  });
  assertEquals({ ...pipe, input: { ...pipe.input, path: PC } }, file);
});

Deno.test("command: analyze prints what analyze.ts prints", async () => {
  const script = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--no-prompt", "-R", "analyze.ts", PC],
    cwd: new URL("..", import.meta.url),
  }).output();
  assertEquals((await migstream(["analyze", PC])).out, new TextDecoder().decode(script.stdout));
});

Deno.test("command: a damaged stream gives one line and exit code 2, --keep-going what stands before", async () => {
  const cut = (await Deno.readFile(PC)).subarray(0, 100_000);
  const strict = await migstream(["info", "-", "--json"], cut);
  assertEquals([strict.code, strict.out], [2, ""]);
  assertMatch(strict.err, /^migstream: Cannot decode page: .* at offset 100000 \(0x186a0\).*\n$/);
  const layout = await migstream(["layout", "-", "--json"], cut);
  assertEquals([layout.code, JSON.parse(layout.out).error.offset], [2, 100_000]);
  const tolerant = await migstream(["info", "-", "--json", "--keep-going"], cut);
  assertEquals(tolerant.code, 2);
  assertEquals(JSON.parse(tolerant.out).machine, "pc-i440fx-10.0");
  assertMatch(tolerant.err, /^error: Cannot decode page/);
});

Deno.test("command: --debug prints the stack", async () => {
  const { code, err } = await migstream(["info", "--debug", `${PC}.missing`]);
  assertEquals(code, 2);
  assertMatch(err, /\n\s+at /);
});

Deno.test("command: layout lists ranges, --at explains one", async () => {
  const rows = await migstream(["layout", NONE]);
  assertEquals([rows.code, rows.err], [0, ""]);
  assertStringIncludes(rows.out, "vmdescription");
  const at = await migstream(["layout", NONE, "--at", "0x4"]);
  assertEquals([at.code, at.err], [0, ""]);
  assertMatch(at.out, /version/);
});

Deno.test("command: completions know the commands and options", async () => {
  for (const shell of ["bash", "zsh", "fish"]) {
    const { code, out, err } = await migstream(["completions", shell]);
    assertEquals([code, err], [0, ""], shell);
    for (
      const word of [
        "info",
        "analyze",
        "layout",
        "extract",
        "search",
        "read",
        "registers",
        "vmdesc",
      ]
    ) {
      assertStringIncludes(out, word, shell);
    }
  }
});
