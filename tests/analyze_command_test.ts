/**
 * The command analyze.ts as a process: exit codes, what goes where, files only where they belong, no more permissions than needed.
 */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { encodePage, encodeRamEos, encodeRamWord, RAM_SAVE_FLAG } from "../format/ram.ts";
import { encodeBlockEntry } from "../format/ram_blocks.ts";
import { projectFiles } from "./files.ts";
import {
  filesBelow,
  type ProcessOptions,
  type ProcessResult,
  runProgram,
  withFolder,
} from "./process.ts";
import { StreamBuilder } from "./streams.ts";
import { loadCase, loadStream, loadTruth, testdataPath } from "./testdata.ts";

const analyze = (args: readonly string[], options: ProcessOptions = {}) =>
  runProgram("analyze.ts", args, options);

/** Writes a file into a folder and returns its path. */
function put(folder: string, name: string, bytes: Uint8Array): string {
  const path = `${folder}/${name}`;
  Deno.writeFileSync(path, bytes);
  return path;
}

/** Fails unless the result is one line on standard error, nothing else, and exit code 2. */
function assertRefused({ code, out, err }: ProcessResult, part: string): void {
  assertEquals([code, out], [2, ""], err);
  assertMatch(err, /^analyze: [^\n]+\n$/);
  assertStringIncludes(err, part);
}

/** A stream with one page in each of some blocks. */
function blockStream(names: readonly string[]): Uint8Array {
  return new StreamBuilder().section("start", 1, "ram", (writer) => {
    encodeRamWord(writer, names.length * 4096, RAM_SAVE_FLAG.MEM_SIZE);
    for (const [index, name] of names.entries()) {
      const entryOffset = writer.offset;
      encodeBlockEntry(writer, { name, index, usedLengthBytes: 4096, entryOffset, entryBytes: 0 });
    }
    for (const [index, block] of names.entries()) {
      encodePage(writer, { block, address: 0 }, new Uint8Array(4096).fill(index + 1));
    }
    encodeRamEos(writer);
  }, { versionId: 4 }).eof().description('{"page_size": 4096, "devices": []}').bytes();
}

Deno.test("analyze: help, and errors of usage", async () => {
  const help = await analyze(["--help"], { permissions: [] });
  assertEquals([help.code, help.err], [0, ""]);
  assertStringIncludes(help.out, "Usage: analyze.ts");
  assertRefused(await analyze([]), "exactly one FILE");
  assertRefused(await analyze(["--frob", "x"]), "unknown option --frob");
  assertRefused(await analyze(["-d", "other", "x"]), "--dump takes");
  assertRefused(await analyze(["--offset", "1q", "x"]), "--offset takes");
  assertRefused(await analyze([`${testdataPath("none.mig")}.missing`]), "none.mig.missing");
});

Deno.test("analyze: an error says where it is, in one line, and nothing is printed before it", async () => {
  await withFolder(async (folder) => {
    const none = loadStream("none");
    assertRefused(
      await analyze([put(folder, "cut", none.subarray(0, 300))]),
      "at offset 300 (0x12c)",
    );
    assertRefused(await analyze([put(folder, "empty", new Uint8Array(0))]), "[truncated]");
    assertRefused(await analyze([put(folder, "text", new Uint8Array(99).fill(65))]), "[bad-magic]");
    const hostile = new StreamBuilder().section("full", 1, "\x1b[31m\nred", new Uint8Array(9))
      .bytes();
    const { err } = await analyze([put(folder, "hostile", hostile)]);
    assert(!err.includes("\x1b") && err.trimEnd().split("\n").length === 1, err);
    const kept = await analyze([
      "--keep-going",
      put(folder, "cut", loadStream("pc").subarray(0, 224_000)),
    ]);
    assertEquals(kept.code, 2);
    assertStringIncludes(kept.err, "offset 224000");
    assertStringIncludes(JSON.stringify(JSON.parse(kept.out)["ram (2)"] ?? kept.out), "pc.ram");
  });
});

Deno.test("analyze: reads a file and standard input with -R alone, and a file not without", async () => {
  const file = await analyze([testdataPath("pc.mig")]);
  const piped = await analyze(["-"], { input: loadStream("pc"), permissions: [] });
  assertEquals([file.code, file.err], [0, ""]);
  assertEquals(piped, file);
  assertRefused(await analyze([testdataPath("pc.mig")], { permissions: [] }), "read access");
  const description = await analyze(["-d", "desc", "-"], { input: loadStream("pc") });
  assertEquals(description.code, 0);
  assertEquals(description.out, (await analyze(["-d", "desc", "-f", testdataPath("pc.mig")])).out);
});

Deno.test("analyze: -m prints each page once, from a file as from a pipe", async () => {
  await withFolder(async (folder) => {
    const stream = loadStream("arm-microbit");
    const { code, out, err } = await analyze(["-m", put(folder, "stream", stream)]);
    assertEquals([code, err], [0, ""]);
    const ram = Object.entries(JSON.parse(out) as Record<string, { memory: object }>)
      .find(([key]) => key.startsWith("ram"))![1];
    const truth = loadTruth("arm-microbit");
    const pages = truth.ramBlocks.reduce((sum, each) => sum + each.usedLengthBytes, 0) / 1024;
    assertEquals(Object.keys(ram.memory).length, pages);
    assertEquals((await analyze(["-m", "-"], { input: stream })).out, out);
  });
});

Deno.test("analyze: --offset and --vmdesc", async () => {
  await withFolder(async (folder) => {
    const offset = loadCase("pc-offset").streamOffset;
    const path = put(folder, "offset", loadStream("pc-offset"));
    const found = await analyze(["--offset", `0x${offset.toString(16)}`, path]);
    assertEquals([found.code, found.err], [0, ""]);
    assertRefused(await analyze(["--offset", String(offset + 1), path]), "[bad-magic]");
    assertRefused(await analyze(["--offset", "1G", path]), "[truncated]");

    const bare = put(folder, "bare", loadStream("pc-no-vmdesc"));
    const guessed = await analyze([bare]);
    assertEquals(guessed.code, 0);
    assertMatch(guessed.err, /^note: 26 sections have no description[^\n]*\n$/);
    assertRefused(await analyze(["-d", "desc", bare]), "carries no vmdescription");
    const from = put(folder, "described", loadStream("pc-stopped"));
    const described = await analyze(["--vmdesc", from, bare]);
    assertEquals([described.code, described.err], [0, ""]);
    assertStringIncludes(described.out, '"env.regs"');
    const json = (await analyze(["-d", "desc", from])).out;
    const path2 = put(folder, "desc.json", new TextEncoder().encode(json));
    assertEquals((await analyze(["--vmdesc", path2, bare])).out, described.out);
  });
});

Deno.test("analyze: -x writes only inside of its folder, whatever the blocks are called", async () => {
  await withFolder(async (folder) => {
    const names = [
      "../../x",
      "/abs",
      "a\0b",
      "n".repeat(255),
      "..",
      "state.json",
      "a/../../y",
      "con:",
      "two\nlines \x1b[31m",
    ];
    const path = put(folder, "stream", blockStream(names));
    const out = `${folder}/deep/er/out`;
    const { code, err, out: listed } = await analyze(["-x", "--out", out, path], {
      permissions: ["-R", "-W"],
    });
    assertEquals([code, err], [0, ""]);
    // One line for each file, and names that cannot end a line.
    assertEquals(listed.split("\n").length - 1, names.length + 2);
    assert(!listed.includes("\x1b"));
    const files = filesBelow(folder);
    assertEquals(files.filter((file) => !file.startsWith("deep/er/out/")), ["stream"]);
    assertEquals(files.length, 1 + names.length + 2);
    for (const file of files) assert(!file.includes(".tmp"), file);
    const seen = files.filter((file) => Deno.statSync(`${folder}/${file}`).size === 4096)
      .map((file) => Deno.readFileSync(`${folder}/${file}`)[4095]);
    assertEquals(seen.sort(), names.map((_, index) => index + 1));
  });
});

Deno.test("analyze: -x refuses links, and leaves nothing behind when it fails", async () => {
  await withFolder(async (folder) => {
    const out = `${folder}/out`;
    const options = { permissions: ["-R", "-W"] };
    Deno.mkdirSync(`${folder}/elsewhere`);
    for (const link of ["m", "state.json"]) {
      Deno.mkdirSync(out);
      Deno.symlinkSync(`${folder}/elsewhere/victim`, `${out}/${link}`);
      const path = put(folder, "stream", blockStream(["m"]));
      assertRefused(await analyze(["-x", "--out", out, path], options), "symbolic link");
      assertEquals(filesBelow(`${folder}/elsewhere`), []);
      assertEquals([...Deno.readDirSync(out)].map(({ name }) => name), [link]);
      Deno.removeSync(out, { recursive: true });
    }
    Deno.mkdirSync(out);
    Deno.symlinkSync(`${folder}/elsewhere`, `${out}/d`);
    const inside = put(folder, "stream", blockStream(["d/m"]));
    assertRefused(await analyze(["-x", "--out", out, inside], options), "symbolic link");
    assertEquals(filesBelow(`${folder}/elsewhere`), []);
    Deno.removeSync(out, { recursive: true });

    const damaged = put(folder, "damaged", blockStream(["m", "n"]).subarray(0, 5000));
    assertRefused(await analyze(["-x", "--out", out, damaged], options), "[truncated]");
    assertEquals(filesBelow(out), []);
    assertRefused(await analyze(["-x", "--out", `${folder}/no`, damaged]), "write access");
  });
});

Deno.test("analyze: leaves nothing in the project", () => {
  const left = [...projectFiles()].filter((path) => path.endsWith(".migstream.tmp"));
  assertEquals(left, []);
});
