/**
 * Single changes to a stream, aimed at what the format has: framing, lengths, flags, ids, offsets, bitmaps, versions, names, sizes.
 *
 * @module
 */

import { concat } from "@std/bytes/concat";
import type { SectionItem, StreamItem } from "../../format/items.ts";
import type { RamBlock } from "../../format/ram.ts";
import { BytesSource } from "../../format/source.ts";
import { StreamReader } from "../../format/stream.ts";
import type { Random } from "../reading.ts";

/** A stream to be changed, and what it consists of. */
export interface Original {
  /** What it is, for people. */
  readonly name: string;
  /** The bytes. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** The items. */
  readonly items: readonly StreamItem[];
  /** Offsets of words about pages, and of the word that ends a payload. */
  readonly words: readonly { readonly offset: number; readonly kind: string }[];
}

/** A changed stream. */
export interface Mutant {
  /** What was changed, for people. */
  readonly what: string;
  /** Absolute offset of the change. */
  readonly offset: number;
  /** The bytes. */
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** Reads a stream that is going to be changed. */
export function originalOf(name: string, bytes: Uint8Array<ArrayBuffer>): Original {
  const words: { offset: number; kind: string }[] = [];
  const reader = new StreamReader(new BytesSource(bytes), {
    visitor: { run: ({ offset, kind }) => void words.push({ offset, kind }) },
  });
  return { name, bytes, items: [...reader.items()], words };
}

type Mutation = (original: Original, random: Random) => Mutant | undefined;

/** Bytes with some of them replaced. */
function replaced({ bytes }: Original, offset: number, ...values: number[]): Mutant["bytes"] {
  const changed = bytes.slice();
  changed.set(values, offset);
  return changed;
}

function without({ bytes }: Original, offset: number, count: number): Mutant["bytes"] {
  return concat([bytes.subarray(0, offset), bytes.subarray(offset + count)]);
}

function withBytes({ bytes }: Original, offset: number, added: Uint8Array): Mutant["bytes"] {
  return concat([bytes.subarray(0, offset), added, bytes.subarray(offset)]);
}

/** Flips a bit of one of `count` bytes. */
function flipped(
  original: Original,
  random: Random,
  what: string,
  start: number,
  count: number,
): Mutant | undefined {
  if (count <= 0) return undefined;
  const offset = start + random.below(count);
  const value = original.bytes[offset]! ^ (1 << random.below(8));
  return { what, offset, bytes: replaced(original, offset, value) };
}

/** Puts another number into a field of `count` bytes. */
function renumbered(
  original: Original,
  random: Random,
  what: string,
  offset: number,
  count: number,
): Mutant {
  const values = Array.from({ length: count }, (_, index) => original.bytes[offset + index]!);
  const last = count - 1;
  const change = random.below(5);
  if (change === 0) values[last] = (values[last]! + 1) & 0xff;
  else if (change === 1) values[last] = (values[last]! - 1) & 0xff;
  else if (change === 2) values.fill(0);
  else if (change === 3) values.fill(0xff);
  else values[random.below(count)]! ^= 1 << random.below(8);
  return { what, offset, bytes: replaced(original, offset, ...values) };
}

function sections({ items }: Original): SectionItem[] {
  return items.filter((item) => item.kind === "section");
}

function blocks(original: Original): readonly RamBlock[] {
  for (const { payload } of sections(original)) {
    if (payload?.kind === "ram" && payload.summary.blocks !== undefined) {
      return payload.summary.blocks;
    }
  }
  return [];
}

/** What may be changed. */
const MUTATIONS: readonly Mutation[] = [
  (original, random) => flipped(original, random, "file header", 0, 8),
  (original, random) => {
    const item = original.items.find(({ kind }) => kind === "configuration");
    if (item === undefined) return undefined;
    return flipped(original, random, "configuration", item.offset, item.lengthBytes);
  },
  (original, random) => {
    const { offset } = random.of(sections(original));
    return renumbered(original, random, "section type", offset, 1);
  },
  (original, random) => {
    const { offset } = random.of(sections(original));
    return renumbered(original, random, "section id", offset + 1, 4);
  },
  (original, random) => {
    const { offset, type } = random.of(sections(original));
    if (type !== "start" && type !== "full") return undefined;
    return renumbered(original, random, "length of idstr", offset + 5, 1);
  },
  (original, random) => {
    const { offset, type, section: { idstr } } = random.of(sections(original));
    if (type !== "start" && type !== "full") return undefined;
    return flipped(original, random, "idstr", offset + 6, idstr.length);
  },
  (original, random) => {
    const { payloadOffset, type } = random.of(sections(original));
    if (type !== "start" && type !== "full") return undefined;
    return renumbered(original, random, "instance", payloadOffset - 8, 4);
  },
  (original, random) => {
    const { payloadOffset, type } = random.of(sections(original));
    if (type !== "start" && type !== "full") return undefined;
    return renumbered(original, random, "section version", payloadOffset - 4, 4);
  },
  (original, random) => {
    const footers = original.items.filter(({ kind }) => kind === "footer");
    if (footers.length === 0) return undefined;
    return flipped(original, random, "footer", random.of(footers).offset, 5);
  },
  (original, random) => {
    const footers = original.items.filter(({ kind }) => kind === "footer");
    if (footers.length === 0) return undefined;
    const { offset } = random.of(footers);
    return { what: "footer left out", offset, bytes: without(original, offset, 5) };
  },
  (original, random) => {
    const commands = original.items.filter(({ kind }) => kind === "command");
    if (commands.length === 0) return undefined;
    return flipped(original, random, "command", random.of(commands).offset, 5);
  },
  (original, random) => {
    const item = original.items.find(({ kind }) => kind === "eof");
    return item && flipped(original, random, "EOF", item.offset, 1);
  },
  (original, random) => {
    const item = original.items.find(({ kind }) => kind === "vmdescription");
    return item && flipped(original, random, "head of the vmdescription", item.offset, 5);
  },
  (original, random) => {
    const offset = random.below(original.bytes.length);
    return { what: "cut", offset, bytes: original.bytes.slice(0, offset) };
  },
  (original, random) => {
    const end = original.bytes.length;
    const bytes = withBytes(original, end, random.bytes(1 + random.below(20)));
    return { what: "bytes behind the end", offset: end, bytes };
  },
  (original, random) => {
    const item = random.of(sections(original));
    const footer = original.items.find(({ kind, offset }) =>
      kind === "footer" && offset === item.payloadEnd
    );
    const count = item.payloadEnd - item.offset + (footer?.lengthBytes ?? 0);
    if (item.section.idstr === "ram" && item.type === "start") return undefined;
    return {
      what: `${item.type} section left out`,
      offset: item.offset,
      bytes: without(original, item.offset, count),
    };
  },
  (original, random) => {
    const devices = sections(original).filter(({ device }) => device !== undefined);
    if (devices.length === 0) return undefined;
    const { payloadOffset, payloadEnd } = random.of(devices);
    const offset = payloadOffset + random.below(payloadEnd - payloadOffset + 1);
    const bytes = withBytes(original, offset, Uint8Array.of(random.below(256)));
    return { what: "a byte more in a device", offset, bytes };
  },
  (original, random) => {
    const devices = sections(original).filter(({ payloadOffset, payloadEnd, device }) =>
      device !== undefined && payloadEnd > payloadOffset
    );
    if (devices.length === 0) return undefined;
    const { payloadOffset, payloadEnd } = random.of(devices);
    const offset = payloadOffset + random.below(payloadEnd - payloadOffset);
    return { what: "a byte less in a device", offset, bytes: without(original, offset, 1) };
  },
  (original, random) => {
    const devices = sections(original).filter(({ device }) => device !== undefined);
    const subsections = devices.flatMap(({ device }) =>
      device!.state.subsections.map(({ offset, vmsdName }) => ({
        offset: device!.payloadOffset + offset,
        lengthBytes: 6 + vmsdName.length,
      }))
    );
    if (subsections.length === 0) return undefined;
    const { offset, lengthBytes } = random.of(subsections);
    return flipped(original, random, "head of a subsection", offset, lengthBytes);
  },
  (original, random) => {
    const list = original.words.find(({ kind }) => kind === "block-list");
    return list && renumbered(original, random, "total of the block list", list.offset, 8);
  },
  (original, random) => {
    const all = blocks(original);
    if (all.length === 0) return undefined;
    const { entryOffset, name } = random.of(all);
    return flipped(original, random, "block list entry", entryOffset, 1 + name.length + 8);
  },
  (original, random) => {
    const mapped = blocks(original).filter((block) => block.mapped !== undefined);
    if (mapped.length === 0) return undefined;
    const { entryOffset, entryBytes } = random.of(mapped);
    const field = random.below(4);
    const start = entryOffset + entryBytes - 28 + [0, 4, 12, 20][field]!;
    const what = ["version", "page size", "bitmap offset", "pages offset"][field]!;
    return renumbered(original, random, `mapped-ram ${what}`, start, field === 0 ? 4 : 8);
  },
  (original, random) => {
    const bitmaps = original.items.filter(({ kind }) => kind === "bitmap");
    if (bitmaps.length === 0) return undefined;
    const { offset, lengthBytes } = random.of(bitmaps);
    return flipped(original, random, "bitmap", offset, lengthBytes);
  },
  (original, random) => {
    const words = original.words.filter(({ kind }) => kind !== "block-list");
    if (words.length === 0) return undefined;
    const { offset, kind } = random.of(words);
    return flipped(original, random, `word of ${kind}`, offset, 8);
  },
  (original, random) => {
    const words = original.words.filter(({ kind }) => kind === "zero");
    if (words.length === 0) return undefined;
    const { offset } = random.of(words);
    return { what: "RAM record left out", offset, bytes: without(original, offset, 9) };
  },
];

/** Changes a stream in one place. */
export function mutate(original: Original, random: Random): Mutant {
  for (;;) {
    const mutant = random.of(MUTATIONS)(original, random);
    if (mutant === undefined) continue;
    const { bytes } = original;
    const same = mutant.bytes.length === bytes.length &&
      mutant.bytes.every((byte, at) => byte === bytes[at]);
    if (!same) return mutant;
  }
}
