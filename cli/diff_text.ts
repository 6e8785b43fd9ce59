/**
 * The text of `migstream diff`: the summary first, then what it sums up.
 *
 * @module
 */

import { type ByteRange, changedRanges } from "../analyze/diff/byte_ranges.ts";
import type { GuestDiff } from "../analyze/diff/diff.ts";
import { guestRanges } from "../analyze/diff/guest_ranges.ts";
import { diffHunks, type Hunk } from "../analyze/diff/hunks.ts";
import type { BlockDiff } from "../analyze/diff/memory.ts";
import type { Change, DiffValue } from "../analyze/diff/values.ts";
import type { MemoryView } from "../analyze/memory/memory_view.ts";
import type { PhysicalMap } from "../analyze/memory/physical_map.ts";
import type { RamBlock } from "../format/ram.ts";
import { escapeText, hex } from "../format/text.ts";
import type { Output } from "./output.ts";
import { sizeText } from "./size_text.ts";
import { type Style, styleOf } from "./style.ts";

/** A comparison, and what it takes to show it. */
export interface ShownDiff {
  /** The comparison. */
  readonly diff: GuestDiff;
  /** The left side's memory. */
  readonly left: MemoryView;
  /** The right side's memory. */
  readonly right: MemoryView;
  /** Where blocks stand in the guest's physical address space, if that is known. */
  readonly map?: PhysicalMap | undefined;
  /** Bytes shown around bytes that differ; `undefined` if bytes are not shown. */
  readonly context?: number | undefined;
}

/** Globs that the summary names. */
const MAX_GLOBS = 6;

/** Bytes of a hunk in a line. */
const LINE_BYTES = 16;

/** Prints a comparison for people. */
export function printDiffText(shown: ShownDiff, out: Output): void {
  const style = styleOf(Deno.stdout);
  const { diff } = shown;
  out.line(style.bold(summary(diff)));
  const ignored = ignoredText(diff);
  if (ignored !== undefined) out.line(style.dim(ignored));
  const parts = { Configuration: diff.configuration, Sections: diff.sections, State: diff.state };
  for (const [title, changes] of Object.entries(parts)) {
    if (changes.length > 0) out.line(`\n${style.bold(title)}`);
    for (const change of changes) out.line(`  ${changeText(change, style)}`);
  }
  if (diff.ram.length > 0) out.line(`\n${style.bold("RAM")}`);
  for (const block of diff.ram) printBlock(shown, block, out, style);
}

function summary({ same, configuration, sections, state, ram, blocks }: GuestDiff): string {
  if (same) return "the same";
  const pages = ram.reduce((sum, { changedPages }) => sum + changedPages, 0);
  const counts = [
    counted(configuration.length, "setting of the configuration", "settings of the configuration"),
    counted(sections.length, "section"),
    counted(state.length, "field"),
    ram.length === 0 ? "" : `${counted(pages, "page") || "no page"} in ${ram.length} of ` +
      `${counted(blocks, "RAM block")}`,
  ];
  return `different: ${counts.filter((each) => each !== "").join(", ")}`;
}

function counted(count: number, one: string, many: string = `${one}s`): string {
  return count === 0 ? "" : `${count} ${count === 1 ? one : many}`;
}

function ignoredText({ ignored }: GuestDiff): string | undefined {
  const hit = ignored.filter(({ count }) => count > 0);
  const total = hit.reduce((sum, { count }) => sum + count, 0);
  if (total === 0) return undefined;
  const shown = hit.slice(0, MAX_GLOBS).map(({ glob, count }) => `${escapeText(glob)} ${count}`);
  const more = hit.length > MAX_GLOBS ? `, and ${hit.length - MAX_GLOBS} more globs` : "";
  return `passed over: ${total} that differ (${shown.join(", ")}${more})`;
}

function changeText({ path, left, right }: Change, style: Style): string {
  return `${style.cyan(path)}: ${style.red(valueText(left))} -> ${style.green(valueText(right))}`;
}

function valueText(value: DiffValue): string {
  switch (typeof value) {
    case "bigint":
    case "number":
      return Number.isInteger(Number(value)) && value > 9
        ? `${value} (${hex(value)})`
        : String(value);
    case "string":
      return escapeText(value);
    case "boolean":
      return String(value);
    default:
      return "-";
  }
}

function printBlock(
  { left, right, map, context }: ShownDiff,
  diff: BlockDiff,
  out: Output,
  style: Style,
): void {
  out.line(`  ${style.cyan(escapeText(diff.name))}: ${blockText(diff)}`);
  for (const range of diff.ranges) out.line(`    ${rangeText(range, diff, map)}`);
  if (context === undefined) return;
  for (const hunk of diffHunks(left, right, diff, context)) printHunk(hunk, diff, map, out, style);
}

function blockText(diff: BlockDiff): string {
  const { left, right, pageBytes, changedPages, addedPages, gonePages } = diff;
  if (left === undefined || right === undefined) {
    const side = left === undefined ? "right" : "left";
    return `only on the ${side} side, ${lengthText(left ?? right)}`;
  }
  const isLonger = left.usedLengthBytes !== right.usedLengthBytes;
  const lengths = isLonger ? `${lengthText(left)} -> ${lengthText(right)}; ` : "";
  const common = Math.min(left.usedLengthBytes, right.usedLengthBytes);
  const pages = pageBytes === 0 ? 0 : common / pageBytes;
  const kinds = [
    counted(changedPages - addedPages - gonePages, "changed", "changed"),
    counted(addedPages, "zero on the left side", "zero on the left side"),
    counted(gonePages, "zero on the right side", "zero on the right side"),
  ].filter((each) => each !== "");
  const how = kinds.length === 0 ? "" : `: ${kinds.join(", ")}`;
  return `${lengths}${changedPages} of ${counted(pages, "page") || "0 pages"} differ${how}`;
}

function lengthText(block: RamBlock | undefined): string {
  const bytes = block?.usedLengthBytes ?? 0;
  return `${sizeText(bytes)} (${hex(bytes)} bytes)`;
}

function rangeText(range: ByteRange, diff: BlockDiff, map: PhysicalMap | undefined): string {
  const [start, end] = range;
  const pages = Math.ceil((end - start) / diff.pageBytes);
  const guest = map === undefined ? [] : [...guestRanges(map, diff.name, range)];
  const where = guest.length === 0 ? "" : `  guest-physical ${guest.map(edges).join(", ")}`;
  return `${edges(range)}  ${counted(pages, "page")}${where}`;
}

function edges([start, end]: ByteRange): string {
  return `${hex(start, 8)}..${hex(end, 8)}`;
}

/** Both sides' bytes in turns, line by line; the lines that are the same are printed once. */
function printHunk(
  { start, left, right }: Hunk,
  diff: BlockDiff,
  map: PhysicalMap | undefined,
  out: Output,
  style: Style,
): void {
  const [guest] = map === undefined ? [] : guestRanges(map, diff.name, [start, start + 1]);
  const where = guest === undefined ? "" : `  guest-physical ${hex(guest[0], 8)}`;
  out.line(`    @ ${hex(start, 8)}, ${counted(left.length, "byte")}${where}`);
  for (let at = 0; at < left.length; at += LINE_BYTES) {
    const ours = left.subarray(at, at + LINE_BYTES);
    const theirs = right.subarray(at, at + LINE_BYTES);
    const line = (bytes: Uint8Array) =>
      `${hex(start + at, 8)}  ${bytes.toHex().replace(/..(?=.)/g, "$& ")}`;
    if (changedRanges(ours, theirs).next().done === true) {
      out.line(`        ${line(ours)}`);
      continue;
    }
    out.line(style.red(`      - ${line(ours)}`));
    out.line(style.green(`      + ${line(theirs)}`));
  }
}
