/**
 * The overview of a stream against what was true about its guest.
 *
 * @module
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { readInfo } from "../analyze/info.ts";
import type { StreamInfo } from "../analyze/info_model.ts";
import type { OpenInput } from "../container/open.ts";
import { encodePbsState, PBS_STATE_IDSTR } from "../format/pbs_state.ts";
import { BytesSource } from "../format/source.ts";
import { StreamBuilder } from "./streams.ts";
import { caseNames, loadCase, loadStream } from "./testdata.ts";

function infoOf(name: string): StreamInfo {
  return infoOfBytes(loadStream(name), loadCase(name).streamOffset);
}

function infoOfBytes(bytes: Uint8Array, streamOffset: number): StreamInfo {
  const source = new BytesSource(bytes);
  const input: OpenInput = {
    path: "bytes",
    container: "none",
    wrappers: [],
    streamOffset,
    source,
    channels: [],
    notes: [],
    [Symbol.dispose]: () => {},
  };
  return readInfo(input).info;
}

/** Cases whose pages are not all in the main channel, or not in the stream at all. */
function lacksPages(name: string): boolean {
  const { files, capabilities } = loadCase(name);
  return files.some(({ role }) => role.startsWith("multifd") || role.startsWith("preempt")) ||
    capabilities.includes("x-ignore-shared");
}

for (const name of caseNames()) {
  Deno.test(`info of ${name}`, () => {
    const info = infoOf(name);
    const { truth, capabilities, streamOffset } = loadCase(name);
    assertEquals(
      info.ramBlocks.map((block) => [block.name, block.usedLengthBytes]),
      truth.ramBlocks.map((block) => [block.name, block.usedLengthBytes]),
    );
    if (info.machine !== null) assertEquals(`${info.machine}-machine`, truth.machine);
    if (truth.pageSizeBytes !== undefined && truth.ramBlocks.length > 0) {
      assertEquals(info.targetPageBytes, truth.pageSizeBytes);
    }
    const announced = ["x-ignore-shared", "mapped-ram"].filter((each) =>
      capabilities.includes(each)
    );
    assertEquals(info.capabilities, announced);
    for (const { pages, usedLengthBytes } of info.ramBlocks) {
      assert(pages !== null);
      const { total, normal, zero, delta, compressed, absent } = pages;
      assertEquals(normal + zero + delta + compressed + absent, total);
      assertEquals(total * (info.targetPageBytes ?? 0), usedLengthBytes);
    }
    const { header, ram, devices, commands, vmdescription, trailing } = info.sizes;
    const sum = header + ram + devices + commands + vmdescription + trailing;
    assertEquals(sum, info.input.sizeBytes! - streamOffset);
    assertEquals(info.sections.reduce((total, { bytes }) => total + bytes, 0), ram + devices);
  });
}

for (const name of caseNames((each) => each.guest !== "live")) {
  if (lacksPages(name)) continue;
  Deno.test(`info of ${name}: zero pages are those of the guest`, () => {
    const info = infoOf(name);
    const { truth, parameters } = loadCase(name);
    const detectsZeros = parameters["zero-page-detection"] !== "none";
    for (const block of truth.ramBlocks) {
      if (block.zeroPages === undefined || !detectsZeros) continue;
      const pages = info.ramBlocks.find((each) => each.name === block.name)?.pages;
      assert(pages != null);
      // Unplugged parts of a virtio-mem device are never sent.
      if (pages.absent === pages.total) continue;
      assertEquals(pages.zero, block.zeroPages, block.name);
      assertEquals(pages.absent, 0, block.name);
    }
  });
}

Deno.test("info: what the streams of each kind are known by", () => {
  assertEquals(infoOf("none").ramBlocks, []);
  assertEquals(infoOf("pc-2.2-7.2").machine, null);
  assertEquals(infoOf("pc-2.2-7.2").footers, false);
  assertEquals(infoOf("pc-no-vmdesc").vmdescription, false);
  assertMatch(infoOf("pc-uuid").uuid ?? "", /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
  assertEquals(infoOf("pc").commands.map(({ name }) => name), ["SWITCHOVER_START"]);
  assert(infoOf("pc-xbzrle").ramBlocks.some(({ pages }) => (pages?.delta ?? 0) > 0));
  assert(infoOf("pc-compress-7.2").ramBlocks.some(({ pages }) => (pages?.compressed ?? 0) > 0));
  assert(infoOf("pc-live").resentPages > 0);
  assert(infoOf("pc-live").iterations.length > 1);
  assert(infoOf("pc-multifd").multifdFlushes > 0);
  assertMatch(infoOf("pc-multifd-7.2").notes.join("\n"), /multifd/);
  assertMatch(infoOf("pc-postcopy").notes.join("\n"), /postcopy/);
  assert(infoOf("pc-mapped-ignore-shared-11.1").ramBlocks.some(({ elsewhere }) => elsewhere));
  assertEquals(infoOf("pc-mapped").sizes.ramHoles > 0, true);
});

Deno.test("info: a backup state of Proxmox VE is noted", () => {
  const stream = new StreamBuilder().section("full", 1, PBS_STATE_IDSTR, (writer) => {
    encodePbsState(writer, { data: Uint8Array.of(1, 2, 3) });
  }).eof().bytes();
  const { input, notes } = infoOfBytes(stream, 0);
  assertEquals(input.container, "none");
  assertMatch(notes.join("\n"), /Proxmox VE/);
});

Deno.test("info: dirty bitmaps as QEMU reported them", () => {
  const { dirtyBitmaps = [] } = loadCase("pc-dirty-bitmaps").truth;
  const found = infoOf("pc-dirty-bitmaps").dirtyBitmaps;
  assertEquals(found.length, dirtyBitmaps.length);
  for (const truth of dirtyBitmaps) {
    const bitmap = found.find((each) => each.bitmap === truth.name && each.node === truth.node);
    assert(bitmap !== undefined, truth.name);
    assertEquals(bitmap.granularityBytes, truth.granularityBytes);
    assertEquals(bitmap.persistent, truth.persistent);
    assertEquals(bitmap.enabled, truth.recording);
    assertEquals(bitmap.dirtyBytes, truth.dirtyBytes);
  }
});

Deno.test("info: pages with old content at their place in a mapped-ram file are counted", () => {
  const slackOf = (name: string) => infoOf(name).ramBlocks.map(({ slackPages }) => slackPages);
  assertEquals(slackOf("pc-mapped-live"), [1, 0, 0]);
  assertEquals(slackOf("pc-mapped"), [0, 0, 0]);
  assertEquals(slackOf("pc"), Array(6).fill(undefined));
  // The content of the first block is in a shared file.
  assertEquals(slackOf("pc-mapped-ignore-shared-11.1"), [undefined, 0, 0]);
});
