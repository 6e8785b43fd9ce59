/**
 * The RAM blocks of a report.
 *
 * @module
 */

import { isElsewhere } from "../../format/mapped_ram.ts";
import type { RamBlock } from "../../format/ram.ts";
import { escapeText } from "../../format/text.ts";
import type { PageSet } from "../memory/page_set.ts";
import { type BlockPages, PAGE_KIND } from "../memory/page_table.ts";
import type { BlockModel, SideModel } from "./model.ts";
import { PageCells } from "./page_cells.ts";

/** Blocks that are listed; a guest has tens. */
const MAX_BLOCKS = 256;
/** Blocks that have a map, the largest ones. */
const MAX_MAPS = 64;
/** Cells of a block at least (if it has the pages), at most, and of all blocks. */
const MIN_CELLS = 64;
const MAX_CELLS = 16384;
const ALL_CELLS = 32768;

/** What is known of slack. */
export interface SlackPages {
  /** Blocks where it was looked for. */
  readonly slackPages: ReadonlyMap<RamBlock, number>;
  /** The pages that have it. */
  readonly slackSets: ReadonlyMap<RamBlock, PageSet>;
}

/** The blocks with their maps; `tables` is `undefined` where the page size is not known. */
export function blockModels(
  blocks: readonly RamBlock[],
  tables: ReadonlyMap<RamBlock, BlockPages> | undefined,
  slack: SlackPages,
): Pick<SideModel, "blocks" | "moreBlocks"> {
  const largest = blocks.toSorted((a, b) => b.usedLengthBytes - a.usedLengthBytes);
  const withMap = new Set(largest.slice(0, MAX_MAPS));
  const allBytes = blocks.reduce((sum, { usedLengthBytes }) => sum + usedLengthBytes, 0);
  const models = blocks.slice(0, MAX_BLOCKS).map((block): BlockModel => {
    const share = Math.floor(ALL_CELLS * block.usedLengthBytes / Math.max(1, allBytes));
    const maxCells = Math.min(MAX_CELLS, Math.max(MIN_CELLS, share));
    const table = tables?.get(block);
    const cells = table === undefined ? undefined : cellsOf(table, maxCells, slack);
    const { mapped } = block;
    return {
      name: escapeText(block.name),
      lengthBytes: block.usedLengthBytes,
      counts: cells?.counts() ?? null,
      slack: mapped === undefined || isElsewhere(mapped)
        ? "none possible"
        : slack.slackPages.has(block)
        ? "counted"
        : "not looked for",
      pagesOffset: mapped === undefined || isElsewhere(mapped) ? null : mapped.pagesOffset,
      map: withMap.has(block) ? cells?.map() ?? null : null,
    };
  });
  return { blocks: models, moreBlocks: blocks.length - models.length };
}

function cellsOf(table: BlockPages, maxCells: number, slack: SlackPages): PageCells {
  const cells = new PageCells(table.pages, maxCells);
  const set = slack.slackSets.get(table.block);
  for (const run of table.runs()) {
    cells.add(run);
    if (set === undefined || run.kind !== PAGE_KIND.ZERO) continue;
    if (!set.hasAny(run.first, run.count)) continue;
    for (let page = run.first; page < run.first + run.count; page++) {
      if (set.has(page)) cells.slack(page);
    }
  }
  return cells;
}
