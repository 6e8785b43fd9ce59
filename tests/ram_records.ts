/**
 * Where the records and chunks of a real stream stand, for tests that break them.
 *
 * @module
 */

import type { ChunkPlace } from "../format/chunk.ts";
import type { StreamVisitor } from "../format/payload.ts";
import type { RamBlock, RamRecordKind } from "../format/ram.ts";
import { recordOffset } from "../format/ram_scanner.ts";
import { BytesSource } from "../format/source.ts";
import { StreamReader } from "../format/stream.ts";
import type { Victim } from "./breaking.ts";

/** A RAM record. */
export interface RamRecord {
  /** Which kind. */
  readonly kind: RamRecordKind;
  /** Absolute offset of its word. */
  readonly offset: number;
  /** Bytes. */
  readonly lengthBytes: number;
  /** Whether its word has no name. */
  readonly continues: boolean;
  /** Absolute offset of its content. */
  readonly dataOffset: number;
  /** Bytes of content. */
  readonly dataBytes: number;
  /** Whether the record behind it is of the same kind and for the next page. */
  readonly isFollowed: boolean;
  /** The block, of records about pages. */
  readonly block: RamBlock | undefined;
  /** Address of the page in its block. */
  readonly address: number;
}

/** All records of a stream, in order. */
export function ramRecords(victim: Victim): RamRecord[] {
  const records: RamRecord[] = [];
  visitAll(victim, {
    run: (run, pageBytes) => {
      for (let index = 0; index < run.count; index++) {
        const offset = recordOffset(run, index);
        const end = index + 1 < run.count
          ? recordOffset(run, index + 1)
          : run.offset + run.lengthBytes;
        records.push({
          kind: run.kind,
          offset,
          lengthBytes: end - offset,
          continues: (run.flags & 0x20) !== 0 || index > 0,
          dataOffset: run.dataOffset + index * run.strideBytes,
          dataBytes: run.dataBytes,
          isFollowed: index + 1 < run.count,
          block: run.block,
          address: run.address + index * pageBytes,
        });
      }
    },
  });
  return records;
}

/** Reads a stream to its end. */
export function visitAll({ bytes }: Victim, visitor: StreamVisitor): void {
  for (const _item of new StreamReader(new BytesSource(bytes), { visitor }).items()) continue;
}

/** The first record that is wanted. */
export function ramRecord(
  victim: Victim,
  isWanted: (record: RamRecord, index: number, all: readonly RamRecord[]) => boolean,
): RamRecord {
  const record = ramRecords(victim).find(isWanted);
  if (record === undefined) throw new Error("no such record");
  return record;
}

/** The names of visitor methods that see chunks. */
type ChunkMethod = "dirtyBitmap" | "hashTable" | "storageAttributes" | "diskBlock" | "vfio";

/** All chunks that a method of a visitor sees. */
export function chunks(victim: Victim, method: ChunkMethod): (ChunkPlace & { kind?: string })[] {
  const seen: (ChunkPlace & { kind?: string })[] = [];
  visitAll(victim, { [method]: (_reader: unknown, chunk: ChunkPlace) => void seen.push(chunk) });
  return seen;
}
