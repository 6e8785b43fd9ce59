/**
 * Walks over a stream and keeps what says something about the guest: its sections by entry, in stream order.
 *
 * @module
 */

import { type FormatError, isFormatError } from "../format/error.ts";
import type { SectionItem, StreamItem } from "../format/items.ts";
import type { KnownPayload } from "../format/payload.ts";
import type { RamBlock } from "../format/ram.ts";
import type { SectionIdentity } from "../format/section.ts";
import type { ByteSource } from "../format/source.ts";
import { StreamReader, type StreamReaderOptions } from "../format/stream.ts";
import type { VmdescriptionSection } from "../format/vmdescription.ts";
import { lastOf } from "./steps.ts";

/** All sections of one entry: a START with its PARTs and END, or a FULL. */
export interface StateEntry {
  /** Id, name, instance, version. */
  readonly section: SectionIdentity;
  /** Kind of payload: of our own knowledge, described by the vmdescription, or neither. */
  readonly kind: KnownPayload["kind"] | "device" | "undescribed";
  /** The first section; a device's only one. */
  readonly first: SectionItem;
}

/** What a stream says about the guest. */
export interface StreamState {
  /** Entries in the order of their first sections. */
  readonly entries: readonly StateEntry[];
  /** The RAM block list; `undefined` if the stream has none. */
  readonly blocks: readonly RamBlock[] | undefined;
  /** Target page size in bytes, if known. */
  readonly pageBytes: number | undefined;
  /** Whether sections have footers; `undefined` if no section was read. */
  readonly hasFooters: boolean | undefined;
  /** Where the description of the devices came from: the stream itself, elsewhere, or nowhere. */
  readonly descriptionOrigin: "stream" | "given" | "none";
  /** The vmdescription, if the stream has one and was read up to it. */
  readonly vmdescription: VmdescriptionSection | undefined;
  /** Sections whose end had to be guessed, because nothing describes them. */
  readonly guessed: readonly SectionItem[];
  /** Bytes behind the end of the stream. */
  readonly trailingBytes: number;
  /** The error that ended the reading, if errors are kept. */
  readonly error: FormatError | undefined;
}

/** How a stream's state is read. */
export interface ReadStateOptions extends StreamReaderOptions {
  /** Whether an error ends the reading quietly: it is then in the result, beside what was read before it. */
  readonly keepGoing?: boolean;
  /** Called with each item. */
  readonly onItem?: (item: StreamItem) => void;
}

/**
 * Reads a whole stream and keeps its state.
 *
 * @example The devices of a stream
 * ```ts
 * import { openInput, readState } from "@migstream/migstream";
 *
 * using input = await openInput("testdata/pc.mig");
 * const { entries } = readState(input.source, { offset: input.streamOffset });
 * console.log(entries.map(({ section }) => section.idstr));
 * ```
 *
 * @throws {FormatError} unless `keepGoing` is set
 */
export function readState(source: ByteSource, options: ReadStateOptions = {}): StreamState {
  return lastOf(readStateSteps(source, options));
}

/**
 * The same in steps, an item each, for a caller that has to look at something else now and then.
 *
 * @throws {FormatError} unless `keepGoing` is set
 */
export function* readStateSteps(
  source: ByteSource,
  options: ReadStateOptions = {},
): Generator<StreamItem, StreamState, undefined> {
  const reader = new StreamReader(source, options);
  const entries: StateEntry[] = [];
  const guessed: SectionItem[] = [];
  let vmdescription: VmdescriptionSection | undefined;
  let trailingBytes = 0;
  let error: FormatError | undefined;
  try {
    for (const item of reader.items()) {
      options.onItem?.(item);
      yield item;
      if (item.kind === "trailing" && item.depth === 0) trailingBytes = item.lengthBytes;
      if (item.kind === "vmdescription") vmdescription = { offset: item.offset, text: item.text };
      if (item.kind !== "section") continue;
      if (item.boundary === "footer" || item.boundary === "next-section") guessed.push(item);
      if (item.type === "start" || item.type === "full") {
        entries.push({ section: item.section, kind: item.payload?.kind ?? "device", first: item });
      }
    }
  } catch (thrown) {
    if (options.keepGoing !== true || !isFormatError(thrown)) throw thrown;
    error = thrown;
  }
  const { blocks } = reader.context.ram;
  return {
    entries: entries.map(withFinalKind),
    blocks: blocks.size === 0 ? undefined : [...blocks.values()],
    pageBytes: reader.pageBytes,
    hasFooters: reader.hasFooters,
    descriptionOrigin: reader.descriptionOrigin,
    vmdescription,
    // A section before its description (on a pipe) was described in the end.
    guessed: guessed.filter((item) => item.device === undefined),
    trailingBytes,
    error,
  };
}

function withFinalKind(entry: StateEntry): StateEntry {
  const isUndescribed = entry.kind === "device" && entry.first.device === undefined;
  return isUndescribed ? { ...entry, kind: "undescribed" } : entry;
}
