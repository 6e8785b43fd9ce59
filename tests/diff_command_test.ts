/**
 * The command diff as a process, with the permission to read and no other.
 *
 * @module
 */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { DEFAULT_IGNORES } from "../analyze/diff/ignore.ts";
import { buildImage } from "../analyze/image/build.ts";
import { imageBytes } from "../analyze/image/save.ts";
import { putCase } from "./converting.ts";
import { memoryStream } from "./memory_commands.ts";
import { migstream, type ProcessResult, withFolder } from "./process.ts";
import { loadStream, testdataPath, withTempFile } from "./testdata.ts";

const PC = testdataPath("pc.mig");

/** Compares a stream in a file with one from standard input. */
async function diff(
  left: Uint8Array,
  right: Uint8Array,
  ...args: string[]
): Promise<ProcessResult> {
  return await withTempFile(left, (path) => migstream(["diff", path, "-", ...args], right));
}

/** A small PC: a byte of memory, and a register. */
function image(byte: number, register: number): Uint8Array {
  const field = { name: "value", type: "uint32", sizeBytes: 4, inline: [] };
  return imageBytes(buildImage({
    machine: "pc-i440fx-10.0",
    blocks: [{
      name: "pc.ram",
      sizeBytes: 2 ** 20,
      content: [{ address: 0x2010, bytes: Uint8Array.of(1, 2, byte, 3) }],
    }],
    sections: [{
      idstr: "dev",
      description: { vmsdName: "dev", version: 1, fields: [field], subsections: [] },
      values: { value: register },
    }],
  }));
}

Deno.test("diff command: nothing is different", async () => {
  const { code, out, err } = await migstream(["diff", PC, PC]);
  assertEquals([code, out, err], [0, "the same\n", ""]);
  const json = await migstream(["diff", PC, PC, "--json"]);
  assertEquals([json.code, json.err], [0, ""]);
  assertEquals(JSON.parse(json.out), {
    same: true,
    configuration: [],
    sections: [],
    state: [],
    ram: [],
    ignored: DEFAULT_IGNORES.map((glob) => ({ glob, count: 0 })),
  });
});

Deno.test("diff command: the summary, then a register, a page and its bytes", async () => {
  const { code, out, err } = await diff(image(5, 9), image(6, 31864), "--context", "2");
  assertEquals([code, err], [1, ""]);
  assertEquals(
    out,
    `different: 1 field, 1 page in 1 of 1 RAM block

State
  dev/0/value: 9 -> 31864 (0x7c78)

RAM
  pc.ram: 1 of 256 pages differ: 1 changed
    0x00002000..0x00003000  1 page  guest-physical 0x00002000..0x00003000
    @ 0x00002010, 5 bytes  guest-physical 0x00002010
      - 0x00002010  01 02 05 03 00
      + 0x00002010  01 02 06 03 00
`,
  );
});

Deno.test("diff command: the same as JSON", async () => {
  const { code, out } = await diff(image(5, 9), image(6, 8), "--context", "1", "--json");
  assertEquals(code, 1);
  assertEquals(JSON.parse(out), {
    same: false,
    configuration: [],
    sections: [],
    state: [{ path: "dev/0/value", left: 9, right: 8 }],
    ram: [{
      block: "pc.ram",
      changedPages: 1,
      addedPages: 0,
      gonePages: 0,
      pageBytes: 4096,
      leftBytes: 2 ** 20,
      rightBytes: 2 ** 20,
      ranges: [[0x2000, 0x3000]],
      guestRanges: [[0x2000, 0x3000]],
      bytes: [{ start: 0x2011, left: "020503", right: "020603", ranges: [[0x2012, 0x2013]] }],
    }],
    ignored: DEFAULT_IGNORES.map((glob) => ({ glob, count: 0 })),
  });
});

Deno.test("diff command: --state, --ram, --ignore, --no-default-ignores, --quiet", async () => {
  const [left, right] = [image(5, 9), image(6, 8)];
  const codes = async (...args: string[]) => (await diff(left, right, ...args, "--quiet")).code;
  assertEquals(await codes(), 1);
  assertEquals(await codes("--state"), 1);
  assertEquals(await codes("--state", "--ignore", "dev/*"), 0);
  assertEquals(await codes("--state", "--ignore", "*/other", "--ignore", "*value"), 0);
  assertEquals(await codes("--ignore", "dev/*"), 1);
  assertEquals(await codes("--ram", "--state", "--ignore", "dev/*"), 1);
  assertEquals(await codes("--ram"), 1);
  assertEquals((await diff(image(5, 9), image(5, 8), "--ram")).code, 0);
  const quiet = await diff(left, right, "--quiet");
  assertEquals([quiet.out, quiet.err], ["", ""]);
  const ignored = await diff(
    left,
    right,
    "--state",
    "--json",
    "--no-default-ignores",
    "--ignore",
    "dev/*",
  );
  assertEquals(JSON.parse(ignored.out).ignored, [{ glob: "dev/*", count: 1 }]);
  const live = await diff(loadStream("pc"), loadStream("pc-live"), "--state");
  assertMatch(live.out, /^passed over: \d+ that differ \(timer\/\* 2, /m);
  const all = await diff(
    loadStream("pc"),
    loadStream("pc-live"),
    "--no-default-ignores",
    "--state",
  );
  assertMatch(all.out, /^ {2}timer\/0\/cpu_clock_offset: \d+ \(0x[0-9a-f]+\) -> \d+/m);
  assert(!all.out.includes("passed over"));
});

Deno.test("diff command: forms, folders and offsets", async () => {
  await withFolder(async (folder) => {
    const whole = await putCase(folder, "pc-multifd");
    const { code, out } = await migstream(["diff", whole.path, `${whole.path}/main.bin`, "--json"]);
    assertEquals([code, JSON.parse(out).same], [0, true]);
    const shifted = `${folder}/shifted`;
    await Deno.writeFile(shifted, new Uint8Array([...new Uint8Array(4096), ...loadStream("pc")]));
    const args = ["diff", PC, shifted, "--offset-b", "4K"];
    assertEquals((await migstream(args)).code, 0);
    assertEquals((await migstream(["diff", shifted, shifted, "--offset", "0x1000"])).code, 0);
    assertEquals((await migstream(["diff", shifted, PC, "--offset-a", "4096"])).code, 0);
    const wrong = await migstream(["diff", PC, shifted]);
    assertEquals([wrong.code, wrong.out], [2, ""]);
    assertStringIncludes(wrong.err, `migstream: ${shifted}: `);
  });
});

Deno.test("diff command: a given map, and a note without one", async () => {
  const page = new Uint8Array(4096).fill(1);
  const left = memoryStream([["m", 2, new Uint8Array(8192)]]);
  const right = memoryStream([["m", 2, page]]);
  const none = await diff(left, right, "--json");
  assertMatch(none.err, /^note: block m: 1 page\(s\) are not in the right input: not compared\n/);
  assertMatch(none.err, /note: The guest-physical addresses are not known/);
  assertEquals(JSON.parse(none.out).ram[0].guestRanges, null);
  const map = new TextEncoder().encode('[{"block": "m", "guestAddress": "0x100000"}]');
  await withTempFile(map, async (path) => {
    const { out, err } = await diff(left, right, "--map", path);
    assert(!err.includes("guest-physical"), err);
    assertStringIncludes(out, "m: 1 of 2 pages differ: 1 zero on the left side");
    assertStringIncludes(
      out,
      "0x00000000..0x00001000  1 page  guest-physical 0x00100000..0x00101000",
    );
  });
});

Deno.test("diff command: damage is trouble, --keep-going compares what is there", async () => {
  const cut = loadStream("pc").subarray(0, 130_000);
  await withTempFile(cut, async (path) => {
    const strict = await migstream(["diff", PC, path]);
    assertEquals([strict.code, strict.out], [2, ""]);
    assertEquals(strict.err.split("\n").length, 2);
    assertStringIncludes(strict.err, `migstream: ${path}: Cannot decode`);
    const kept = await migstream(["diff", PC, path, "--keep-going"]);
    assertEquals([kept.code, kept.out], [2, "the same\n"]);
    assertMatch(kept.err, /^note: \d+ section\(s\) not compared: the other side is damaged/);
    assertMatch(kept.err, /\nerror: .*: Cannot decode .*; compared up to there\n$/);
  });
  const missing = await migstream(["diff", PC, `${PC}.missing`]);
  assertEquals([missing.code, missing.out], [2, ""]);
  assertMatch(missing.err, /^migstream: No such file.*\n$/);
});

Deno.test("diff command: hostile names move no cursor", async () => {
  const name = "evil\x1b[31m\u009b\u202e";
  const field = { name, type: name, sizeBytes: 20, inline: [] };
  const hostile = (byte: number) =>
    imageBytes(buildImage({
      machine: `${name}${byte}`,
      blocks: [{ name, sizeBytes: 4096, content: Uint8Array.of(byte) }],
      sections: [{
        idstr: name,
        description: { vmsdName: name, version: 1, fields: [field], subsections: [] },
        values: { [name]: new Uint8Array(20).fill(byte) },
      }, { idstr: `${name}${byte}`, bytes: Uint8Array.of(byte) }],
    }));
  for (const args of [[], ["--json"], ["--context", "3"]]) {
    const { code, out, err } = await diff(hostile(1), hostile(2), ...args, "--ignore", "x\x1b*");
    assertEquals(code, 1);
    assert(!/[^ -~\n]/.test(out + err), out + err);
    if (args[0] !== "--json") continue;
    const { ram, state } = JSON.parse(out);
    assertEquals(ram[0].block, name);
    const shown = "evil\\u001b[31m\\u009b\\u202e";
    assertEquals(state[0].path, `${shown}/0/${shown}`);
  }
});

Deno.test("diff command: errors of usage", async () => {
  for (
    const [args, said] of [
      [[PC], "missing required argument 'b'"],
      [["-", "-"], "only one of both can be standard input"],
      [[PC, PC, "--context", "100000"], "this option takes at most 65536"],
      [[PC, PC, "--offset-a", "x"], "takes a number of bytes"],
      [[PC, PC, "--snapshot-b", "one"], "No snapshots here"],
    ] as const
  ) {
    const { code, out, err } = await migstream(["diff", ...args]);
    assertEquals([code, out], [2, ""], args.join(" "));
    assertStringIncludes(err, said);
    assertEquals(err.split("\n").length, 2, err);
  }
});
