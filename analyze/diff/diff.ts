/**
 * What is different between two saved guests, whatever form each is stored in.
 *
 * @example
 * ```ts
 * import { openInput } from "../../container/open.ts";
 * import { diffGuests } from "./diff.ts";
 * import { readDiffSide } from "./side.ts";
 *
 * using input = await openInput("testdata/pc.mig", { keepAll: true });
 * using left = readDiffSide(input);
 * using right = readDiffSide(input);
 * console.log(diffGuests(left, right).same); // true
 * ```
 *
 * What one side does not carry (pages in channels that are missing, blocks that are shared, what stands behind damage) is told in notes and
 * is no difference.
 *
 * @module
 */

import { escapeText } from "../../format/text.ts";
import { ChangeList } from "./changes.ts";
import { diffConfigurations } from "./configuration.ts";
import { DEFAULT_IGNORES, type IgnoredCount, IgnoreList } from "./ignore.ts";
import {
  type BlockDiff,
  type ComparableMemory,
  diffMemory,
  type DiffMemoryOptions,
} from "./memory.ts";
import { diffSections } from "./sections.ts";
import type { DiffSide } from "./side.ts";
import type { Change } from "./values.ts";

/** How guests are compared. */
export interface DiffOptions extends DiffMemoryOptions {
  /** Globs over the paths of what is passed over. Default {@link DEFAULT_IGNORES}. */
  readonly ignore?: Iterable<string>;
  /** Whether configuration, sections and device state are compared. Default true. */
  readonly state?: boolean;
  /** Whether memories are compared. Default true. */
  readonly ram?: boolean;
}

/** What is different between two guests. */
export interface GuestDiff {
  /** Whether nothing is. */
  readonly same: boolean;
  /** In the configuration. */
  readonly configuration: readonly Change[];
  /** Sections: present on one side only, of another version or instance; payloads that are no device state. */
  readonly sections: readonly Change[];
  /** Fields of device state. */
  readonly state: readonly Change[];
  /** RAM blocks that are different. */
  readonly ram: readonly BlockDiff[];
  /** Number of RAM blocks on both sides together, each name once. */
  readonly blocks: number;
  /** What was passed over. */
  readonly ignored: readonly IgnoredCount[];
  /** What was not compared, and other things that deserve attention. */
  readonly notes: readonly string[];
}

/**
 * Compares two guests.
 *
 * @example
 * ```ts
 * import { diffGuests, openInput, readDiffSide } from "@migstream/migstream";
 *
 * using before = await openInput("testdata/pc.mig", { keepAll: true });
 * using after = await openInput("testdata/pc-mapped.zst", { keepAll: true });
 * using left = readDiffSide(before);
 * using right = readDiffSide(after);
 * for (const { path, left: old, right: now } of diffGuests(left, right).state) {
 *   console.log(path, old, now);
 * }
 * ```
 */
export function diffGuests(left: DiffSide, right: DiffSide, options: DiffOptions = {}): GuestDiff {
  const { state: withState = true, ram: withRam = true } = options;
  const ignored = new IgnoreList(options.ignore ?? DEFAULT_IGNORES);
  const configuration = new ChangeList(ignored);
  const sections = new ChangeList(ignored);
  const state = new ChangeList(ignored);
  const notes: string[] = [];
  if (withState) {
    // Damage may stand before the configuration of one side.
    if (left.isBegun && right.isBegun) {
      diffConfigurations(left.configuration, right.configuration, configuration);
    } else notes.push("the configurations were not compared: one side is damaged before it");
    diffSections(left, right, { sections, state, notes });
  }
  const ram: BlockDiff[] = [];
  let blocks = 0;
  if (withRam) {
    noteMissing(left, right, notes);
    for (const block of diffMemory(comparable(left), comparable(right), options)) {
      blocks += 1;
      if (isDifferent(block, left, right)) ram.push(block);
      notes.push(...blockNotes(block, left, right));
    }
  }
  const found = [configuration.changes, sections.changes, state.changes, ram];
  return {
    same: found.every(({ length }) => length === 0),
    configuration: configuration.changes,
    sections: sections.changes,
    state: state.changes,
    ram,
    blocks,
    ignored: ignored.counts,
    notes,
  };
}

function noteMissing(left: DiffSide, right: DiffSide, notes: string[]): void {
  for (const [side, { missingChannels }] of [["left", left], ["right", right]] as const) {
    if (missingChannels === undefined) continue;
    notes.push(`${side}: the memory is not whole: ${missingChannels} channels have the rest`);
  }
}

/** A block that one side lacks because that side is damaged before its block list is no difference. */
function isUntold({ left, right }: BlockDiff, ours: DiffSide, theirs: DiffSide): boolean {
  return left === undefined && ours.state.error !== undefined && ours.memory.blocks.length === 0 ||
    right === undefined && theirs.state.error !== undefined && theirs.memory.blocks.length === 0;
}

function isDifferent(block: BlockDiff, left: DiffSide, right: DiffSide): boolean {
  return !isUntold(block, left, right) &&
    (block.changedPages > 0 || block.left?.usedLengthBytes !== block.right?.usedLengthBytes);
}

function blockNotes(block: BlockDiff, left: DiffSide, right: DiffSide): string[] {
  const name = escapeText(block.name);
  if (isUntold(block, left, right)) {
    return [`block ${name} was not compared: the other side is damaged before it`];
  }
  return (["left", "right"] as const).filter((side) => block.absentPages[side] > 0).map((side) =>
    `block ${name}: ${block.absentPages[side]} page(s) are not in the ${side} input: not compared`
  );
}

/** A side's memory that also tells where contents stand. */
function comparable({ memory, source }: DiffSide): ComparableMemory {
  const readAt = (offset: number, into: Uint8Array) => {
    for (let done = 0; done < into.length;) {
      const count = source.readAt(offset + done, into.subarray(done));
      if (count === 0) return false;
      done += count;
    }
    return true;
  };
  return {
    pageBytes: memory.pageBytes,
    blocks: memory.blocks,
    runs: (block) => memory.runs(block),
    read: (block, address, into) => memory.read(block, address, into),
    raw: { offsetOf: (block, page) => memory.offsetOf(block, page), readAt },
  };
}
