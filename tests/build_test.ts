/**
 * Images built from nothing: what goes in comes out, in every form, and what no stream can hold is refused before a byte is written.
 */
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import fc from "fast-check";
import { buildImage, type ImagePlan } from "../analyze/image/build.ts";
import type { BlockPiece, BlockPlan } from "../analyze/image/built_memory.ts";
import { imageBytes, saveImage, type SaveOptions } from "../analyze/image/save.ts";
import { openSource } from "../container/open.ts";
import { FormatError } from "../format/error.ts";
import type { StreamItem } from "../format/items.ts";
import type { VmsdDescription } from "../format/vmdescription.ts";
import { vmstateValue } from "../format/vmstate_value.ts";
import { assertEqual, assertSameMemory, itemsOf, viewedMemory } from "./converting.ts";
import { HANG_MS } from "./patience.ts";
import { withFolder } from "./process.ts";
import { loadStream } from "./testdata.ts";
import { structure } from "./vmstates.ts";

const MACHINE = "pc-i440fx-10.0";

/** A memory: block by block what it is built from, and what it has to be. */
interface Made {
  readonly plans: readonly BlockPlan[];
  readonly expected: ReadonlyMap<string, Uint8Array>;
}

/** Pieces in any order, with any alignment, some of them zeros, that don't overlap. */
function pieces(sizeBytes: number): fc.Arbitrary<{ pieces: BlockPiece[]; expected: Uint8Array }> {
  const cuts = fc.uniqueArray(fc.integer({ min: 0, max: sizeBytes }), { maxLength: 12 });
  const kinds = fc.infiniteStream(fc.tuple(fc.nat(255), fc.boolean(), fc.boolean()));
  return fc.tuple(cuts, kinds, fc.boolean()).map(([cuts, kinds, reversed]) => {
    const expected = new Uint8Array(sizeBytes);
    const made: BlockPiece[] = [];
    const places = cuts.toSorted((a, b) => a - b);
    for (const [index, address] of places.entries()) {
      const end = places[index + 1];
      const [fill, isThere, isRead] = kinds.next().value!;
      if (end === undefined || !isThere) continue;
      expected.fill(fill, address, end);
      const lengthBytes = end - address;
      if (!isRead) made.push({ address, bytes: new Uint8Array(lengthBytes).fill(fill) });
      else made.push({ address, lengthBytes, read: (_at, into) => into.fill(fill) });
    }
    return { pieces: reversed ? made.reverse() : made, expected };
  });
}

function memory(pageBytes: number): fc.Arbitrary<Made> {
  const block = fc.integer({ min: 1, max: 20 }).chain((pages) => pieces(pages * pageBytes));
  return fc.array(block, { minLength: 1, maxLength: 4 }).map((blocks) => {
    const names = blocks.map((_, index) => `block ${index}`);
    return {
      plans: blocks.map(({ pieces: content, expected }, index) => ({
        name: names[index]!,
        sizeBytes: expected.length,
        content,
      })),
      expected: new Map(blocks.map(({ expected }, index) => [names[index]!, expected])),
    };
  });
}

const FORMS: readonly SaveOptions[] = [
  { to: "stream" },
  { to: "stream", xbzrle: true },
  { to: "mapped-ram" },
  { to: "capture", multifd: { channels: 2, compression: "none" } },
  { to: "capture", multifd: { channels: 1, compression: "zstd" } },
];

Deno.test("build: random memories are the same in every form", async () => {
  const sizes = fc.constantFrom(256, 1024, 4096, 65536);
  await fc.assert(
    fc.asyncProperty(sizes.chain((bytes) => fc.tuple(fc.constant(bytes), memory(bytes))), (
      [pageBytes, { plans, expected }],
    ) =>
      withFolder(async (folder) => {
        // Where the page size varies, it is announced; elsewhere the description tells it.
        const size = pageBytes < 1024 ? { pageBytes } : { targetPageBits: Math.log2(pageBytes) };
        const image = buildImage({ machine: MACHINE, ...size, blocks: plans });
        for (const [index, options] of FORMS.entries()) {
          if (options.to === "capture" && pageBytes < 1024) continue;
          const path = `${folder}/${index}`;
          const bytes = await saveImage(image, path, { ...options, sync: false });
          if (options.to !== "capture") assertEquals(Deno.statSync(path).size, bytes);
          const label = JSON.stringify(options);
          assertSameMemory(await viewedMemory({ path, offset: 0 }), expected, label);
        }
      })),
    { numRuns: 25 },
  );
});

/** The devices of a stream by their names. */
function valuesOf(items: readonly StreamItem[]) {
  return new Map(items.flatMap((item) =>
    item.kind === "section" && item.device !== undefined
      ? [[
        `${item.section.idstr}/${item.section.instanceId}`,
        vmstateValue(item.device.state, item.device.bytes),
      ]]
      : []
  ));
}

Deno.test("build: random devices and values come back", () => {
  fc.assert(
    fc.property(fc.array(structure(2), { maxLength: 4 }), fc.boolean(), (devices, footers) => {
      const sections = devices.map(({ vmsd: description, value: values }, index) => ({
        idstr: `device ${index % 2}`,
        instanceId: index >> 1,
        description,
        values,
      }));
      const bytes = imageBytes(buildImage({ machine: MACHINE, sections, footers }));
      const items = itemsOf(bytes);
      assertEquals(
        valuesOf(items),
        new Map(
          sections.map(({ idstr, instanceId, values }) => [`${idstr}/${instanceId}`, values]),
        ),
      );
      assertEquals(items.some(({ kind }) => kind === "footer"), footers);
    }),
    { numRuns: 200 },
  );
});

/** A block of four pages with this content, in a machine with this plan. */
function plan(block: Partial<BlockPlan>, rest: ImagePlan = {}): ImagePlan {
  return { machine: MACHINE, blocks: [{ name: "m", sizeBytes: 4 * 4096, ...block }], ...rest };
}

const NO_READ = { read: () => {} };
const counter = (type: string, sizeBytes: number): VmsdDescription => ({
  vmsdName: "counter",
  version: 1,
  fields: [{ name: "counter", type, sizeBytes, inline: [] }],
  subsections: [],
});
const device = (values: Record<string, number | bigint | string>, type = "uint32") => ({
  machine: MACHINE,
  sections: [{ idstr: "counter", description: counter(type, 4), values }],
});

const REFUSED: Readonly<Record<string, ImagePlan>> = {
  "a size of no whole pages": plan({ sizeBytes: 4097 }),
  "a size of nothing": plan({ sizeBytes: 0 }),
  "a size below nothing": plan({ sizeBytes: -4096 }),
  "a size that no number is": plan({ sizeBytes: NaN }),
  "a size beyond 2^53": plan({ sizeBytes: 2 ** 60 }),
  "an empty name": plan({ name: "" }),
  "a long name": plan({ name: "ü".repeat(128) }),
  "two blocks of one name": {
    blocks: [{ name: "m", sizeBytes: 4096 }, { name: "m", sizeBytes: 4096 }],
  },
  "a page size that no page has": plan({}, { pageBytes: 3000 }),
  "more content than the block": plan({ content: new Uint8Array(4 * 4096 + 1) }),
  "a piece before the block": plan({ content: [{ address: -1, bytes: Uint8Array.of(1) }] }),
  "a piece that leaves the block": plan({
    content: [{ address: 4 * 4096 - 1, bytes: Uint8Array.of(1, 2) }],
  }),
  "a piece at half a byte": plan({ content: [{ address: 0.5, bytes: Uint8Array.of(1) }] }),
  "a piece of half a byte": plan({ content: [{ address: 0, lengthBytes: 0.5, ...NO_READ }] }),
  "a piece of no length": plan({ content: [{ address: 0, lengthBytes: NaN, ...NO_READ }] }),
  "a piece of a length below nothing": plan({
    content: [{ address: 5, lengthBytes: -3, ...NO_READ }],
  }),
  "pieces that overlap": plan({
    content: [{ address: 10, bytes: new Uint8Array(5) }, { address: 0, bytes: new Uint8Array(11) }],
  }),
  "an address below nothing": plan({ guestAddress: -1 }, { capabilities: ["x-ignore-shared"] }),
  "a device without a name": { sections: [{ idstr: "", bytes: new Uint8Array(1) }] },
  "a device with a long name": { sections: [{ idstr: "x".repeat(256), bytes: new Uint8Array(1) }] },
  "two devices of one name": {
    sections: [{ idstr: "a", bytes: new Uint8Array(1) }, { idstr: "a", bytes: new Uint8Array(2) }],
  },
  "a section that is the RAM's": { sections: [{ idstr: "ram", bytes: new Uint8Array(1) }] },
  "an instance below nothing": {
    sections: [{ idstr: "a", instanceId: -1, bytes: new Uint8Array(1) }],
  },
  "a value that is too large": device({ counter: 2 ** 32 }),
  "a value of another type": device({ counter: "many" }),
  "a value below nothing": device({ counter: -1 }),
  "a value for no field": device({ count: 1 }),
  "a long machine type": { machine: "m".repeat(1025) },
  "a machine type without a name": { machine: "" },
  "page bits that no target has": { machine: MACHINE, targetPageBits: 8 },
  "page bits of another page size": { machine: MACHINE, targetPageBits: 12, pageBytes: 1024 },
  "a UUID that is too short": { machine: MACHINE, uuid: new Uint8Array(15) },
  "a UUID without a configuration": { uuid: new Uint8Array(16) },
  "capabilities without a configuration": { capabilities: ["x-ignore-shared"] },
  "page bits without a configuration": { targetPageBits: 12 },
  "a guest's address that nothing announces": plan({ guestAddress: 0 }),
  "no guest's address where it is announced": plan({}, { capabilities: ["x-ignore-shared"] }),
};

for (const [what, refused] of Object.entries(REFUSED)) {
  Deno.test(`build: ${what} is refused`, () => {
    assertThrows(() => buildImage(refused), FormatError);
  });
}

Deno.test("build: the stream in memory is the one in a file", async () => {
  await withFolder(async (folder) => {
    const bytes = Uint8Array.from({ length: 3 * 4096 }, (_, index) => index % 251);
    const content = [{ address: 2 * 4096 + 7, bytes }];
    const image = buildImage(plan({ sizeBytes: 2 ** 22, content }, {
      uuid: new Uint8Array(16).fill(5),
      sections: [{ idstr: "raw", instanceId: 3, versionId: 9, bytes: Uint8Array.of(1, 2, 3) }],
    }));
    const length = await saveImage(image, `${folder}/out`, { to: "stream", sync: false });
    const written = await Deno.readFile(`${folder}/out`);
    assertEquals(written.length, length);
    assertEqual(imageBytes(image), written, "in memory");
    const section = itemsOf(written).find((item) =>
      item.kind === "section" && item.section.idstr === "raw"
    );
    assert(section?.kind === "section");
    assertEquals([section.section.instanceId, section.section.versionId], [3, 9]);
    // It is described as a buffer, so its end is known.
    assertEquals([section.boundary, section.device?.bytes], ["described", Uint8Array.of(1, 2, 3)]);
  });
});

Deno.test("build: a block's content comes from a file, and is asked for when it is written", async () => {
  await withFolder(async (folder) => {
    const bytes = loadStream("pc-stopped").subarray(0, 5 * 4096 + 100);
    await Deno.writeFile(`${folder}/content`, bytes);
    using content = openSource(`${folder}/content`);
    const image = buildImage(plan({ sizeBytes: 8 * 4096, content }));
    await saveImage(image, `${folder}/out`, { to: "mapped-ram", sync: false });
    const memory = await viewedMemory({ path: `${folder}/out`, offset: 0 });
    const expected = new Uint8Array(8 * 4096);
    expected.set(bytes);
    assertEqual(memory.get("m")!, expected, "m");
  });
});

Deno.test("build: what a form can't hold is refused before a byte is written", async () => {
  await withFolder(async (folder) => {
    const image = buildImage({ blocks: [{ name: "m", sizeBytes: 4096 }] });
    const mapped = () => saveImage(image, `${folder}/out`, { to: "mapped-ram" });
    await assertRejects(mapped, FormatError, "no configuration");
    const small = buildImage({ pageBytes: 256, blocks: [{ name: "m", sizeBytes: 256 }] });
    const multifd = { channels: 1, compression: "none" } as const;
    const capture = () => saveImage(small, `${folder}/out`, { to: "capture", multifd });
    await assertRejects(capture, Error, "256 bytes");
    assertEquals(Deno.readDirSync(folder).toArray(), []);
  });
});

Deno.test("build: 64 GiB that are nearly empty are a small file, made at once", async () => {
  await withFolder(async (folder) => {
    const sizeBytes = 64 * 2 ** 30;
    const content = [{ address: 2 ** 35 + 5, bytes: Uint8Array.of(1, 2, 3) }];
    const started = performance.now();
    const image = buildImage(plan({ sizeBytes, content }));
    await saveImage(image, `${folder}/out`, { to: "mapped-ram", sync: false });
    assert(performance.now() - started < HANG_MS);
    const { size, blocks } = Deno.statSync(`${folder}/out`);
    assert(size > sizeBytes);
    assert(blocks === null || blocks * 512 < 2 ** 24, `${blocks} blocks of 512 bytes`);
  });
});

Deno.test("build: SWITCHOVER_START stands where the machine type's release has it", () => {
  const commands = (plan: ImagePlan) =>
    itemsOf(imageBytes(buildImage(plan))).flatMap((item) =>
      item.kind === "command" ? [item.command.name] : []
    );
  assertEquals(commands({ machine: "pc-q35-10.0" }), ["SWITCHOVER_START"]);
  assertEquals(commands({ machine: "pc-q35-9.2" }), []);
  assertEquals(commands({ machine: "pc-q35-9.2", switchover: true }), ["SWITCHOVER_START"]);
  assertEquals(commands({ machine: "pc-q35-10.0", switchover: false }), []);
});
