/**
 * Fields of device state set by path: where paths lead in recorded streams, and what they refuse.
 */
import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { EditError } from "../analyze/edit/edit_error.ts";
import { resolveField } from "../analyze/edit/field_path.ts";
import { editDistance, nearestName } from "../analyze/edit/nearest.ts";
import { type Assignment, parseAssignment, setFields } from "../analyze/edit/set_field.ts";
import { DeviceFields } from "../analyze/fields.ts";
import { explainOffset } from "../analyze/layout/explain.ts";
import { readState } from "../analyze/state.ts";
import { decodeGlobalState, makeGlobalState } from "../format/global_state.ts";
import type { SectionItem } from "../format/items.ts";
import { ByteReader } from "../format/reader.ts";
import { BytesSource } from "../format/source.ts";
import { decodeVmstate } from "../format/vmstate.ts";
import { vmstateValue } from "../format/vmstate_value.ts";
import { annotated } from "./annotated.ts";
import { Random } from "./reading.ts";
import { StreamBuilder } from "./streams.ts";
import { caseNames, loadCase, loadStream } from "./testdata.ts";

const loaded = new Map<string, SectionItem[]>();

function sectionsOf(name: string): SectionItem[] {
  const known = loaded.get(name);
  if (known !== undefined) return known;
  const source = new BytesSource(loadStream(name));
  const state = readState(source, { offset: loadCase(name).streamOffset });
  const sections = state.entries.map(({ first }) => first);
  loaded.set(name, sections);
  return sections;
}

/** The only section that assignments change, and its new payload. */
function setOne(
  sections: readonly SectionItem[],
  ...assignments: readonly (Assignment | string)[]
): { readonly section: SectionItem; readonly payload: Uint8Array } {
  const all = assignments.map((each) => typeof each === "string" ? parseAssignment(each) : each);
  const [entry, ...others] = setFields(sections, all);
  assert(entry !== undefined && others.length === 0);
  const [section, payload] = entry;
  assertEquals(payload.length, section.device!.bytes.length);
  return { section, payload };
}

/** Offsets of the bytes that changed, first and behind the last. */
function changedRange({ section, payload }: ReturnType<typeof setOne>): [number, number] {
  const before = section.device!.bytes;
  const changed = Array.from(payload.keys()).filter((at) => payload[at] !== before[at]);
  return [changed[0]!, changed.at(-1)! + 1];
}

function assertRefused(
  sections: readonly SectionItem[],
  assignment: Assignment | string,
  message: RegExp,
): void {
  const error = assertThrows(() => setOne(sections, assignment), EditError);
  assertMatch(error.message, message);
  assertEquals(error.message.includes("\n"), false);
}

/** Sections of a stream with one device `dev/0`; `members` is what its description says beside the names. */
function made(payload: string, members: string): SectionItem[] {
  const bytes = new StreamBuilder().section("full", 9, "dev", annotated(payload)).eof().description(
    `{"devices": [{"name": "dev", "instance_id": 0, "vmsd_name": "dev", "version": 1, ${members}}]}`,
  ).bytes();
  return readState(new BytesSource(bytes)).entries.map(({ first }) => first);
}

function madeField(payload: string, type: string, size: number, more = ""): SectionItem[] {
  return made(payload, `"fields": [{"name": "f", ${more} "type": "${type}", "size": ${size}}]`);
}

/** Case, path, value, what the field holds then. */
const SET: readonly (readonly [string, string, string, unknown])[] = [
  ["pc", "cpu/0/env.eip", "0x7c00", [0x7c00n]],
  ["pc", "cpu/0/env.regs[3]", "0b101", [5n]],
  ["pc", "PCIBUS/0/irq_count[1]", "-3", [-3]],
  ["pc", "PCIBUS/0/irq_count", "[1, -2, 0x3, 4]", [1, -2, 3, 4]],
  ["pc", "mc146818rtc/0/periodic_timer", "123", [123n]],
  ["pc", "cpu/0/env.segs[2].base", "4096", [4096n]],
  ["pc", "cpu/0/cpu/poll_control_msr/env.poll_control_msr", "7", [7n]],
  ["pc", "0000:00:01.3/piix4_pm/0/smb.i2c_enable", "true", [true]],
  ["pc", "fdc/0/state.drives[0]/fdrive/media_rate/media_rate", "9", [9]],
  ["q35-usb-ahci", "hda-audio/0/running_compat[2]", "true", [true]],
  ["arm-microbit", "cpu/0/cpu/m/cpu/m/faultmask-primask/env.v7m.faultmask[M_REG_NS]", "1", [1]],
];

function valueAt({ section, payload }: ReturnType<typeof setOne>, path: string): unknown {
  const { idstr, instanceId } = section.section;
  const device = section.device!;
  const { slots } = resolveField(device, path, `${idstr}/${instanceId}/`.length);
  return slots.map(({ type, offset, sizeBytes }) => {
    const field = { name: "f", type, sizeBytes, inline: [] };
    const vmsd = { vmsdName: "", version: 0, fields: [field], subsections: [] };
    const bytes = payload.subarray(offset, offset + sizeBytes);
    return vmstateValue(decodeVmstate(bytes, vmsd), bytes)["f"];
  });
}

Deno.test("set: fields of recorded streams", () => {
  for (const [name, path, text, value] of SET) {
    const sections = sectionsOf(name);
    const before = sections.map(({ device }) => device?.bytes.slice());
    const set = setOne(sections, `${path}=${text}`);
    assertEquals(valueAt(set, path), value, path);
    const [from, to] = changedRange(set);
    const range = to - from;
    assert(range > 0 && range <= 32, `${path}: ${range} bytes changed`);
    assertEquals(sections.map(({ device }) => device?.bytes), before, "the input stays as it is");
  }
});

Deno.test("set: a processor's register is what it was set to", () => {
  const { section, payload } = setOne(sectionsOf("pc"), "cpu/0/env.eip=0xfffffff0");
  const { description, reading } = section.device!;
  const state = decodeVmstate(payload, description.state, { reading });
  const fields = new DeviceFields({ bytes: payload, state });
  assertEquals(fields.number("env.eip"), 0xfffffff0n);
});

/** The path that `layout --at` tells of a byte of a device, as a path of ours; `undefined` for framing. */
function pathOfLayout(parts: readonly string[]): string | undefined {
  let path = "";
  for (const [index, part] of parts.entries()) {
    const subsection = /^subsection "(.*)"$/.exec(part)?.[1];
    const previousIsField = index > 0 && !parts[index - 1]!.startsWith("subsection ");
    if (subsection !== undefined) path += `${previousIsField ? "/" : ""}${subsection}/`;
    else if (previousIsField || /^(subsection|length of subsection) /.test(part)) return undefined;
    else path += part;
  }
  return path;
}

Deno.test("set: every path that layout --at tells leads back to its byte", () => {
  const random = new Random(7);
  let compared = 0;
  const names = ["pc", "q35-usb-ahci", "arm-microbit", "s390x", "ppc64-pseries", "sparc-ss5"];
  for (const name of names) {
    const source = new BytesSource(loadStream(name));
    for (const { section, device } of sectionsOf(name)) {
      if (device === undefined || device.bytes.length === 0) continue;
      for (let turn = 0; turn < 8; turn++) {
        const at = random.below(device.bytes.length);
        const [, ...parts] = explainOffset(source, device.payloadOffset + at).path;
        const path = pathOfLayout(parts);
        if (path === undefined || /\.(marker|number of nodes)$/.test(path)) continue;
        const label = `${name} ${section.idstr}/${section.instanceId}/${path}`;
        const { slots, isList } = resolveField(device, path);
        const [slot] = slots;
        assert(!isList && slot !== undefined, label);
        assert(at >= slot.offset && at < slot.offset + slot.sizeBytes, label);
        compared += 1;
      }
    }
  }
  assert(compared > 900, `${compared} paths`);
});

/** Type, bytes before, value, bytes after. */
const VALUES: readonly (readonly [string, string, string, string])[] = [
  ["uint8", "00", "255", "ff"],
  ["int8", "00", "-128", "80"],
  ["int16", "00 00", "-0x8000", "80 00"],
  ["uint32", "00*4", "0B11", "00*3 03"],
  ["uint64", "00*8", "18446744073709551615", "ff*8"],
  ["bool", "05", "false", "00"],
  ["timer", "00*8", "null", "ff*8"],
  ["timer", "00*8", "off", "ff*8"],
  ["timer", "ff*8", "1000", "00*6 03 e8"],
  ["float64", "00*8", "-1.5", "bf f8 00*6"],
  ["float64", "00*8", "1e3", "40 8f 40 00*5"],
  ["float64", "00*8", "-inf", "ff f0 00*6"],
  ["float64", "00*8", "nan", "7f f8 00*6"],
  ["avr", "00*16", "[1, 0xff]", "00*7 01 00*7 ff"],
  ["capability", '03 "abc"', "xyz", '03 "xyz"'],
  ["capability", '03 "abc"', '"x z"', '03 "x z"'],
  ["GByteArray", "00*3 02 00 00", "0xa1b2", "00*3 02 a1 b2"],
  ["bitmap", "00*8", "0100000000000080", "80 00*6 01"],
  ["buffer", "00 00", "07 01", "07 01"],
  ["buffer", "00 00", "0701", "07 01"],
  ["buffer", "00*4", '"ab"', '"ab" 00 00'],
  ["buffer", '"on" 00 00', "off", '"off" 00'],
  ["buffer", "00*4", "61 62 63 64", '"abcd"'],
  ["unknown kind", "00 00", "a0b1", "a0 b1"],
];

Deno.test("set: values of every kind", () => {
  for (const [type, before, text, after] of VALUES) {
    const bytes = annotated(before);
    const { payload } = setOne(madeField(before, type, bytes.length), { path: "dev/0/f", text });
    assertEquals(payload, annotated(after), `${type} ${text}`);
  }
});

/** Type, bytes before, value, why not. */
const REFUSED: readonly (readonly [string, string, string, RegExp])[] = [
  ["uint8", "00", "256", /type uint8 takes 0\.\.255$/],
  ["uint8", "00", "-1", /type uint8 takes 0\.\.255$/],
  ["int8", "00", "128", /type int8 takes -128\.\.127$/],
  ["uint32", "00*4", "1.5", /type uint32 takes numbers, 0\.\.4294967295$/],
  ["uint32", "00*4", "", /"" does not fit/],
  ["uint32", "00*4", "ten", /"ten" does not fit: type uint32/],
  ["bool", "00", "1", /type bool takes true or false$/],
  ["timer", "00*8", "never", /type timer takes ns, 0\.\.18446744073709551615, or null$/],
  ["timer", "00*8", "-1", /type timer takes 0\.\.18446744073709551615$/],
  ["float64", "00*8", "1,5", /type float64 takes numbers, inf, -inf and nan$/],
  ["avr", "00*16", "[1]", /takes a list of 2 numbers, each 0\.\.18446744073709551615$/],
  ["avr", "00*16", "[1, x, 2]", /takes a list of 2 numbers/],
  ["avr", "00*16", "[1, 18446744073709551616]", /takes 0\.\.18446744073709551615$/],
  ["capability", '03 "abc"', "abcd", /as long as the one that stands there, 3 byte\(s\), not 4$/],
  ["GByteArray", "00*3 02 00 00", "a1", /takes 2 byte\(s\) as hex digits, not 1$/],
  ["bitmap", "00*8", "01", /takes 8 byte\(s\) as hex digits, not 1$/],
  ["buffer", "00 00", "070", /takes 2 byte\(s\) as hex digits, or a text in double quotes$/],
  ["buffer", "00 00", "070809", /hex digits, not 3, or a text/],
  ["buffer", "00 00", "on", /or a text in double quotes$/],
  ["buffer", "00 00", '"abc"', /takes a text of at most 2 byte\(s\) here, not 3$/],
  ["nullptr", "30", "null", /marker of a pointer/],
];

Deno.test("set: values that do not fit are refused with what would", () => {
  for (const [type, before, text, message] of REFUSED) {
    const sections = madeField(before, type, annotated(before).length);
    assertRefused(sections, { path: "dev/0/f", text }, message);
    assertRefused(sections, { path: "dev/0/f", text }, /^Cannot set dev\/0\/f: /);
  }
  const long = "x".repeat(10000);
  const error = assertThrows(
    () => setOne(madeField("00", "bool", 1), `dev/0/f=${long}`),
    EditError,
  );
  assert(error.message.length < 200 && error.path === "dev/0/f");
});

Deno.test("set: whole arrays take lists", () => {
  const words = madeField("00*32", "avr", 16, `"array_len": 2,`);
  const set = setOne(words, "dev/0/f=[[1,2],[3,4]]");
  assertEquals(set.payload, annotated("00*7 01 00*7 02 00*7 03 00*7 04"));
  const texts = madeField("00*4", "buffer", 2, `"array_len": 2,`);
  assertEquals(setOne(texts, 'dev/0/f=["a,", 0x6263]').payload, annotated('"a,bc"'));
  const numbers = madeField("00*3", "uint8", 1, `"array_len": 3,`);
  assertEquals(setOne(numbers, "dev/0/f=[1,2,3]").payload, Uint8Array.of(1, 2, 3));
  assertRefused(numbers, "dev/0/f=[1,2]", /an array of 3 element\(s\), and a list of 2$/);
  assertRefused(numbers, "dev/0/f=[]", /a list of 0$/);
  assertRefused(numbers, "dev/0/f=1", /takes a list of 3/);
  assertRefused(numbers, "dev/0/f=[1,2,256]", /element \[2\]: .* takes 0\.\.255$/);
  assertRefused(numbers, "dev/0/f[3]=1", /has the elements 0\.\.2$/);
  assertRefused(numbers, "dev/0/f[x]=1", /an index is a number in brackets/);
  assertRefused(numbers, "dev/0/f[1=1", /an index is a number in brackets/);
  assertRefused(numbers, "dev/0/f[1].x=1", /a value of type uint8, nothing inside$/);
});

Deno.test("set: the bytes of a file", () => {
  const path = "dev/0/f";
  const buffer = madeField("00*4", "buffer", 4);
  const bytes = Uint8Array.of(1, 2, 3, 4);
  const { payload } = setOne(buffer, { path, bytes });
  assertEquals(payload, bytes);
  bytes[0] = 9;
  assertEquals(payload[0], 1, "the bytes are copied");
  assertRefused(buffer, { path, bytes: bytes.subarray(1) }, /has 4 byte\(s\), the file 3$/);
  const array = madeField("00*4", "uint16", 2, `"array_len": 2,`);
  assertEquals(setOne(array, { path, bytes }).payload, bytes);
  const text = madeField('03 "abc"', "capability", 4);
  assertEquals(setOne(text, { path, bytes: annotated('03 "xyz"') }).payload, annotated('03 "xyz"'));
  assertRefused(text, { path, bytes: annotated('02 "xyz"') }, /begin with the length/);
  const marker = madeField("30", "nullptr", 1);
  assertRefused(marker, { path, bytes: annotated("31") }, /marker of a pointer/);
  const config = "0000:00:00.0/I440FX/0/parent_obj.config[0]";
  const space = Uint8Array.from({ length: 256 }, (_, at) => at ^ 0x5a);
  const { section, payload: whole } = setOne(sectionsOf("pc"), { path: config, bytes: space });
  const fields = new DeviceFields({ bytes: whole, state: section.device!.state });
  assertEquals(fields.structs("parent_obj")[0]?.bytes("config[0]"), space);
});

const STRUCT = `"type": "struct", "size": 2, "struct": {"vmsd_name": "s", "version": 1, ` +
  `"fields": [{"name": "v", "type": "uint16", "size": 2}]}`;
const ELEMENT =
  `"vmsd_name": "e", "version": 1, "fields": [{"name": "v", "type": "uint8", "size": 1}]`;

Deno.test("set: elements of containers", () => {
  const list = made(
    "01 07 01 08 00",
    `"fields": [{"name": "q", "type": "qtailq", ${ELEMENT}, ${ELEMENT}, "size": 5}]`,
  );
  assertEquals(setOne(list, "dev/0/q[1].v=9").payload, annotated("01 07 01 09 00"));
  assertRefused(list, "dev/0/q.v=9", /it has 2 elements: say which/);
  assertRefused(list, "dev/0/q[2].v=9", /has the elements 0\.\.1$/);
  const one = made(
    "01 07 00",
    `"fields": [{"name": "q", "type": "qlist", ${ELEMENT}, "size": 3}]`,
  );
  for (const path of ["dev/0/q.v", "dev/0/q[0].v"]) {
    assertEquals(setOne(one, `${path}=9`).payload, annotated("01 09 00"));
  }
  const none = made("00", `"fields": [{"name": "q", "type": "qlist", "size": 1}]`);
  for (const path of ["dev/0/q", "dev/0/q.v", "dev/0/q[0].v"]) {
    assertRefused(none, `${path}=9`, /it has no elements$/);
  }
  const tree = made(
    "00*3 01 01 00*7 05 0a 00",
    `"fields": [{"name": "t", "type": "gtree", ${ELEMENT}, "size": 15}]`,
  );
  assertEquals(setOne(tree, "dev/0/t[0].v=9").payload, annotated("00*3 01 01 00*7 05 09 00"));
});

Deno.test("set: null pointers", () => {
  const array = made(
    "00 01 30 00 02",
    `"fields": [{"name": "p", "index": 0, ${STRUCT}}, ` +
      `{"name": "p", "index": 1, "type": "nullptr", "size": 1}, ` +
      `{"name": "p", "index": 2, ${STRUCT}}]`,
  );
  assertEquals(setOne(array, "dev/0/p[2].v=0x3031").payload, annotated("00 01 30 30 31"));
  assertRefused(array, "dev/0/p[1]=null", /marker of a pointer/);
  const untold = made("00 01 30 00 02", `"fields": [{"name": "p", "array_len": 3, ${STRUCT}}]`);
  assertEquals(untold[0]!.device?.reading, "nulls");
  assertEquals(setOne(untold, "dev/0/p[2].v=0x31").payload, annotated("00 01 30 00 31"));
  assertRefused(untold, "dev/0/p[1].v=1", /it is a null pointer$/);
  assertRefused(untold, "dev/0/p[2].v=0x3031", /taken for a null pointer/);
});

Deno.test("set: names may look like anything, longer ones come first", () => {
  const field = (name: string) => `{"name": "${name}", "type": "uint8", "size": 1}`;
  const inner = (name: string) =>
    `{"name": "${name}", "type": "struct", "size": 2, "struct": {"vmsd_name": "s", "version": 1, ` +
    `"fields": [${field("b.c")}, ${field("d")}]}}`;
  const sections = made(
    "00*7",
    `"fields": [${field("x")}, ${field("x[0]")}, ${field("x.y")}, ${inner("a")}, ${inner("a.b")}]`,
  );
  const changed = (path: string) => setOne(sections, `dev/0/${path}=1`).payload.indexOf(1);
  const paths = ["x", "x[0]", "x.y", "a.b.c", "a.d", "a.b.b.c", "a.b.d"];
  assertEquals(paths.map(changed), [0, 1, 2, 3, 4, 5, 6]);
  const twice = made("00*3", `"fields": [${field("x")}, ${field("y")}, ${field("x")}]`);
  assertRefused(twice, "dev/0/x=1", /this may be x at offset 0x[0-9a-f]+, or x at offset 0x/);
  assertRefused(twice, "dev/0/x.y=1", /a value of type uint8, nothing inside$/);
});

Deno.test("set: sections are found by idstr and instance, whatever they are called", () => {
  const device = (name: string, instance: number) =>
    `{"name": "${name}", "instance_id": ${instance}, "vmsd_name": "d", "version": 1, ` +
    `"fields": [{"name": "1/f", "type": "uint8", "size": 1}, ` +
    `{"name": "f", "type": "uint8", "size": 1}]}`;
  const names: [string, number][] = [["a", 0], ["a/0", 1], ["b", 2], ["b", 2], ["c", 0]];
  const builder = new StreamBuilder();
  for (const [index, [idstr, instanceId]] of names.entries()) {
    builder.section("full", index + 1, idstr, Uint8Array.of(0, 0), { instanceId });
  }
  const devices = names.slice(0, 4).map(([name, instance]) => device(name, instance));
  const bytes = builder.eof().description(`{"devices": [${devices.join(", ")}]}`).bytes();
  const sections = readState(new BytesSource(bytes)).entries.map(({ first }) => first);
  assertEquals(setOne(sections, "a/0/1/f=1").section.section.idstr, "a/0");
  assertEquals(setOne(sections, "a/0/1/1/f=1").section.section.idstr, "a/0");
  assertEquals(setOne(sections, "a/0/f=1").section.section.idstr, "a");
  assertRefused(sections, "b/2/f=1", /more than one b\/2: at offset 0x\w+, at offset 0x\w+$/);
  assertRefused(sections, "c/0/f=1", /nothing describes the fields of c\/0/);
  assertRefused(sections, "a/0=1", /it is a section; name a field of it$/);
  assertRefused(sections, "a/9/f=1", /no such section; did you mean a\/0\/\.\.\.\?$/);
  assertRefused(sections, "other/9/f=1", /no such section$/);
});

Deno.test("set: unknown names are answered with near ones", () => {
  const pc = sectionsOf("pc");
  assertRefused(pc, "cpu/0/env.eipp=1", /did you mean cpu\/0\/env\.eip\?$/);
  assertRefused(pc, "cpu/0/eip=1", /did you mean cpu\/0\/env\.eip\?$/);
  assertRefused(pc, "cpu/0/env.segs[2].bse=1", /did you mean cpu\/0\/env\.segs\[2\]\.base\?$/);
  assertRefused(
    pc,
    "cpu/0/cpu/pol_control_msr/x=1",
    /did you mean cpu\/0\/cpu\/poll_control_msr\/\?$/,
  );
  assertRefused(pc, "cpu/0/zzz=1", /no such field; there is env\.regs, .*, and \d+ more$/);
  assertRefused(pc, "cpu/0/env.segs[2]=1", /a structure; name a field of it: selector, base,/);
  assertRefused(pc, "cpu/0/env.segs.base=1", /it has 6 elements: say which/);
  assertRefused(pc, "cpu/0/env.eip[0]=1", /no array/);
  assertRefused(pc, "ram/0/x=1", /nothing describes the fields of ram\/0/);
  assertRefused(pc, "cpu\u001b[2J/0/x=1", /^Cannot set cpu\\u001b\[2J\/0\/x: no such section/);
  assertEquals(editDistance("kitten", "sitting"), 3);
  assertEquals(nearestName(["alpha", "beta"], "bta.x"), "beta");
  assertEquals(nearestName(["alpha", "beta"], "gamma"), undefined);
  assertEquals(nearestName(["alpha"], ""), undefined);
});

Deno.test("set: of several assignments the later one counts", () => {
  const sections = sectionsOf("pc");
  const both = setOne(sections, "cpu/0/env.eip=1", "cpu/0/env.regs[0]=2", "cpu/0/env.eip=3");
  assertEquals(valueAt(both, "cpu/0/env.eip"), [3n]);
  assertEquals(valueAt(both, "cpu/0/env.regs[0]"), [2n]);
  const two = setFields(sections, [
    { path: "cpu/0/env.eip", text: "1" },
    { path: "i8259/1/irr", text: "2" },
  ]);
  assertEquals(Array.from(two.keys(), ({ section }) => section.idstr), ["cpu", "i8259"]);
  assertEquals(setFields(sections, []).size, 0);
  assertThrows(() => parseAssignment("cpu/0/env.eip"), EditError, "PATH=VALUE");
  assertThrows(() => parseAssignment("=1"), EditError, "PATH=VALUE");
  assertEquals(parseAssignment("a/0/b==c"), { path: "a/0/b", text: "=c" });
});

Deno.test("set: a run state brings its length along", () => {
  for (const [name, layout] of [["pc", "split"], ["pc-7.2", "single"]] as const) {
    const sections = sectionsOf(name);
    for (const text of ["shutdown", '"postmigrate"']) {
      const { payload } = setOne(sections, `globalstate/0/runstate=${text}`);
      const state = decodeGlobalState(new ByteReader(new BytesSource(payload)));
      assertEquals(state.runState, text.replaceAll('"', ""));
      const wanted = makeGlobalState(state.runState, layout);
      assertEquals([state.sizeBytes, state.padding], [wanted.sizeBytes, undefined]);
    }
    const bytes = setOne(sections, "globalstate/0/size=3").payload;
    assertEquals(decodeGlobalState(new ByteReader(new BytesSource(bytes))).sizeBytes, 3);
    const room = layout === "split" ? 32 : 100;
    const full = `globalstate/0/runstate="${"x".repeat(room)}"`;
    assertRefused(sections, full, new RegExp(`at most ${room - 1} bytes$`));
  }
});

Deno.test("set: all plain fields of a stream can be set to what they are", () => {
  let devices = 0;
  for (const name of caseNames(({ arch }) => arch !== "x86_64")) {
    for (const section of sectionsOf(name)) {
      const { device, section: { idstr, instanceId } } = section;
      if (device === undefined) continue;
      const fields = device.state.fields.filter((field) =>
        field.elements === undefined && !field.isArray && !/nullptr|ptr-marker/.test(field.type)
      );
      const assignments = fields.map(({ name, offset, lengthBytes }) => ({
        path: `${idstr}/${instanceId}/${name}`,
        bytes: device.bytes.slice(offset, offset + lengthBytes),
      })).filter(({ path }, index, all) =>
        all.every((one, at) => at === index || one.path !== path)
      );
      const changed = setFields([section], assignments);
      for (const payload of changed.values()) assertEquals(payload, device.bytes);
      devices += changed.size;
    }
  }
  assert(devices > 50, `${devices} devices`);
});
