/**
 * Reads an input whole: a stream, or all channels of a captured migration.
 *
 * @module
 */

import type { OpenInput } from "../../container/open.ts";
import { type FormatError, isFormatError } from "../../format/error.ts";
import type { StreamItem } from "../../format/items.ts";
import type { StreamVisitor } from "../../format/payload.ts";
import { type ReadStateOptions, readStateSteps, type StreamState } from "../state.ts";
import { ChannelMerger, type MergerOptions, type SyncMarks } from "./merger.ts";
import type { ChannelTotals } from "./totals.ts";
import { lastOf } from "../steps.ts";

/** How an input is read. */
export interface ReadInputOptions extends Omit<ReadStateOptions, "offset" | "visitor"> {
  /** Who wants to see pages. */
  readonly visitor: StreamVisitor;
  /** What it wants to see of pages in other channels than the main one. */
  readonly pages: MergerOptions;
}

/** What was in the channels of a captured migration. */
export interface ChannelsReading {
  /** What went over each of them. */
  readonly totals: readonly ChannelTotals[];
  /** Synchronisation marks on the main channel. */
  readonly marks: number;
  /** How they are made; `null` before the first RAM section ended. */
  readonly kindOfMarks: SyncMarks | null;
  /** Pages that came twice between two marks. */
  readonly repeatedPages: number;
  /** What deserves attention. */
  readonly notes: readonly string[];
}

/** An input that was read. */
export interface InputReading {
  /** What the main channel says about the guest; the error is that of any channel. */
  readonly state: StreamState;
  /** The other channels; `undefined` if there are none with pages. */
  readonly channels: ChannelsReading | undefined;
}

/**
 * Reads an input in steps: an item of the main channel each.
 *
 * @throws {FormatError} unless `keepGoing` is set
 */
export function* readInputSteps(
  input: OpenInput,
  { visitor, pages, ...options }: ReadInputOptions,
): Generator<StreamItem, InputReading, undefined> {
  const { source, streamOffset: offset, pageChannels } = input;
  if (pageChannels === undefined) {
    const state = yield* readStateSteps(source, { ...options, visitor, offset });
    return { state, channels: undefined };
  }
  using merger = new ChannelMerger(visitor, pageChannels, pages);
  const state = yield* readStateSteps(source, { ...options, visitor: merger, offset });
  let error: FormatError | undefined = state.error;
  try {
    if (error === undefined) merger.finish();
  } catch (thrown) {
    if (options.keepGoing !== true || !isFormatError(thrown)) throw thrown;
    error = thrown;
  }
  const { totals, marks, kindOfMarks = null, repeatedPages, notes } = merger;
  return {
    state: { ...state, error },
    channels: { totals, marks, kindOfMarks, repeatedPages, notes },
  };
}

/**
 * Reads an input.
 *
 * @throws {FormatError} unless `keepGoing` is set
 */
export function readInput(input: OpenInput, options: ReadInputOptions): InputReading {
  return lastOf(readInputSteps(input, options));
}
