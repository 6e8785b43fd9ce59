/**
 * The vmdescription: found wherever it stands, done without where it is missing, and never trusted.
 */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { compatState } from "../analyze/compat/compat.ts";
import { readState } from "../analyze/state.ts";
import { PipeSource } from "../container/pipe.ts";
import type { SectionItem, StreamItem } from "../format/items.ts";
import { type ByteSource, BytesSource } from "../format/source.ts";
import { parseVmdescription } from "../format/vmdescription.ts";
import {
  assertSameLines,
  assertTiles,
  ChunkedInput,
  CountingSource,
  itemLines,
  Random,
  readItems,
} from "./reading.ts";
import { StreamBuilder } from "./streams.ts";
import { caseNames, loadCase, loadStream, loadTruth } from "./testdata.ts";

function itemsOf(source: ByteSource, offset = 0): StreamItem[] {
  const { items, error } = readItems(source, { offset });
  if (error !== undefined) throw error;
  return items;
}

function join(...parts: Uint8Array[]): Uint8Array {
  const result = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    result.set(part, at);
    at += part.length;
  }
  return result;
}

const text = (value: string) => new TextEncoder().encode(value);

/** A stream without what stands behind its EOF. */
function withoutDescription(name: string): Uint8Array {
  const bytes = loadStream(name);
  const eof = itemsOf(new BytesSource(bytes), loadCase(name).streamOffset)
    .find(({ kind, depth }) => kind === "eof" && depth === 0)!;
  return bytes.subarray(0, eof.offset + 1);
}

const TRAILERS: readonly [string, Uint8Array][] = [
  ["one byte", Uint8Array.of(0xff)],
  ["zeros", new Uint8Array(70_000)],
  ["garbage", new Random(3).bytes(70_000)],
  ["braces", text("}}}{{{".repeat(500))],
  ["braces and NULs", text("}\0{\0\x06\0".repeat(500))],
  ["JSON", text('{"devices": []}')],
  ["heads of descriptions", text("\0\x06\0\0\0\x05{".repeat(500))],
  ["another stream", loadStream("none")],
  ["another description", new StreamBuilder().eof().description('{"devices": []}').bytes()],
];

for (const [label, trailer] of TRAILERS) {
  Deno.test(`description: found before ${label}`, () => {
    const stream = loadStream("pc-stopped");
    const expected = itemLines(itemsOf(new BytesSource(stream)));
    const bytes = join(stream, trailer);
    using pipe = new PipeSource(new ChunkedInput(bytes, 999));
    for (const source of [new BytesSource(bytes), pipe]) {
      const items = itemsOf(source);
      assertTiles(items, 0, bytes.length, label);
      assertEquals(items.at(-1)!.kind, "trailing");
      assertSameLines(itemLines(items.slice(0, -1)), expected, label);
    }
  });
}

const ONE_DEVICE = {
  devices: [{
    name: "dev",
    instance_id: 0,
    vmsd_name: "dev",
    version: 1,
    fields: [{ name: "x", type: "uint32", size: 4 }],
  }],
};

function oneDevice(description: string): Uint8Array {
  return new StreamBuilder().section("full", 9, "dev", Uint8Array.of(1, 2, 3, 4)).eof()
    .description(description).bytes();
}

function sectionsOf(items: readonly StreamItem[]): SectionItem[] {
  return items.filter((item) => item.kind === "section");
}

Deno.test("description: found whatever bytes its length has", () => {
  const json = JSON.stringify(ONE_DEVICE);
  for (const low of [0x00, 0x06, 0x0a, 0x20, 0x22, 0x7b, 0x7d, 0xff]) {
    for (const high of [1, 6, 0x7b]) {
      const padded = json.padEnd(high * 256 + low, " ");
      const bytes = oneDevice(padded);
      for (const source of [new BytesSource(bytes), new BytesSource(join(bytes, text("}\0")))]) {
        const [device] = sectionsOf(itemsOf(source));
        assertEquals(device?.boundary, "described", `length ${padded.length}`);
      }
    }
  }
});

Deno.test("description: of more than 10 MiB", () => {
  const fields = Array.from({ length: 4 }, (_, index) => ({
    name: `field ${index} ${"x".repeat(3 << 20)}`,
    type: "uint8",
    size: 1,
  }));
  const json = JSON.stringify({ devices: [{ ...ONE_DEVICE.devices[0], fields }] });
  assert(json.length > 10 << 20);
  const bytes = oneDevice(json);
  using pipe = new PipeSource(new ChunkedInput(bytes, 65_536));
  for (const source of [new BytesSource(bytes), pipe]) {
    assertEquals(sectionsOf(itemsOf(source))[0]!.boundary, "described");
  }
});

Deno.test("description: without one, sections end at their footers, false ones inside of them ignored", () => {
  let compared = 0;
  for (const name of caseNames()) {
    const offset = loadCase(name).streamOffset;
    const items = itemsOf(new BytesSource(loadStream(name)), offset);
    if (!items.some(({ kind }) => kind === "vmdescription")) continue;
    if (!items.some(({ kind }) => kind === "footer")) continue;
    const stripped = withoutDescription(name);
    using pipe = new PipeSource(new ChunkedInput(stripped, 4097));
    for (const source of [new BytesSource(stripped), pipe]) {
      const bare = itemsOf(source, offset);
      const outline = ({ kind, offset, lengthBytes }: StreamItem) =>
        `${kind} ${offset} ${lengthBytes}`;
      const last = items.findIndex(({ kind }) => kind === "vmdescription");
      assertSameLines(bare.map(outline), items.slice(0, last).map(outline), name);
      if (stripped.length > 500_000) break;
    }
    compared += 1;
  }
  assert(compared > 35);
});

Deno.test("description: the false footer of a recorded timer is inside of its section", () => {
  const bytes = withoutDescription("pc-mapped-offset");
  const items = itemsOf(new BytesSource(bytes), loadCase("pc-mapped-offset").streamOffset);
  const timer = sectionsOf(items).find(({ section }) => section.idstr === "timer")!;
  assertEquals([timer.boundary, timer.section.id], ["footer", 0]);
  const payload = bytes.subarray(timer.payloadOffset, timer.payloadEnd);
  const hex = Array.from(payload, (byte) => byte.toString(16).padStart(2, "0")).join("");
  assertStringIncludes(hex, "7e0000000000");
});

Deno.test("description: taken from another image of the same machine", () => {
  const own = itemsOf(new BytesSource(loadStream("pc-stopped")))
    .find((item) => item.kind === "vmdescription")!;
  assert(own.kind === "vmdescription");
  const vmdescription = parseVmdescription(own.text, 0);
  const state = readState(new BytesSource(loadStream("pc-no-vmdesc")), { vmdescription });
  assertEquals([state.descriptionOrigin, state.guessed.length], ["given", 0]);
  const parsed = JSON.parse(compatState(state)) as Record<string, Record<string, unknown>>;
  const cpu = Object.entries(parsed).find(([key]) => key.startsWith("cpu ("))![1];
  const truth = loadTruth("pc-no-vmdesc").registers!;
  const names = ["EAX", "ECX", "EDX", "EBX", "ESP", "EBP", "ESI", "EDI"];
  const expected = names.map((name) => new RegExp(`${name}=([0-9a-f]{8})`).exec(truth)![1]!);
  const registers = (cpu["env.regs"] as string[]).slice(0, 8).map((value) => value.slice(-8));
  assertEquals(registers, expected);
  assertEquals((cpu["env.eip"] as string).slice(-8), /EIP=([0-9a-f]{8})/.exec(truth)![1]);
  assert(new Set(expected).size > 2, "the registers say nothing");
});

Deno.test("description: one that does not fit is an error with the device's path, or only a note", () => {
  const wrong = {
    devices: [{
      ...ONE_DEVICE.devices[0]!,
      fields: [{
        name: "outer",
        type: "struct",
        size: 4,
        struct: { vmsd_name: "in", version: 1, fields: [{ name: "y", type: "uint8", size: 3 }] },
      }],
    }],
  };
  const { error } = readItems(new BytesSource(oneDevice(JSON.stringify(wrong))));
  assertEquals(error?.code, "device-mismatch");
  assertEquals(error?.path, ['section 9 "dev"', "outer"]);
  const bare = oneDevice("").subarray(0, -5);
  const vmdescription = parseVmdescription(text(JSON.stringify(wrong)), 0);
  const state = readState(new BytesSource(bare), { vmdescription });
  assertEquals(state.guessed.length, 1);
  assertEquals(state.guessed[0]!.problem?.code, "device-mismatch");
  assertEquals(state.guessed[0]!.bytes, Uint8Array.of(1, 2, 3, 4));
});

Deno.test("description: names of up to 255 bytes, also of several bytes a character", () => {
  for (const name of ["n".repeat(128), "n".repeat(255), "ü".repeat(127), "€".repeat(85)]) {
    const payload = join(
      Uint8Array.of(7, 5, text(name).length),
      text(name),
      Uint8Array.of(0, 0, 0, 2, 8),
    );
    const bytes = new StreamBuilder().ram(name).section("full", 9, name, payload).eof().description(
      {
        devices: [{
          name,
          instance_id: 0,
          vmsd_name: name,
          version: 1,
          fields: [{ name, type: "uint8", size: 1 }],
          subsections: [{
            vmsd_name: name,
            version: 2,
            fields: [{ name: "y", type: "uint8", size: 1 }],
          }],
        }],
      },
    ).bytes();
    const [ram, device] = sectionsOf(itemsOf(new BytesSource(bytes)));
    assert(ram?.payload?.kind === "ram");
    assertEquals(ram.payload.summary.blocks?.[0]?.name, name);
    assertEquals(device?.device?.state.subsections[0]?.vmsdName, name);
  }
});

Deno.test("description: heads of descriptions without number cost no work without bound", () => {
  // Each claims more than a megabyte, and what follows it looks like text at first.
  const head = join(Uint8Array.of(0, 6, 0, 0x10, 0x20, 0x20), text(`{${" ".repeat(60)}`));
  const heads = new Uint8Array(head.length * 60_000);
  for (let at = 0; at < heads.length; at += head.length) heads.set(head, at);
  const bytes = new StreamBuilder().section("full", 9, "dev", join(text(" ".repeat(64)), heads))
    .eof()
    .bytes();
  const source = new CountingSource(bytes);
  assertEquals(sectionsOf(itemsOf(source))[0]!.boundary, "footer");
  assert(source.bytesRead < 40 * bytes.length + (8 << 20), `${source.bytesRead} bytes read`);
});
