/**
 * An overview of a stream: what it says of itself, its RAM blocks with their pages by kind, its sections, commands, iterations, sizes.
 *
 * @module
 */

import type { OpenInput } from "../container/open.ts";
import { configuredCapabilities } from "../format/configuration.ts";
import { DIRTY_BITMAP_START_FLAG } from "../format/dirty_bitmap_chunk.ts";
import type { CollectedDirtyBitmap } from "../format/dirty_bits.ts";
import type { FormatError } from "../format/error.ts";
import { isElsewhere } from "../format/mapped_ram.ts";
import type { RamBlock } from "../format/ram.ts";
import type { Vmdescription } from "../format/vmdescription.ts";
import { type ChannelsReading, type InputReading, readInput } from "./channels/read_input.ts";
import { InfoCollector } from "./info_collector.ts";
import type { DirtyBitmapInfo, PageChannelsInfo, RamBlockInfo, StreamInfo } from "./info_model.ts";
import { inputInfo } from "./input_info.ts";

/** How an overview is made. */
export interface InfoOptions {
  /** A description from elsewhere. */
  readonly vmdescription?: Vmdescription;
  /** Whether an error ends the reading quietly; it is then returned beside the overview. */
  readonly keepGoing?: boolean;
  /** Whether slack is looked for however much there is to read. Default: only where it is little. */
  readonly slack?: boolean;
}

/** Bytes read in search of slack where nobody asked for it: a moment's work. */
const SLACK_SEARCH_BYTES = 256 * 1024 * 1024;

/**
 * Reads a stream and gives an overview of it.
 *
 * @example
 * ```ts
 * import { openInput, readInfo } from "@migstream/migstream";
 *
 * using input = await openInput("testdata/pc.mig");
 * const { info } = readInfo(input);
 * console.log(info.machine, info.sections.length);
 * ```
 *
 * @throws {FormatError} unless `keepGoing` is set
 */
export function readInfo(
  input: OpenInput,
  options: InfoOptions = {},
): { readonly info: StreamInfo; readonly error: FormatError | undefined } {
  const { slack, ...reading } = options;
  const collector = new InfoCollector(slackSearchBytes(slack));
  const read = readInput(input, {
    ...reading,
    visitor: collector,
    pages: { content: false },
    onItem: (item) => collector.item(item),
  });
  return { info: infoOf(input, collector, read), error: read.state.error };
}

/** Bytes that may be read in search of slack. */
export function slackSearchBytes(slack: boolean | undefined): number {
  return slack === true ? Infinity : SLACK_SEARCH_BYTES;
}

/** The overview of an input that was read with a collector. */
export function infoOf(
  input: OpenInput,
  collector: InfoCollector,
  { state, channels }: InputReading,
): StreamInfo {
  const { pageBytes, blocks = [] } = state;
  const { configuration, header } = collector;
  const uuid = configuration?.subsections.find((each) => each.name === "configuration/uuid")?.uuid;
  const ramBlocks = blocks.map((block) => blockInfo(block, collector, pageBytes));
  return {
    input: inputInfo(input),
    streamVersion: header?.version ?? null,
    machine: configuration?.machine ?? null,
    uuid: uuid === undefined ? null : formatUuid(uuid),
    capabilities: configuredCapabilities(configuration),
    targetPageBytes: pageBytes ?? null,
    vmdescription: state.vmdescription !== undefined,
    footers: state.hasFooters ?? null,
    ramBlocks,
    sections: collector.sections,
    commands: collector.commands,
    iterations: collector.iterations,
    resentPages: collector.resentPages,
    multifdFlushes: collector.flushes,
    dirtyBitmaps: collector.bitmaps.bitmaps().map(bitmapInfo),
    sizes: collector.sizes,
    pageChannels: channels === undefined ? null : pageChannelsInfo(channels),
    notes: [
      ...input.notes,
      ...collector.notes(state, ramBlocks, channels !== undefined),
      ...(channels?.notes ?? []),
    ],
  };
}

function pageChannelsInfo(channels: ChannelsReading): PageChannelsInfo {
  const { marks, kindOfMarks, repeatedPages, totals } = channels;
  return {
    syncMarks: marks,
    markedBy: kindOfMarks,
    repeatedPages,
    channels: totals.map((each) => ({
      ...each,
      ratio: each.payloadBytes === 0 ? null : each.contentBytes / each.payloadBytes,
    })),
  };
}

function formatUuid(bytes: Uint8Array): string {
  const digits = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return digits.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

function blockInfo(
  block: RamBlock,
  tracker: InfoCollector,
  pageBytes: number | undefined,
): RamBlockInfo {
  const { name, usedLengthBytes, hostPageBytes, guestAddress, mapped } = block;
  return {
    name,
    usedLengthBytes,
    pages: pageBytes === undefined ? null : tracker.table(block, pageBytes).counts,
    ...(hostPageBytes === undefined ? {} : { hostPageBytes }),
    ...(guestAddress === undefined ? {} : { guestAddress }),
    ...(mapped === undefined ? {} : isElsewhere(mapped) ? { elsewhere: true } : {
      bitmapOffset: mapped.bitmapOffset,
      pagesOffset: mapped.pagesOffset,
      slackPages: tracker.slackPages.get(block) ?? null,
    }),
  };
}

function bitmapInfo(bitmap: CollectedDirtyBitmap): DirtyBitmapInfo {
  const { node, granularityBytes, bitmapFlags, dirtyBytes } = bitmap;
  return {
    node,
    bitmap: bitmap.bitmap,
    granularityBytes,
    enabled: (bitmapFlags & DIRTY_BITMAP_START_FLAG.ENABLED) !== 0,
    persistent: (bitmapFlags & DIRTY_BITMAP_START_FLAG.PERSISTENT) !== 0,
    dirtyBytes,
  };
}
