/**
 * The command search as a process, with the permission to read and no other.
 *
 * @module
 */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { memoryStream } from "./memory_commands.ts";
import { migstream } from "./process.ts";
import { mappedStream } from "./streams.ts";
import { loadStream, testdataPath, withTempFile } from "./testdata.ts";

const PC = testdataPath("pc.mig");

Deno.test("search command: hits as text and as JSON, from a file as from a pipe", async () => {
  const text = await migstream(["search", PC, "--text", "QEMU0002"]);
  assertEquals([text.code, text.err.includes("error")], [0, false], text.err);
  assertMatch(text.out, /^\/rom@etc\/acpi\/tables 0x[0-9a-f]{8} - +[ -~]*QEMU0002[ -~]*\n$/);
  const json = await migstream(["search", PC, "--text", "QEMU0002", "--json"]);
  const { address, ...rest } = JSON.parse(json.out);
  assertEquals(json.out.split("\n").length, 2);
  assertStringIncludes(text.out, `0x${address.toString(16).padStart(8, "0")}`);
  assertEquals(Object.keys(rest), ["block", "guestAddress", "match", "text"]);
  assertEquals([rest.block, rest.guestAddress], ["/rom@etc/acpi/tables", null]);
  assertEquals(rest.match, new TextEncoder().encode("QEMU0002").toHex());
  const piped = await migstream(["search", "-", "--text", "QEMU0002", "--json"], loadStream("pc"));
  assertEquals([piped.code, piped.out], [0, json.out]);
});

Deno.test("search command: exit code 1 where nothing is found, 2 where the stream is damaged", async () => {
  const none = await migstream(["search", PC, "--regex", "no such \\w+ here"]);
  assertEquals([none.code, none.out], [1, ""]);
  const cut = loadStream("pc").subarray(0, 200_000);
  const strict = await migstream(["search", "-", "--hex", "f0 00"], cut);
  assertEquals([strict.code, strict.out], [2, ""]);
  assertMatch(strict.err, /^migstream: Cannot decode .*\n$/);
  const kept = await migstream(["search", "-", "--hex", "31 c0", "--keep-going"], cut);
  assertEquals(kept.code, 2);
  assertMatch(kept.err, /error: Cannot decode /);
  const note = await migstream(["search", "-", "--text", "x"], loadStream("pc-multifd"));
  assertEquals(note.code, 1);
  assertMatch(note.err, /note: the memory is not whole/);
});

Deno.test("search command: addresses with a map, --block, --max and control characters", async () => {
  const content = new TextEncoder().encode("aaaa\x1b[31m");
  const stream = memoryStream([["evil\x1b[31m\u009b", 2, content], ["second", 1, content]]);
  const map = new TextEncoder().encode(
    JSON.stringify([{ block: "second", guestAddress: "0x100000", lengthBytes: 4096 }]),
  );
  await withTempFile(map, async (path) => {
    const args = ["search", "-", "--text", "aa", "--map", path];
    const all = await migstream(args, stream);
    assertEquals([all.code, all.err], [0, ""]);
    assertEquals(all.out.split("\n").length - 1, 6);
    assertStringIncludes(all.out, "\nsecond 0x00000000 0x00100000  aaaa.[31m");
    const json = await migstream([...args, "--json"], stream);
    for (const { out } of [all, json]) assert(!/[^ -~\n]/.test(out), out);
    const parsed = json.out.trimEnd().split("\n").map((line) => JSON.parse(line));
    assertEquals(parsed[0].block, "evil\x1b[31m\u009b");
    assertEquals(parsed[5].guestAddress, 0x100002);
    const few = await migstream([...args, "--max", "4"], stream);
    assertEquals(few.out, all.out.split("\n").slice(0, 4).map((line) => `${line}\n`).join(""));
    assertEquals(few.err, "note: there are more than these 4 hits (--max)\n");
    const exact = await migstream([...args, "--max", "6"], stream);
    assertEquals([exact.out, exact.err], [all.out, ""]);
    const one = await migstream([...args, "--block", "second"], stream);
    assertEquals(one.out, all.out.split("\n").slice(3, 6).map((line) => `${line}\n`).join(""));
  });
});

Deno.test("search command: slack is searched where it is asked for", async () => {
  const args = ["search", "-", "--hex", "02 02", "--max", "1", "--json"];
  const found = await migstream(args, mappedStream());
  const slack = await migstream([...args, "--slack"], mappedStream());
  assertEquals([found, slack].map(({ out }) => JSON.parse(out).address), [1024, 0]);
});

Deno.test("search command: errors of usage", async () => {
  for (
    const [args, said] of [
      [[], "give one of --text, --hex and --regex"],
      [["--text", "a", "--hex", "41"], "give one of --text, --hex and --regex"],
      [["--text", ""], "--text: the text is empty"],
      [["--hex", "4"], "--hex: bytes are pairs"],
      [["--hex", "41", "--utf16"], "--utf16 goes with --text"],
      [["--hex", "41", "--ignore-case"], "--ignore-case doesn't go with --hex"],
      [["--regex", "("], "--regex: Invalid regular expression"],
      [["--regex", "a*"], "--regex: the expression also matches the empty text"],
      [["--text", "a", "--max", "0"], "a number above 0"],
      [
        ["--text", "a", "--block", "pc.rma"],
        "no RAM block is called 'pc.rma'; did you mean pc.ram?",
      ],
      [["--text", "a", "--block", "\x1b"], "no RAM block is called '\\u001b' (there are"],
    ] as const
  ) {
    const { code, out, err } = await migstream(["search", PC, ...args]);
    assertEquals([code, out], [2, ""], args.join(" "));
    assertStringIncludes(err, said);
    assertEquals(err.split("\n").length, 2, err);
  }
});
