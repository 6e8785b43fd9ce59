/**
 * The sections of two streams beside RAM: which there are, their versions, and what is in them.
 *
 * ```text
 * described on both sides     field by field
 * described on one side       the other one by the same description, if it fits
 * described on neither side   ranges of bytes
 * formats of our knowledge    whether the payloads are the same, and from where on they are not
 * ```
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { isFormatError } from "../../format/error.ts";
import type { SectionItem } from "../../format/items.ts";
import type { ByteSource } from "../../format/source.ts";
import { escapeText } from "../../format/text.ts";
import { decodeVmstate } from "../../format/vmstate.ts";
import type { StateEntry, StreamState } from "../state.ts";
import type { ChangeList } from "./changes.ts";
import { type DeviceSide, diffDevice, pairs } from "./device.ts";
import { changedBuffer, type DiffValue } from "./values.ts";

/** Bytes of a payload read at once. */
const CHUNK_BYTES = 64 * 1024;

/** A part of an entry's payload: that of one section. */
export interface PayloadPiece {
  /** Absolute offset. */
  readonly offset: number;
  /** Bytes. */
  readonly lengthBytes: number;
}

/** What one side says about its devices. */
export interface SectionsSide {
  /** The stream's state. */
  readonly state: StreamState;
  /** Where its bytes are. */
  readonly source: ByteSource;
  /** The payloads of formats of our own knowledge, by the offsets of the entries' first sections. */
  readonly payloads: ReadonlyMap<number, readonly PayloadPiece[]>;
}

/** Where changes go. */
export interface SectionChanges {
  /** Of sections as a whole. */
  readonly sections: ChangeList;
  /** Of what is in them. */
  readonly state: ChangeList;
  /** What deserves attention. */
  readonly notes: string[];
}

type Pair = readonly [path: string, left: StateEntry | undefined, right: StateEntry | undefined];

/** Compares the sections of two streams, RAM left out. */
export function diffSections(
  left: SectionsSide,
  right: SectionsSide,
  changes: SectionChanges,
): void {
  let uncompared = 0;
  let asBytes = 0;
  for (const [path, ours, theirs] of pairSections(left.state, right.state)) {
    if (ours === undefined || theirs === undefined) {
      const missingOn = ours === undefined ? left : right;
      // What stands behind the damage nobody knows.
      if (missingOn.state.error !== undefined) uncompared += 1;
      else changes.sections.add(path, versionOf(ours), versionOf(theirs));
      continue;
    }
    const [one, other] = [ours.section, theirs.section];
    if (one.instanceId !== other.instanceId) {
      changes.sections.add(path, `instance ${one.instanceId}`, `instance ${other.instanceId}`);
    }
    if (one.versionId !== other.versionId) {
      changes.sections.add(path, versionOf(ours), versionOf(theirs));
    }
    if (diffContent(left, right, [path, ours, theirs], changes) === "bytes") asBytes += 1;
  }
  if (uncompared > 0) {
    changes.notes.push(
      `${uncompared} section(s) not compared: the other side is damaged before them`,
    );
  }
  if (asBytes > 0) {
    changes.notes.push(`${asBytes} section(s) compared as bytes: nothing describes them`);
  }
}

function keyOf({ section }: StateEntry): string {
  return `${escapeText(section.idstr)}/${section.instanceId}`;
}

/** Pairs what has the same name and instance; what is left over, by name alone. */
function pairSections(left: StreamState, right: StreamState): Pair[] {
  const devices = ({ entries }: StreamState) => entries.filter(({ kind }) => kind !== "ram");
  const all: Pair[] = [...pairs(devices(left), devices(right), keyOf)];
  const orphans = all.filter(([, ours]) => ours === undefined).map(([, , theirs]) => theirs!);
  const adopted = new Set<StateEntry>();
  const joined = all.map(([path, ours, theirs]): Pair => {
    if (ours === undefined || theirs !== undefined) return [path, ours, theirs];
    const other = orphans.find((each) =>
      !adopted.has(each) && each.section.idstr === ours.section.idstr
    );
    if (other !== undefined) adopted.add(other);
    return [path, ours, other];
  });
  return joined.filter(([, ours, theirs]) => ours !== undefined || !adopted.has(theirs!));
}

function versionOf(entry: StateEntry | undefined): DiffValue {
  return entry === undefined ? null : `version ${entry.section.versionId}`;
}

/** Compares what is in two sections, and tells how. */
function diffContent(
  left: SectionsSide,
  right: SectionsSide,
  [path, ours, theirs]: readonly [string, StateEntry, StateEntry],
  { sections, state }: SectionChanges,
): "fields" | "bytes" | "payload" {
  const [one, other] = [ours.first, theirs.first];
  const leftDevice = one.device ?? decodedLike(other, one);
  const rightDevice = other.device ?? decodedLike(one, other);
  if (leftDevice !== undefined && rightDevice !== undefined) {
    diffDevice(leftDevice, rightDevice, path, state);
    return "fields";
  }
  const leftBytes = one.device?.bytes ?? one.bytes;
  const rightBytes = other.device?.bytes ?? other.bytes;
  if (leftBytes !== undefined && rightBytes !== undefined) {
    const changed = changedBuffer(leftBytes, rightBytes, state.ignored.bytesOf(path));
    if (changed !== undefined) state.add(path, changed.left, changed.right);
    return "bytes";
  }
  const [mine, yours] = [left.payloads.get(one.offset), right.payloads.get(other.offset)];
  const at = firstDifference(payloadBytes(left.source, mine), payloadBytes(right.source, yours));
  if (at !== undefined) {
    sections.add(path, `${payloadText(mine)}`, `${payloadText(yours)}, other from byte ${at} on`);
  }
  return "payload";
}

/** An undescribed section by the description of the other side's. */
function decodedLike(described: SectionItem, section: SectionItem): DeviceSide | undefined {
  const { device } = described;
  const { bytes } = section;
  if (device === undefined || bytes === undefined) return undefined;
  try {
    const state = decodeVmstate(bytes, device.description.state, { reading: device.reading });
    return state.lengthBytes === bytes.length ? { state, bytes } : undefined;
  } catch (error) {
    if (isFormatError(error)) return undefined;
    throw error;
  }
}

function payloadText(pieces: readonly PayloadPiece[] = []): string {
  const bytes = pieces.reduce((sum, { lengthBytes }) => sum + lengthBytes, 0);
  return `${bytes} bytes in ${pieces.length} section(s)`;
}

function* payloadBytes(
  source: ByteSource,
  pieces: readonly PayloadPiece[] = [],
): Generator<Uint8Array, undefined, undefined> {
  const chunk = new Uint8Array(CHUNK_BYTES);
  for (const { offset, lengthBytes } of pieces) {
    for (let done = 0; done < lengthBytes;) {
      const count = source.readAt(
        offset + done,
        chunk.subarray(0, Math.min(CHUNK_BYTES, lengthBytes - done)),
      );
      if (count === 0) return undefined;
      yield chunk.subarray(0, count);
      done += count;
    }
  }
}

/** Number of the first byte in which two sequences differ; where they are cut makes no difference. */
function firstDifference(
  left: Iterator<Uint8Array, undefined>,
  right: Iterator<Uint8Array, undefined>,
): number | undefined {
  let [ours, theirs] = [left.next().value, right.next().value];
  for (let at = 0;;) {
    if (ours === undefined || theirs === undefined) return ours === theirs ? undefined : at;
    const count = Math.min(ours.length, theirs.length);
    if (Buffer.compare(ours.subarray(0, count), theirs.subarray(0, count)) !== 0) {
      let index = 0;
      while (ours[index] === theirs[index]) index += 1;
      return at + index;
    }
    at += count;
    ours = count < ours.length ? ours.subarray(count) : left.next().value;
    theirs = count < theirs.length ? theirs.subarray(count) : right.next().value;
  }
}
