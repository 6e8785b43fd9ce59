/** A real QEMU loads images that nobody saved: put together from a machine's name, memory and devices. */

import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { buildImage, type DevicePlan } from "../../analyze/image/build.ts";
import type { BlockPiece } from "../../analyze/image/built_memory.ts";
import type { GuestImage } from "../../analyze/image/image.ts";
import { loadImage } from "../../analyze/image/load_image.ts";
import { imageOf } from "../../analyze/image/read_image.ts";
import { saveImage, type SaveOptions } from "../../analyze/image/save.ts";
import { FileSource } from "../../container/file.ts";
import { openInput } from "../../container/open.ts";
import { StreamReader } from "../../format/stream.ts";
import { vmstateValue } from "../../format/vmstate_value.ts";
import type { Qemu } from "../../testdata/qemu.ts";
import { sectionsOf } from "./checks.ts";
import {
  captured,
  checkLoaded,
  type CountingGuest,
  GUESTS,
  type Incoming,
  load,
  MAPPED_MULTIFD,
  PC,
} from "./convert_scenes.ts";
import { interopTest, withFolder } from "./qemu.ts";
import { save, startQemu } from "./scene.ts";

/** A way to write an image, and to load what was written. */
interface Form {
  readonly name: string;
  readonly options: SaveOptions;
  readonly incoming: (path: string) => Incoming;
}

const FORMS: readonly Form[] = [
  { name: "stream", options: { to: "stream" }, incoming: (path) => ({ uri: `file:${path}` }) },
  {
    name: "deltas",
    options: { to: "stream", xbzrle: true },
    incoming: (path) => ({ uri: `file:${path}` }),
  },
  {
    name: "mapped-ram",
    options: { to: "mapped-ram" },
    incoming: (path) => ({ uri: `file:${path}`, capabilities: ["mapped-ram"] }),
  },
  {
    name: "mapped-ram, read by two threads",
    options: { to: "mapped-ram" },
    incoming: (path) => ({ uri: `file:${path}`, ...MAPPED_MULTIFD }),
  },
  {
    name: "capture",
    options: { to: "capture", multifd: { channels: 2, compression: "zstd" } },
    incoming: (path) => captured(path, "zstd"),
  },
];

const NEEDS = { capabilities: ["mapped-ram", "multifd"] };

const MEMORY = "-machine none -m 1M";

/** Saves an image in a form and loads it; the caller ends the QEMU. */
async function loadImageIn(
  folder: string,
  image: GuestImage,
  { name, options, incoming }: Form,
  args = MEMORY,
): Promise<Qemu> {
  const path = `${folder}/${name.replaceAll(/\W+/g, "-")}`;
  assert(await saveImage(image, path, { ...options, force: true, sync: false }) > 0);
  return await load(folder, { args }, incoming(path));
}

/** Memory as the monitor writes it to a file. */
async function physicalMemory(vm: Qemu, folder: string, sizeBytes: number): Promise<Uint8Array> {
  const filename = `${folder}/memory`;
  await vm.qmp("pmemsave", { val: 0, size: sizeBytes, filename });
  return await Deno.readFile(filename);
}

async function assertMemory(vm: Qemu, folder: string, expected: Uint8Array): Promise<void> {
  const actual = await physicalMemory(vm, folder, expected.length);
  const at = actual.findIndex((byte, index) => byte !== expected[index]);
  assertEquals([actual.length, at], [expected.length, -1], "length, first difference");
}

interopTest("built: an image of the machine none", NEEDS, async () => {
  await withFolder(async (folder) => {
    for (const footers of [true, false]) {
      const image = buildImage({ machine: "none", footers });
      const args = "-machine none" + (footers ? "" : " -global migration.send-section-footer=off");
      await using vm = await loadImageIn(folder, image, FORMS[0]!, args);
      assertEquals(await vm.ramBlocks(), []);
    }
  });
});

const PAGE = 4096;
const PAGES = 256;
/** Pages in which one piece begins and ends. */
const SLOT_PAGES = 10;
const SLOTS = Math.floor(PAGES / SLOT_PAGES);
/** A few bytes, one byte everywhere, or noise; anything but whole pages. */
const content: fc.Arbitrary<Uint8Array> = fc.oneof(
  fc.uint8Array({ minLength: 1, maxLength: 40 }),
  fc.tuple(fc.nat(255), fc.integer({ min: 1, max: 5 * PAGE })).map(([fill, lengthBytes]) =>
    new Uint8Array(lengthBytes).fill(fill)
  ),
  fc.tuple(fc.nat(), fc.integer({ min: 1, max: 9 * PAGE })).map(([seed, lengthBytes]) => {
    let state = seed | 1;
    return Uint8Array.from({ length: lengthBytes }, () => {
      state = (Math.imul(state, 1103515245) + 12345) >>> 0;
      return state >>> 24;
    });
  }),
);

/** Pieces that don't overlap: each has a slot of its own, and begins anywhere in its first page. */
const pieces: fc.Arbitrary<BlockPiece[]> = fc.uniqueArray(
  fc.record({ slot: fc.nat(SLOTS - 1), inside: fc.nat(PAGE - 1), bytes: content }),
  { selector: ({ slot }) => slot, minLength: 1, maxLength: SLOTS, size: "max" },
).map((all) =>
  all.map(({ slot, inside, bytes }) => ({ address: slot * SLOT_PAGES * PAGE + inside, bytes }))
);

function flat(parts: readonly BlockPiece[]): Uint8Array {
  const memory = new Uint8Array(PAGES * PAGE);
  for (const part of parts) if ("bytes" in part) memory.set(part.bytes, part.address);
  return memory;
}

/** Ways in which QEMU saves a memory. */
const SAVED_AS: readonly (readonly string[])[] = [[], ["mapped-ram"]];

interopTest(
  "built: any memory, in each form, and again out of what QEMU saves of it",
  NEEDS,
  async () => {
    await withFolder(async (folder) => {
      await fc.assert(
        fc.asyncProperty(pieces, fc.constantFrom(...SAVED_AS), async (parts, capabilities) => {
          const expected = flat(parts);
          const blocks = [{ name: "ram", sizeBytes: expected.length, content: parts }];
          const image = buildImage({ machine: "none", blocks });
          const saved = `${folder}/saved`;
          for (const form of FORMS) {
            await using vm = await loadImageIn(folder, image, form);
            await assertMemory(vm, folder, expected);
            if (form === FORMS[0]) await vm.migrate(`file:${saved}`, { capabilities });
          }
          using input = await openInput(saved);
          using loaded = loadImage(input);
          for (const form of FORMS) {
            await using vm = await loadImageIn(folder, imageOf(loaded), form);
            await assertMemory(vm, folder, expected);
          }
          await Deno.remove(saved);
        }),
        { numRuns: 4, endOnFailure: true },
      );
    });
  },
);

/** What a saved guest consists of, taken apart: nothing of the stream's bytes is left but those that no description explains. */
async function planOf(folder: string, guest: CountingGuest) {
  const { path, truth } = await save(folder, guest);
  const file = Deno.openSync(path);
  using source = new FileSource(file, file.statSync().size);
  const items = [...new StreamReader(source).items()];
  const configuration = items.find((item) => item.kind === "configuration")?.configuration;
  assert(configuration !== undefined);
  const devices = sectionsOf(items).filter(({ section }) => section.idstr !== "ram");
  const sections = devices.map(({ section: { idstr, instanceId }, device }): DevicePlan => {
    assert(device !== undefined, `${idstr} is described`);
    const { description, state, bytes } = device;
    const values = vmstateValue(state, bytes);
    return { idstr, instanceId, description: description.state, values };
  });
  const blocks = truth.blocks.map(({ name, usedLengthBytes, bytes }) => ({
    name,
    sizeBytes: usedLengthBytes,
    content: bytes ?? new Uint8Array(0),
  }));
  await Deno.remove(path);
  const announced = configuration.subsections.find((each) => "targetPageBits" in each);
  const pageBits = announced === undefined ? {} : { targetPageBits: announced.targetPageBits };
  return { plan: { machine: configuration.machine, ...pageBits, blocks, sections }, truth };
}

for (const [machine, { guest, obstacle }] of Object.entries(GUESTS)) {
  const title = `built: ${machine} from its memory and the values of its devices`;
  interopTest(title, { ...NEEDS, obstacle }, async (t) => {
    await withFolder(async (folder) => {
      const { plan, truth } = await planOf(folder, guest);
      const image = buildImage(plan);
      for (const { name, options, incoming } of FORMS) {
        await t.step(name, async () => {
          const path = `${folder}/${name.replaceAll(/\W+/g, "-")}`;
          await saveImage(image, path, { ...options, sync: false });
          await checkLoaded(folder, guest, truth, incoming(path));
        });
      }
    });
  });
}

interopTest(
  "built: memory of a pc whose devices stay as they are at the start",
  NEEDS,
  async () => {
    await withFolder(async (folder) => {
      const { plan: { machine, blocks } } = await planOf(folder, PC);
      const noise = crypto.getRandomValues(new Uint8Array(3 * PAGE + 7));
      const own = blocks.map((block) =>
        block.name === "pc.ram" ? { ...block, content: [{ address: 0x7c00, bytes: noise }] } : block
      );
      const form = FORMS[2]!;
      const path = `${folder}/built`;
      await saveImage(buildImage({ machine, blocks: own }), path, form.options);
      await using vm = await load(folder, PC, form.incoming(path));
      const expected = new Uint8Array(0x20000);
      expected.set(noise, 0x7c00);
      await assertMemory(vm, folder, expected);
      await using fresh = await startQemu(folder, PC);
      const registers = "info registers -a";
      assertEquals(await vm.hmp(registers), await fresh.hmp(registers));
    });
  },
);
