/**
 * What the tests of whole streams share: ways to cut an input, what was read as lines of text that can be compared, and
 * random numbers that are the same in every run.
 *
 * @module
 */

import type { SyncReader } from "../container/pipe.ts";
import { type FormatError, isFormatError } from "../format/error.ts";
import type { DeviceState, StreamItem } from "../format/items.ts";
import type { StreamVisitor } from "../format/payload.ts";
import { recordOffset } from "../format/ram_scanner.ts";
import type { ByteSource } from "../format/source.ts";
import { StreamReader, type StreamReaderOptions } from "../format/stream.ts";

/** What reading a stream gave: its items up to the end, or up to the error. */
export interface Reading {
  /** The items before the error, or all of them. */
  readonly items: StreamItem[];
  /** The error that ended the reading. */
  readonly error: FormatError | undefined;
}

/** Reads a stream. An exception that is no `FormatError` is passed on. */
export function readItems(source: ByteSource, options: StreamReaderOptions = {}): Reading {
  const items: StreamItem[] = [];
  try {
    for (const item of new StreamReader(source, options).items()) items.push(item);
  } catch (error) {
    if (!isFormatError(error)) throw error;
    return { items, error };
  }
  return { items, error: undefined };
}

/** The items as lines: everything that is in them, long byte runs as a checksum. Two readings are equal if the lines are. */
export function itemLines(items: readonly StreamItem[]): string[] {
  return items.map((item) => {
    // The replacer is slow, and most items of a long stream have nothing that needs it.
    const isPlain = item.kind === "footer" ||
      (item.kind === "section" && item.payload !== undefined);
    return isPlain ? JSON.stringify(item) : JSON.stringify(sorted(item), replaceLong);
  });
}

/** The members by name: one that was set later stands where the others of its name stand. */
function sorted(item: StreamItem): unknown {
  return Object.fromEntries(Object.entries(item).sort(([a], [b]) => a < b ? -1 : 1));
}

function replaceLong(key: string, value: unknown): unknown {
  if (value instanceof Uint8Array) return `${value.length} bytes ${checksum(value)}`;
  if (typeof value === "bigint") return `${value}n`;
  // The parsed description follows from the text, which is there too.
  if (key === "description") return undefined;
  if (key === "device" && value !== undefined) return deviceLine(value as DeviceState);
  return value;
}

function deviceLine({ state, bytes, payloadOffset, reading }: DeviceState): string {
  const tree = checksum(new TextEncoder().encode(JSON.stringify(state)));
  return `${bytes.length} bytes ${checksum(bytes)} at ${payloadOffset}, ${reading}, ${tree}`;
}

/** A checksum of bytes (FNV-1a, 32 bits). */
export function checksum(bytes: Uint8Array, start = 0x811c9dc5): number {
  let value = start;
  for (let at = 0; at < bytes.length; at++) value = Math.imul(value ^ bytes[at]!, 0x01000193);
  return value >>> 0;
}

/** Notes each RAM record as a line, and what is told of bitmaps and discards. Runs are taken apart: where they end depends on the buffer. */
export class RecordLog implements StreamVisitor {
  /** One line a record. */
  readonly lines: string[] = [];
  readonly #whole: Uint8Array | undefined;

  /** With `whole`, the input: checks that the contents shown are those that stand there. */
  constructor(whole?: Uint8Array) {
    this.#whole = whole;
  }

  /** Takes a run of records. */
  run(run: Parameters<NonNullable<StreamVisitor["run"]>>[0], pageBytes: number): void {
    for (let index = 0; index < run.count; index++) {
      const offset = run.dataOffset + index * run.strideBytes;
      const start = run.dataStart + index * run.strideBytes;
      const content = run.buffer.subarray(start, start + run.dataBytes);
      const equal = this.#whole === undefined || run.dataBytes === 0 ||
        isEqual(content, this.#whole.subarray(offset, offset + run.dataBytes));
      this.lines.push([
        run.kind,
        recordOffset(run, index),
        run.block?.name ?? "",
        run.address + index * pageBytes,
        run.kind === "zero" ? run.fill : "",
        run.dataBytes === 0 ? "" : offset,
        run.dataBytes,
        equal ? "" : "OTHER BYTES",
      ].join(" "));
    }
  }

  /** Takes a bitmap. */
  bitmap(block: { readonly name: string }, bitmap: Uint8Array): void {
    this.lines.push(`bitmap ${block.name} ${bitmap.length} ${checksum(bitmap)}`);
  }

  /** Takes a discard. */
  discard(block: { readonly name: string }, start: number, bytes: number): void {
    this.lines.push(`discard ${block.name} ${start} ${bytes}`);
  }
}

function isEqual(left: Uint8Array, right: Uint8Array): boolean {
  if (left.length !== right.length) return false;
  for (let at = 0; at < left.length; at++) if (left[at] !== right[at]) return false;
  return true;
}

/** Fails at the first line that differs; the whole difference of two long lists helps nobody. */
export function assertSameLines(
  actual: readonly string[],
  expected: readonly string[],
  label: string,
): void {
  const most = Math.max(actual.length, expected.length);
  for (let index = 0; index < most; index++) {
    if (actual[index] === expected[index]) continue;
    throw new Error(
      `${label}: line ${index} of ${expected.length} differs\n  is        ${actual[index]}\n` +
        `  should be ${expected[index]}`,
    );
  }
}

/** Fails unless the items cover every byte from `start` to `end`, none twice, none of them empty. */
export function assertTiles(
  items: readonly StreamItem[],
  start: number,
  end: number,
  label: string,
): void {
  let at = start;
  for (const item of items) {
    const { kind, offset, lengthBytes } = item;
    if (offset !== at || !(lengthBytes > 0)) {
      throw new Error(`${label}: ${kind} at ${offset}, ${lengthBytes} bytes; ${at} is next`);
    }
    at += lengthBytes;
  }
  if (at !== end) throw new Error(`${label}: the items end at ${at}, the input at ${end}`);
}

/** The other end of a pipe that gives at most `chunkBytes` at once. */
export class ChunkedInput implements SyncReader {
  readonly #bytes: Uint8Array;
  readonly #chunkBytes: number;
  #at = 0;

  /** Gives `bytes` from `offset` on. */
  constructor(bytes: Uint8Array, chunkBytes: number) {
    this.#bytes = bytes;
    this.#chunkBytes = chunkBytes;
  }

  /** Gives the next bytes. */
  readSync(into: Uint8Array): number | null {
    if (this.#at === this.#bytes.length) return null;
    const most = Math.min(into.length, this.#chunkBytes);
    const part = this.#bytes.subarray(this.#at, this.#at + most);
    into.set(part);
    this.#at += part.length;
    return part.length;
  }
}

/** Bytes in memory that come in short reads, and a count of what was asked for. */
export class CountingSource implements ByteSource {
  /** Size in bytes. */
  readonly sizeBytes: number;
  /** Always true. */
  readonly seekable = true;
  /** Number of reads. */
  reads = 0;
  /** Bytes given. */
  bytesRead = 0;
  readonly #bytes: Uint8Array;
  readonly #atOnce: number;

  /** Gives at most `atOnce` bytes a read. */
  constructor(bytes: Uint8Array, atOnce: number = Infinity) {
    this.#bytes = bytes;
    this.#atOnce = atOnce;
    this.sizeBytes = bytes.length;
  }

  /** Reads up to `into.length` bytes at `offset`. */
  readAt(offset: number, into: Uint8Array): number {
    this.reads += 1;
    const most = Math.min(into.length, this.#atOnce);
    const part = this.#bytes.subarray(offset, offset + most);
    into.set(part);
    this.bytesRead += part.length;
    return part.length;
  }
}

/** Random numbers that follow from a seed (mulberry32). */
export class Random {
  #state: number;

  /** Starts the sequence of `seed`. */
  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** A whole number from 0 to `below - 1`. */
  below(below: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let value = this.#state;
    value = Math.imul(value ^ (value >>> 15), value | 1);
    value ^= value + Math.imul(value ^ (value >>> 7), value | 61);
    return Math.floor(((value ^ (value >>> 14)) >>> 0) / 0x100000000 * below);
  }

  /** One of some things. */
  of<T>(things: readonly T[]): T {
    return things[this.below(things.length)]!;
  }

  /** Random bytes. */
  bytes(count: number): Uint8Array {
    return Uint8Array.from({ length: count }, () => this.below(256));
  }
}
