/**
 * The rich dump, over all recorded streams: it is JSON, its places are right, and its values are what QEMU said of its guest.
 */
import { assert, assertEquals, assertGreater, assertStringIncludes } from "@std/assert";
import { printRichState } from "../analyze/rich/rich.ts";
import { readRichState } from "../analyze/rich/state.ts";
import { BytesSource } from "../format/source.ts";
import { encodeText } from "../format/text.ts";
import { caseNames, loadCase, loadStream, loadTruth, testdataPath } from "./testdata.ts";

type Json = null | boolean | number | string | Json[] | { [name: string]: Json };

interface Structure {
  vmsd: string | null;
  version: number | null;
  offset: number;
  lengthBytes: number;
  fields: Field[];
  subsections: Structure[];
}

interface Field {
  name: string;
  type: string;
  offset: number;
  lengthBytes: number;
  value?: Json | Structure;
  hex?: string | string[];
  elements?: (Structure | null)[];
  items?: (Structure | { key: Structure; value: Structure })[];
}

interface Section {
  id: number;
  name: string;
  instance: number;
  type: string;
  offset: number;
  lengthBytes: number;
  payloadOffset: number;
  boundary: string;
  payload?: { [name: string]: number | string };
  decoded?: { [name: string]: Json };
  state?: Structure;
  bytes?: string;
}

interface Rich {
  format: string;
  machine: string | null;
  capabilities: string[];
  configuration: { subsections: { name: string; uuid?: string }[] } | null;
  targetPageBytes: number | null;
  vmdescription: string;
  ramBlocks: { name: string; usedLengthBytes: number; mapped?: { pagesOffset: number } }[];
  commands: { offset: number; name: string }[];
  sections: Section[];
}

interface VirtioValue {
  device: string;
  transport: { config: { vendorId: string } };
  queues: { offset: number }[];
}

const INTEGER = /^u?int(8|16|32|64)$/;
const INTEGER_BYTES = /^u?int\d+( equal| le)?$/;

function richOf(bytes: Uint8Array, offset = 0): Rich {
  let text = "";
  printRichState(readRichState(new BytesSource(bytes), { offset }), (piece) => text += piece);
  assert(/^[\n -~]*$/.test(text), "only printable ASCII");
  return JSON.parse(text);
}

const richByCase = new Map<string, Rich>();

function richOfCase(name: string): Rich {
  const known = richByCase.get(name) ?? richOf(loadStream(name), loadCase(name).streamOffset);
  richByCase.set(name, known);
  return known;
}

function isStructure(value: unknown): value is Structure {
  return typeof value === "object" && value !== null && "vmsd" in value;
}

function* structuresOf(structure: Structure): Generator<Structure> {
  yield structure;
  for (const field of structure.fields) {
    for (const inner of insidesOf(field)) if (inner !== null) yield* structuresOf(inner);
  }
  for (const subsection of structure.subsections) yield* structuresOf(subsection);
}

/** The structures inside a field, in stream order; `null` for null pointers. */
function insidesOf(field: Field): (Structure | null)[] {
  if (field.elements !== undefined) return field.elements;
  if (field.items !== undefined) {
    return field.items.flatMap((item) => isStructure(item) ? [item] : [item.key, item.value]);
  }
  return isStructure(field.value) ? [field.value] : [];
}

/** Bytes around the insides of a field: null pointers, markers of lists. */
function framingBytes(field: Field): number {
  if (field.items !== undefined) return field.items.length + 1 + (field.type === "gtree" ? 4 : 0);
  return insidesOf(field).filter((inside) => inside === null).length;
}

function checkTiling(structure: Structure, isSubsection: boolean): void {
  let at = structure.offset;
  if (isSubsection) at += 6 + encodeText(structure.vmsd ?? "").length;
  for (const field of structure.fields) {
    assertEquals(field.offset, at, `${structure.vmsd}.${field.name}`);
    at += field.lengthBytes;
    const insides = insidesOf(field);
    if (insides.length === 0) continue;
    const sum = insides.reduce((total, inside) => total + (inside?.lengthBytes ?? 0), 0);
    assertEquals(sum + framingBytes(field), field.lengthBytes, `${structure.vmsd}.${field.name}`);
    for (const inside of insides) if (inside !== null) checkTiling(inside, false);
  }
  for (const subsection of structure.subsections) {
    assertEquals(subsection.offset, at, `${subsection.vmsd}`);
    checkTiling(subsection, true);
    at += subsection.lengthBytes;
  }
  assertEquals(at, structure.offset + structure.lengthBytes, `${structure.vmsd}`);
}

function checkOffsets(value: Json, sizeBytes: number): void {
  if (typeof value !== "object" || value === null) return;
  for (const [name, member] of Object.entries(value)) {
    if (name === "offset") assert(Number(member) >= 0 && Number(member) <= sizeBytes);
    else checkOffsets(member as Json, sizeBytes);
  }
}

/** Reads plain integers and buffers again, at the absolute offset that the dump tells. */
function checkBytes(bytes: Uint8Array, structure: Structure): number {
  let checked = 0;
  for (const { fields } of structuresOf(structure)) {
    for (const { type, offset, lengthBytes, value } of fields) {
      const content = bytes.subarray(offset, offset + lengthBytes);
      if (type === "buffer" && typeof value === "string") assertEquals(value, content.toHex());
      else if (!INTEGER_BYTES.test(type)) continue;
      const values: unknown[] = Array.isArray(value) ? value : [value];
      if (INTEGER.test(type)) {
        const size = lengthBytes / values.length;
        const texts = Array.from(values, (_, index) => {
          const digits = content.subarray(index * size, (index + 1) * size).toHex();
          const number = BigInt(`0x${digits}`);
          return String(type.startsWith("u") ? number : BigInt.asIntN(size * 8, number));
        });
        assertEquals(values.map(String), texts);
        assertEquals(typeof values[0], size === 8 ? "string" : "number");
      }
      checked += 1;
    }
  }
  return checked;
}

Deno.test("rich: every stream becomes JSON whose fields tile their sections", () => {
  let checked = 0;
  for (const name of caseNames()) {
    const bytes = loadStream(name);
    const rich = richOfCase(name);
    assertEquals(rich.format, "migstream-rich/1");
    checkOffsets(rich as unknown as Json, bytes.length);
    for (const section of rich.sections) {
      const { state, offset, lengthBytes, payloadOffset } = section;
      const payloadBytes = offset + lengthBytes - payloadOffset;
      assert(payloadOffset > offset && offset + lengthBytes <= bytes.length, section.name);
      if (state !== undefined) {
        assertEquals([state.offset, state.lengthBytes], [payloadOffset, payloadBytes]);
        checkTiling(state, false);
        checked += checkBytes(bytes, state);
      } else if (section.bytes !== undefined) {
        const payload = bytes.subarray(payloadOffset, payloadOffset + payloadBytes);
        assertEquals(section.bytes, payload.toHex());
      } else {
        assertEquals(section.boundary, "known");
        assertEquals(section.payload?.kind, section.name);
      }
    }
  }
  assertGreater(checked, 10_000);
});

Deno.test("rich: machine, capabilities, page size and RAM blocks are those of the guest", () => {
  for (const name of caseNames()) {
    const { truth, capabilities } = { ...loadCase(name), truth: loadTruth(name) };
    const rich = richOfCase(name);
    if (rich.machine !== null) assertEquals(`${rich.machine}-machine`, truth.machine, name);
    const serialised = capabilities.filter((each) => /^(mapped-ram|x-ignore-shared)$/.test(each));
    assertEquals([...rich.capabilities].sort(), [...serialised].sort(), name);
    if (truth.pageSizeBytes !== undefined && rich.targetPageBytes !== null) {
      assertEquals(rich.targetPageBytes, truth.pageSizeBytes, name);
    }
    const blocks = (list: readonly { name: string; usedLengthBytes: number }[]) =>
      list.map((block) => `${block.name} ${block.usedLengthBytes}`).sort();
    assertEquals(blocks(rich.ramBlocks), blocks(truth.ramBlocks), name);
    const isMapped = rich.ramBlocks.every((block) => block.mapped !== undefined);
    if (rich.ramBlocks.length > 0) assertEquals(isMapped, capabilities.includes("mapped-ram"));
  }
});

Deno.test("rich: pages are as many as QEMU counted", () => {
  const elsewhere = ["mapped-ram", "multifd", "compress", "postcopy-preempt", "xbzrle"];
  const names = caseNames(({ capabilities, queryMigrate }) =>
    !capabilities.some((each) => elsewhere.includes(each)) && "ram" in queryMigrate
  );
  assertGreater(names.length, 25);
  for (const name of names) {
    const { normal, duplicate } = loadCase(name).queryMigrate.ram as Record<string, number>;
    const ram = richOfCase(name).sections.find((section) => section.name === "ram");
    if (ram === undefined) continue;
    assertEquals([ram.payload?.normalPages, ram.payload?.zeroPages], [normal, duplicate], name);
  }
});

/** Where a register stands in `info registers`, and in the section `cpu`. */
const REGISTERS: Record<string, [field: string, text: RegExp, index?: number][]> = {
  x86_64: [
    ["env.eip", /[ER]IP=([0-9a-f]+)/],
    ["env.regs", /[ER]AX=([0-9a-f]+)/, 0],
    ["env.regs", /[ER]SI=([0-9a-f]+)/, 6],
    ["env.eflags", /(?:EFL|RFL)=([0-9a-f]+)/],
  ],
  aarch64: [["env.pc", /PC=([0-9a-f]+)/], ["env.xregs", /X05=([0-9a-f]+)/, 5]],
  arm: [["env.regs", /R13=([0-9a-f]+)/, 13]],
  riscv64: [["env.pc", /pc +([0-9a-f]+)/]],
  s390x: [["env.psw.addr", /addr ([0-9a-f]+)/], ["env.psw.mask", /mask ([0-9a-f]+)/]],
  alpha: [["pc", /PC +([0-9a-f]+)/]],
  ppc64: [["env.nip", /NIP ([0-9a-f]+)/]],
  sparc: [["env.npc", /npc: ([0-9a-f]+)/]],
};

Deno.test("rich: registers are what the monitor said", () => {
  let checked = 0;
  for (const name of caseNames(({ truth }) => truth.registers !== undefined)) {
    const { arch, truth } = loadCase(name);
    const fields = richOfCase(name).sections.flatMap(({ state }) =>
      state === undefined ? [] : [...structuresOf(state)].flatMap((inner) => inner.fields)
    );
    for (const [fieldName, text, index] of REGISTERS[arch] ?? []) {
      const field = fields.find((each) => each.name === fieldName);
      const expected = text.exec(truth.registers ?? "")?.[1];
      // No machine has no registers; no description has no names.
      if (expected === undefined || field === undefined) continue;
      const value = index === undefined ? field.value : (field.value as Json[])[index];
      assertEquals(BigInt(String(value)), BigInt(`0x${expected}`), `${name} ${fieldName}`);
      if (field.hex !== undefined) {
        const shown = index === undefined ? field.hex : field.hex[index];
        assertEquals(shown, `0x${BigInt(`0x${expected}`).toString(16)}`);
      }
      checked += 1;
    }
  }
  assertGreater(checked, 140);
});

Deno.test("rich: the run state is the guest's", () => {
  const expected = { stopped: "prelaunch", ran: "paused", live: "running" };
  let checked = 0;
  for (const name of caseNames()) {
    const { guest, qemu } = loadCase(name);
    const section = richOfCase(name).sections.find((each) => each.name === "globalstate");
    if (section === undefined) continue;
    const { runState, layout } = section.decoded ?? {};
    assertEquals(runState, expected[guest], name);
    assertEquals(layout, qemu.startsWith("7.") ? "single" : "split", name);
    checked += 1;
  }
  assertGreater(checked, 40);
});

Deno.test("rich: opaque payloads are decoded", () => {
  const sections = richOfCase("q35-virtio").sections;
  const virtio = sections.filter(({ name }) => /\/virtio-/.test(name));
  assertGreater(virtio.length, 3);
  for (const { name, state } of virtio) {
    const field = state?.fields.find((each) => each.type === "virtio");
    const value = field?.value as unknown as VirtioValue;
    assertEquals(value.transport.config.vendorId, "0x1af4", name);
    assertEquals(value.device, name.replace(/.*virtio-/, ""));
    assertGreater(value.queues.length, 0);
    assertGreater(value.queues[0]?.offset ?? 0, field?.offset ?? Infinity);
  }
  const fields = sections.flatMap(({ state }) => [...structuresOf(state ?? EMPTY)])
    .flatMap((structure) => structure.fields);
  const configs = fields.filter(({ type }) => type === "pci config").map(({ value }) =>
    value as { vendorId: string; deviceId: string }
  );
  assert(configs.some(({ vendorId, deviceId }) => `${vendorId} ${deviceId}` === "0x8086 0x29c0"));
  assert(fields.some(({ type, value }) => type === "timer" && value === null));
  const clock = richOfCase("s390x").sections.find(({ name }) => name === "todclock")?.decoded;
  assertEquals(clock?.present, true);
});

const EMPTY: Structure = {
  vmsd: "",
  version: 0,
  offset: 0,
  lengthBytes: 0,
  fields: [],
  subsections: [],
};

Deno.test("rich: configuration, commands and the origin of the description", () => {
  const uuid = richOfCase("pc-uuid").configuration?.subsections.find((each) => "uuid" in each);
  const commandLine = loadCase("pc-uuid").commandLine.join(" ");
  assert(uuid?.uuid !== undefined && commandLine.includes(uuid.uuid), commandLine);
  const names = richOfCase("pc-postcopy").commands.map(({ name }) => name);
  for (const name of ["OPEN_RETURN_PATH", "POSTCOPY_ADVISE", "PACKAGED", "POSTCOPY_RUN"]) {
    assert(names.includes(name), name);
  }
  assertEquals(richOfCase("pc").vmdescription, "stream");
  assertEquals(richOfCase("pc-no-vmdesc").vmdescription, "none");
});

Deno.test("rich: what stands before a damaged place is valid JSON with the error", () => {
  const bytes = loadStream("pc");
  const cut = bytes.subarray(0, Math.floor(bytes.length * 0.4));
  let text = "";
  const rich = readRichState(new BytesSource(cut), { keepGoing: true });
  printRichState(rich, (piece) => text += piece);
  const { error, ramBlocks } = JSON.parse(text);
  assertEquals(error.code, "truncated");
  assertGreater(ramBlocks.length, 0);
});

Deno.test("rich: analyze.ts prints it", async () => {
  const { success, stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-R", "analyze.ts", "-d", "rich", testdataPath("none.mig")],
    cwd: new URL("..", import.meta.url),
  }).output();
  assert(success);
  const text = new TextDecoder().decode(stdout);
  assertEquals(JSON.parse(text).machine, "none");
  assertStringIncludes(text, '"ramBlocks": []');
});

Deno.test("rich: the example in the documentation is real", () => {
  const document = Deno.readTextFileSync(new URL("../docs/rich.md", import.meta.url));
  const example = /^```json\n(.*?)^```/ms.exec(document)?.[1] ?? "";
  assertEquals(JSON.parse(example).format, "migstream-rich/1");
  let text = "";
  printRichState(readRichState(new BytesSource(loadStream("pc"))), (piece) => text += piece);
  const lines = new Set(text.split("\n").map((line) => line.trim().replace(/,$/, "")));
  for (const line of example.trimEnd().split("\n")) {
    assert(lines.has(line.trim().replace(/,$/, "")), line);
  }
});
