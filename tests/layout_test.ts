/**
 * The layout of an input: rows that tile it, and the command that prints them.
 */
import { concat } from "@std/bytes/concat";
import { assert, assertEquals, assertThrows } from "@std/assert";
import { layoutRows } from "../analyze/layout/layout.ts";
import type { LayoutOptions, LayoutRow } from "../analyze/layout/row.ts";
import { explainOffset } from "../analyze/layout/explain.ts";
import { runLayout } from "../cli/layout.ts";
import { Output } from "../cli/output.ts";
import { PipeSource } from "../container/pipe.ts";
import { FormatError } from "../format/error.ts";
import { encodeFileHeader } from "../format/header.ts";
import { encodeRamEos, encodeRamWord, encodeZeroPage, RAM_SAVE_FLAG } from "../format/ram.ts";
import { encodeBlockEntry } from "../format/ram_blocks.ts";
import { encodeFooter, encodeSectionHeader } from "../format/section.ts";
import { type ByteSource, BytesSource } from "../format/source.ts";
import { ByteWriter } from "../format/writer.ts";
import { assertSameLines, ChunkedInput, CountingSource, Random } from "./reading.ts";
import { caseNames, loadCase, loadStream, testdataPath, withTempFile } from "./testdata.ts";

function rowsOf(source: ByteSource, options: LayoutOptions = {}): LayoutRow[] {
  const rows: LayoutRow[] = [];
  layoutRows(source, options, (row) => rows.push(row));
  return rows;
}

function assertRowsTile(rows: readonly LayoutRow[], end: number, label: string): void {
  let at = 0;
  for (const { offset, lengthBytes, description } of rows) {
    if (offset !== at || !(lengthBytes > 0)) {
      throw new Error(`${label}: "${description}" at ${offset}, ${at} is next`);
    }
    at += lengthBytes;
  }
  assertEquals(at, end, label);
}

/** Rows as they can be compared with those of a pipe, where a section's name comes too late for its first records. */
function comparable(rows: readonly LayoutRow[]): string[] {
  return rows.map(({ offset, lengthBytes, depth, kind }) =>
    `${offset} ${lengthBytes} ${depth} ${kind === "undescribed" ? "device" : kind}`
  );
}

for (const name of caseNames()) {
  Deno.test(`layout: rows tile ${name}, however it is cut`, () => {
    const bytes = loadStream(name);
    const offset = loadCase(name).streamOffset;
    const rows = rowsOf(new BytesSource(bytes), { offset });
    assertRowsTile(rows, bytes.length, name);
    assertEquals(rows.filter(({ kind }) => kind === "undecoded"), []);

    const short = rowsOf(new CountingSource(bytes, 5001), { offset });
    assertSameLines(
      short.map((row) => JSON.stringify(row)),
      rows.map((row) => JSON.stringify(row)),
      name,
    );
    using pipe = new PipeSource(new ChunkedInput(bytes, 4097));
    assertSameLines(comparable(rowsOf(pipe, { offset })), comparable(rows), `${name}, pipe`);
  });
}

Deno.test("layout: the rows of the empty machine", () => {
  const rows = rowsOf(new BytesSource(loadStream("none")));
  const lines = rows.map((row) =>
    `${row.offset} ${row.lengthBytes} ${row.path}: ${row.description}`
  );
  assertEquals(lines, [
    "0 8 file header: file header, version 3",
    '8 9 configuration: configuration, machine "none"',
    '17 17 section 1 "ram" > header: START section 1 "ram", instance 0, version 4',
    '34 8 section 1 "ram" > payload > block list > word: block list of 0x0 bytes',
    '42 8 section 1 "ram" > payload: end of the RAM records',
    '50 5 section 1 "ram" > footer: footer of section 1 "ram"',
    "55 5 command: command SWITCHOVER_START",
    '60 5 section 1 "ram" > header: END section 1 "ram"',
    '65 8 section 1 "ram" > payload: end of the RAM records',
    '73 5 section 1 "ram" > footer: footer of section 1 "ram"',
    '78 19 section 0 "timer" > header: FULL section 0 "timer", instance 0, version 2',
    '97 24 section 0 "timer" > payload: device state of section 0 "timer"',
    '121 5 section 0 "timer" > footer: footer of section 0 "timer"',
    '126 25 section 3 "globalstate" > header: FULL section 3 "globalstate", instance 0, version 1',
    '151 104 section 3 "globalstate" > payload: device state of section 3 "globalstate"',
    '255 5 section 3 "globalstate" > footer: footer of section 3 "globalstate"',
    "260 1 eof: end of the stream",
    "261 828 vmdescription: vmdescription of 2 devices",
  ]);
});

function descriptions(name: string, kinds: readonly string[]): string[] {
  const source = new BytesSource(loadStream(name));
  const rows = rowsOf(source, { offset: loadCase(name).streamOffset });
  return rows.filter(({ kind }) => kinds.includes(kind)).map(({ description }) => description);
}

Deno.test("layout: runs of records and areas of mapped blocks are rows", () => {
  assertEquals(descriptions("pc-postcopy", ["zero", "page"]).slice(0, 4), [
    "zero pages pc.ram 0x0..0x5fff (6 records)",
    "pages pc.ram 0x6000..0x6fff (1 record)",
    "zero pages pc.ram 0x7000..0xffff (9 records)",
    "pages pc.ram 0x10000..0x24fff (21 records)",
  ]);
  assertEquals(descriptions("pc-mapped-ignore-shared-11.1", ["block", "bitmap", "hole", "pages"]), [
    "block m, 0x100000 bytes",
    "block pc.rom, 0x20000 bytes",
    "bitmap of pc.rom",
    "hole of pc.rom",
    "pages of pc.rom, 0 of 32 pages are here",
    "block pc.bios, 0x10000 bytes",
    "bitmap of pc.bios",
    "hole of pc.bios",
    "pages of pc.bios, 2 of 16 pages are here",
  ]);
  assertEquals(descriptions("pc-offset", ["before"]), ["before the stream"]);
});

Deno.test("layout: the rows of a cut input tile it", () => {
  const random = new Random(2);
  for (const name of ["pc", "pc-xbzrle", "pc-mapped", "pc-postcopy", "none"]) {
    const whole = loadStream(name);
    for (let round = 0; round < 40; round++) {
      const cut = 1 + random.below(whole.length - 1);
      const source = new BytesSource(whole.subarray(0, cut));
      const rows: LayoutRow[] = [];
      const error = layoutRows(source, { keepGoing: true }, (row) => rows.push(row));
      assertRowsTile(rows, cut, `${name} cut at ${cut}`);
      if (error !== undefined) assertThrows(() => rowsOf(source), FormatError);
    }
  }
});

Deno.test("layout: a damaged device has a header", () => {
  const whole = loadStream("none");
  // A byte too many in "timer".
  const bytes = concat([whole.subarray(0, 100), Uint8Array.of(0), whole.subarray(100)]);
  const rows: LayoutRow[] = [];
  const error = layoutRows(new BytesSource(bytes), { keepGoing: true }, (row) => rows.push(row));
  assertEquals(error?.code, "device-mismatch");
  assertEquals(rows.slice(-2).map(({ offset, kind }) => `${offset} ${kind}`), [
    "78 section-header",
    "97 undecoded",
  ]);
});

/** A stream with one block of `pages` zero pages, every other of which is sent, in records of their own. */
function sparseStream(name: string, pages: number): Uint8Array {
  const writer = new ByteWriter();
  const section = { id: 1, idstr: "ram", instanceId: 0, versionId: 4 };
  const usedLengthBytes = 2 * pages * 4096;
  encodeFileHeader(writer, { version: 3 });
  encodeSectionHeader(writer, "start", section);
  encodeRamWord(writer, usedLengthBytes, RAM_SAVE_FLAG.MEM_SIZE);
  encodeBlockEntry(writer, { name, index: 0, usedLengthBytes, entryOffset: 0, entryBytes: 0 });
  for (let page = 0; page < pages; page++) {
    // The third one stands at an odd number: that shows the page size.
    const address = 4096 * (2 * page + (page === 2 ? 1 : 0));
    encodeZeroPage(writer, { block: page === 0 ? name : undefined, address });
  }
  encodeRamEos(writer);
  encodeFooter(writer, section.id);
  writer.u8(0, "EOF");
  return writer.finish();
}

Deno.test("layout: rows are visited while the section is read", () => {
  const bytes = sparseStream("pc.ram", 200_000);
  const source = new CountingSource(bytes);
  let before = 0;
  let rows = 0;
  layoutRows(source, {}, ({ kind }) => {
    rows += 1;
    if (kind === "zero" && before === 0) before = source.bytesRead;
  });
  // Two of the records follow each other.
  assertEquals(rows, 200_000 - 1 + 7);
  assert(before < bytes.length / 2, `${before} bytes were read before the first row`);

  source.bytesRead = 0;
  assertEquals(explainOffset(source, 100).path[0], 'section 1 "ram" (instance 0)');
  assert(source.bytesRead < bytes.length, "the section was read to its end");
});

Deno.test("layout: names cannot reach a terminal as they are", () => {
  const bytes = sparseStream("a\x1b[2J\n", 3);
  const source = new BytesSource(bytes);
  const rows = rowsOf(source);
  const texts = rows.flatMap(({ path, description }) => [path, description]);
  for (let at = 0; at < bytes.length; at++) {
    const { path, fields, meaning } = explainOffset(source, at);
    texts.push(...path, meaning, ...fields.flatMap(({ name, value }) => [name, value]));
  }
  assert(texts.some((text) => text.includes("a\\u001b[2J\\u000a")));
  // deno-lint-ignore no-control-regex -- these are what must not be there
  assertEquals(texts.filter((text) => /[\x00-\x1f\x7f]/.test(text)), []);
});

async function run(path: string, options: Partial<Parameters<typeof runLayout>[1]>) {
  const texts = ["", ""];
  const outputs = texts.map((_, index) =>
    new Output({
      writeSync(bytes: Uint8Array): number {
        texts[index] += new TextDecoder().decode(bytes);
        return bytes.length;
      },
    })
  );
  const [out, err] = outputs as [Output, Output];
  const nothing = { at: undefined, snapshot: undefined, vmdesc: undefined };
  const defaults = { ...nothing, json: false, offset: 0, keepGoing: false };
  const code = await runLayout(path, { ...defaults, ...options }, { out, err });
  outputs.forEach((output) => output.flush());
  return { code, out: texts[0]!, err: texts[1]! };
}

Deno.test("layout: the command prints tables and JSON", async () => {
  const path = testdataPath("none.mig");
  const table = await run(path, {});
  assertEquals(table.code, 0);
  assertEquals(table.out.split("\n").slice(0, 3), [
    "offset         length  what",
    "0x00000000          8  file header, version 3",
    '0x00000008          9  configuration, machine "none"',
  ]);
  assert(table.out.split("\n").every((line) => line.length <= 80));

  const json = await run(path, { json: true });
  const parsed = JSON.parse(json.out) as { rows: LayoutRow[]; error: null };
  assertEquals(parsed.rows, rowsOf(new BytesSource(loadStream("none"))));
  assertEquals(parsed.error, null);

  const at = await run(path, { at: 84 });
  assertEquals(
    at.out,
    [
      "offset 0x54 (84)",
      'section 0 "timer" (instance 0) > section idstr',
      "",
      "offset         length  what",
      '0x0000004e         19  section 0 "timer" (instance 0): FULL section 0 "timer", instance 0, version 2, header',
      '0x00000054          5    section idstr: "timer"',
      "",
      'section idstr: "timer"; byte 1 of 5 is 0x74',
      "",
    ].join("\n"),
  );
  const atJson = await run(path, { at: 84, json: true });
  assertEquals(JSON.parse(atJson.out), explainOffset(new BytesSource(loadStream("none")), 84));
});

Deno.test("layout: the command goes on at damage if told to", async () => {
  await withTempFile(loadStream("none").subarray(0, 300), async (path) => {
    const { code, out, err } = await run(path, { keepGoing: true, json: true });
    assertEquals(code, 2);
    assert(err.startsWith("error: Cannot decode"), err);
    const { rows, error } = JSON.parse(out) as { rows: LayoutRow[]; error: { code: string } };
    assertRowsTile(rows, 300, "with --keep-going");
    assertEquals(rows.at(-1)?.kind, "undecoded");
    assertEquals(error.code, "truncated");
  });
});
