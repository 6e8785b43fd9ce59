/**
 * What is different between two guests, for a report.
 *
 * @module
 */

import { escapeText } from "../../format/text.ts";
import type { GuestDiff } from "../diff/diff.ts";
import type { BlockDiff } from "../diff/memory.ts";
import type { Change, DiffValue } from "../diff/values.ts";
import { clip, integerText, sentence } from "./field_text.ts";
import type { ComparisonModel, MemoryComparisonModel } from "./model.ts";
import { PageCells } from "./page_cells.ts";

/** Changes that are listed; those of one guest a moment later are some hundreds. */
const MAX_CHANGES = 4096;
/** Blocks that are listed, and cells of the map of each. */
const MAX_BLOCKS = 32;
const MAX_CELLS = 4096;
/** Characters of a path that are shown: many more than that of any real device has. */
const PATH_CHARACTERS = 400;
/** Notes that are shown. */
const MAX_NOTES = 50;

/** Makes the comparison of a report. */
export function comparisonModel(diff: GuestDiff): ComparisonModel {
  const all = [...diff.configuration, ...diff.sections, ...diff.state];
  const blocks = diff.ram.slice(0, MAX_BLOCKS);
  const more = diff.ram.length - blocks.length;
  const ignored = diff.ignored.filter(({ count }) => count > 0);
  const passed = ignored.reduce((sum, { count }) => sum + count, 0);
  const globs = ignored.map(({ glob }) => glob).join(", ");
  return {
    same: diff.same,
    changes: all.slice(0, MAX_CHANGES).map(changeRow),
    more: Math.max(0, all.length - MAX_CHANGES),
    memory: blocks.map(memoryModel),
    notes: [
      ...diff.notes.slice(0, MAX_NOTES).map((note) => clip(sentence(note))),
      ...(more > 0 ? [`${more} more RAM blocks differ`] : []),
      ...(passed > 0 ? [`passed over, because it changes by itself (${passed}): ${globs}`] : []),
    ],
  };
}

function changeRow({ path, left, right }: Change): ComparisonModel["changes"][number] {
  return [clip(path, PATH_CHARACTERS), valueText(left), valueText(right)];
}

function valueText(value: DiffValue): string | null {
  if (value === null) return null;
  const isInteger = typeof value === "bigint" || Number.isInteger(value);
  return isInteger ? integerText(value as number | bigint) : clip(escapeText(String(value)));
}

function memoryModel(block: BlockDiff): MemoryComparisonModel {
  const { name, left, right, pageBytes, changedPages, ranges, addedPages, gonePages } = block;
  const bytes = Math.max(left?.usedLengthBytes ?? 0, right?.usedLengthBytes ?? 0);
  const cells = new PageCells(Math.ceil(bytes / pageBytes), MAX_CELLS);
  for (const [start, end] of ranges) {
    const first = Math.floor(start / pageBytes);
    cells.addKind("normal", first, Math.ceil(end / pageBytes) - first);
  }
  return {
    name: escapeText(name),
    pages: cells.pages,
    pageBytes,
    changedPages,
    addedPages,
    gonePages,
    pagesPerCell: cells.pagesPerCell,
    cells: cells.cells,
    changed: cells.shares("normal"),
  };
}
