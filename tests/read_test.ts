/**
 * Reading a guest's memory: the table of bytes, and the command as a process.
 *
 * @module
 */

import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import fc from "fast-check";
import { HexDump } from "../analyze/hex_dump.ts";
import { memoryStream } from "./memory_commands.ts";
import { migstream } from "./process.ts";
import { mappedStream } from "./streams.ts";
import { loadStream, loadTruth, testdataPath, withTempFile } from "./testdata.ts";

function dump(address: number, ...pieces: readonly Uint8Array[]): string {
  const decoder = new TextDecoder();
  let text = "";
  const table = new HexDump(address, (bytes) => text += decoder.decode(bytes));
  for (const piece of pieces) table.write(piece);
  table.end();
  return text;
}

Deno.test("read: bytes as hexdump -C prints them", () => {
  const bytes = new Uint8Array(16 * 6 + 9);
  bytes.set(new TextEncoder().encode("The first line, \x1b[31m\x7f\xff~ and more"));
  bytes.fill(0x41, 96);
  assertEquals(
    dump(0x7c00, bytes),
    `\
00007c00  54 68 65 20 66 69 72 73  74 20 6c 69 6e 65 2c 20  |The first line, |
00007c10  1b 5b 33 31 6d 7f c3 bf  7e 20 61 6e 64 20 6d 6f  |.[31m...~ and mo|
00007c20  72 65 00 00 00 00 00 00  00 00 00 00 00 00 00 00  |re..............|
00007c30  00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00  |................|
*
00007c60  41 41 41 41 41 41 41 41  41                       |AAAAAAAAA|
00007c69
`,
  );
  assertEquals(
    dump(0x1_2345_6789, new Uint8Array(8)),
    "123456789  00 00 00 00 00 00 00 00                           |........|\n123456791\n",
  );
  const one = "00000000  2d                                                |-|\n00000001\n";
  assertEquals(dump(0, Uint8Array.of(0x2d)), one);
});

Deno.test("read: a table says all bytes, however they come", () => {
  fc.assert(
    fc.property(
      fc.array(fc.constantFrom(0, 0, 0, 0x20, 0xff), { maxLength: 400 }),
      fc.array(fc.integer({ min: 0, max: 10 }), { maxLength: 5 }),
      (values, cuts) => {
        const bytes = Uint8Array.from(values);
        const borders = [0, ...cuts.map((cut) => cut * 16).sort((a, b) => a - b), 400];
        const pieces = borders.slice(1).map((end, index) => bytes.subarray(borders[index], end));
        const text = dump(0, ...pieces);
        assertEquals(text, dump(0, bytes));
        assertEquals(parse(text), bytes);
      },
    ),
    { numRuns: 300 },
  );
});

/** The bytes that a table says. */
function parse(text: string): Uint8Array {
  const lines = text.trimEnd().split("\n");
  const bytes = new Uint8Array(parseInt(lines.at(-1)!, 16));
  let line = new Uint8Array();
  let at = 0;
  for (const [index, each] of lines.entries()) {
    if (each === "*") {
      for (const end = parseInt(lines[index + 1]!, 16); at < end; at += 16) bytes.set(line, at);
      continue;
    }
    assertEquals(parseInt(each, 16), at);
    line = Uint8Array.fromHex(each.slice(8, 60).replaceAll(" ", ""));
    bytes.set(line, at);
    at += line.length;
  }
  return bytes;
}

const PC = testdataPath("pc.mig");

Deno.test("read command: what it prints is what the block has", async () => {
  const block = loadTruth("pc").ramBlocks.find(({ name }) => name === "pc.bios")!;
  const size = String(block.usedLengthBytes);
  const raw = await migstream(["read", PC, "--block", "pc.bios", "--length", size, "--raw"]);
  assertEquals([raw.code, raw.err, raw.bytes.length], [0, "", block.usedLengthBytes]);
  const text = await migstream(["read", PC, "--block", "pc.bios", "--length", size]);
  assertEquals([text.code, text.err], [0, ""]);
  assertEquals(parse(text.out), raw.bytes);
  const part = await migstream(
    ["read", "-", "--block", "pc.bios", "--address", "0xfff3", "--length", "13"],
    loadStream("pc"),
  );
  assertEquals([part.code, part.err], [0, ""]);
  assertEquals(part.out, dump(0xfff3, raw.bytes.subarray(0xfff3)));
  // The reset vector, which is the last thing in the firmware.
  const last = (block.usedLengthBytes - 16).toString();
  const vector = await migstream(
    ["read", PC, "--block", "pc.bios", "--address", last, "--length", "16", "--raw"],
  );
  assertEquals(vector.bytes, raw.bytes.subarray(-16));
  const physical = await migstream(
    ["read", PC, "--physical", "0xfffffff0", "--length", "16", "--raw"],
  );
  assertEquals([physical.code, physical.err], [0, ""]);
  assertEquals(physical.bytes, vector.bytes);
});

Deno.test("read command: pages that were never sent are zeros, also many of them", async () => {
  const stream = memoryStream([["m", 4096, new Uint8Array(5000).fill(7)]]);
  const { code, bytes, err } = await migstream(
    ["read", "-", "--block", "m", "--address", "4000", "--length", "16000K", "--raw"],
    stream,
  );
  assertEquals([code, err, bytes.length], [0, "", 16000 * 1024]);
  const content = new Uint8Array(16000 * 1024);
  content.fill(7, 0, 1000);
  assertEquals(bytes.findIndex((byte, at) => byte !== content[at]), -1);
});

Deno.test("read command: slack is shown where it is asked for", async () => {
  const args = ["read", "-", "--block", "b", "--length", "16"];
  const without = await migstream(args, mappedStream());
  const slack = await migstream([...args, "--slack"], mappedStream());
  assertEquals(without.out, dump(0, new Uint8Array(16)));
  assertEquals(slack.out, dump(0, new Uint8Array(16).fill(2)));
});

Deno.test("read command: physical memory across ranges, up to a hole, and not in one", async () => {
  const stream = memoryStream([
    ["a", 1, new Uint8Array(4096).fill(0xaa)],
    ["b", 1, new Uint8Array(4096).fill(0xbb)],
  ]);
  const map = JSON.stringify([
    { block: "a", guestAddress: 0x10000 },
    { block: "b", guestAddress: 0x11000, lengthBytes: 16 },
    { block: "b", guestAddress: 0x20000, blockAddress: 16 },
  ]);
  await withTempFile(new TextEncoder().encode(map), async (path) => {
    const read = (address: string, length: string, ...more: string[]) =>
      migstream(
        ["read", "-", "--physical", address, "--length", length, "--map", path, ...more],
        stream,
      );
    const across = await read("0x10ff8", "24");
    assertEquals([across.code, across.err], [0, ""]);
    const there = new Uint8Array(24).fill(0xaa, 0, 8).fill(0xbb, 8);
    assertEquals(across.out, dump(0x10ff8, there));
    for (const [more, expected] of [[[], across.bytes], [["--raw"], there]] as const) {
      const cut = await read("0x10ff8", "1M", ...more);
      assertEquals([cut.code, cut.bytes], [2, expected]);
      assertMatch(cut.err, /^migstream: no memory is known at guest-physical address 0x11010/);
      assertStringIncludes(cut.err, "0x11000 to 0x1100f (b) and 0x20000 to 0x20fef (b)\n");
    }
    const outside = await read("0", "1");
    assertEquals([outside.code, outside.out], [2, ""]);
    assertStringIncludes(outside.err, "address 0x0; around it are 0x10000 to 0x10fff (a)\n");
  });
  const unknown = await migstream(["read", "-", "--physical", "0"], stream);
  assertEquals([unknown.code, unknown.out], [2, ""]);
  assertStringIncludes(unknown.err, "guest-physical addresses are not known");
});

Deno.test("read command: errors of usage", async () => {
  const bios = ["--block", "pc.bios"];
  for (
    const [args, said] of [
      [[], "give either --physical, or --block and --address"],
      [["--physical", "0", ...bios], "give either --physical, or --block and --address"],
      [["--physical", "0", "--address", "0"], "--address goes with --block"],
      [["--block", "bios"], "no RAM block is called 'bios'; did you mean pc.bios? (there are"],
      [[...bios, "--length", "x"], "takes a number of bytes"],
      [[...bios, "--address", "1T"], "block pc.bios has 0x"],
      [[...bios, "--length", "8191T"], "bytes: there are no 9006099743113216 bytes at 0x0"],
    ] as const
  ) {
    const { code, out, err } = await migstream(["read", PC, ...args]);
    assertEquals([code, out], [2, ""], args.join(" "));
    assertStringIncludes(err, said);
    assertEquals(err.split("\n").length, 2, err);
  }
});
