/**
 * Two memories, block by block and page by page.
 *
 * ```text
 *                right: zero        content                         absent
 * left: zero     equal, not read    read right, compared to zeros   said, not compared
 *       content  read left          read both                       said, not compared
 * ```
 *
 * Runs of pages of one kind are taken whole: they are read in large chunks and compared by the runtime's own routine, and only where that
 * finds a difference single pages are looked at.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import type { RamBlock } from "../../format/ram.ts";
import type { MemoryView, PageRun } from "../memory/memory_view.ts";
import { PAGE_KIND } from "../memory/page_table.ts";
import { pairs } from "./device.ts";
import { PageRanges } from "./page_ranges.ts";

/** A RAM block that is different. */
export interface BlockDiff {
  /** Its name. */
  readonly name: string;
  /** The left side's block, if it has one. */
  readonly left: RamBlock | undefined;
  /** The right side's block, if it has one. */
  readonly right: RamBlock | undefined;
  /** Bytes of a page: the larger of both sides' page sizes. */
  readonly pageBytes: number;
  /** Pages that differ. */
  readonly changedPages: number;
  /** Those of them that are zero on the left side. */
  readonly addedPages: number;
  /** Those of them that are zero on the right side. */
  readonly gonePages: number;
  /** Bytes of the block in which the pages that differ are. */
  readonly ranges: PageRanges;
  /** Pages that one side or both lack: they were not compared. */
  readonly absentPages: { readonly left: number; readonly right: number };
}

/** A memory of which it may be known where contents stand in an input. */
export interface ComparableMemory extends MemoryView {
  /** Where contents stand in the input, if it can be asked. */
  readonly raw?: RawContents;
}

/** Contents as they stand in an input. */
export interface RawContents {
  /** Absolute offset at which a page's content stands as it is; `undefined` if there is no such place. */
  offsetOf(block: RamBlock, page: number): number | undefined;
  /** Fills `into` with the input's bytes from `offset` on; false where it ends before. */
  readAt(offset: number, into: Uint8Array): boolean;
}

/** How memories are compared. */
export interface DiffMemoryOptions {
  /** Bytes read at once; for tests of their borders. Default 256 KiB. */
  readonly chunkBytes?: number;
  /** Called now and then with the address in a block up to which it is compared. */
  readonly onProgress?: (block: string, address: number) => void;
}

/** Measured best: two of them stay in the processor's cache. */
const CHUNK_BYTES = 256 * 1024;

/** Bytes between two pages that are read along. */
const MAX_GAP_BYTES = 64;

/** Compares all blocks of two memories, in the order of the left block list; also blocks that are the same are told. */
export function* diffMemory(
  left: ComparableMemory,
  right: ComparableMemory,
  options: DiffMemoryOptions = {},
): Generator<BlockDiff, void, undefined> {
  const pageBytes = Math.max(left.pageBytes, right.pageBytes);
  const comparer = new Comparer(left, right, pageBytes, options);
  for (const [, ours, theirs] of pairs(left.blocks, right.blocks, ({ name }) => name)) {
    yield comparer.block(ours, theirs);
  }
}

/** Bytes of a block that are of one kind on both sides. */
interface Stretch {
  readonly start: number;
  readonly end: number;
  readonly left: PageRun["kind"];
  readonly right: PageRun["kind"];
}

class Comparer {
  readonly #sides: readonly [ComparableMemory, ComparableMemory];
  readonly #pageBytes: number;
  readonly #options: DiffMemoryOptions;
  readonly #chunks: readonly [Uint8Array, Uint8Array];
  readonly #zeros: Uint8Array;
  readonly #rooms: readonly [Uint8Array, Uint8Array];

  constructor(
    left: ComparableMemory,
    right: ComparableMemory,
    pageBytes: number,
    options: DiffMemoryOptions,
  ) {
    this.#sides = [left, right];
    this.#pageBytes = pageBytes;
    this.#options = options;
    const pages = Math.floor((options.chunkBytes ?? CHUNK_BYTES) / Math.max(1, pageBytes));
    const chunkBytes = Math.max(1, pages) * pageBytes;
    this.#chunks = [new Uint8Array(chunkBytes), new Uint8Array(chunkBytes)];
    this.#zeros = new Uint8Array(chunkBytes);
    const roomBytes = chunkBytes + Math.max(1, pages) * MAX_GAP_BYTES;
    this.#rooms = [new Uint8Array(roomBytes), new Uint8Array(roomBytes)];
  }

  block(left: RamBlock | undefined, right: RamBlock | undefined): BlockDiff {
    const { name } = (left ?? right)!;
    const found = { changedPages: 0, addedPages: 0, gonePages: 0, ranges: new PageRanges() };
    const absentPages = { left: 0, right: 0 };
    const diff = { name, left, right, pageBytes: this.#pageBytes, ...found, absentPages };
    if (left === undefined || right === undefined || this.#pageBytes === 0) return diff;
    const end = Math.min(left.usedLengthBytes, right.usedLengthBytes);
    for (const stretch of this.#stretches(left, right, end)) {
      const pages = Math.ceil((stretch.end - stretch.start) / this.#pageBytes);
      if (stretch.left === PAGE_KIND.ABSENT) absentPages.left += pages;
      if (stretch.right === PAGE_KIND.ABSENT) absentPages.right += pages;
      if (stretch.left === PAGE_KIND.ABSENT || stretch.right === PAGE_KIND.ABSENT) continue;
      if (stretch.left === PAGE_KIND.ZERO && stretch.right === PAGE_KIND.ZERO) continue;
      this.#stretch(left, right, stretch, diff);
    }
    return diff;
  }

  /** Both sides' runs, cut where either changes its kind. */
  *#stretches(
    left: RamBlock,
    right: RamBlock,
    end: number,
  ): Generator<Stretch, void, undefined> {
    const ours = byteRuns(this.#sides[0], left, this.#pageBytes);
    const theirs = byteRuns(this.#sides[1], right, this.#pageBytes);
    let [one, other] = [ours.next().value, theirs.next().value];
    for (let start = 0; start < end;) {
      if (!one || !other) return;
      const until = Math.min(end, one.end, other.end);
      yield { start, end: until, left: one.kind, right: other.kind };
      start = until;
      if (one.end === until) one = ours.next().value;
      if (other.end === until) other = theirs.next().value;
    }
  }

  #stretch(left: RamBlock, right: RamBlock, stretch: Stretch, diff: Counts): void {
    const chunkBytes = this.#zeros.length;
    for (let start = stretch.start; start < stretch.end;) {
      const end = Math.min(start + chunkBytes, stretch.end);
      if (this.#isRawEqual(left, right, start, end)) {
        this.#options.onProgress?.(left.name, end);
        start = end;
        continue;
      }
      const ours = this.#content(0, left, stretch.left, start, end);
      const theirs = this.#content(1, right, stretch.right, start, end);
      if (Buffer.compare(ours, theirs) !== 0) this.#pages(ours, theirs, start, diff);
      this.#options.onProgress?.(left.name, end);
      start = end;
    }
  }

  #content(
    side: 0 | 1,
    block: RamBlock,
    kind: PageRun["kind"],
    start: number,
    end: number,
  ): Uint8Array {
    if (kind === PAGE_KIND.ZERO) return this.#zeros.subarray(0, end - start);
    const chunk = this.#chunks[side].subarray(0, end - start);
    this.#sides[side].read(block, start, chunk);
    return chunk;
  }

  /**
   * Whether the pages are the same where they stand in the inputs, with what is between them: mostly records' heads, which are the same
   * for two images of one guest. Saves copying them together.
   */
  #isRawEqual(left: RamBlock, right: RamBlock, start: number, end: number): boolean {
    const [first, last] = [start / this.#pageBytes, end / this.#pageBytes - 1];
    const stride = this.#strideAt(0, left, first);
    if (first === last || stride === undefined) return false;
    if (stride !== this.#strideAt(1, right, first)) return false;
    const ours = this.#rawBytes(0, left, first, last, stride);
    const theirs = ours === undefined ? undefined : this.#rawBytes(1, right, first, last, stride);
    return ours !== undefined && theirs !== undefined && Buffer.compare(ours, theirs) === 0;
  }

  /** Bytes from a page to the next one in the input, if they are near each other. */
  #strideAt(side: 0 | 1, block: RamBlock, page: number): number | undefined {
    const { raw, pageBytes } = this.#sides[side];
    if (pageBytes !== this.#pageBytes) return undefined;
    const stride = (raw?.offsetOf(block, page + 1) ?? NaN) - (raw?.offsetOf(block, page) ?? NaN);
    return stride >= pageBytes && stride <= pageBytes + MAX_GAP_BYTES ? stride : undefined;
  }

  /** The bytes from the first page to the last, if all of them stand as far apart as the first two. */
  #rawBytes(
    side: 0 | 1,
    block: RamBlock,
    first: number,
    last: number,
    stride: number,
  ): Uint8Array | undefined {
    const { raw } = this.#sides[side];
    const offset = raw?.offsetOf(block, first);
    if (raw === undefined || offset === undefined) return undefined;
    for (let page = first + 2; page <= last; page++) {
      if (raw.offsetOf(block, page) !== offset + (page - first) * stride) return undefined;
    }
    const room = this.#rooms[side].subarray(0, (last - first) * stride + this.#pageBytes);
    return raw.readAt(offset, room) ? room : undefined;
  }

  /** Looks at the pages of a chunk. */
  #pages(left: Uint8Array, right: Uint8Array, address: number, diff: Counts): void {
    for (let at = 0; at < left.length; at += this.#pageBytes) {
      const end = Math.min(left.length, at + this.#pageBytes);
      const ours = left.subarray(at, end);
      const theirs = right.subarray(at, end);
      if (Buffer.compare(ours, theirs) === 0) continue;
      const zeros = this.#zeros.subarray(0, end - at);
      diff.changedPages += 1;
      if (Buffer.compare(ours, zeros) === 0) diff.addedPages += 1;
      else if (Buffer.compare(theirs, zeros) === 0) diff.gonePages += 1;
      diff.ranges.add(address + at, address + end);
    }
  }
}

interface Counts {
  changedPages: number;
  addedPages: number;
  gonePages: number;
  readonly ranges: PageRanges;
}

interface ByteRun {
  readonly end: number;
  readonly kind: PageRun["kind"];
}

/** The runs of a block in pages of `size` bytes, which is a multiple of the memory's own page size. */
function* byteRuns(
  memory: MemoryView,
  block: RamBlock,
  size: number,
): Generator<ByteRun, undefined, undefined> {
  const { pageBytes } = memory;
  if (pageBytes === 0) {
    yield { end: block.usedLengthBytes, kind: PAGE_KIND.ABSENT };
    return undefined;
  }
  /** Address up to which runs were told, and the kind of a page that was begun there. */
  let told = 0;
  let begun: PageRun["kind"] | undefined;
  for (const { first, count, kind } of memory.runs(block)) {
    const end = (first + count) * pageBytes;
    if (begun !== undefined) {
      begun = mixedKind(begun, kind);
      if (end < told + size) continue;
      told += size;
      yield { end: told, kind: begun };
      begun = undefined;
    }
    const whole = Math.floor(end / size) * size;
    if (whole > told) yield { end: told = whole, kind };
    if (end > told) begun = kind;
  }
  if (begun !== undefined) yield { end: told + size, kind: begun };
  return undefined;
}

/** What a page is whose parts are different on the side with smaller pages. */
function mixedKind(one: PageRun["kind"], other: PageRun["kind"]): PageRun["kind"] {
  if (one === other) return one;
  const isAbsent = one === PAGE_KIND.ABSENT || other === PAGE_KIND.ABSENT;
  return isAbsent ? PAGE_KIND.ABSENT : PAGE_KIND.NORMAL;
}
