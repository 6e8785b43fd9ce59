/**
 * Damage to streams, at random and aimed at their structure, and what must hold for every damaged stream: it is read, or refused with a
 * `FormatError` at an offset inside of it, with work and memory bounded by its size.
 *
 * @module
 */

import { writeCompatState } from "../analyze/compat/compat.ts";
import { readState } from "../analyze/state.ts";
import { type FormatError, isFormatError } from "../format/error.ts";
import type { StreamItem } from "../format/items.ts";
import { BytesSource } from "../format/source.ts";
import { CountingSource, type Random, readItems } from "./reading.ts";

/** A stream to be damaged, and where its structures are. */
export interface Victim {
  readonly name: string;
  readonly bytes: Uint8Array;
  /** Absolute offset of the stream. */
  readonly offset: number;
  /** Offsets where something begins: items, payloads, the description. */
  readonly marks: readonly number[];
  /** The JSON text of the description. */
  readonly text: { readonly start: number; readonly end: number } | undefined;
}

/** Finds the marks of a stream. */
export function victimOf(name: string, bytes: Uint8Array, offset = 0): Victim {
  const { items, error } = readItems(new BytesSource(bytes), { offset });
  if (error !== undefined) throw error;
  const description = items.find((item) => item.kind === "vmdescription");
  const text = description?.kind === "vmdescription"
    ? { start: description.textOffset, end: description.textOffset + description.text.length }
    : undefined;
  return { name, bytes, offset, marks: items.flatMap(marksOf), text };
}

function marksOf(item: StreamItem): number[] {
  if (item.kind !== "section") return [item.offset];
  const blocks = item.payload?.kind === "ram" ? item.payload.summary.blocks ?? [] : [];
  const marks = blocks.flatMap(({ entryOffset, entryBytes }) => [
    entryOffset,
    entryOffset + entryBytes,
  ]);
  return [item.offset, item.payloadOffset, item.payloadEnd, ...marks];
}

const EXTREMES = [
  0n,
  1n,
  0x7fn,
  0xffn,
  0x1000n,
  0x7fffffffn,
  0xffffffffn,
  0x100000000n,
  0x1fffffffffffffn,
  0x20000000000000n,
  0x7fffffffffffffffn,
  0xffffffffffffffffn,
];
const NUMBERS = ["0", "1", "-1", "1e9", "4294967295", "9007199254740991", "18446744073709551615"];

/** A copy of the victim with one to three damages, and what was done. */
export function mutate(victim: Victim, random: Random): { bytes: Uint8Array; done: string } {
  let bytes = victim.bytes;
  const done: string[] = [];
  for (let count = 1 + random.below(3); count > 0; count--) {
    const name = random.of(NAMES);
    const at = position(victim, bytes.length, random);
    bytes = DAMAGES[name](bytes.slice(), at, random, victim);
    done.push(`${name} at ${at}`);
    if (bytes.length === 0) break;
  }
  return { bytes, done: done.join(", ") };
}

function position({ marks, offset }: Victim, length: number, random: Random): number {
  const at = random.below(2) === 0
    ? offset + random.below(Math.max(1, length - offset))
    : random.of(marks) + random.below(20) - 2;
  return Math.max(0, Math.min(length - 1, at));
}

type Damage = (bytes: Uint8Array, at: number, random: Random, victim: Victim) => Uint8Array;

const DAMAGES = {
  "bit flip": (bytes, at, random) => {
    bytes[at]! ^= 1 << random.below(8);
    return bytes;
  },
  "byte": (bytes, at, random) => {
    bytes[at] = random.of([0, 1, 0x7e, 0x7f, 0x80, 0xff, random.below(256)]);
    return bytes;
  },
  "be32": (bytes, at, random) => overwrite(bytes, at, random.of(EXTREMES), 4),
  "be64": (bytes, at, random) => overwrite(bytes, at, random.of(EXTREMES), 8),
  "deletion": (bytes, at, random) => splice(bytes, at, length(random), new Uint8Array(0)),
  "insertion": (bytes, at, random) => splice(bytes, at, 0, random.bytes(1 + random.below(64))),
  "duplication": (bytes, at, random) => splice(bytes, at, 0, bytes.slice(at, at + length(random))),
  "zeros": (bytes, at, random) => bytes.fill(0, at, at + length(random)),
  "moved part": (bytes, at, random, victim) => {
    const part = bytes.slice(at, at + length(random));
    return splice(bytes, position(victim, bytes.length, random), 0, part);
  },
  "end": (bytes, at) => bytes.slice(0, at),
  "description": (bytes, at, random, { text }) => {
    if (text === undefined || bytes.length < text.end) return bytes;
    let digit = text.start + random.below(text.end - text.start);
    while (digit < text.end && !(bytes[digit]! >= 0x30 && bytes[digit]! <= 0x39)) digit += 1;
    const number = new TextEncoder().encode(random.of(NUMBERS));
    // The length before the text stays right, or the text would not even be found.
    const size = BigInt(text.end - text.start + number.length - 1);
    return splice(
      overwrite(bytes, text.start - 4, size, 4),
      Math.min(digit, at + digit),
      1,
      number,
    );
  },
} as const satisfies Record<string, Damage>;

const NAMES = Object.keys(DAMAGES) as (keyof typeof DAMAGES)[];

/** Mostly short, sometimes as long as pages and sections are. */
function length(random: Random): number {
  return 1 + random.below(random.of([4, 16, 64, 4096, 20_000]));
}

function overwrite(bytes: Uint8Array, at: number, value: bigint, size: number): Uint8Array {
  for (let index = 0; index < size && at + index < bytes.length; index++) {
    bytes[at + index] = Number((value >> BigInt(8 * (size - 1 - index))) & 0xffn);
  }
  return bytes;
}

function splice(bytes: Uint8Array, at: number, remove: number, insert: Uint8Array): Uint8Array {
  const rest = bytes.subarray(Math.min(bytes.length, at + remove));
  const result = new Uint8Array(at + insert.length + rest.length);
  result.set(bytes.subarray(0, at));
  result.set(insert, at);
  result.set(rest, at + insert.length);
  return result;
}

/** How a damaged stream was taken. */
export interface Outcome {
  readonly error: FormatError | undefined;
  readonly items: number;
  /** Bytes that were asked of the source, relative to its size. */
  readonly bytesRead: number;
}

/** Work that does not depend on the size: block buffers, the search for a description. */
const FREE_BYTES = 8 << 20;
/** Each of the three readings of a device, the search for its end, the description at the end read ahead: all are reading again. */
const READS_PER_BYTE = 40;
/** Characters printed for one byte: indentation and names of deeply nested members. */
const PRINTED_PER_BYTE = 400;

/** Reads and prints a stream, and fails unless everything holds that must hold. */
export function checkReading(bytes: Uint8Array, offset: number): Outcome {
  const source = new CountingSource(bytes);
  let next = offset;
  let items = 0;
  let printed = 0;
  const onItem = (item: StreamItem) => {
    if (item.offset !== next || !(item.lengthBytes > 0)) {
      throw new Error(`${item.kind} at ${item.offset}, ${item.lengthBytes} bytes, after ${next}`);
    }
    next += item.lengthBytes;
    items += 1;
  };
  const state = readState(source, { offset, keepGoing: true, onItem });
  writeCompatState(state, (text) => printed += text.length);
  if (state.error === undefined && next !== Math.max(offset, bytes.length)) {
    throw new Error(`the items end at ${next} of ${bytes.length}`);
  }
  checkError(state.error, bytes.length);
  const { bytesRead } = source;
  if (bytesRead > READS_PER_BYTE * bytes.length + FREE_BYTES) {
    throw new Error(`${bytesRead} bytes read of an input of ${bytes.length}`);
  }
  if (printed > PRINTED_PER_BYTE * bytes.length + FREE_BYTES) {
    throw new Error(`${printed} characters printed for an input of ${bytes.length}`);
  }
  return { error: state.error, items, bytesRead };
}

/** An error has to say where it is, in one line. */
export function checkError(error: FormatError | undefined, sizeBytes: number): void {
  if (error === undefined) return;
  const { offset } = error;
  if (!isFormatError(error) || !Number.isSafeInteger(offset) || offset < 0 || offset > sizeBytes) {
    throw new Error(`an error at ${offset} of ${sizeBytes}: ${error.message}`);
  }
  if (error.describe().includes("\n")) throw new Error("an error of several lines");
}

/** Calls `action` and returns how many bytes of byte arrays it asked for, altogether and at once; copies of parts are not counted. */
export function countAllocations(action: () => void): { total: number; largest: number } {
  const original = globalThis.Uint8Array;
  const count = { total: 0, largest: 0 };
  const proxy: typeof Uint8Array = new Proxy(original, {
    construct(target, args: unknown[], newTarget) {
      if (typeof args[0] === "number") {
        count.total += args[0];
        count.largest = Math.max(count.largest, args[0]);
      }
      return Reflect.construct(target, args, newTarget === proxy ? target : newTarget);
    },
  });
  globalThis.Uint8Array = proxy;
  try {
    action();
  } finally {
    globalThis.Uint8Array = original;
  }
  return count;
}
