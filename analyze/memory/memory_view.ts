/**
 * What searching, reading and writing out a guest's memory need to know of it, wherever its bytes come from.
 *
 * @module
 */

import type { RamBlock } from "../../format/ram.ts";
import type { PageKind } from "./page_table.ts";

/** Consecutive pages of a block that are of one kind. */
export interface PageRun {
  /** Number of the first page in its block. */
  readonly first: number;
  /** Number of pages; at least 1. */
  readonly count: number;
  /** What all of them were last. */
  readonly kind: PageKind;
}

/** A guest's memory, block by block. */
export interface MemoryView {
  /** Target page size in bytes; 0 where there is no page. */
  readonly pageBytes: number;
  /** The RAM blocks in list order. */
  readonly blocks: readonly RamBlock[];
  /** Runs of pages of one kind that cover the block without gap, in order. */
  runs(block: RamBlock): Iterable<PageRun>;
  /**
   * Reads `into.length` bytes of a block from byte `address` on. Pages that were never sent read as zeros.
   *
   * @throws {RangeError} if that leaves the block
   */
  read(block: RamBlock, address: number, into: Uint8Array): void;
}
