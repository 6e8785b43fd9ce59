/**
 * Reads what the rich dump shows beyond a stream's entries: configuration, commands, sums over live sections.
 *
 * @module
 */

import type {
  CommandItem,
  ConfigurationItem,
  SectionItem,
  StreamItem,
} from "../../format/items.ts";
import type { KnownPayload } from "../../format/payload.ts";
import type { ByteSource } from "../../format/source.ts";
import { readState, type ReadStateOptions, type StreamState } from "../state.ts";

/** All sections of an entry of our own knowledge, in numbers. */
export interface PayloadTotals {
  /** Which payload. */
  readonly kind: KnownPayload["kind"];
  /** Number of sections: START, PARTs and END. */
  sections: number;
  /** Bytes of these sections, headers included and footers not. */
  totalBytes: number;
  /** The numbers of the payloads' summaries, added up; flags that any of them has. */
  readonly numbers: Record<string, number | boolean>;
}

/** A stream's state, and what stands around it. */
export interface RichState {
  /** The entries. */
  readonly state: StreamState;
  /** The configuration, if the stream has one. */
  readonly configuration: ConfigurationItem | undefined;
  /** The commands in stream order, those of packages included. */
  readonly commands: readonly CommandItem[];
  /** Sums by the offset of an entry's first section. */
  readonly totals: ReadonlyMap<number, PayloadTotals>;
}

/**
 * Reads a whole stream for {@link printRichState}.
 *
 * @throws {FormatError} unless `keepGoing` is set
 */
export function readRichState(source: ByteSource, options: ReadStateOptions = {}): RichState {
  let configuration: ConfigurationItem | undefined;
  const commands: CommandItem[] = [];
  const totals = new Map<number, PayloadTotals>();
  const totalsById = new Map<number, PayloadTotals>();
  const onItem = (item: StreamItem): void => {
    options.onItem?.(item);
    if (item.kind === "configuration") configuration = item;
    else if (item.kind === "command") commands.push(item);
    else if (item.kind === "section" && item.payload !== undefined) {
      const isFirst = item.type === "start" || item.type === "full";
      let sum = isFirst ? undefined : totalsById.get(item.section.id);
      if (sum === undefined) {
        sum = { kind: item.payload.kind, sections: 0, totalBytes: 0, numbers: {} };
        totals.set(item.offset, sum);
        totalsById.set(item.section.id, sum);
      }
      addSection(sum, item, item.payload);
    }
  };
  const state = readState(source, { ...options, onItem });
  return { state, configuration, commands, totals };
}

function addSection(sum: PayloadTotals, item: SectionItem, payload: KnownPayload): void {
  const { numbers } = sum;
  sum.sections += 1;
  sum.totalBytes += item.payloadEnd - item.offset;
  for (const [name, value] of Object.entries(payload.summary)) {
    if (typeof value === "boolean") numbers[name] = numbers[name] === true || value;
    if (typeof value !== "number" || isPlace(payload, name)) continue;
    const before = Number(numbers[name] ?? 0);
    if (name === "percent") numbers[name] = value;
    // Only the first header of a hash table tells its size.
    else if (name === "header") numbers[name] ??= value;
    else numbers[name] = before + value;
  }
}

function isPlace(payload: KnownPayload, name: string): boolean {
  return payload.kind === "pbs-state" && name !== "dataBytes";
}
