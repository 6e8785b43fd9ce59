/**
 * Runs of RAM records as rows: what follows each other in file and block becomes one row, however often the reader's buffer was
 * refilled meanwhile.
 *
 * @module
 */

import type { RamBlock, RamRecordKind } from "../../format/ram.ts";
import type { RamRun } from "../../format/ram_scanner.ts";
import { escapeText, hex } from "../../format/text.ts";

/** A row that may still grow. */
export interface PendingRun {
  /** Kind of all records. */
  readonly kind: RamRecordKind;
  /** The block, for records about pages. */
  readonly block: RamBlock | undefined;
  /** Byte offset of the first page in its block. */
  readonly address: number;
  /** Fill byte of zero pages. */
  readonly fill: number;
  /** Byte offset behind the last page. */
  endAddress: number;
  /** Number of records. */
  records: number;
  /** Absolute offset behind the last record. */
  end: number;
}

/** Starts a row with a run. */
export function pendingRun(run: RamRun, pageBytes: number): PendingRun {
  return {
    kind: run.kind,
    block: run.block,
    address: run.address,
    fill: run.fill,
    endAddress: run.address + run.count * pageBytes,
    records: run.count,
    end: run.offset + run.lengthBytes,
  };
}

/** Adds a run to a row if it continues it; tells whether it did. */
export function extendPending(pending: PendingRun, run: RamRun, pageBytes: number): boolean {
  const continues = run.kind === pending.kind && run.block === pending.block &&
    run.fill === pending.fill && (run.block === undefined || run.address === pending.endAddress);
  if (!continues) return false;
  pending.endAddress += run.count * pageBytes;
  pending.records += run.count;
  pending.end = run.offset + run.lengthBytes;
  return true;
}

const NOUNS: Readonly<Record<RamRecordKind, string>> = {
  "zero": "zero pages",
  "page": "pages",
  "xbzrle": "XBZRLE deltas",
  "compressed": "compressed pages",
  "block-list": "block list",
  "flush": "MULTIFD_FLUSH",
  "hook": "HOOK",
  "eos": "end of the RAM records",
};

/** A row in a few words, e.g. `zero pages pc.ram 0x1000..0x5fff (5 records)`. */
export function describePending(pending: PendingRun): string {
  const { kind, block, address, endAddress, records, fill } = pending;
  const noun = fill === 0 ? NOUNS[kind] : `pages full of ${hex(fill, 2)}`;
  const count = `(${records} record${records === 1 ? "" : "s"})`;
  if (block === undefined) return records === 1 ? noun : `${noun} ${count}`;
  const range = `${hex(address)}..${hex(endAddress - 1)}`;
  return `${noun} ${escapeText(block.name)} ${range} ${count}`;
}
