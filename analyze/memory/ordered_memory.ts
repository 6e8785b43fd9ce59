/**
 * A guest's memory that also knows in which order its pages came, as analyze-migration.py prints them.
 *
 * @module
 */

import type { RamBlock } from "../../format/ram.ts";
import type { RamRun } from "../../format/ram_scanner.ts";
import { GuestMemory } from "./guest_memory.ts";
import { PageSet } from "./page_set.ts";
import { PAGE_KIND } from "./page_table.ts";

/** Consecutive pages of a block that were first sent one behind the other. */
export interface PageSpan {
  /** The block. */
  readonly block: RamBlock;
  /** Number of the first page in its block. */
  readonly first: number;
  /** Number of pages. */
  count: number;
}

/** A {@link GuestMemory} that remembers the order of its pages. */
export class OrderedGuestMemory extends GuestMemory {
  readonly #seen = new Map<RamBlock, PageSet>();
  readonly #order: PageSpan[] = [];

  /** All pages that were sent, in the order in which each was sent first. */
  get order(): readonly PageSpan[] {
    return this.#order;
  }

  /** Takes a run of records. */
  override run(run: RamRun, pageBytes: number): void {
    if (run.block !== undefined) this.#note(run.block, run.address / pageBytes, run.count);
    super.run(run, pageBytes);
  }

  /** Takes a mapped-ram bitmap: only pages whose bit is set are in the file. */
  override bitmap(block: RamBlock, bitmap: Uint8Array): void {
    super.bitmap(block, bitmap);
    for (const { first, count, kind } of this.runs(block)) {
      if (kind === PAGE_KIND.NORMAL) this.#note(block, first, count);
    }
  }

  #note(block: RamBlock, first: number, count: number): void {
    let seen = this.#seen.get(block);
    if (seen === undefined) this.#seen.set(block, seen = new PageSet());
    for (let page = first; page < first + count; page++) {
      if (seen.has(page)) continue;
      seen.add(page);
      const last = this.#order.at(-1);
      if (last !== undefined && last.block === block && last.first + last.count === page) {
        last.count += 1;
      } else this.#order.push({ block, first: page, count: 1 });
    }
  }
}
