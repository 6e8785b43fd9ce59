/**
 * Comparing memories: against a comparison of all bytes without any cleverness.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { type ByteRange, changedRanges } from "../analyze/diff/byte_ranges.ts";
import { guestRanges } from "../analyze/diff/guest_ranges.ts";
import { diffHunks } from "../analyze/diff/hunks.ts";
import { type BlockDiff, diffMemory } from "../analyze/diff/memory.ts";
import { PageRanges } from "../analyze/diff/page_ranges.ts";
import type { MemoryView, PageRun } from "../analyze/memory/memory_view.ts";
import { PAGE_KIND, type PageKind } from "../analyze/memory/page_table.ts";
import { PhysicalMap } from "../analyze/memory/physical_map.ts";
import type { RamBlock } from "../format/ram.ts";

function blockOf(name: string, usedLengthBytes: number): RamBlock {
  return { name, index: 0, usedLengthBytes, entryOffset: 0, entryBytes: 0 };
}

/** A page of a made-up memory: its kind, and the byte that fills it but for its last byte, if that is given. */
interface Page {
  readonly kind: PageKind;
  readonly fill: number;
  readonly last?: number | undefined;
}

/** A memory of one block that counts the bytes read from it. */
class TestMemory implements MemoryView {
  readonly blocks: readonly RamBlock[];
  readonly flat: Uint8Array;
  readonly pageBytes: number;
  readonly pages: readonly Page[];
  bytesRead = 0;

  constructor(pageBytes: number, pages: readonly Page[]) {
    this.pageBytes = pageBytes;
    this.pages = pages;
    this.flat = new Uint8Array(pageBytes * pages.length);
    for (const [index, { kind, fill, last = fill }] of pages.entries()) {
      if (kind === PAGE_KIND.ABSENT || kind === PAGE_KIND.ZERO) continue;
      this.flat.fill(fill, index * pageBytes, (index + 1) * pageBytes);
      this.flat[(index + 1) * pageBytes - 1] = last;
    }
    this.blocks = [blockOf("m", this.flat.length)];
  }

  *runs(): Generator<PageRun> {
    for (let first = 0; first < this.pages.length;) {
      const { kind } = this.pages[first]!;
      let end = first + 1;
      while (this.pages[end]?.kind === kind) end += 1;
      yield { first, count: end - first, kind };
      first = end;
    }
  }

  read(_block: RamBlock, address: number, into: Uint8Array): void {
    assert(address >= 0 && address + into.length <= this.flat.length);
    into.set(this.flat.subarray(address, address + into.length));
    this.bytesRead += into.length;
  }

  isAbsent(start: number, end: number): boolean {
    for (let at = start; at < end; at += this.pageBytes) {
      if (this.pages[Math.floor(at / this.pageBytes)]?.kind === PAGE_KIND.ABSENT) return true;
    }
    return false;
  }
}

const PAGE_BYTES = 256;

const KINDS = [PAGE_KIND.ZERO, PAGE_KIND.NORMAL, PAGE_KIND.NORMAL, PAGE_KIND.FILLED] as const;
const anyPage = fc.record({
  kind: fc.constantFrom<PageKind>(...KINDS, PAGE_KIND.ABSENT),
  fill: fc.constantFrom(0, 0, 1),
  last: fc.constantFrom(undefined, undefined, 2),
});

const anyPages = fc.array(anyPage, { minLength: 1, maxLength: 24 });

/** What differs, page by page. */
function plainDiff(left: TestMemory, right: TestMemory, pageBytes: number) {
  const end = Math.min(left.flat.length, right.flat.length);
  const changed: number[] = [];
  const counts = { added: 0, gone: 0, left: 0, right: 0 };
  const isZero = (bytes: Uint8Array) => bytes.every((byte) => byte === 0);
  for (let start = 0; start < end; start += pageBytes) {
    const until = Math.min(end, start + pageBytes);
    const [isLeftAbsent, isRightAbsent] = [
      left.isAbsent(start, until),
      right.isAbsent(start, until),
    ];
    if (isLeftAbsent) counts.left += 1;
    if (isRightAbsent) counts.right += 1;
    if (isLeftAbsent || isRightAbsent) continue;
    const [ours, theirs] = [left.flat.subarray(start, until), right.flat.subarray(start, until)];
    if (ours.every((byte, index) => byte === theirs[index])) continue;
    changed.push(start);
    if (isZero(ours)) counts.added += 1;
    else if (isZero(theirs)) counts.gone += 1;
  }
  return { changed, counts };
}

function onlyDiff(left: MemoryView, right: MemoryView, chunkBytes?: number): BlockDiff {
  const options = chunkBytes === undefined ? {} : { chunkBytes };
  const [diff, ...others] = [...diffMemory(left, right, options)];
  assert(diff !== undefined && others.length === 0);
  return diff;
}

Deno.test("diff: of random memories exactly the pages that differ are told", () => {
  fc.assert(fc.property(
    anyPages,
    anyPages,
    fc.constantFrom(1, 2, 4),
    fc.constantFrom(1, 2, 4),
    fc.integer({ min: 1, max: 8 * PAGE_BYTES }),
    (leftPages, rightPages, leftFactor, rightFactor, chunkBytes) => {
      const left = new TestMemory(leftFactor * PAGE_BYTES, leftPages);
      const right = new TestMemory(rightFactor * PAGE_BYTES, rightPages);
      const diff = onlyDiff(left, right, chunkBytes);
      const pageBytes = Math.max(left.pageBytes, right.pageBytes);
      const { changed, counts } = plainDiff(left, right, pageBytes);
      const told = [...diff.ranges].flatMap(([start, end]) =>
        Array.from(
          { length: Math.ceil((end - start) / pageBytes) },
          (_, at) => start + at * pageBytes,
        )
      );
      assertEquals(told, changed);
      assertEquals([diff.pageBytes, diff.changedPages], [pageBytes, changed.length]);
      assertEquals([diff.addedPages, diff.gonePages], [counts.added, counts.gone]);
      assertEquals(diff.absentPages, { left: counts.left, right: counts.right });
      const edges = [...diff.ranges].flat();
      assertEquals(edges, [...new Set(edges)].sort((a, b) => a - b), "ranges are merged");
    },
  ));
});

Deno.test("diff: the bytes of a random page show whole, with what is around them", () => {
  fc.assert(fc.property(
    fc.array(fc.nat(3 * PAGE_BYTES - 1), { minLength: 1, maxLength: 12 }),
    fc.nat(40),
    (addresses, context) => {
      const pages = Array.from({ length: 3 }, () => ({ kind: PAGE_KIND.NORMAL, fill: 5 }));
      const left = new TestMemory(PAGE_BYTES, pages);
      const right = new TestMemory(PAGE_BYTES, pages);
      for (const address of addresses) right.flat[address] = 6;
      const diff = onlyDiff(left, right);
      const shown = new Set<number>();
      let last = 0;
      for (
        const { start, left: ours, right: theirs, ranges } of diffHunks(left, right, diff, context)
      ) {
        assertEquals(ours, left.flat.subarray(start, start + ours.length));
        assertEquals(theirs, right.flat.subarray(start, start + theirs.length));
        assertEquals(start, Math.max(0, ranges[0]![0] - context));
        assertEquals(start + ours.length, Math.min(left.flat.length, ranges.at(-1)![1] + context));
        assert(start >= last, "no byte shows twice");
        last = start + ours.length;
        for (const [from, to] of ranges) for (let at = from; at < to; at++) shown.add(at);
      }
      assertEquals([...shown], [...new Set(addresses)].sort((a, b) => a - b));
    },
  ));
});

Deno.test("diff: pages that are zero on both sides are not read, the others once", () => {
  const zero = { kind: PAGE_KIND.ZERO, fill: 0 };
  const content = { kind: PAGE_KIND.NORMAL, fill: 9 };
  const left = new TestMemory(4096, [zero, zero, content, content, zero]);
  const right = new TestMemory(4096, [zero, content, zero, content, zero]);
  assertEquals([...onlyDiff(left, right).ranges], [[4096, 3 * 4096]]);
  assertEquals([left.bytesRead, right.bytesRead], [2 * 4096, 2 * 4096]);
});

Deno.test("diff: two large memories without content cost nothing", () => {
  const sizeBytes = 2 ** 46;
  const huge: MemoryView = {
    pageBytes: 4096,
    blocks: [blockOf("m", sizeBytes)],
    runs: () => [{ first: 0, count: sizeBytes / 4096, kind: PAGE_KIND.ZERO }],
    read: () => assert(false, "nothing is read"),
  };
  assertEquals(onlyDiff(huge, huge).changedPages, 0);
});

Deno.test("diff: blocks of one side, of other lengths, without pages", () => {
  const content = { kind: PAGE_KIND.NORMAL, fill: 9 };
  const memory = (pages: number) => new TestMemory(4096, Array(pages).fill(content));
  const longer = onlyDiff(memory(2), memory(3));
  assertEquals([longer.left?.usedLengthBytes, longer.right?.usedLengthBytes], [8192, 12288]);
  assertEquals([longer.changedPages, longer.ranges.length], [0, 0]);
  const other: MemoryView = { pageBytes: 4096, blocks: [], runs: () => [], read: () => {} };
  assertEquals(onlyDiff(memory(1), other).right, undefined);
  assertEquals(onlyDiff(other, memory(1)).left, undefined);
  // A stream that was cut before its first page knows no page size.
  const cut = { ...other, pageBytes: 0, blocks: memory(2).blocks };
  assertEquals(onlyDiff(cut, memory(2)).absentPages, { left: 2, right: 0 });
});

Deno.test("diff: ranges of bytes are those of a comparison byte by byte", () => {
  const bytes = fc.uint8Array({ maxLength: 700, max: 1 });
  fc.assert(fc.property(bytes, bytes, fc.nat(5), (left, right, ignored) => {
    const expected: ByteRange[] = [];
    for (let at = 0; at < Math.max(left.length, right.length); at++) {
      const isTail = at >= left.length || at >= right.length;
      if (!isTail && (left[at] === right[at] || at % 7 === ignored)) continue;
      const last = expected.at(-1);
      if (last?.[1] === at) expected[expected.length - 1] = [last[0], at + 1];
      else expected.push([at, at + 1]);
    }
    const found = [...changedRanges(left, right, (at) => at % 7 === ignored)];
    assertEquals(found, expected);
  }));
});

Deno.test("diff: many ranges, and their guest-physical addresses", () => {
  const ranges = new PageRanges();
  for (let page = 0; page < 1000; page += 2) ranges.add(page, page + 1);
  ranges.add(999, 1005);
  assertEquals([ranges.length, [...ranges].at(-1)], [500, [998, 1005]]);
  const block = blockOf("pc.ram", 0x4000);
  const map = new PhysicalMap([
    { guestAddress: 0x10000, lengthBytes: 0x2000, block, blockAddress: 0x2000 },
    { guestAddress: 0x80000, lengthBytes: 0x1000, block, blockAddress: 0 },
  ]);
  assertEquals([...guestRanges(map, "pc.ram", [0x800, 0x3000])], [
    [0x80800, 0x81000],
    [0x10000, 0x11000],
  ]);
  assertEquals([...guestRanges(map, "other", [0, 0x4000])], []);
});
