/**
 * Single bytes of an input, explained down to their fields.
 */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { layoutRows } from "../analyze/layout/layout.ts";
import type { LayoutRow } from "../analyze/layout/row.ts";
import { explainOffset, type Explanation } from "../analyze/layout/explain.ts";
import { jsonPathAt } from "../analyze/layout/json.ts";
import { PipeSource } from "../container/pipe.ts";
import { FormatError } from "../format/error.ts";
import { BytesSource } from "../format/source.ts";
import { ChunkedInput, Random } from "./reading.ts";
import { caseNames, loadCase, loadStream } from "./testdata.ts";

/** Its sixty thousand sections say nothing new a second time. */
const LONGEST = "pc-dirty-bitmaps";

function rowsOf(source: BytesSource, offset: number): LayoutRow[] {
  const rows: LayoutRow[] = [];
  layoutRows(source, { offset }, (row) => rows.push(row));
  return rows;
}

function assertNested({ offset, fields }: Explanation, end: number, label: string): void {
  let [start, stop] = [0, end];
  assert(fields.length > 0, label);
  for (const field of fields) {
    const fieldEnd = field.offset + field.lengthBytes;
    const nests = field.offset >= start && fieldEnd <= stop;
    const contains = offset >= field.offset && offset < fieldEnd;
    assert(nests && contains, `${label}, offset ${offset}: ${field.name}`);
    [start, stop] = [field.offset, fieldEnd];
  }
}

Deno.test("explain: fields nest around random offsets of all streams", () => {
  const random = new Random(1);
  let unknown = 0;
  for (const name of caseNames((testCase) => testCase.name !== LONGEST)) {
    const bytes = loadStream(name);
    const source = new BytesSource(bytes);
    const offset = loadCase(name).streamOffset;
    for (const row of rowsOf(source, offset)) {
      if (random.below(12) > 0) continue;
      const at = row.offset + random.below(row.lengthBytes);
      const explanation = explainOffset(source, at, { offset });
      assertNested(explanation, bytes.length, name);
      assert(explanation.path.length > 0 && explanation.meaning !== "");
      if (row.kind === "device" && explanation.fields.length < 3) unknown += 1;
    }
  }
  assertEquals(unknown, 0, "bytes of devices without a field");
});

/** Case, offset, path, meaning. */
const EXPLAINED: readonly (readonly [string, number, string, string])[] = [
  ["pc", 6, "file header > stream version", "stream version: 3; byte 3 of 4 is 0x00"],
  ["pc-offset", 3, "before the stream", "before the stream; byte 4 of 4660 is 0x2e"],
  [
    "pc-mapped-ignore-shared-11.1",
    0x55,
    'configuration > subsection "configuration/capabilities" > capability name [1]',
    'capability name [1]: "mapped-ram"; byte 6 of 10 is 0x64',
  ],
  [
    "pc-mapped-ignore-shared-11.1",
    0x80,
    'section 1 "ram" (instance 0) > block list > entry "m" > guest address',
    "guest address: 0; byte 4 of 8 is 0x00",
  ],
  [
    "pc-mapped",
    0x84,
    'section 1 "ram" (instance 0) > block list > entry "pc.ram" > mapped-ram bitmap_offset',
    "mapped-ram bitmap_offset: 0x8e (142); byte 7 of 8 is 0x00",
  ],
  [
    "pc-mapped",
    0x8f,
    'section 1 "ram" (instance 0) > block list > bitmap of "pc.ram" > byte 1',
    "byte 1: 0x00; pages 8 to 15 of pc.ram: none is in the file, all are zero",
  ],
  [
    "pc-mapped",
    0x120001,
    'section 1 "ram" (instance 0) > block list > pages of "pc.ram" > page 32',
    "page 32: address 0x20000; byte 2 of 4096 is 0x20; page 32 of pc.ram, address 0x20001; " +
    "its bit in the bitmap is set",
  ],
  [
    "pc-mapped",
    0x100fff,
    'section 1 "ram" (instance 0) > block list > pages of "pc.ram" > page 0',
    "page 0: address 0x0; byte 4096 of 4096 is 0x00; page 0 of pc.ram, address 0xfff; " +
    "its bit in the bitmap is clear: the page is zero, whatever stands here",
  ],
  [
    "pc-xbzrle",
    0x30c26,
    'section 1 "ram" (instance 0) > xbzrle record pc.ram 0x6000 > word',
    "word: address 0x6000, flags 0x60 CONTINUE|XBZRLE; byte 8 of 8 is 0x60; bits of the flags",
  ],
  [
    "pc-xbzrle",
    0x30c2e,
    'section 1 "ram" (instance 0) > xbzrle record pc.ram 0x6000 > delta > new bytes',
    "new bytes; byte 3 of 3 is 0x01; page 6 of pc.ram, address 0x6002",
  ],
  [
    "pc-compress-7.2",
    0x10b,
    'section 2 "ram" (instance 0) > compressed record pc.ram 0x10000 > compressed length',
    "compressed length: 0x2b (43); byte 3 of 4 is 0x00",
  ],
  [
    "pc-postcopy",
    0x1ab70,
    "command > discard length [0]",
    "discard length [0]: 0x1000 (4096); byte 6 of 8 is 0x00; " +
    'POSTCOPY_RAM_DISCARD "pc.ram" (3 ranges)',
  ],
  [
    "pc-postcopy",
    0x1ac30,
    'package > section 4 "cpu" (instance 0) > payload',
    "payload: not described; byte 33 of 1851 is 0x00",
  ],
  [
    "ppc64-pseries",
    0x6e,
    'section 558 "spapr/htab" (instance 0) > payload > hash table header',
    "hash table header: 0x15 (21); byte 2 of 4 is 0x00",
  ],
  [
    "pc-dirty-bitmaps",
    0x90,
    'section 2 "dirty-bitmap" (instance 0) > payload > text of node name of a dirty bitmap',
    'text of node name of a dirty bitmap: "disk0"; byte 1 of 5 is 0x64',
  ],
  [
    "pc-mapped-ignore-shared-11.1",
    0x2106f9,
    'section 4 "cpu" (instance 0) > env.mce_banks[28]',
    "env.mce_banks[28]: uint64 0xffffffffffffffff (18446744073709551615); byte 1 of 8 is 0xff",
  ],
  [
    "none",
    400,
    "vmdescription > JSON text > configuration.fields[1].name",
    "JSON text; byte 135 of 823 is 0x22; part of configuration.fields[1].name",
  ],
  ["none", 260, "eof", "eof: end of the stream"],
];

Deno.test("explain: bytes of real streams are explained down to their fields", () => {
  for (const [name, at, path, meaning] of EXPLAINED) {
    const source = new BytesSource(loadStream(name));
    const explanation = explainOffset(source, at, { offset: loadCase(name).streamOffset });
    assertEquals(explanation.path.join(" > "), path, `${name} ${at}`);
    assertEquals(explanation.meaning, meaning, `${name} ${at}`);
  }
});

Deno.test("explain: each record of a run is found, also the named first one", () => {
  const bytes = loadStream("pc-postcopy");
  const source = new BytesSource(bytes);
  const row = rowsOf(source, 0).find(({ kind }) => kind === "zero")!;
  const words = Array.from(
    { length: row.lengthBytes },
    (_, index) => explainOffset(source, row.offset + index).fields[0]!,
  );
  const records = [...new Set(words.map(({ name, offset }) => `${offset - row.offset} ${name}`))];
  assertEquals(records, [
    "0 zero record pc.ram 0x0",
    "16 zero record pc.ram 0x1000",
    "25 zero record pc.ram 0x2000",
    "34 zero record pc.ram 0x3000",
    "43 zero record pc.ram 0x4000",
    "52 zero record pc.ram 0x5000",
  ]);
});

Deno.test("explain: what stands before the end of a cut input", () => {
  const random = new Random(3);
  for (const name of ["pc", "pc-xbzrle", "pc-mapped", "pc-postcopy", "none"]) {
    const whole = loadStream(name);
    for (let round = 0; round < 40; round++) {
      const cut = 1 + random.below(whole.length - 1);
      const source = new BytesSource(whole.subarray(0, cut));
      const rows: LayoutRow[] = [];
      layoutRows(source, { keepGoing: true }, (row) => rows.push(row));
      for (const row of rows) {
        if (row.kind === "undecoded" || random.below(8) > 0) continue;
        const at = row.offset + random.below(row.lengthBytes);
        assertNested(explainOffset(source, at), cut, `${name} cut at ${cut}`);
      }
    }
  }
});

Deno.test("explain: what stands before a damaged place, not what stands behind it", () => {
  const bytes = loadStream("none");
  bytes[121] = 0x55; // the footer of "timer"
  const source = new BytesSource(bytes);
  assertEquals(explainOffset(source, 84).path, ['section 0 "timer" (instance 0)', "section idstr"]);
  // The description shows that the device is whole.
  const inDevice = explainOffset(source, 100).path;
  assertEquals(inDevice, ['section 0 "timer" (instance 0)', "cpu_ticks_offset"]);
  const thrown = assertThrows(() => explainOffset(source, 200), FormatError, "behind damage");
  assertEquals(thrown.code, "bad-footer");
});

Deno.test("explain: offsets that cannot be explained", () => {
  const source = new BytesSource(loadStream("none"));
  assertThrows(() => explainOffset(source, 1089), FormatError, "behind the input");
  assertThrows(() => explainOffset(source, -1), RangeError);
  assertThrows(() => explainOffset(source, 0.5), RangeError);
  using pipe = new PipeSource(new ChunkedInput(loadStream("none"), 100));
  assertThrows(() => explainOffset(pipe, 0), FormatError, "pipe");
});

Deno.test("explain: places in JSON text", () => {
  const text = '{"a" : {"b\\"c": [1, {"d": "x}]"}, [2]]}, "e": null}';
  const bytes = new TextEncoder().encode(text);
  const paths = (at: string) => jsonPathAt(bytes, text.indexOf(at));
  assertEquals(paths('{"a"'), "");
  assertEquals(paths('"a"'), "a");
  assertEquals(paths('{"b'), "a");
  assertEquals(paths("1"), 'a.b\\\\\\"c[0]');
  assertEquals(paths("x}]"), 'a.b\\\\\\"c[1].d');
  assertEquals(paths("2"), 'a.b\\\\\\"c[2][0]');
  assertEquals(paths("null"), "e");
  assertEquals(jsonPathAt(bytes, bytes.length - 1), "");
});
