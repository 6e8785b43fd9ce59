/**
 * Decoding and encoding are inverse: for the worked examples of the format, for arbitrary values, and for every byte of the recorded
 * streams that a codec covers.
 */
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { COMMAND, type Command, decodeCommand, encodeCommand } from "../format/command.ts";
import {
  type Configuration,
  decodeConfiguration,
  encodeConfiguration,
} from "../format/configuration.ts";
import {
  decodeCompatRecord,
  decodeFileHeader,
  encodeCompatRecord,
  encodeFileHeader,
} from "../format/header.ts";
import type { StreamItem } from "../format/items.ts";
import { decodeMappedRamHeader, encodeMappedRamHeader } from "../format/mapped_ram.ts";
import {
  encodeCompressedPage,
  encodePage,
  encodeRamWord,
  encodeXbzrlePage,
  encodeZeroPage,
  RAM_SAVE_FLAG,
  type RamBlock,
} from "../format/ram.ts";
import { type BlockListForm, decodeBlockList, encodeBlockEntry } from "../format/ram_blocks.ts";
import { type RamRun, recordOffset } from "../format/ram_scanner.ts";
import {
  decodeFooter,
  decodeSectionIdentity,
  encodeFooter,
  encodeSectionHeader,
} from "../format/section.ts";
import { BytesSource } from "../format/source.ts";
import { StreamReader } from "../format/stream.ts";
import { decodeVmdescription, encodeVmdescription } from "../format/vmdescription.ts";
import { ByteWriter } from "../format/writer.ts";
import { annotated, readerOf, written } from "./annotated.ts";
import { StreamBuilder } from "./streams.ts";
import { caseNames, loadCase, loadStream } from "./testdata.ts";

/** Decodes all of `bytes`, checks the value, and encodes it again to the same bytes. */
function roundTrip<T>(
  bytes: Uint8Array,
  expected: T,
  decode: (reader: ReturnType<typeof readerOf>) => T,
  encode: (writer: ByteWriter, value: T) => void,
): void {
  const reader = readerOf(bytes);
  assertEquals(decode(reader), expected);
  assertEquals(reader.remaining, 0);
  assertEquals(written((writer) => encode(writer, expected)), bytes);
}

Deno.test("codec: file headers", () => {
  roundTrip(annotated('"QEVM" 00 00 00 03'), { version: 3 }, decodeFileHeader, encodeFileHeader);
  roundTrip(
    annotated('"QEVM" 00 00 00 02 00*6 12 34'),
    { version: 2, compatTotalBytes: 0x1234 },
    decodeFileHeader,
    encodeFileHeader,
  );
  roundTrip(
    annotated('05 "timer" 00 00 00 01 00 00 00 02 00 00 00 18'),
    { idstr: "timer", instanceId: 1, versionId: 2, lengthBytes: 24 },
    decodeCompatRecord,
    encodeCompatRecord,
  );
});

const CONFIGURATIONS: readonly [string, Configuration][] = [
  ['00 00 00 0e "pc-i440fx-10.0"', { machine: "pc-i440fx-10.0", subsections: [] }],
  [
    '00 00 00 0e "pc-i440fx-10.0" 05 1a "configuration/capabilities" 00 00 00 01 ' +
    '00 00 00 01 0a "mapped-ram"',
    {
      machine: "pc-i440fx-10.0",
      subsections: [{ name: "configuration/capabilities", capabilities: ["mapped-ram"] }],
    },
  ],
  [
    '00 00 00 09 "virt-11.1" 05 1e "configuration/target-page-bits" 00 00 00 01 00 00 00 0c',
    {
      machine: "virt-11.1",
      subsections: [{ name: "configuration/target-page-bits", targetPageBits: 12 }],
    },
  ],
  [
    '00 00 00 00 05 12 "configuration/uuid" 00 00 00 01 12 34 56 78 9a bc de f0 01*8',
    {
      machine: "",
      subsections: [{
        name: "configuration/uuid",
        uuid: annotated("12 34 56 78 9a bc de f0 01*8"),
      }],
    },
  ],
];

Deno.test("codec: configurations", () => {
  for (const [hex, value] of CONFIGURATIONS) {
    roundTrip(annotated(hex), value, decodeConfiguration, (writer, configuration) => {
      const whole = new ByteWriter();
      encodeConfiguration(whole, configuration);
      assertEquals(whole.finish()[0], 7);
      writer.bytes(whole.finish().subarray(1));
    });
  }
});

Deno.test("codec: section headers and footers", () => {
  roundTrip(
    annotated('00 00 00 02 03 "ram" 00 00 00 00 00 00 00 04'),
    { id: 2, idstr: "ram", instanceId: 0, versionId: 4 },
    decodeSectionIdentity,
    (writer, identity) => {
      const start = written((inner) => encodeSectionHeader(inner, "start", identity));
      assertEquals([start[0], start.length], [1, 1 + 16]);
      writer.bytes(start.subarray(1));
    },
  );
  const identity = { id: 7, idstr: "x", instanceId: 0x80000001, versionId: 0xffffffff };
  const header = (type: "part" | "end" | "full") =>
    written((writer) => encodeSectionHeader(writer, type, identity));
  assertEquals(header("part"), annotated("02 00 00 00 07"));
  assertEquals(header("end"), annotated("03 00 00 00 07"));
  assertEquals(header("full"), annotated('04 00 00 00 07 01 "x" 80 00 00 01 ff*4'));
  const footer = written((writer) => encodeFooter(writer, 0xfffffffe));
  assertEquals(footer, annotated("7e ff ff ff fe"));
  const reader = readerOf(footer);
  decodeFooter(reader, 0xfffffffe);
  assertEquals(reader.remaining, 0);
});

const COMMANDS: readonly [string, Command][] = [
  ["08 00 01 00 00", { name: "OPEN_RETURN_PATH" }],
  ["08 00 02 00 04 00 00 00 42", { name: "PING", value: 0x42 }],
  ["08 00 03 00 00", { name: "POSTCOPY_ADVISE" }],
  [
    "08 00 03 00 10 00*5 20 10 00 00*6 10 00",
    { name: "POSTCOPY_ADVISE", pages: { pageSizeSummary: 0x201000, targetPageBytes: 4096 } },
  ],
  ["08 00 04 00 00", { name: "POSTCOPY_LISTEN" }],
  ["08 00 05 00 00", { name: "POSTCOPY_RUN" }],
  [
    '08 00 06 00 19 00 06 "pc.ram" 00 00*5 01 00 00 00*5 08 00 00',
    {
      name: "POSTCOPY_RAM_DISCARD",
      block: "pc.ram",
      ranges: [{ startAddress: 0x10000, lengthBytes: 0x80000 }],
    },
  ],
  [
    '08 00 06 00 24 00 01 "m" 00 00*8 00*7 01 00*7 02 00*7 03',
    {
      name: "POSTCOPY_RAM_DISCARD",
      block: "m",
      ranges: [{ startAddress: 0, lengthBytes: 1 }, { startAddress: 2, lengthBytes: 3 }],
    },
  ],
  ["08 00 07 00 04 00 00 32 6b", { name: "PACKAGED", lengthBytes: 0x326b }],
  ["08 00 08 00 00", { name: "ENABLE_COLO" }],
  ["08 00 09 00 00", { name: "POSTCOPY_RESUME" }],
  ['08 00 0a 00 07 06 "pc.ram"', { name: "RECV_BITMAP", block: "pc.ram" }],
  ["08 00 0b 00 00", { name: "SWITCHOVER_START" }],
];

Deno.test("codec: commands", () => {
  assertEquals(new Set(COMMANDS.map(([, { name }]) => name)), new Set(Object.keys(COMMAND)));
  for (const [hex, command] of COMMANDS) {
    const bytes = annotated(hex);
    roundTrip(bytes, command, (reader) => {
      assertEquals(reader.u8("type"), 8);
      return decodeCommand(reader);
    }, encodeCommand);
  }
});

/** The block list of a form, as hex: total, entries. */
const LISTS: readonly [string, BlockListForm, number, string][] = [
  [
    "plain",
    { ignoreShared: false, mappedRam: false },
    0x1020000,
    '06 "pc.ram" 00*4 01 00 00 00 14 "/rom@etc/acpi/tables" 00*5 02 00 00',
  ],
  [
    "huge pages",
    { ignoreShared: false, mappedRam: false, pageSizeSummary: 0x201000 },
    0x820000,
    '06 "pc.ram" 00*5 80 00 00 00*5 20 00 00 14 "/rom@etc/acpi/tables" 00*5 02 00 00',
  ],
  [
    "ignore-shared",
    { ignoreShared: true, mappedRam: false },
    0x1000,
    '01 "m" 00*6 10 00 00*4 fe ff 00 00',
  ],
  [
    "elsewhere",
    { ignoreShared: true, mappedRam: true },
    0x2000,
    '01 "m" 00*6 10 00 00*8 00 00 00 01 00*6 10 00 00*16 01 "n" 00*6 10 00 00*8 00 00 00 01 00*6 10 00 00*16',
  ],
];

Deno.test("codec: block lists in all forms", () => {
  for (const [label, form, total, hex] of LISTS) {
    const bytes = annotated(hex);
    const reader = readerOf(bytes);
    const blocks = new Map<string, RamBlock>();
    decodeBlockList(reader, total, form, blocks);
    assertEquals(reader.remaining, 0, label);
    const encoded = written((writer) => {
      for (const block of blocks.values()) encodeBlockEntry(writer, block);
    });
    assertEquals(encoded, bytes, label);
  }
  const header = annotated("00 00 00 01 00*6 10 00 00*7 8e 00*5 10 00 00");
  const value = { version: 1, pageBytes: 4096, bitmapOffset: 0x8e, pagesOffset: 0x100000 };
  roundTrip(header, value, decodeMappedRamHeader, encodeMappedRamHeader);
});

Deno.test("codec: vmdescription", () => {
  const bytes = annotated('06 00 00 00 02 "{}"');
  const reader = readerOf(bytes);
  reader.u8("type");
  const section = decodeVmdescription(reader);
  assertEquals(section, { offset: 0, text: annotated('"{}"') });
  assertEquals(written((writer) => encodeVmdescription(writer, section.text)), bytes);
});

const name = fc.string({ minLength: 1, maxLength: 60, unit: "grapheme" })
  .filter((text) => new TextEncoder().encode(text).length <= 255);
const u32 = fc.integer({ min: 0, max: 0xffffffff });
const offset = fc.maxSafeNat();

Deno.test("codec: arbitrary values survive", () => {
  const command: fc.Arbitrary<Command> = fc.oneof(
    u32.map((value) => ({ name: "PING" as const, value })),
    u32.map((lengthBytes) => ({ name: "PACKAGED" as const, lengthBytes })),
    name.map((block) => ({ name: "RECV_BITMAP" as const, block })),
    fc.tuple(offset, offset).map(([pageSizeSummary, targetPageBytes]) => ({
      name: "POSTCOPY_ADVISE" as const,
      pages: { pageSizeSummary, targetPageBytes },
    })),
    fc.tuple(name, fc.array(fc.tuple(offset, offset), { minLength: 1, maxLength: 12 })).map((
      [block, pairs],
    ) => ({
      name: "POSTCOPY_RAM_DISCARD" as const,
      block,
      ranges: pairs.map(([startAddress, lengthBytes]) => ({ startAddress, lengthBytes })),
    })),
  );
  fc.assert(fc.property(command, (value) => {
    const reader = readerOf(written((writer) => encodeCommand(writer, value)));
    reader.u8("type");
    assertEquals(decodeCommand(reader), value);
    assertEquals(reader.remaining, 0);
  }));
  const identity = fc.record({ id: u32, idstr: name, instanceId: u32, versionId: u32 });
  fc.assert(fc.property(identity, (value) => {
    const reader = readerOf(written((writer) => encodeSectionHeader(writer, "full", value)));
    reader.u8("type");
    assertEquals(decodeSectionIdentity(reader), value);
  }));
  // Names are bytes: also those that are no UTF-8 come back.
  fc.assert(fc.property(fc.uint8Array({ minLength: 1, maxLength: 255 }), (bytes) => {
    const text = readerOf(written((writer) => writer.countedBytes(bytes, "name"))).countedString(
      "",
    );
    assertEquals(written((writer) => writer.countedString(text, "name")).subarray(1), bytes);
  }));
});

/** Encodes the records of a run as they were. */
function encodeRun(writer: ByteWriter, run: RamRun, pageBytes: number): void {
  for (let index = 0; index < run.count; index++) {
    const isContinued = index > 0 || (run.flags & RAM_SAVE_FLAG.CONTINUE) !== 0;
    const block = isContinued ? undefined : run.block?.name;
    const target = { block, address: run.address + index * pageBytes };
    const start = run.dataStart + index * run.strideBytes;
    const content = run.buffer.subarray(start, start + run.dataBytes);
    if (run.kind === "zero") encodeZeroPage(writer, target, run.fill);
    else if (run.kind === "page") encodePage(writer, target, content);
    else if (run.kind === "xbzrle") encodeXbzrlePage(writer, target, content);
    else if (run.kind === "compressed") encodeCompressedPage(writer, target, content);
    else encodeRamWord(writer, run.address, run.flags);
  }
}

/** Encodes what codecs cover; everything else is copied from `bytes`. */
function encodeItem(item: StreamItem, bytes: Uint8Array, put: Put): void {
  const write = (encode: (writer: ByteWriter) => void) => put(item.offset, written(encode));
  switch (item.kind) {
    case "header":
      return write((writer) => encodeFileHeader(writer, item.header));
    case "configuration":
      return write((writer) => encodeConfiguration(writer, item.configuration));
    case "command":
      return write((writer) => encodeCommand(writer, item.command));
    case "footer":
      return write((writer) => encodeFooter(writer, item.section.id));
    case "vmdescription":
      return write((writer) => encodeVmdescription(writer, item.text));
    case "section": {
      write((writer) => encodeSectionHeader(writer, item.type, item.section));
      if (item.payload?.kind === "ram") return;
      return put(item.payloadOffset, bytes.subarray(item.payloadOffset, item.payloadEnd));
    }
    case "section-continued":
      return;
    default:
      put(item.offset, bytes.subarray(item.offset, item.offset + item.lengthBytes));
  }
}

type Put = (offset: number, bytes: Uint8Array) => void;

Deno.test("codec: recorded streams are encoded to the same bytes", () => {
  let records = 0;
  for (const name of caseNames()) {
    const bytes = loadStream(name);
    const offset = loadCase(name).streamOffset;
    // Every byte is wrong until it is written.
    const result = bytes.map((byte) => byte ^ 0xff);
    result.set(bytes.subarray(0, offset));
    const put: Put = (at, part) => result.set(part, at);
    const blocks: RamBlock[] = [];
    const reader = new StreamReader(new BytesSource(bytes), {
      offset,
      visitor: {
        run(run, pageBytes) {
          records += run.count;
          put(recordOffset(run, 0), written((writer) => encodeRun(writer, run, pageBytes)));
        },
      },
    });
    for (const item of reader.items()) {
      encodeItem(item, bytes, put);
      if (item.kind !== "section" || item.payload?.kind !== "ram") continue;
      blocks.push(...(item.payload.summary.blocks ?? []));
    }
    for (const block of blocks) {
      put(block.entryOffset, written((writer) => encodeBlockEntry(writer, block)));
    }
    assert(
      firstDifference(result, bytes) === undefined,
      `${name}: byte ${firstDifference(result, bytes)} differs`,
    );
  }
  assert(records > 10_000);
});

function firstDifference(left: Uint8Array, right: Uint8Array): number | undefined {
  for (let at = 0; at < right.length; at++) if (left[at] !== right[at]) return at;
  return undefined;
}

Deno.test("codec: the page size is found without a description", () => {
  const stripped = ["avr-uno", "arm-microbit", "pc", "alpha-clipper", "tricore", "s390x"] as const;
  for (const name of stripped) {
    const bytes = loadStream(name);
    const whole = [...new StreamReader(new BytesSource(bytes)).items()];
    const eof = whole.find(({ kind }) => kind === "eof")!;
    const reader = new StreamReader(new BytesSource(bytes.subarray(0, eof.offset + 1)));
    for (const _ of reader.items());
    assertEquals(reader.descriptionOrigin, "none");
    assertEquals(reader.pageBytes, loadCase(name).truth.pageSizeBytes, name);
  }
  for (const pageBytes of [256, 512, 1024, 2048, 4096, 8192, 16384, 65536]) {
    const bytes = new StreamBuilder().ram("m", 4, pageBytes).section("part", 1, "ram", (writer) => {
      for (let page = 0; page < 4; page++) {
        const content = new Uint8Array(pageBytes).fill(page + 1);
        encodePage(
          writer,
          { block: page === 0 ? "m" : undefined, address: page * pageBytes },
          content,
        );
      }
      encodeRamWord(writer, 0, RAM_SAVE_FLAG.EOS);
    }).eof().bytes();
    const reader = new StreamReader(new BytesSource(bytes));
    for (const _ of reader.items());
    assertEquals(reader.pageBytes, pageBytes);
  }
});
