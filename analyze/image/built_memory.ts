/**
 * A guest's memory that somebody puts together: from arrays, files and functions. Nothing is copied, and only what is written is asked for.
 *
 * @module
 */

import { isPageBytes, type RamBlock } from "../../format/ram.ts";
import { encodeText, hex, quoteText } from "../../format/text.ts";
import { FormatError } from "../../format/error.ts";
import type { MemoryView, PageRun } from "../memory/memory_view.ts";
import { PAGE_KIND } from "../memory/page_table.ts";

/** A part of a block's content. */
export type BlockPiece =
  /** Bytes from an address in the block on. */
  | { readonly address: number; readonly bytes: Uint8Array }
  /** So many bytes that `read` gives when they are asked for; it fills all of `into` with what stands at `address` of the block. */
  | {
    readonly address: number;
    readonly lengthBytes: number;
    read(address: number, into: Uint8Array): void;
  };

/** Something whose bytes are a block's content from its beginning on: a `ByteSource` of known size, e.g. an opened file. */
export interface BlockSource {
  /** Bytes. */
  readonly sizeBytes: number | undefined;
  /** Reads up to `into.length` bytes at `offset` and returns how many. */
  readAt(offset: number, into: Uint8Array): number;
}

/** The content of a block: from its beginning on, or in pieces in any order. What is in none of them is zero. */
export type BlockContent = Uint8Array | BlockSource | Iterable<BlockPiece>;

/** A RAM block to be built. */
export interface BlockPlan {
  /** Name (idstr). */
  readonly name: string;
  /** Bytes; a multiple of the target page size. */
  readonly sizeBytes: number;
  /** What it holds; zeros without this. */
  readonly content?: BlockContent;
  /** Guest-physical address, for x-ignore-shared. A block that has one and no content is in a file of its own. */
  readonly guestAddress?: number;
}

/** Most blocks and longest name that a stream takes. */
const NAME_MAX_BYTES = 255;

interface Range {
  readonly start: number;
  readonly end: number;
  read(address: number, into: Uint8Array): void;
}

interface BuiltBlock {
  readonly ranges: readonly Range[];
  readonly runs: readonly PageRun[];
}

/** A memory that was put together. */
export class BuiltMemory implements MemoryView {
  /** Target page size in bytes. */
  readonly pageBytes: number;
  /** The blocks. */
  readonly blocks: readonly RamBlock[];
  readonly #built = new Map<RamBlock, BuiltBlock>();

  /**
   * Puts a memory together. Pieces are taken now, their contents later.
   *
   * @throws {FormatError} `not-encodable` for a block without a usable name or size, and for pieces that leave it or overlap
   */
  constructor(plans: readonly BlockPlan[], pageBytes: number) {
    if (!isPageBytes(pageBytes)) {
      throw notEncodable(
        "the target page size",
        "a power of two from 256 to 65536",
        `${pageBytes}`,
      );
    }
    this.pageBytes = pageBytes;
    const names = new Set<string>();
    this.blocks = plans.map((plan, index) => {
      checkBlock(plan, pageBytes, names);
      const { name, sizeBytes: usedLengthBytes, guestAddress } = plan;
      const block = {
        name,
        index,
        usedLengthBytes,
        entryOffset: 0,
        entryBytes: 0,
        ...(guestAddress === undefined ? {} : { guestAddress }),
      };
      const ranges = rangesOf(plan);
      this.#built.set(block, { ranges, runs: runsOf(plan, ranges, pageBytes) });
      return block;
    });
  }

  #of(block: RamBlock): BuiltBlock {
    const built = this.#built.get(block);
    if (built === undefined) throw new RangeError(`${block.name} is no block of this memory`);
    return built;
  }

  /** Runs of pages of one kind: those that a piece touches, and the others. */
  runs(block: RamBlock): Iterable<PageRun> {
    return this.#of(block).runs;
  }

  /** Reads bytes of a block. */
  read(block: RamBlock, address: number, into: Uint8Array): void {
    const end = address + into.length;
    if (address < 0 || end > block.usedLengthBytes) {
      throw new RangeError(`${into.length} byte(s) from address ${address} on leave ${block.name}`);
    }
    into.fill(0);
    for (const range of this.#of(block).ranges) {
      const from = Math.max(address, range.start);
      const to = Math.min(end, range.end);
      if (from < to) range.read(from, into.subarray(from - address, to - address));
    }
  }
}

function notEncodable(what: string, expected: string, found: string): FormatError {
  return new FormatError("not-encodable", `Cannot build a memory: ${what}`, {
    offset: 0,
    expected,
    found,
  });
}

function checkBlock(
  { name, sizeBytes, guestAddress = 0 }: BlockPlan,
  pageBytes: number,
  names: Set<string>,
): void {
  const bytes = encodeText(name).length;
  if (bytes === 0 || bytes > NAME_MAX_BYTES) {
    throw notEncodable("the name of a block", `1 to ${NAME_MAX_BYTES} bytes`, `${bytes}`);
  }
  if (names.has(name)) {
    throw notEncodable("two blocks have one name", "different names", quoteText(name));
  }
  names.add(name);
  if (!Number.isSafeInteger(sizeBytes) || sizeBytes <= 0 || sizeBytes % pageBytes !== 0) {
    const expected = `a positive multiple of ${pageBytes}`;
    throw notEncodable(`the size of ${quoteText(name)}`, expected, String(sizeBytes));
  }
  if (!Number.isSafeInteger(guestAddress) || guestAddress < 0) {
    const what = `the guest-physical address of ${quoteText(name)}`;
    throw notEncodable(what, "a whole number", String(guestAddress));
  }
}

function rangesOf({ name, sizeBytes, content = [] }: BlockPlan): Range[] {
  const ranges = [...pieces(content)].map(toRange).sort((a, b) => a.start - b.start);
  let last = 0;
  for (const { start, end } of ranges) {
    const isRange = Number.isSafeInteger(start) && Number.isSafeInteger(end) && start <= end;
    if (!isRange || start < 0 || end > sizeBytes) {
      const what = `a piece of ${quoteText(name)} leaves the block`;
      throw notEncodable(what, `0..${hex(sizeBytes)}`, `${hex(start)}..${hex(end)}`);
    }
    if (start < last && start < end) {
      const what = `two pieces of ${quoteText(name)} overlap`;
      throw notEncodable(what, `an address from ${hex(last)} on`, hex(start));
    }
    last = Math.max(last, end);
  }
  return ranges.filter(({ start, end }) => end > start);
}

function pieces(content: BlockContent): Iterable<BlockPiece> {
  if (content instanceof Uint8Array) return [{ address: 0, bytes: content }];
  if (Symbol.iterator in content) return content;
  const { sizeBytes } = content;
  if (sizeBytes === undefined) {
    throw notEncodable("a source's size is unknown", "a file", "a pipe");
  }
  const read = (address: number, into: Uint8Array) => readAll(content, address, into);
  return [{ address: 0, lengthBytes: sizeBytes, read }];
}

function readAll(source: BlockSource, address: number, into: Uint8Array): void {
  for (let done = 0; done < into.length;) {
    const count = source.readAt(address + done, into.subarray(done));
    if (count === 0) throw new Error(`The content of a block ends at ${hex(address + done)}`);
    done += count;
  }
}

function toRange(piece: BlockPiece): Range {
  const { address: start } = piece;
  if ("bytes" in piece) {
    const { bytes } = piece;
    return {
      start,
      end: start + bytes.length,
      read: (address, into) => {
        into.set(bytes.subarray(address - start, address - start + into.length));
      },
    };
  }
  return {
    start,
    end: start + piece.lengthBytes,
    read: (address, into) => piece.read(address, into),
  };
}

function runsOf(
  { sizeBytes, content, guestAddress }: BlockPlan,
  ranges: readonly Range[],
  pageBytes: number,
): PageRun[] {
  const pages = sizeBytes / pageBytes;
  if (guestAddress !== undefined && content === undefined) {
    return [{ first: 0, count: pages, kind: PAGE_KIND.ABSENT }];
  }
  const runs: PageRun[] = [];
  let next = 0;
  const add = (end: number, kind: PageRun["kind"]) => {
    if (end <= next) return;
    const last = runs.at(-1);
    if (last?.kind === kind) {
      runs[runs.length - 1] = { ...last, count: last.count + end - next };
    } else runs.push({ first: next, count: end - next, kind });
    next = end;
  };
  for (const { start, end } of ranges) {
    add(Math.floor(start / pageBytes), PAGE_KIND.ZERO);
    add(Math.ceil(end / pageBytes), PAGE_KIND.NORMAL);
  }
  add(pages, PAGE_KIND.ZERO);
  return runs;
}
