/**
 * Mapped-ram files as they are written: where everything stands, that zero pages are holes, and that QEMU writes the same.
 */
import { assert, assertEquals } from "@std/assert";
import { buildImage } from "../analyze/image/build.ts";
import { saveImage } from "../analyze/image/save.ts";
import { countBitmapBits } from "../format/mapped_ram.ts";
import type { RamBlock } from "../format/ram.ts";
import { BytesSource } from "../format/source.ts";
import { StreamReader } from "../format/stream.ts";
import { assertEqual, assertSameMemory, convert, putCase, viewedMemory } from "./converting.ts";
import { withFolder } from "./process.ts";
import { made } from "./recoding.ts";
import { caseNames, loadCase, loadStream } from "./testdata.ts";

/** What a mapped-ram file says of its blocks. */
function mappedBlocks(bytes: Uint8Array): { block: RamBlock; bitmap: Uint8Array | undefined }[] {
  const bitmaps = new Map<RamBlock, Uint8Array>();
  const blocks: RamBlock[] = [];
  const reader = new StreamReader(new BytesSource(bytes), {
    visitor: {
      blockList: (list) => blocks.push(...list),
      bitmap: (block, bitmap) => bitmaps.set(block, bitmap),
    },
  });
  for (const _ of reader.items());
  return blocks.map((block) => ({ block, bitmap: bitmaps.get(block) }));
}

/** Cases with mapped-ram of a guest that stood still, whose stream is all of the file. */
const STOPPED = caseNames(({ capabilities, guest, streamOffset, parameters }) =>
  capabilities.includes("mapped-ram") && guest !== "live" && streamOffset === 0 &&
  parameters["zero-page-detection"] !== "none"
);

Deno.test("mapped-ram: a file that QEMU wrote of a stopped guest is written the same", async () => {
  assert(STOPPED.length >= 4, STOPPED.join());
  for (const name of STOPPED) {
    await withFolder(async (folder) => {
      const { path } = await putCase(folder, name);
      await convert(path, `${folder}/out`, { to: "mapped-ram" });
      assertEqual(await Deno.readFile(`${folder}/out`), loadStream(name), name);
    });
  }
});

Deno.test("mapped-ram: without QEMU's zero pages, rounds and offset the rest is the same", async () => {
  for (const name of ["pc-mapped-zero-none", "pc-mapped-live", "pc-mapped-offset"]) {
    await withFolder(async (folder) => {
      const { path, offset } = await putCase(folder, name);
      await convert(path, `${folder}/out`, { to: "mapped-ram", offset });
      const made = mappedBlocks(await Deno.readFile(`${folder}/out`));
      const original = loadStream(name);
      const theirs: RamBlock[] = [];
      const visitor = { blockList: (list: readonly RamBlock[]) => theirs.push(...list) };
      for (const _ of new StreamReader(new BytesSource(original), { offset, visitor }).items());
      const places = made.map(({ block }) => [block.name, block.mapped?.pagesOffset]);
      // The first whole MiB of the file is behind the head, with or without what stands before the stream.
      assertEquals(places, theirs.map((block) => [block.name, block.mapped?.pagesOffset]), name);
      const expected = await viewedMemory({ path, offset });
      for (const { block, bitmap } of made) {
        const memory = expected.get(block.name)!;
        let normal = 0;
        for (let at = 0; at < memory.length; at += 4096) {
          if (memory.subarray(at, at + 4096).some((byte) => byte !== 0)) normal += 1;
        }
        assertEquals(countBitmapBits(bitmap!, memory.length / 4096), normal, block.name);
      }
    });
  }
});

Deno.test("mapped-ram: pages begin at whole MiB, bitmaps behind their entries", async () => {
  for (const name of ["avr-uno", "s390x", "aarch64-virt", "ppc64-pseries", "pc-stopped"]) {
    await withFolder(async (folder) => {
      const { path } = await putCase(folder, name);
      await convert(path, `${folder}/out`, { to: "mapped-ram" });
      const bytes = await Deno.readFile(`${folder}/out`);
      const blocks = mappedBlocks(bytes);
      const { pageSizeBytes } = loadCase(name).truth;
      let end = 0;
      for (const { block } of blocks) {
        const { mapped, entryOffset, entryBytes, usedLengthBytes } = block;
        assert(entryOffset >= end);
        if (end > 0) assertEquals(entryOffset, end, `${name}: ${block.name}`);
        assertEquals(mapped!.bitmapOffset, entryOffset + entryBytes);
        assertEquals(mapped!.pagesOffset % 0x100000, 0);
        if (pageSizeBytes !== undefined) assertEquals(mapped!.pageBytes, pageSizeBytes, name);
        end = mapped!.pagesOffset + usedLengthBytes;
      }
      assert(end > 0);
    });
  }
});

/** Whether something of a file is on the disk between two offsets, by what the file system says of holes. */
function storedBytes(path: string): number {
  const { blocks } = Deno.statSync(path);
  return (blocks ?? 0) * 512;
}

Deno.test("mapped-ram: zero pages are holes, and ZERO records in a stream", async () => {
  await withFolder(async (folder) => {
    // All pages were sent whole, zeros among them.
    const { path } = await putCase(folder, "pc-zero-none");
    await convert(path, `${folder}/mapped`, { to: "mapped-ram" });
    const { size } = Deno.statSync(`${folder}/mapped`);
    const stored = storedBytes(`${folder}/mapped`);
    if (stored > 0) assert(stored < size / 4, `${stored} of ${size} bytes`);
    await convert(path, `${folder}/stream`, {});
    assert(Deno.statSync(`${folder}/stream`).size < Deno.statSync(path).size / 4);
    const label = "zero pages";
    const made = { path: `${folder}/stream`, offset: 0 };
    assertSameMemory(await viewedMemory(made), await viewedMemory({ path, offset: 0 }), label);
  });
});

/** A stream of two rounds: pages become zero, and a zero page gets content. */
function twoRounds(): Uint8Array {
  const block = { name: "m", usedLengthBytes: 4 * 4096 };
  const page = new Uint8Array(4096).fill(9);
  return made((writer) => {
    writer.header();
    writer.configuration({ machine: "test", subsections: [] });
    writer.ram("start", 1, (ram) => {
      ram.blockList([block]);
      ram.eos();
    });
    writer.ram("part", 1, (ram) => {
      for (const at of [0, 4096, 8192]) ram.page("m", at, page);
      ram.zero("m", 12288, 1, 4096);
      ram.eos();
    });
    writer.ram("end", 1, (ram) => {
      ram.zero("m", 0, 2, 4096);
      ram.page("m", 8192, new Uint8Array(4096));
      ram.page("m", 12288, page);
      ram.eos();
    });
    writer.eof();
    writer.vmdescription(new TextEncoder().encode('{"page_size": 4096, "devices": []}'));
  });
}

Deno.test("mapped-ram: what counts is how a page was in the end", async () => {
  await withFolder(async (folder) => {
    const [path, out] = [`${folder}/in`, `${folder}/out`];
    await Deno.writeFile(path, twoRounds());
    await convert(path, out, { to: "mapped-ram" });
    const bitmap = mappedBlocks(await Deno.readFile(out))[0]!.bitmap!;
    // The third page came as a page of zeros: its bit may stay, as it does without QEMU's search for zero pages.
    assertEquals([...bitmap], [0b1100, 0, 0, 0, 0, 0, 0, 0]);
    const memory = await viewedMemory({ path: out, offset: 0 });
    assertEqual(memory.get("m")!, new Uint8Array(4 * 4096).fill(9, 3 * 4096), "m");
  });
});

Deno.test("mapped-ram: with x-ignore-shared only blocks that are elsewhere have no place", async () => {
  await withFolder(async (folder) => {
    const image = buildImage({
      machine: "pc-i440fx-11.0",
      capabilities: ["x-ignore-shared"],
      blocks: [
        { name: "shared", sizeBytes: 16 * 4096, guestAddress: 0x100000 },
        { name: "zeros", sizeBytes: 4 * 4096, guestAddress: 0, content: [] },
        { name: "some", sizeBytes: 4096, guestAddress: 0x8000, content: Uint8Array.of(1) },
      ],
    });
    await saveImage(image, `${folder}/stream`, { to: "stream", sync: false });
    await saveImage(image, `${folder}/mapped`, { to: "mapped-ram", sync: false });
    const mapped = await Deno.readFile(`${folder}/mapped`);
    const places = mappedBlocks(mapped).map(({ block: { name, mapped, guestAddress } }) => [
      name,
      guestAddress,
      mapped!.bitmapOffset > 0,
      mapped!.pagesOffset,
    ]);
    assertEquals(places, [
      ["shared", 0x100000, false, 0],
      ["zeros", 0, true, 0x100000],
      ["some", 0x8000, true, 0x200000],
    ]);
    const stream = await Deno.readFile(`${folder}/stream`);
    for (const from of ["stream", "mapped"]) {
      await convert(`${folder}/${from}`, `${folder}/${from}-mapped`, { to: "mapped-ram" });
      assertEqual(await Deno.readFile(`${folder}/${from}-mapped`), mapped, `mapped of ${from}`);
      await convert(`${folder}/${from}`, `${folder}/${from}-stream`, {});
      assertEqual(await Deno.readFile(`${folder}/${from}-stream`), stream, `stream of ${from}`);
    }
  });
});
