/**
 * The writer of streams: what is decoded comes out as it went in, byte for byte, and what is made by hand is read as it was meant.
 */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { PipeSource } from "../container/pipe.ts";
import { WriterSink } from "../container/sinks.ts";
import type { Command } from "../format/command.ts";
import { isFormatError } from "../format/error.ts";
import { placeMappedRam } from "../format/mapped_ram.ts";
import { newRamRun } from "../format/ram_scanner.ts";
import { RamWriter } from "../format/ram_writer.ts";
import { BufferedSink, BytesSink, SINK_BLOCK_BYTES } from "../format/sink.ts";
import { BytesSource } from "../format/source.ts";
import { StreamWriter } from "../format/stream_writer.ts";
import { annotated } from "./annotated.ts";
import { mutate, victimOf } from "./mutations.ts";
import { assertSameBytes, identity, made, recode } from "./recoding.ts";
import { ChunkedInput, CountingSource, Random, readItems, RecordLog } from "./reading.ts";
import { mappedStream, postcopyStream, StreamBuilder } from "./streams.ts";
import { caseNames, loadCase, loadStream } from "./testdata.ts";

for (const name of caseNames()) {
  Deno.test(`stream writer: ${name} comes out as it went in`, () => {
    const bytes = loadStream(name);
    const offset = loadCase(name).streamOffset;
    const { bytes: encoded, writer } = recode(new BytesSource(bytes), { offset });
    assertSameBytes(encoded, bytes.subarray(offset), name);
    assertEquals(writer.offset, bytes.length);
    const isDescribed = readItems(new BytesSource(bytes), { offset }).items
      .some(({ kind }) => kind === "vmdescription");
    // Nothing that a description covers is copied.
    assertEquals(writer.verbatimDevices.length === 0, isDescribed);
    if (isDescribed) assert(writer.encodedDevices > 0);
  });
}

Deno.test("stream writer: block borders, short reads and pipes change nothing", () => {
  for (const name of caseNames()) {
    const bytes = loadStream(name);
    const offset = loadCase(name).streamOffset;
    if (bytes.length > 300_000) continue;
    const expected = bytes.subarray(offset);
    for (const [blockBytes, atOnce] of [[16, 300], [4099, 4099], [5000, 1700]] as const) {
      const source = new CountingSource(bytes, atOnce);
      const label = `${name}, blocks of ${blockBytes}, reads of ${atOnce}`;
      assertSameBytes(recode(source, { offset, blockBytes }).bytes, expected, label);
    }
    using pipe = new PipeSource(new ChunkedInput(bytes, 4097));
    assertSameBytes(recode(pipe, { offset }).bytes, expected, `${name}, pipe`);
  }
});

/** Payloads that no recorded stream has, or has with other values. */
const PAYLOADS: readonly (readonly [string, number, "start" | "part", string])[] = [
  ["spapr/htab", 1, "start", "00 00 00 12"],
  ["spapr/htab", 1, "start", "ff*4"],
  [
    "s390-storage_attributes",
    0,
    "part",
    "00*6 10 02 00*7 03 01 02 03 00*7 08 00*7 01",
  ],
  ["0000:00:02.0/vfio", 1, "start", "ff*4 ef 10 00 03 ff*4 ef 10 00 01"],
  [
    "0000:00:02.0/vfio",
    1,
    "part",
    "ff*4 ef 10 00 04 00*7 03 0a 0b 0c ff*4 ef 10 00 06 ff*4 ef 10 00 05",
  ],
  ["pbs-state", 1, "start", "00*7 05 01 02 03 04 05"],
  ["block", 1, "part", '00*6 02 09 05 "disk0" 00*6 64 04 00*7 02'],
  [
    "dirty-bitmap",
    1,
    "start",
    '80 1c 05 "disk0" 03 "map" 00 01 00 00 03 80 80 00 01',
  ],
];

Deno.test("stream writer: payloads of our own knowledge, in all forms", () => {
  for (const [idstr, versionId, type, hex] of PAYLOADS) {
    const bytes = new StreamBuilder()
      .section("start", 1, idstr, type === "start" ? annotated(hex) : startOf(idstr), {
        versionId,
      });
    if (type === "part") bytes.section("part", 1, idstr, annotated(hex));
    const stream = bytes.eof().bytes();
    for (const blockBytes of [16, 4096]) {
      const { bytes: encoded, items } = recode(new BytesSource(stream), { blockBytes });
      assertSameBytes(encoded, stream, `${idstr} ${hex}`);
      assert(items.some((item) => item.kind === "section" && item.payload !== undefined), idstr);
    }
  }
});

/** The least that a START section of an entry can have. */
function startOf(idstr: string): Uint8Array {
  if (idstr.endsWith("/vfio")) return annotated("ff*4 ef 10 00 01");
  return idstr === "block" ? annotated("00*7 02") : annotated("00*7 01");
}

Deno.test("stream writer: version 2, packages with a rest, bytes behind the stream", () => {
  const compat = annotated(`
    "QEVM" 00 00 00 02 00*7 27
    05 "timer" 00 00 00 01 00 00 00 02 00 00 00 03 0a 0b 0c
    01 "x" 00 00 00 00 00 00 00 01 00 00 00 04 01 02 03 04
  `);
  const streams = [
    compat,
    annotated('"QEVM" 00 00 00 03 08 00 07 00 04 00 00 00 04 00 aa bb cc 00 11 22 33'),
    postcopyStream(),
    mappedStream(),
  ];
  for (const [index, bytes] of streams.entries()) {
    for (const blockBytes of [16, 4096]) {
      assertSameBytes(recode(new BytesSource(bytes), { blockBytes }).bytes, bytes, `${index}`);
      using pipe = new PipeSource(new ChunkedInput(bytes, 5));
      assertSameBytes(recode(pipe, { blockBytes }).bytes, bytes, `${index}, pipe`);
    }
  }
});

Deno.test("stream writer: foreign bytes in holes and absent pages of mapped-ram stay", () => {
  const bytes = loadStream("pc-mapped");
  const { items } = readItems(new BytesSource(bytes));
  const random = new Random(5);
  for (const { kind, offset, lengthBytes } of items) {
    if (kind !== "hole" && kind !== "pages") continue;
    for (let count = 0; count < 50; count++) bytes[offset + random.below(lengthBytes)] = 0xa5;
  }
  assertSameBytes(recode(new BytesSource(bytes)).bytes, bytes, "pc-mapped");
});

Deno.test("stream writer: items that were not written as they came are refused", () => {
  const bytes = postcopyStream();
  const { items } = readItems(new BytesSource(bytes));
  const withoutVisitor = new StreamWriter(new BytesSink());
  assertThrows(() => items.forEach((item) => withoutVisitor.write(item)), Error, "visitor");
  const trailing = readItems(new BytesSource(annotated('"QEVM" 00 00 00 03 00 11'))).items;
  const other = new StreamWriter(new BytesSink());
  assertThrows(() => trailing.forEach((item) => other.write(item)), Error, "trailing bytes");
});

Deno.test("stream writer: a stream made by hand is read as it was meant", () => {
  const page = new Uint8Array(4096).fill(7);
  const commands: Command[] = [{ name: "PING", value: 3 }, { name: "POSTCOPY_LISTEN" }];
  const bytes = made((writer) => {
    writer.header();
    writer.configuration({ machine: "by-hand", subsections: [] });
    writer.command(commands[0]!);
    writer.ram("start", 1, (ram) => {
      ram.blockList([{ name: "a", usedLengthBytes: 0x10000 }, {
        name: "b",
        usedLengthBytes: 0x2000,
      }]);
      ram.eos();
    });
    writer.ram("end", 1, (ram) => {
      ram.zero("a", 0, 3, 4096);
      ram.page("a", 0x3000, page);
      ram.page("b", 0x1000, page);
      ram.zero("b", 0, 1, 4096, 0);
      ram.flush();
      ram.eos();
    });
    writer.package((nested) => {
      nested.command(commands[1]!);
      nested.section("full", identity(7, "dev"), annotated("01 02 03"));
      nested.section("full", identity(8, "dev2"), (out) => out.u16(5, "five"));
      nested.eof();
    });
    writer.eof();
    writer.vmdescription(new TextEncoder().encode('{"page_size": 4096, "devices": []}'));
    writer.trailing(annotated("99"));
  });
  const log = new RecordLog(bytes);
  const { items, error } = readItems(new BytesSource(bytes), { visitor: log });
  assertEquals(error, undefined);
  assertEquals(items.map(({ kind, depth }) => `${depth} ${kind}`), [
    "0 header",
    "0 configuration",
    "0 command",
    "0 section",
    "0 footer",
    "0 section",
    "0 footer",
    "0 command",
    "1 command",
    "1 section",
    "1 footer",
    "1 section",
    "1 footer",
    "1 eof",
    "0 eof",
    "0 vmdescription",
    "0 trailing",
  ]);
  const records = log.lines.map((line) =>
    line.split(" ").filter((_, index) => index !== 1).join(" ")
  );
  assertEquals(records.slice(2, -2).map((line) => line.replace(/ \d+ 4096 $/, "")), [
    "zero a 0 0  0 ",
    "zero a 4096 0  0 ",
    "zero a 8192 0  0 ",
    "page a 12288 ",
    "page b 4096 ",
    "zero b 0 0  0 ",
  ]);
  assertSameBytes(recode(new BytesSource(bytes)).bytes, bytes, "again");
});

Deno.test("stream writer: mapped-ram and version 2 made by hand", () => {
  const [pageBytes, usedLengthBytes] = [4096, 0x3000];
  const bytes = made((writer) => {
    writer.header();
    writer.configuration({
      machine: "m",
      subsections: [{ name: "configuration/capabilities", capabilities: ["mapped-ram"] }],
    });
    writer.ram("start", 1, (ram) => {
      ram.beginBlockList(usedLengthBytes);
      const entryOffset = writer.offset;
      const mapped = placeMappedRam(entryOffset + 2 + 8 + 28, usedLengthBytes, pageBytes);
      const entryBytes = 38;
      ram.blockEntry({ name: "m", index: 0, usedLengthBytes, entryOffset, entryBytes, mapped });
      ram.bytes(annotated("02 00*7"));
      ram.hole(mapped.pagesOffset - writer.offset);
      ram.hole(pageBytes);
      ram.bytes(new Uint8Array(pageBytes).fill(9));
      ram.hole(pageBytes);
      ram.eos();
    });
    writer.eof();
  });
  const { items, error } = readItems(new BytesSource(bytes));
  assertEquals(error, undefined);
  assertEquals(items.slice(2, 8).map(({ kind }) => kind), [
    "section",
    "bitmap",
    "hole",
    "pages",
    "section-continued",
    "footer",
  ]);
  assertSameBytes(recode(new BytesSource(bytes)).bytes, bytes, "again");
  const compat = made((writer) => {
    writer.header({ version: 2, compatTotalBytes: 16 });
    writer.compatRecord({ idstr: "x", instanceId: 0, versionId: 1 }, annotated("01 02"));
  });
  assertEquals(readItems(new BytesSource(compat)).items.map(({ kind }) => kind), [
    "header",
    "compat-record",
  ]);
});

Deno.test("stream writer: damaged streams that are read come out as they went in", () => {
  const random = new Random(20261121);
  let accepted = 0;
  for (
    const [name, count] of [
      ["none", 1500],
      ["tricore", 150],
      ["pc-no-vmdesc", 300],
      ["pc-postcopy-11.1", 80],
      ["arm-microbit", 200],
      ["pc-compress-7.2", 120],
      ["pc-xbzrle", 60],
      ["pc-ignore-shared", 120],
      ["s390x", 60],
    ] as const
  ) {
    const victim = victimOf(name, loadStream(name), loadCase(name).streamOffset);
    for (let index = 0; index < count; index++) {
      const { bytes, done } = mutate(victim, random);
      let encoded: Uint8Array;
      try {
        encoded = recode(new BytesSource(bytes), { offset: victim.offset }).bytes;
      } catch (error) {
        if (!isFormatError(error)) throw new Error(`${name}, ${done}`, { cause: error });
        assert(error.code !== "not-encodable", `${name}, ${done}: ${error.describe()}`);
        continue;
      }
      accepted += 1;
      assertSameBytes(encoded, bytes.subarray(victim.offset), `${name}, damage ${index}, ${done}`);
    }
  }
  assert(accepted > 100, `only ${accepted} damaged streams were read`);
});

Deno.test("stream writer: what can't be said is refused", () => {
  const out = new BufferedSink(new BytesSink());
  const ram = new RamWriter(out);
  const run = { ...newRamRun(new Uint8Array(8)), kind: "page" as const, flags: 0x08, count: 1 };
  const block = { name: "m", index: 0, usedLengthBytes: 4096, entryOffset: 0, entryBytes: 0 };
  const refused = (what: string, action: () => void) => {
    const error = assertThrows(action, Error, what);
    assert(isFormatError(error) && error.code === "not-encodable");
  };
  refused("no block", () => ram.run(run, 4096));
  refused("another size", () => ram.run({ ...run, block, dataBytes: 8 }, 4096));
  refused("another kind", () => ram.run({ ...run, block, flags: 0x02 }, 4096));
  refused("another kind", () => ram.run({ ...run, kind: "block-list", flags: 0x04 }, 4096));
  refused("does not fit", () => ram.zero("m", Number.MAX_SAFE_INTEGER, 1, 4096));
  refused("fill byte", () => ram.zero("m", 0, 1, 4096, 256));
  refused("this size", () => ram.zero("m", 0, 2, 1 << 20));
  refused("does not fit", () => ram.zero("m", 0, 0, 4096));
  refused("does not fit", () => ram.xbzrle("m", 0, new Uint8Array(0x10000)));
});

Deno.test("sink: what is written in any sizes arrives in order, in few pieces", () => {
  const random = new Random(3);
  const pieces: Uint8Array[] = [];
  const writer = {
    // Takes some of what it is given, as pipes do.
    writeSync(bytes: Uint8Array): number {
      const count = Math.min(bytes.length, 1 + random.below(200_000));
      pieces.push(bytes.slice(0, count));
      return count;
    },
  };
  const out = new BufferedSink(new WriterSink(writer), 1000);
  const expected = new BytesSink();
  for (let round = 0; round < 3000; round++) {
    const count = random.of([1, 8, 100, 4096, 70_000, random.of([0, SINK_BLOCK_BYTES, 300_001])]);
    if (random.below(20) > 0 && count > 10_000) continue;
    if (random.below(4) === 0) {
      out.hole(count);
      expected.hole(count);
    } else {
      const bytes = new Uint8Array(count).fill(round);
      out.write(bytes);
      expected.write(bytes);
    }
    assertEquals(out.offset, 1000 + expected.lengthBytes);
  }
  out.flush();
  const arrived = new BytesSink();
  for (const piece of pieces) arrived.write(piece);
  assertSameBytes(arrived.bytes(), expected.bytes(), "sink");
  assert(pieces.length < 2000, `${pieces.length} pieces`);
});
