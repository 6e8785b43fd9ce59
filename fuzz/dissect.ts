/**
 * A stream as a list of parts with fields, which can be changed, left out, doubled and put together again: nested lengths are
 * made right, so that damage gets past the framing.
 *
 * @module
 */

import { concat } from "@std/bytes/concat";
import type { SectionItem, StreamItem } from "../format/items.ts";
import { recordOffset } from "../format/ram_scanner.ts";
import { BytesSource } from "../format/source.ts";
import { StreamReader } from "../format/stream.ts";
import type { VmstateStruct } from "../format/vmstate.ts";
import { putNumber } from "./bytes.ts";

/** A number in a part. */
export interface Field {
  /** Offset in the part. */
  readonly at: number;
  /** Bytes; big-endian. */
  readonly sizeBytes: number;
}

/** A piece of a stream. */
export interface Part {
  /** `record`, `section`, `footer`, `device`...: mutations choose by it. */
  readonly kind: string;
  /** How many packages it is in. */
  readonly depth: number;
  /** Its bytes. */
  readonly bytes: Uint8Array;
  /** Where numbers stand. */
  readonly fields: readonly Field[];
}

/** A stream that was taken apart. */
export interface Dissection {
  /** What it is, for people. */
  readonly name: string;
  /** The bytes. */
  readonly bytes: Uint8Array;
  /** Absolute offset of the stream. */
  readonly offset: number;
  /** What it consists of; together they are the bytes. */
  readonly parts: readonly Part[];
  /** Names of its RAM blocks, and their sizes. */
  readonly blocks: readonly { readonly name: string; readonly lengthBytes: number }[];
  /** Whether pages stand at absolute offsets. */
  readonly isMapped: boolean;
}

/** Fields that are taken of one device: descriptions of thousands would hide all the others. */
const MAX_DEVICE_FIELDS = 400;

/** Where parts begin, and where numbers stand. */
class Cuts {
  readonly starts = new Map<number, { kind: string; depth: number }>();
  readonly fields: { offset: number; sizeBytes: number }[] = [];

  add(offset: number, kind: string, depth: number): void {
    this.starts.set(offset, { kind, depth });
  }

  field(offset: number, ...sizes: number[]): void {
    for (const sizeBytes of sizes) {
      this.fields.push({ offset, sizeBytes });
      offset += sizeBytes;
    }
  }
}

/** Takes a stream apart that can be read. */
export function dissect(name: string, bytes: Uint8Array, offset = 0): Dissection {
  const cuts = new Cuts();
  const words: [number, boolean][] = [];
  const reader = new StreamReader(new BytesSource(bytes), {
    offset,
    visitor: {
      run: (run) => {
        for (let index = 0; index < run.count; index++) {
          words.push([recordOffset(run, index), (run.flags & 0x20) !== 0 || index > 0]);
        }
      },
    },
  });
  if (offset > 0) cuts.add(0, "before", 0);
  for (const item of reader.items()) {
    cutItem(cuts, item, bytes);
    for (const [at, continues] of words.splice(0)) {
      cuts.add(at, "record", item.depth);
      cuts.field(at, 8);
      if (!continues) cuts.field(at + 8, 1);
    }
  }
  const blocks = [...reader.context.ram.blocks.values()];
  return {
    name,
    bytes,
    offset,
    parts: partsOf(cuts, bytes),
    blocks: blocks.map(({ name, usedLengthBytes }) => ({ name, lengthBytes: usedLengthBytes })),
    isMapped: blocks.some(({ mapped }) => mapped !== undefined),
  };
}

function cutItem(cuts: Cuts, item: StreamItem, bytes: Uint8Array): void {
  const { kind, offset, depth } = item;
  cuts.add(offset, kind, depth);
  switch (kind) {
    case "header":
      return cuts.field(offset, 4, 4);
    case "configuration":
      return cuts.field(offset, 1, 4);
    case "footer":
      return cuts.field(offset, 1, 4);
    case "command":
      cuts.field(offset, 1, 2, 2);
      for (let at = offset + 5; at + 4 <= offset + item.lengthBytes; at += 4) cuts.field(at, 4);
      return;
    case "vmdescription":
      cuts.field(offset, 1, 4);
      return cuts.add(item.textOffset, "json", depth);
    case "section":
      return cutSection(cuts, item, bytes);
    case "bitmap":
      for (let at = 0; at < Math.min(64, item.lengthBytes); at += 8) cuts.field(offset + at, 8);
      return;
  }
}

function cutSection(cuts: Cuts, item: SectionItem, bytes: Uint8Array): void {
  const { offset, depth, type, payloadOffset } = item;
  cuts.field(offset, 1, 4);
  if (type === "start" || type === "full") {
    cuts.field(offset + 5, 1);
    cuts.field(payloadOffset - 8, 4, 4);
  }
  if (item.payload?.kind === "ram") {
    for (const block of item.payload.summary.blocks ?? []) {
      const { entryOffset, entryBytes } = block;
      cuts.add(entryOffset, "block", depth);
      const numbers = entryOffset + 1 + bytes[entryOffset]!;
      cuts.field(entryOffset, 1);
      for (let at = numbers; at + 4 <= entryOffset + entryBytes; at += 4) cuts.field(at, 4);
      for (let at = numbers; at + 8 <= entryOffset + entryBytes; at += 4) cuts.field(at, 8);
      // What stands behind the last entry is a word again.
      cuts.add(entryOffset + entryBytes, "ram", depth);
    }
    return;
  }
  cuts.add(payloadOffset, item.device === undefined ? "payload" : "device", depth);
  if (item.device === undefined) {
    for (let at = payloadOffset; at + 8 <= Math.min(item.payloadEnd, payloadOffset + 64); at += 4) {
      cuts.field(at, 4);
    }
  } else {
    const before = cuts.fields.length;
    deviceFields(cuts, item.device.state, payloadOffset, before + MAX_DEVICE_FIELDS);
  }
}

function deviceFields(cuts: Cuts, state: VmstateStruct, base: number, most: number): void {
  for (const field of state.fields) {
    if (cuts.fields.length >= most) return;
    const sizeBytes = field.lengthBytes / Math.max(1, field.count);
    if (Number.isInteger(sizeBytes) && sizeBytes > 0 && sizeBytes <= 8) {
      cuts.field(base + field.offset, sizeBytes);
    }
    for (const element of (field.elements ?? []).slice(0, 4)) {
      deviceFields(cuts, element, base, most);
    }
  }
  for (const subsection of state.subsections) deviceFields(cuts, subsection, base, most);
}

function partsOf({ starts, fields }: Cuts, bytes: Uint8Array): Part[] {
  const offsets = [...starts.keys()].filter((at) => at < bytes.length).sort((a, b) => a - b);
  fields.sort((a, b) => a.offset - b.offset);
  let next = 0;
  return offsets.map((start, index) => {
    const end = offsets[index + 1] ?? bytes.length;
    const own: Field[] = [];
    for (; next < fields.length && fields[next]!.offset < end; next++) {
      const { offset, sizeBytes } = fields[next]!;
      if (offset >= start && offset + sizeBytes <= end) own.push({ at: offset - start, sizeBytes });
    }
    return { ...starts.get(start)!, bytes: bytes.subarray(start, end), fields: own };
  });
}

/** Puts parts together. Unless `verbatim` is set, lengths of packages and of the description are made right. */
export function assemble(parts: readonly Part[], verbatim = false): Uint8Array {
  if (verbatim) return concat(parts.map(({ bytes }) => bytes));
  return concat(parts.map((part, index) => {
    const { kind, bytes } = part;
    if (kind === "vmdescription" && parts[index + 1]?.kind === "json" && bytes.length === 5) {
      return withNumber(bytes, 1, parts[index + 1]!.bytes.length);
    }
    if (kind === "command" && bytes[2] === 7 && bytes.length === 9) {
      let length = 0;
      for (let at = index + 1; (parts[at]?.depth ?? 0) > part.depth; at++) {
        length += parts[at]!.bytes.length;
      }
      return withNumber(bytes, 5, length);
    }
    return bytes;
  }));
}

function withNumber(bytes: Uint8Array, at: number, value: number): Uint8Array {
  const changed = bytes.slice();
  putNumber(changed, at, 4, BigInt(value));
  return changed;
}
