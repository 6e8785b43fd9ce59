/**
 * The rich dump of made-up streams: types that no recorded stream has, and names that want to break out of their strings.
 */
import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { printRichState } from "../analyze/rich/rich.ts";
import { inlineJson, RichWriter } from "../analyze/rich/json.ts";
import { readRichState } from "../analyze/rich/state.ts";
import { bitRanges, printableText } from "../analyze/rich/values.ts";
import { FormatError } from "../format/error.ts";
import { encodeFileHeader } from "../format/header.ts";
import { encodeFooter, encodeSectionHeader } from "../format/section.ts";
import { BytesSource } from "../format/source.ts";
import { encodeVmdescription, parseVmdescription } from "../format/vmdescription.ts";
import { ByteWriter } from "../format/writer.ts";

// deno-lint-ignore no-explicit-any -- the tests look deep into a JSON of many shapes
type Rich = any;

interface Device {
  name: string;
  payload: Uint8Array;
  version?: number;
  /** What the description says, beyond name and instance; nothing: the device is not described. */
  description?: Record<string, unknown>;
}

function streamOf(devices: readonly Device[]): Uint8Array {
  const writer = new ByteWriter();
  encodeFileHeader(writer, { version: 3 });
  for (const [id, { name, payload, version = 1 }] of devices.entries()) {
    encodeSectionHeader(writer, "full", { id, idstr: name, instanceId: 0, versionId: version });
    writer.bytes(payload);
    encodeFooter(writer, id);
  }
  writer.u8(0, "end");
  const described = devices.flatMap(({ name, description }) =>
    description === undefined ? [] : [{ name, instance_id: 0, ...description }]
  );
  // QEMU writes the description of each element into the field's own object, under the same names.
  const text = JSON.stringify({ page_size: 4096, devices: described })
    .replace(/"MEMBERS":\[(.*?)\]/g, (_, names) => names.split(",").map(member).join(","));
  if (described.length > 0) encodeVmdescription(writer, new TextEncoder().encode(text));
  return writer.finish();
}

function member(quotedName: string): string {
  return `"vmsd_name":${quotedName},"version":1,"fields":[{"name":"x","type":"uint8","size":1}]`;
}

function print(stream: Uint8Array): string {
  let text = "";
  printRichState(readRichState(new BytesSource(stream)), (piece) => text += piece);
  return text;
}

function richOf(stream: Uint8Array): Rich {
  return JSON.parse(print(stream));
}

function hexBytes(digits: string): Uint8Array {
  return Uint8Array.fromHex(digits.replaceAll(" ", ""));
}

/** The fields of a device with these fields, by name; offsets, which the recorded streams prove, taken away. */
function fieldsOf(digits: string, fields: Record<string, unknown>[]): Record<string, Rich> {
  const description = { vmsd_name: "dev", version: 1, fields };
  const stream = streamOf([{ name: "dev", payload: hexBytes(digits), description }]);
  const { state } = richOf(stream).sections[0];
  return Object.fromEntries(
    state.fields.map(({ name, offset: _, lengthBytes: __, ...rest }: Rich) => [name, rest]),
  );
}

function struct(name: string, size: number): Record<string, unknown> {
  const fields = [{ name: "x", type: "uint8", size }];
  return { type: "struct", struct: { vmsd_name: name, version: 1, fields }, size };
}

Deno.test("rich: primitive types", () => {
  const fields = fieldsOf(
    "ff fffffffe 8000000000000000 ffffffffffffffff ffffffffffffffff 02" +
      "3ff8000000000000 7ff8000000000001 fff0000000000000" +
      "8000000000000003 0000000000000001" +
      "00000000000000010000000000000002 0461626364 61626364650000 00000002beef 30 31 2a",
    [
      { name: "u8", type: "uint8", size: 1 },
      { name: "s32", type: "int32 le", size: 4 },
      { name: "s64", type: "int64", size: 8 },
      { name: "u64", type: "uint64", size: 8 },
      { name: "timer", type: "timer", size: 8 },
      { name: "bool", type: "bool", size: 1 },
      { name: "float", type: "float64", size: 8 },
      { name: "nan", type: "float64", size: 8 },
      { name: "infinite", type: "float64", size: 8 },
      { name: "bits", type: "bitmap", size: 16 },
      { name: "words", type: "avr", size: 16 },
      { name: "capability", type: "capability", size: 5 },
      { name: "text", type: "buffer", size: 7 },
      { name: "counted", type: "GByteArray", size: 6 },
      { name: "null", type: "nullptr", size: 1 },
      { name: "present", type: "ptr-marker", size: 1 },
      { name: "new", type: "something new", size: 1 },
    ],
  );
  assertEquals(fields, {
    u8: { type: "uint8", value: 255 },
    s32: { type: "int32 le", value: -2 },
    s64: { type: "int64", value: "-9223372036854775808" },
    u64: { type: "uint64", value: "18446744073709551615", hex: "0xffffffffffffffff" },
    timer: { type: "timer", value: null },
    bool: { type: "bool", value: true, byte: 2 },
    float: { type: "float64", value: 1.5, hex: "0x3ff8000000000000" },
    nan: { type: "float64", value: "NaN", hex: "0x7ff8000000000001" },
    infinite: { type: "float64", value: "-Infinity", hex: "0xfff0000000000000" },
    bits: { type: "bitmap", value: [[0, 1], [63, 64]], bits: 128 },
    words: { type: "avr", value: ["0x1", "0x2"] },
    capability: { type: "capability", value: "abcd" },
    text: { type: "buffer", value: "61626364650000", text: "abcde" },
    counted: { type: "GByteArray", value: "beef" },
    null: { type: "nullptr", value: null },
    present: { type: "ptr-marker", value: "present" },
    new: { type: "something new", value: "2a" },
  });
});

Deno.test("rich: arrays, described as one or one by one", () => {
  const fields = fieldsOf("0102 0003 0004 00000000000000ff0000000000000001 aabb ccdd", [
    { name: "bytes", array_len: 2, type: "uint8", size: 1 },
    { name: "single", index: 0, type: "uint16", size: 2 },
    { name: "single", index: 1, type: "uint16", size: 2 },
    { name: "wide", array_len: 2, type: "uint64", size: 8 },
    { name: "buffers", array_len: 2, type: "buffer", size: 2 },
    { name: "none", type: "buffer", size: 0 },
    { name: "hollow", array_len: 1000, type: "uint8", size: 0 },
  ]);
  assertEquals(fields, {
    bytes: { type: "uint8", value: [1, 2] },
    single: { type: "uint16", value: [3, 4] },
    wide: { type: "uint64", value: ["255", "1"], hex: ["0xff", "0x1"] },
    buffers: { type: "buffer", value: ["aabb", "ccdd"] },
    none: { type: "buffer", value: "" },
    hollow: { type: "uint8", value: [] },
  });
});

Deno.test("rich: an array without bytes and without end is refused", () => {
  const error = assertThrows(
    () => fieldsOf("", [{ name: "hollow", array_len: 9007199254740991, type: "uint8", size: 0 }]),
    FormatError,
    "too many fields and array elements",
  );
  assertEquals(error.code, "limit-exceeded");
});

Deno.test("rich: arrays of pointers show null where there is none", () => {
  const inside = (field: Rich) => field.elements.map((element: Rich) => element?.fields[0].value);
  const { plain, marked, numbers } = fieldsOf("3030 05 30 30 31 06 31 07 30 000a", [
    { name: "plain", array_len: 2, type: "ptr-marker", size: 1 },
    { name: "plain", ...struct("s", 1) },
    { name: "plain", type: "ptr-marker", size: 1 },
    { name: "marked", type: "ptr-marker", size: 1 },
    { name: "marked", type: "ptr-marker", size: 1 },
    { name: "marked", ...struct("s", 1) },
    { name: "marked", type: "ptr-marker", size: 1 },
    { name: "marked", ...struct("s", 1) },
    { name: "numbers", type: "nullptr", size: 1 },
    { name: "numbers", type: "uint16", size: 2 },
  ]);
  assertEquals([plain.type, inside(plain)], ["struct", [undefined, undefined, 5, undefined]]);
  assertEquals(plain.elements[0], null);
  assertEquals(inside(marked), [undefined, 6, 7]);
  assertEquals(numbers, { type: "uint16", value: [null, 10] });
});

Deno.test("rich: structures, lists and trees", () => {
  const { one, tmp, list, tree } = fieldsOf("01 02 01 03 01 04 00 00000001 01 05 06 00", [
    { name: "one", ...struct("s", 1) },
    { name: "tmp", type: "tmp", vmsd_name: "t", version: 0, fields: [x()], size: 1 },
    { name: "list", type: "qtailq", size: 5, MEMBERS: ["e", "e"] },
    { name: "tree", type: "gtree", size: 8, MEMBERS: ["k", "v"] },
  ]);
  assertEquals(one.value.vmsd, "s");
  assertEquals(tmp.value.fields[0].value, 2);
  assertEquals(list.items.map((item: Rich) => item.fields[0].value), [3, 4]);
  const [{ key, value }] = tree.items;
  assertEquals([key.vmsd, key.fields[0].value, value.vmsd, value.fields[0].value], [
    "k",
    5,
    "v",
    6,
  ]);
});

function x(): Record<string, unknown> {
  return { name: "x", type: "uint8", size: 1 };
}

Deno.test("rich: sections of which we know more than their description", () => {
  const old = (size: number) => ({ size, fields: [{ name: "data", size, type: "buffer" }] });
  const slirp = new Uint8Array(131);
  slirp.set([0, 0x12, 0x34, 0, 1, 0x52, 0x54, 0, 0x12, 0x34, 0x56]);
  const keys = hexBytes(
    "0000000000010002 0000000000000003 06 06 10 0000000000014002 0000000000000001 10 0000000000000001",
  );
  const vfio = hexBytes("ffffffffef100002 c0ffee ffffffffef100001");
  const rich = richOf(streamOf([
    { name: "slirp", version: 4, payload: slirp, description: old(131) },
    { name: "s390-skeys", payload: keys, description: old(keys.length) },
    { name: "0000:00:05.0/vfio", payload: vfio, description: old(vfio.length) },
    { name: "todclock", payload: hexBytes("00") },
    { name: "globalstate", payload: hexBytes("07"), description: old(1) },
    { name: "other", payload: hexBytes("c0ffee") },
  ]));
  const [net, skeys, device, clock, state, other] = rich.sections;
  assertEquals(net.decoded, {
    connectionsBytes: 0,
    ipId: 0x1234,
    dhcpClients: [{ index: 0, allocated: 1, macAddress: "52:54:00:12:34:56" }],
  });
  assertEquals(net.state.vmsd, null);
  assertEquals([skeys.decoded.pages, skeys.decoded.runs], [4, 3]);
  assertEquals(skeys.decoded.keys, [
    { startAddress: "0x10000", pages: 2, key: "0x06" },
    { startAddress: "0x12000", pages: 1, key: "0x10" },
    { startAddress: "0x14000", pages: 1, key: "0x10" },
  ]);
  assertEquals(device.decoded.tags.map(({ tag, dataBytes }: Rich) => [tag, dataBytes]), [
    ["DEV_CONFIG_STATE", 3],
    ["END_OF_STATE", 0],
  ]);
  assertEquals(device.decoded.tags[0].offset, device.payloadOffset);
  assertEquals([clock.boundary, clock.decoded, clock.note], [
    "known",
    { present: false },
    undefined,
  ]);
  assertEquals(state.decoded, undefined, "one byte is no global state");
  assertEquals([other.boundary, other.bytes], ["footer", "c0ffee"]);
  assertStringIncludes(other.note, "found by its footer");
});

Deno.test("rich: hostile names stay inside their strings", () => {
  const hostile = '"}],"x":"\\\u0000\u001b[2J\u202e\n\u2028é😀';
  for (const name of [hostile, "__proto__", "\ud800"]) {
    const fields = [{ name, type: "uint8", size: 1 }, { name: "b", type: name, size: 1 }];
    const description = {
      vmsd_name: name,
      version: 1,
      fields,
      subsections: [] as unknown[],
    };
    const idstr = name === "\ud800" ? "dev" : name;
    const text = print(streamOf([{ name: idstr, payload: hexBytes("2a2b"), description }]));
    assert(/^[\n -~]*$/.test(text));
    const [section] = JSON.parse(text).sections;
    assertEquals([section.name, section.state.vmsd], [idstr, name]);
    assertEquals(section.state.fields.map((field: Rich) => [field.name, field.type, field.value]), [
      [name, "uint8", 42],
      ["b", name, "2b"],
    ]);
  }
});

Deno.test("rich: a description from elsewhere is told, and why it was not used", () => {
  const stream = streamOf([{ name: "dev", payload: hexBytes("0102") }]);
  const rich = (size: number) => {
    const fields = [{ name: "x", type: "buffer", size }];
    const devices = [{ name: "dev", instance_id: 0, vmsd_name: "dev", version: 1, fields }];
    const json = new TextEncoder().encode(JSON.stringify({ page_size: 4096, devices }));
    const vmdescription = parseVmdescription(json, 0);
    let text = "";
    const state = readRichState(new BytesSource(stream), { vmdescription });
    printRichState(state, (piece) => text += piece);
    return JSON.parse(text);
  };
  assertEquals(rich(2).vmdescription, "given");
  assertEquals(rich(2).sections[0].boundary, "described");
  assertStringIncludes(rich(1).sections[0].note, "the section does not");
});

Deno.test("rich: sets of bits as ranges", () => {
  assertEquals(bitRanges(new Uint8Array(0)), []);
  assertEquals(bitRanges(Uint8Array.of(0, 0)), []);
  assertEquals(bitRanges(Uint8Array.of(0xff, 0xff)), [[0, 15]]);
  assertEquals(bitRanges(Uint8Array.of(0x81, 0xff, 0x01, 0x80)), [[0, 0], [7, 16], [31, 31]]);
  assertEquals(bitRanges(Uint8Array.of(0x55), 4)?.length, 4);
  assertEquals(bitRanges(Uint8Array.of(0x55), 3), undefined);
});

Deno.test("rich: texts in buffers", () => {
  const text = (value: string) => printableText(new TextEncoder().encode(value));
  assertEquals(text("QEMU\0\0"), "QEMU");
  assertEquals(text("abc"), undefined);
  assertEquals(text("ab\0cd"), undefined);
  assertEquals(text("\0\0\0\0"), undefined);
});

Deno.test("rich: long buffers leave in pieces", () => {
  const pieces: string[] = [];
  const out = new RichWriter((piece) => pieces.push(piece));
  const bytes = new Uint8Array(300_000).fill(0xa5);
  out.hex(bytes);
  out.flush();
  assert(pieces.length > 3);
  assertEquals(pieces.join(""), `"${"a5".repeat(300_000)}"`);
  assertEquals(inlineJson({ a: undefined, b: [1, null] }), '{"b": [1, null]}');
});
