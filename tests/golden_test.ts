/**
 * Our output is, byte for byte, what QEMU's own script prints for the recorded streams; and for all of them, also those that the
 * script fails at, blocks, pages and memory are what the process that wrote the stream said.
 */
import { assert, assertEquals } from "@std/assert";
import { createHash } from "node:crypto";
import { zstdDecompressSync } from "node:zlib";
import { compatDescription, compatState } from "../analyze/compat/compat.ts";
import { compatMemory } from "../analyze/compat/memory.ts";
import { GuestMemory } from "../analyze/memory/guest_memory.ts";
import { OrderedGuestMemory } from "../analyze/memory/ordered_memory.ts";
import { PAGE_KIND } from "../analyze/memory/page_table.ts";
import { RamExtractor } from "../analyze/memory/ram_extractor.ts";
import { readState } from "../analyze/state.ts";
import { inflate } from "../container/inflate.ts";
import { OutputFolder, safeRelativePath } from "../container/output_folder.ts";
import type { RamBlock } from "../format/ram.ts";
import { BytesSource } from "../format/source.ts";
import type { GoldenManifest } from "../testdata/golden_manifest.ts";
import { readItems } from "./reading.ts";
import { caseNames, loadCase, loadStream, loadTruth, testdataPath } from "./testdata.ts";

const manifest: GoldenManifest = JSON.parse(
  Deno.readTextFileSync(testdataPath("golden/manifest.json")),
);
const root = new URL("../", import.meta.url);

function sha256(data: Uint8Array | string): string {
  return createHash("sha256").update(data).digest("hex");
}

function goldenText(name: string, dump: "state" | "desc"): string {
  const packed = Deno.readFileSync(testdataPath(`golden/${name}.${dump}.json.zst`));
  return new TextDecoder().decode(zstdDecompressSync(packed));
}

/** Where the first difference is, for texts too long to be shown. */
function assertSameText(actual: string, expected: string, label: string): void {
  if (actual === expected) return;
  let at = 0;
  while (actual[at] === expected[at]) at += 1;
  const cut = (text: string) => JSON.stringify(text.slice(Math.max(0, at - 40), at + 60));
  throw new Error(`${label} differs at character ${at}:\n  ${cut(actual)}\n  ${cut(expected)}`);
}

Deno.test("golden: every case was tried, and the script could read most of them", () => {
  assertEquals(manifest.goldens.map(({ name }) => name), caseNames());
  assert(manifest.goldens.filter(({ state }) => state !== undefined).length >= 30);
  assert(manifest.goldens.filter(({ desc }) => desc !== undefined).length >= 40);
});

for (const { name, state, desc, memory } of manifest.goldens) {
  if (state === undefined && desc === undefined) continue;
  Deno.test(`golden: ${name}`, () => {
    const source = new BytesSource(loadStream(name));
    const offset = loadCase(name).streamOffset;
    const read = readState(source, { offset });
    if (state !== undefined) {
      const expected = goldenText(name, "state");
      assertEquals(sha256(expected), state);
      assertSameText(compatState(read), expected, "state");
    }
    if (desc !== undefined) {
      const expected = goldenText(name, "desc");
      assertEquals(sha256(expected), desc);
      assert(read.vmdescription !== undefined);
      assertSameText(compatDescription(read.vmdescription), expected, "description");
    }
    if (memory !== undefined) {
      using guest = new OrderedGuestMemory(source, inflate);
      const again = readState(source, { offset, visitor: guest });
      assertEquals(sha256(compatState(again, compatMemory(guest, again.pageBytes ?? 0))), memory);
    }
  });
}

for (const [name, ...options] of [["pc"], ["none"], ["pc", "-d", "desc"]] as const) {
  Deno.test(`golden: the command prints ${[name, ...options].join(" ")}`, async () => {
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-R", "--no-prompt", "analyze.ts", ...options, `testdata/${name}.mig`],
      cwd: root,
    }).output();
    assertEquals([code, new TextDecoder().decode(stderr)], [0, ""]);
    const dump = options.length > 0 ? "desc" : "state";
    assertSameText(new TextDecoder().decode(stdout), goldenText(name, dump), dump);
  });
}

/** Cases whose main channel carries all pages that differ from zero; the others send some of them elsewhere. */
function carriesAllPages(name: string): boolean {
  const { capabilities } = loadCase(name);
  if (capabilities.includes("mapped-ram")) return true;
  return !capabilities.includes("multifd") && !capabilities.includes("postcopy-preempt");
}

function isAllZero(words: Int32Array): boolean {
  for (let at = 0; at < words.length; at++) if (words[at] !== 0) return false;
  return true;
}

/** The block's memory, read run by run. */
function hashOf(memory: GuestMemory, block: RamBlock, pageBytes: number) {
  const hash = createHash("sha256");
  let zeroPages = 0;
  let end = 0;
  for (const { first, count, kind } of memory.runs(block)) {
    assertEquals(first, end, "runs cover a block without gap");
    end = first + count;
    const bytes = new Uint8Array(count * pageBytes);
    memory.read(block, first * pageBytes, bytes);
    for (let at = 0; at < bytes.length; at += pageBytes) {
      const isZero = isAllZero(new Int32Array(bytes.buffer, at, pageBytes / 4));
      if (kind === PAGE_KIND.ABSENT) assert(isZero, `a page of ${first} was never sent`);
      if (isZero) zeroPages += 1;
    }
    hash.update(bytes);
  }
  assertEquals(end * pageBytes, block.usedLengthBytes);
  return { sha256: hash.digest("hex"), zeroPages };
}

for (const name of caseNames()) {
  Deno.test(`golden: ${name}, the truth about its memory`, async () => {
    const truth = loadTruth(name);
    const source = new BytesSource(loadStream(name));
    const offset = loadCase(name).streamOffset;
    using memory = new GuestMemory(source, inflate);
    const state = readState(source, { offset, visitor: memory });
    const blocks = new Map((state.blocks ?? []).map((block) => [block.name, block]));
    const lengths = (list: readonly { name: string; usedLengthBytes: number }[]) =>
      Object.fromEntries(list.map((block) => [block.name, block.usedLengthBytes]));
    assertEquals(lengths([...blocks.values()]), lengths(truth.ramBlocks));
    if (state.pageBytes !== undefined) assertEquals(state.pageBytes, truth.pageSizeBytes);
    if (!carriesAllPages(name)) return;

    const sent = truth.ramBlocks.filter((block) =>
      block.sha256 !== undefined && block.ignored !== true
    );
    const out = await Deno.makeTempDir();
    try {
      using folder = new OutputFolder(out);
      const memoryOf = (block: RamBlock) => {
        const file = folder.create(block.name);
        file.setSize(block.usedLengthBytes);
        return file;
      };
      readState(source, { offset, visitor: new RamExtractor({ memoryOf }, inflate) });
      folder.commit();
      for (const { name, sha256: expected, zeroPages, usedLengthBytes } of sent) {
        const block = blocks.get(name)!;
        const { pageBytes = 4096 } = state;
        const read = hashOf(memory, block, pageBytes);
        assertEquals(read.sha256, expected, `${name}, read`);
        assertEquals(read.zeroPages, zeroPages, `${name}, zero pages`);
        const path = `${out}/${safeRelativePath(name)}`;
        // A block of which nothing was sent has no file.
        const file = await Deno.readFile(path).catch(() => new Uint8Array(usedLengthBytes));
        assertEquals(sha256(file), expected, `${name}, extracted`);
      }
    } finally {
      await Deno.remove(out, { recursive: true });
    }
  });
}

/** The sections of a case as name, instance and version. */
function fullSections(name: string): string[] {
  const { items, error } = readItems(new BytesSource(loadStream(name)), {
    offset: loadCase(name).streamOffset,
  });
  if (error !== undefined) throw error;
  return items.flatMap((item) =>
    item.kind === "section" && item.type === "full"
      ? [`${item.section.idstr} ${item.section.instanceId} ${item.section.versionId}`]
      : []
  ).sort();
}

Deno.test("golden: sections without a description are those of the same machine with one", () => {
  const pairs = [
    ["pc-no-vmdesc", "pc-stopped"],
    ["pc-postcopy", "pc-stopped"],
    ["pc-preempt", "pc-stopped"],
    ["pc-postcopy-11.1", "pc-11.1"],
    ["pc-2.2-7.2", "pc-2.3-7.2"],
  ] as const;
  for (const [bare, described] of pairs) {
    assertEquals(fullSections(bare), fullSections(described), bare);
  }
});
