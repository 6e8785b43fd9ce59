/**
 * Fields of device state set by path: where paths lead in recorded streams, and what they refuse.
 */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { EditError } from "../analyze/edit/edit_error.ts";
import { resolveField } from "../analyze/edit/field_path.ts";
import { editDistance, nearestName } from "../analyze/edit/nearest.ts";
import { parseAssignment, setFields } from "../analyze/edit/set_field.ts";
import { DeviceFields } from "../analyze/fields.ts";
import { explainOffset } from "../analyze/layout/explain.ts";
import { readState } from "../analyze/state.ts";
import { decodeGlobalState, makeGlobalState } from "../format/global_state.ts";
import { ByteReader } from "../format/reader.ts";
import { BytesSource } from "../format/source.ts";
import { decodeVmstate } from "../format/vmstate.ts";
import { vmstateValue } from "../format/vmstate_value.ts";
import { Random } from "./reading.ts";
import { StreamBuilder } from "./streams.ts";
import { caseNames, loadStream } from "./testdata.ts";
import { assertRefused, made, sectionsOf, setOne } from "./setting_fields.ts";

/** Offsets of the bytes that changed, first and behind the last. */
function changedRange({ section, payload }: ReturnType<typeof setOne>): [number, number] {
  const before = section.device!.bytes;
  const changed = Array.from(payload.keys()).filter((at) => payload[at] !== before[at]);
  return [changed[0]!, changed.at(-1)! + 1];
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
