/**
 * Blocks of absurd size cost nothing: tables grow with what a stream carries, not with what it claims.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { OrderedGuestMemory } from "../analyze/memory/ordered_memory.ts";
import { PageSet } from "../analyze/memory/page_set.ts";
import { PAGE_KIND } from "../analyze/memory/page_table.ts";
import { PageTracker } from "../analyze/memory/page_tracker.ts";
import { readState } from "../analyze/state.ts";
import { encodeCommand } from "../format/command.ts";
import { encodeFileHeader } from "../format/header.ts";
import { DEFAULT_LIMITS } from "../format/limits.ts";
import {
  encodePage,
  encodeRamEos,
  encodeRamWord,
  encodeZeroPage,
  RAM_SAVE_FLAG,
} from "../format/ram.ts";
import { encodeBlockEntry } from "../format/ram_blocks.ts";
import { newRamContext, RamScanner } from "../format/ram_scanner.ts";
import { ByteReader } from "../format/reader.ts";
import { encodeFooter, encodeSectionHeader } from "../format/section.ts";
import { BytesSource } from "../format/source.ts";
import { ByteWriter } from "../format/writer.ts";

const PAGE_BYTES = 4096;
/** Close to the largest that can be represented. */
const HUGE_BYTES = 2 ** 52;
const LAST = HUGE_BYTES - PAGE_BYTES;

/** One block of 4 PiB; its first and last pages are sent, then everything is dropped but for the last page. */
function hugeStream(): Uint8Array {
  const writer = new ByteWriter();
  const section = { id: 1, idstr: "ram", instanceId: 0, versionId: 4 };
  encodeFileHeader(writer, { version: 3 });
  const pages = { pageSizeSummary: PAGE_BYTES, targetPageBytes: PAGE_BYTES };
  encodeCommand(writer, { name: "POSTCOPY_ADVISE", pages });
  encodeSectionHeader(writer, "start", section);
  encodeRamWord(writer, HUGE_BYTES, RAM_SAVE_FLAG.MEM_SIZE);
  encodeBlockEntry(writer, {
    name: "huge",
    index: 0,
    usedLengthBytes: HUGE_BYTES,
    entryOffset: 0,
    entryBytes: 0,
  });
  encodeZeroPage(writer, { block: "huge", address: 0 });
  encodePage(writer, { block: undefined, address: LAST }, new Uint8Array(PAGE_BYTES).fill(7));
  encodeRamEos(writer);
  encodeFooter(writer, section.id);
  encodeCommand(writer, {
    name: "POSTCOPY_RAM_DISCARD",
    block: "huge",
    ranges: [{ startAddress: 0, lengthBytes: LAST }],
  });
  writer.u8(0, "EOF");
  return writer.finish();
}

Deno.test("huge block: counts", () => {
  const tracker = new PageTracker();
  const { blocks } = readState(new BytesSource(hugeStream()), { visitor: tracker });
  const { total, normal, zero, absent } = tracker.table(blocks![0]!, PAGE_BYTES).counts;
  assertEquals([total, normal, zero, absent], [2 ** 40, 1, 0, 2 ** 40 - 1]);
});

Deno.test("huge block: consecutive pages are one run, also across 4 GiB", () => {
  const writer = new ByteWriter();
  const first = 2 ** 32 - 3 * PAGE_BYTES;
  encodeZeroPage(writer, { block: "huge", address: first });
  for (let page = 1; page < 6; page++) {
    encodeZeroPage(writer, { block: undefined, address: first + page * PAGE_BYTES });
  }
  encodeZeroPage(writer, { block: undefined, address: first });
  encodeRamEos(writer);
  const context = newRamContext();
  context.pageBytes = PAGE_BYTES;
  context.blocks.set("huge", {
    name: "huge",
    index: 0,
    usedLengthBytes: HUGE_BYTES,
    entryOffset: 0,
    entryBytes: 0,
  });
  const reader = new ByteReader(new BytesSource(writer.finish()));
  const scanner = new RamScanner(reader, context, DEFAULT_LIMITS);
  const runs = Array.from({ length: 3 }, () => {
    const { kind, address, count } = scanner.next();
    return [kind, address, count];
  });
  assertEquals(runs, [["zero", first, 6], ["zero", first, 1], ["eos", 0, 1]]);
});

Deno.test("huge block: memory", () => {
  const source = new BytesSource(hugeStream());
  using memory = new OrderedGuestMemory(source, () => new Uint8Array());
  const block = readState(source, { visitor: memory }).blocks![0]!;
  const page = new Uint8Array(PAGE_BYTES);
  memory.read(block, LAST, page);
  assertEquals([page[0], page.at(-1)], [7, 7]);
  memory.read(block, 12345 * PAGE_BYTES, page);
  assertEquals([page[0], page.at(-1)], [0, 0]);
  assertEquals(memory.kindAt(block, 0), PAGE_KIND.ABSENT);
  assertEquals([...memory.runs(block)].map(({ first, count, kind }) => [first, count, kind]), [
    [0, 2 ** 40 - 1, PAGE_KIND.ABSENT],
    [2 ** 40 - 1, 1, PAGE_KIND.NORMAL],
  ]);
  assertEquals(memory.order.map(({ first, count }) => [first, count]), [[0, 1], [2 ** 40 - 1, 1]]);
});

Deno.test("page set: what was put in and not taken out", () => {
  const set = new PageSet();
  const pages = [0, 7, 8, 2 ** 18 - 1, 2 ** 18, 2 ** 40];
  for (const page of pages) set.add(page);
  set.delete(8);
  set.delete(9);
  assertEquals([...set.between(0, Infinity)], pages.filter((page) => page !== 8));
  assertEquals([...set.between(7, 2 ** 18)], [7, 2 ** 18 - 1]);
  assertEquals([set.has(8), set.has(2 ** 40), set.has(2 ** 41)], [false, true, false]);
});
