/**
 * Device state from values: all recorded devices, made-up ones, and what is refused.
 */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { readState } from "../analyze/state.ts";
import { FormatError } from "../format/error.ts";
import type { ArrayReading } from "../format/pointer_arrays.ts";
import { BytesSource } from "../format/source.ts";
import type { FieldDescription, VmsdDescription } from "../format/vmdescription.ts";
import { decodeVmstate, type VmstateStruct } from "../format/vmstate.ts";
import { encodeVmstate } from "../format/vmstate_encode.ts";
import { type VmstateValue, vmstateValue } from "../format/vmstate_value.ts";
import { ByteWriter } from "../format/writer.ts";
import { annotated } from "./annotated.ts";
import { caseNames, loadCase, loadStream } from "./testdata.ts";

function encode(vmsd: VmsdDescription, value: VmstateValue, reading?: ArrayReading): Uint8Array {
  const writer = new ByteWriter();
  encodeVmstate(writer, vmsd, value, reading === undefined ? {} : { reading });
  return writer.finish();
}

function field(name: string, type: string, sizeBytes: number, more = {}): FieldDescription {
  return { name, type, sizeBytes, inline: [], ...more };
}

function vmsd(
  fields: readonly FieldDescription[],
  subsections: readonly VmsdDescription[] = [],
  vmsdName = "s",
): VmsdDescription {
  return { vmsdName, version: 1, fields, subsections };
}

function noteTypes({ fields, subsections }: VmstateStruct, seen: Set<string>): void {
  for (const { type, elements } of fields) {
    seen.add(type);
    for (const element of elements ?? []) noteTypes(element, seen);
  }
  for (const subsection of subsections) noteTypes(subsection, seen);
}

Deno.test("encode: all recorded devices come back from their values", () => {
  let devices = 0;
  const seen = new Set<string>();
  for (const name of caseNames()) {
    const state = readState(new BytesSource(loadStream(name)), {
      offset: loadCase(name).streamOffset,
    });
    for (const { section, first: { device } } of state.entries) {
      if (device === undefined) continue;
      const value = vmstateValue(device.state, device.bytes);
      const bytes = encode(device.description.state, value, device.reading);
      assertEquals(bytes, device.bytes, `${name}: ${section.idstr}`);
      noteTypes(device.state, seen);
      devices += 1;
    }
  }
  assert(devices > 1000, `${devices} devices`);
  for (const type of ["struct", "qlist", "tmp", "ptr-marker", "nullptr", "timer", "bitmap"]) {
    assert(seen.has(type), type);
  }
});

const STRUCT = vmsd([field("v", "uint16", 2)]);
const pointer = (more = {}) => field("p", "struct", 2, { struct: STRUCT, ...more });

Deno.test("encode: a structure by hand", () => {
  const sub = vmsd([field("on", "bool", 1)], [], "s/x");
  const inner = vmsd([field("a", "uint8", 1)], [sub], "s");
  const description = vmsd([
    field("env.eip", "uint32", 4),
    field("env.regs", "uint16", 2, { arrayLength: 3 }),
    field("mixed", "uint8", 1),
    field("mixed", "uint16", 2),
    field("timer", "timer", 8),
    field("name", "buffer", 6),
    field("parent_obj", "struct", 11, { struct: inner }),
    field("t", "tmp", 1, { inline: [vmsd([field("x", "int8", 1)])] }),
    field("q", "qtailq", 5, { inline: [STRUCT, vmsd([])] }),
    field("left out", "uint32", 4, { arrayLength: 2 }),
  ]);
  const value = {
    "env.eip": 0x7c00,
    "env.regs": [1, 2n, 0xffff],
    mixed: [1, 2],
    timer: null,
    name: "text",
    parent_obj: { a: 7, subsections: { "s/x": { on: true } } },
    t: { x: -1 },
    q: [{ v: 5 }, {}],
  };
  const bytes = annotated(`
    00 00 7c 00
    00 01 00 02 ff ff
    01 00 02
    ff*8
    "text" 00 00
    07 05 03 "s/x" 00 00 00 01 01
    ff
    01 00 05 01 00
    00*8
  `);
  assertEquals(encode(description, value), bytes);
  const whole = {
    ...value,
    "env.regs": [1, 2, 0xffff],
    name: annotated('"text" 00 00'),
    "left out": [0, 0],
  };
  assertEquals(vmstateValue(decodeVmstate(bytes, description), bytes), whole);
});

Deno.test("encode: arrays of pointers in every reading", () => {
  const marker = (more = {}) => field("p", "nullptr", 1, more);
  const described = vmsd([pointer(), marker(), pointer()]);
  const value = { p: [{ v: 1 }, null, { v: 2 }] };
  assertEquals(encode(described, value), annotated("00 01 30 00 02"));
  const runs = vmsd([pointer({ arrayLength: 3 }), marker(), pointer()]);
  const three = { p: [{ v: 1 }, null, { v: 2 }] };
  assertEquals(encode(runs, three, "runs"), annotated("00 01 30 00 02"));
  const nulls = vmsd([pointer({ arrayLength: 3 })]);
  assertEquals(encode(nulls, value, "nulls"), annotated("00 01 30 00 02"));
  for (const [vmsd, reading] of [[runs, "runs"], [nulls, "nulls"]] as const) {
    const bytes = encode(vmsd, value, reading);
    assertEquals(vmstateValue(decodeVmstate(bytes, vmsd, { reading }), bytes), value);
  }
  const announced = vmsd([field("p", "ptr-marker", 1), pointer(), field("p", "ptr-marker", 1)]);
  const present = { p: ["present", { v: 1 }, null] };
  assertEquals(encode(announced, present), annotated("31 00 01 30"));
});

Deno.test("encode: trees with plain and with described keys", () => {
  const key = vmsd([field("k", "uint8", 1)]);
  const described = vmsd([field("t", "gtree", 13, { inline: [key, STRUCT, key, STRUCT] })]);
  const nodes = [{ key: { k: 1 }, value: { v: 2 } }, { key: { k: 3 }, value: { v: 4 } }];
  const bytes = annotated("00 00 00 02 01 01 00 02 01 03 00 04 00");
  assertEquals(encode(described, { t: nodes }), bytes);
  assertEquals(vmstateValue(decodeVmstate(bytes, described), bytes), { t: nodes });
  const plain = vmsd([field("t", "gtree", 16, { inline: [STRUCT] })]);
  const numbered = { t: [{ key: 0xffff_ffff_0000_0001n, value: { v: 2 } }] };
  const found = encode(plain, numbered);
  assertEquals(found, annotated("00 00 00 01 01 ff*4 00 00 00 01 00 02 00"));
  assertEquals(vmstateValue(decodeVmstate(found, plain), found), numbered);
  assertEquals(encode(vmsd([field("t", "gtree", 5)]), {}), annotated("00*5"));
});

Deno.test("encode: what a list could not say stays bytes", () => {
  const cases: [FieldDescription, string][] = [
    [field("q", "qlist", 4, { inline: [STRUCT] }), "02 00 05 00"],
    [field("t", "gtree", 5), "00 00 00 03 00"],
    [field("b", "bool", 1), "07"],
    [field("f", "float64", 8), "7f f0 00 00 00 00 00 01"],
    [field("f", "float64", 8), "7f f8 00 00 00 00 00 00"],
    [field("m", "ptr-marker", 1), "55"],
    [field("c", "capability", 3), "07 61 62"],
    [field("g", "GByteArray", 5), "00 00 00 09 aa"],
    [field("g", "GByteArray", 5), "00 00 00 01 aa"],
    [field("s", "struct", 2), "aa bb"],
  ];
  for (const [one, hex] of cases) {
    const description = vmsd([one]);
    const bytes = annotated(hex);
    const value = vmstateValue(decodeVmstate(bytes, description), bytes);
    assertEquals(encode(description, value), bytes, hex);
  }
});

Deno.test("encode: names from a stream mean nothing but themselves", () => {
  const description = vmsd(
    [field("__proto__", "uint8", 1), field("constructor", "uint8", 1)],
    [vmsd([], [], "__proto__"), vmsd([field("a", "uint8", 1)], [], "__proto__")],
  );
  const value = { subsections: Object.fromEntries([["__proto__", [{}, { a: 3 }]]]) };
  const bytes = encode(description, value);
  assertEquals(bytes, annotated('00 00 05 09 "__proto__" 00*3 01 05 09 "__proto__" 00*3 01 03'));
  assertEquals(encode(description, vmstateValue(decodeVmstate(bytes, description), bytes)), bytes);
});

/** Description, value, path of the error, what is expected. */
const REFUSED: readonly [FieldDescription[], VmstateValue, string, string | undefined][] = [
  [[field("a", "uint8", 1)], { a: 256 }, "a", "0..255"],
  [[field("a", "int8", 1)], { a: -129 }, "a", "-128..127"],
  [[field("a", "uint32", 4)], { a: 0.5 }, "a", "0..4294967295"],
  [[field("a", "uint32", 4)], { a: "1" }, "a", 'unsigned of type "uint32"'],
  [[field("a", "bool", 1)], { a: 256 }, "a", "0..255"],
  [[field("a", "bool", 1)], { a: "true" }, "a", 'bool of type "bool"'],
  [[field("a", "timer", 8)], { a: -1 }, "a", "0..18446744073709551615"],
  [[field("a", "timer", 8)], { a: 0.5 }, "a", 'timer of type "timer"'],
  [[field("a", "float64", 8)], { a: 1n }, "a", 'float64 of type "float64"'],
  [[field("a", "avr", 16)], { a: [1] }, "a", "16 byte(s)"],
  [[field("a", "avr", 16)], { a: [1, 0.5] }, "a", 'words of type "avr"'],
  [[field("a", "buffer", 2)], { a: Uint8Array.of(1) }, "a", "2 byte(s)"],
  [[field("a", "buffer", 2)], { a: "abc" }, "a", "2 byte(s)"],
  [[field("a", "bitmap", 8)], { a: new Uint8Array(9) }, "a", "8 byte(s)"],
  [[field("a", "capability", 3)], { a: "abc" }, "a", "3 byte(s)"],
  [[field("a", "capability", 3)], { a: 1 }, "a", 'text of type "capability"'],
  [[field("a", "capability", 3)], {}, "a", "text of 3 byte(s)"],
  [[field("a", "GByteArray", 5)], {}, "a", "counted of 5 byte(s)"],
  [[field("a", "nullptr", 1)], { a: "no" }, "a", 'marker of type "nullptr"'],
  [[field("a", "nullptr", 1)], {}, "a", "marker of 1 byte(s)"],
  [[field("a", "uint8", 1)], { b: 1 }, "b", undefined],
  [[field("a", "uint8", 1)], { subsections: { "s/x": {} } }, "s/x", undefined],
  [[field("a", "uint8", 1)], { subsections: 1 }, "subsections", "a structure"],
  [[field("subsections", "uint8", 1)], {}, "", undefined],
  [[field("a", "uint8", 1, { arrayLength: 2 })], { a: [1] }, "a", "2 element(s)"],
  [[field("a", "uint8", 1, { arrayLength: 2 })], { a: 1 }, "a", "a list of 2 element(s)"],
  [[field("a", "uint8", 1, { arrayLength: 2 })], { a: [1, 256] }, "a > [1]", "0..255"],
  [[pointer()], { p: null }, "p", "a structure"],
  [[pointer()], { p: { v: 65536 } }, "p > v", "0..65535"],
  [[field("p", "struct", 3, { struct: STRUCT })], { p: {} }, "p", "3 byte(s)"],
  [[field("q", "qlist", 1)], { q: [{}] }, "q > [0]", undefined],
  [[field("q", "qlist", 4, { inline: [STRUCT] })], { q: [] }, "q", "4 byte(s)"],
  [[field("q", "qlist", 4, { inline: [STRUCT] })], { q: {} }, "q", "a list of elements"],
  [[field("q", "qlist", 4, { inline: [STRUCT] })], { q: new Uint8Array(3) }, "q", "4 byte(s)"],
  [[field("t", "gtree", 16, { inline: [STRUCT] })], {}, "t", "the keys of a tree"],
  [
    [field("t", "gtree", 16, { inline: [STRUCT] })],
    { t: [{}] },
    "t > [0]",
    "a key that is a number",
  ],
  [[field("t", "gtree", 16, { inline: [STRUCT] })], { t: [{ key: -1 }] }, "t > [0]", "0..2^64-1"],
  [[field("t", "gtree", 16, { inline: [STRUCT] })], { t: [{ kye: 1 }] }, "t > [0]", "key, value"],
];

function assertRefused(run: () => unknown, path: string, expected: string | undefined): void {
  const error = assertThrows(run, FormatError);
  assertEquals([error.code, error.path.join(" > "), error.expected], [
    "not-encodable",
    path,
    expected,
  ]);
}

Deno.test("encode: values that do not fit are refused where they are", () => {
  for (const [fields, value, path, expected] of REFUSED) {
    assertRefused(() => encode(vmsd(fields), value), path, expected);
  }
  const sub = { ...vmsd([field("a", "uint8", 1)], [], "s/x"), version: 2 ** 32 };
  assertRefused(() => encode(vmsd([], [sub]), {}), "s/x", "0..4294967295");
  const long = vmsd([], [], "x".repeat(256));
  assertRefused(() => encode(vmsd([], [long]), {}), long.vmsdName, "at most 255 bytes");
  const inSub = vmsd([], [vmsd([field("a", "uint8", 1)], [], "s/x")]);
  const value = { subsections: { "s/x": { a: -1 } } };
  assertRefused(() => encode(inSub, value), "s/x > a", "0..255");
  const bytes = annotated("00");
  const reserved = vmsd([field("subsections", "uint8", 1)]);
  assertRefused(() => vmstateValue(decodeVmstate(bytes, reserved), bytes), "", undefined);
});

Deno.test("encode: a structure that would be taken for a null pointer is refused", () => {
  const nulls = vmsd([pointer({ arrayLength: 2 })]);
  const run = () => encode(nulls, { p: [{ v: 1 }, { v: 0x3001 }] }, "nulls");
  assertRefused(run, "p > [1]", "another first byte");
  assertEquals(encode(nulls, { p: [{ v: 1 }, { v: 0x3001 }] }), annotated("00 01 30 01"));
});

Deno.test("encode: a description cannot ask for more than the limits", () => {
  const huge = [
    field("a", "uint64", 8, { arrayLength: 2 ** 50 }),
    field("a", "struct", 0, { struct: vmsd([]), arrayLength: 2 ** 50 }),
  ];
  for (const one of huge) {
    const error = assertThrows(() => encode(vmsd([one]), {}), FormatError);
    assertEquals([error.code, error.path[0]], ["limit-exceeded", "a"]);
  }
});

Deno.test("encode: nothing is written where a value is refused", () => {
  const writer = new ByteWriter();
  const description = vmsd([field("a", "uint8", 1), field("b", "uint8", 1)]);
  assertThrows(() => encodeVmstate(writer, description, { a: 1, b: -1 }, { path: ["dev"] }));
  assertEquals(writer.lengthBytes, 0);
  encodeVmstate(writer, description, { b: 2 });
  assertEquals(writer.finish(), Uint8Array.of(0, 2));
});
