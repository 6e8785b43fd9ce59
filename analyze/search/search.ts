/**
 * Finds bytes, text and regular expressions in a guest's memory, across the borders of pages.
 *
 * ```text
 *  kept from before   read now                             a chunk as text
 * |==================|====================================|
 *        ^ next                            ^ begin of the last match that surely shows whole: the rest waits for the next chunk
 * ```
 *
 * @module
 */

import { Buffer } from "node:buffer";
import type { RamBlock } from "../../format/ram.ts";
import type { Matcher } from "./matcher.ts";
import { type AddressRange, type SearchableMemory, searchRanges } from "./ranges.ts";

/** Something that was found. */
export interface SearchHit {
  /** The block. */
  readonly block: RamBlock;
  /** Address in the block of the first byte. */
  readonly blockAddress: number;
  /** The bytes that match. */
  readonly match: Uint8Array;
  /** What stands there: up to 16 bytes before and 48 from the first byte on, a dot for what is not printable ASCII. */
  readonly text: string;
}

/** How memory is searched. */
export interface SearchOptions {
  /** The blocks to search. Default: all. */
  readonly blocks?: readonly RamBlock[];
  /** Bytes read and searched at once; for tests of their borders. Default 256 KiB. */
  readonly chunkBytes?: number;
  /** Called now and then with how far a block was searched. */
  readonly onProgress?: (block: RamBlock, address: number) => void;
}

/** Measured best: a text of this length stays in the processor's cache. */
const CHUNK_BYTES = 256 * 1024;

/** Bytes shown around a match. */
const SHOWN_BYTES = { before: 16, from: 48 } as const;

/**
 * Finds everything that any of the matchers finds, in the order of the block list, then of addresses. Where several begin at one
 * address, that is one hit: the longest.
 */
export function* searchMemory(
  memory: SearchableMemory,
  matchers: readonly Matcher[],
  options: SearchOptions = {},
): Generator<SearchHit, void, undefined> {
  const search = new BlockSearch(memory, matchers, options);
  for (const block of options.blocks ?? memory.blocks) yield* search.hits(block);
}

interface Found {
  readonly start: number;
  readonly length: number;
}

/** A chunk of a block. */
interface Chunk {
  /** Address in the block of the text's first byte. */
  readonly base: number;
  /** The bytes. */
  readonly bytes: Buffer;
  /** The bytes as text. */
  readonly text: string;
  /** Index in the text before which matches have to begin. */
  readonly end: number;
}

class BlockSearch {
  readonly #memory: SearchableMemory;
  readonly #matchers: readonly Matcher[];
  readonly #chunkBytes: number;
  /** Bytes before and behind the begin of a match that have to be visible. */
  readonly #before: number;
  readonly #behind: number;
  readonly #reach: number;
  readonly #buffer: Buffer;
  readonly #matchesZeros: boolean;
  readonly #looksAround: boolean;
  readonly #onProgress: SearchOptions["onProgress"];

  constructor(
    memory: SearchableMemory,
    matchers: readonly Matcher[],
    { chunkBytes = CHUNK_BYTES, onProgress }: SearchOptions,
  ) {
    this.#memory = memory;
    this.#matchers = matchers;
    this.#chunkBytes = chunkBytes;
    this.#onProgress = onProgress;
    const maxBytes = Math.max(...matchers.map((each) => each.maxBytes));
    const contextBytes = Math.max(...matchers.map((each) => each.contextBytes));
    this.#looksAround = contextBytes > 0;
    this.#before = Math.max(contextBytes, SHOWN_BYTES.before);
    // One more than the longest match: a longer one is then known to be too long. Behind it, as much can be looked at as before it.
    this.#behind = Math.max(maxBytes + 1 + contextBytes, SHOWN_BYTES.from);
    this.#reach = maxBytes + contextBytes;
    this.#matchesZeros = matchers.some((each) => each.matchesZeros);
    this.#buffer = Buffer.alloc(chunkBytes + this.#before + this.#behind);
  }

  *hits(block: RamBlock): Generator<SearchHit, void, undefined> {
    const whole = { start: 0, end: block.usedLengthBytes };
    const ranges = this.#matchesZeros
      ? [whole]
      : searchRanges(this.#memory, block, this.#reach, this.#looksAround);
    /** Where each matcher goes on. */
    const next = this.#matchers.map(() => 0);
    for (const range of ranges) {
      for (const chunk of this.#chunks(block, range)) {
        this.#onProgress?.(block, chunk.base);
        for (const { start, length } of this.#find(chunk, range, next)) {
          yield hitAt(block, chunk, start, length);
        }
      }
    }
  }

  /** The chunks of a range. They share one buffer. */
  *#chunks(block: RamBlock, range: AddressRange): Generator<Chunk, void, undefined> {
    const page = this.#memory.pageBytes || 1;
    const buffer = this.#buffer;
    const size = block.usedLengthBytes;
    const limit = Math.min(size, range.end + this.#behind);
    // From a page's border on, so that whole pages are read.
    let base = Math.max(0, range.start - this.#before);
    let filled = 0;
    for (;;) {
      const at = base + filled;
      const aligned = at + this.#chunkBytes - (at + this.#chunkBytes) % page;
      const until = Math.min(limit, aligned > at ? aligned : at + this.#chunkBytes);
      this.#memory.read(block, at, buffer.subarray(filled, filled + until - at));
      filled += until - at;
      const isLast = until === limit;
      const bytes = buffer.subarray(0, filled);
      const end = isLast ? range.end - base : filled - this.#behind;
      if (end > 0) yield { base, bytes, text: bytes.toString("latin1"), end };
      if (isLast) return;
      const kept = Math.max(0, end - this.#before);
      buffer.copyWithin(0, kept, filled);
      base += kept;
      filled -= kept;
    }
  }

  #find(chunk: Chunk, range: AddressRange, next: number[]): Iterable<Found> {
    const found = this.#matchers.map((matcher, index) =>
      this.#run(matcher, index, chunk, range, next)
    );
    if (found.length === 1) return found[0]!;
    const all = found.flatMap((each) => [...each]);
    all.sort((a, b) => a.start - b.start || b.length - a.length);
    return all.filter(({ start }, index) => start !== all[index - 1]?.start);
  }

  *#run(
    matcher: Matcher,
    index: number,
    { base, text, end }: Chunk,
    range: AddressRange,
    next: number[],
  ): Generator<Found, void, undefined> {
    for (;;) {
      const from = Math.max(next[index]!, range.start) - base;
      if (from >= end) return;
      const match = matcher.next(text, from);
      if (match === undefined || match.start >= end) {
        next[index] = base + end;
        return;
      }
      next[index] = base + match.start + (matcher.overlapping ? 1 : match.length);
      yield match;
    }
  }
}

function hitAt(block: RamBlock, { base, bytes }: Chunk, start: number, length: number): SearchHit {
  const from = Math.max(0, start - SHOWN_BYTES.before);
  const shown = bytes.toString("latin1", from, start + SHOWN_BYTES.from);
  return {
    block,
    blockAddress: base + start,
    match: new Uint8Array(bytes.subarray(start, start + length)),
    text: shown.replace(/[^ -~]/g, "."),
  };
}
