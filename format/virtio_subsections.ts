/**
 * The subsections at the end of a `virtio` field. No description in the stream tells their layout.
 *
 * ```text
 * 0    1 u8    0x05
 * 1  1+L       counted string: name, begins with "virtio/"
 * 2+L  4 be32  version: 1
 * 6+L          content, by name:
 *   virtio/64bit_features     be64 features that the guest accepted
 *   virtio/virtqueues         1024 x (be64 avail ring, be64 used ring)
 *   virtio/packed_virtqueues  1024 x (be16 last avail, u8 its wrap, be16 used, u8 its wrap, be32 in use)
 *   virtio/ringsize           1024 x be32 default ring size
 *   virtio/device_endian, virtio/broken, virtio/started, virtio/disabled   u8
 *   virtio/extra_state        nothing, or a subsection of the transport:
 *     virtio_pci/modern_state be32 device feature select, be32 guest feature select, be32 low, be32 high features,
 *                             1024 x (be16 size, u8 0, u8 enabled, 3 x (be32 low, be32 high) desc, avail, used ring)
 *     virtio_mmio/state       be32 low, be32 high features,
 *                             1024 x (be16 size, u8 enabled, 3 x (be32 low, be32 high) desc, avail, used ring)
 * ```
 *
 * Subsections with other names, versions or sizes keep their bytes; they end where another one begins.
 *
 * @module
 */

import { isFormatError } from "./error.ts";
import { ByteReader } from "./reader.ts";
import { SECTION_TYPE } from "./section.ts";
import { BytesSource } from "./source.ts";
import { decodeText } from "./text.ts";
import type { ByteWriter } from "./writer.ts";

/** Most queues that a virtio device can have (`VIRTIO_QUEUE_MAX`); arrays in subsections always have as many elements. */
export const VIRTIO_MAX_QUEUES = 1024;

/** The version of all subsections known here. */
const VERSION = 1;
const MODERN_STATE = "virtio_pci/modern_state";
const MMIO_STATE = "virtio_mmio/state";

/** A subsection. */
export interface VirtioSubsection {
  /** Offset of its first byte, 0x05, in the field. */
  readonly offset: number;
  /** Its name, e.g. `virtio/64bit_features`. */
  readonly name: string;
  /** Version of its content. */
  readonly version: number;
  /** What it holds. */
  readonly content: VirtioContent;
}

/** What a subsection holds, by `kind`. */
export type VirtioContent =
  /** `64bit_features`: all features that the guest accepted, one bit each. */
  | { readonly kind: "features"; readonly features: bigint }
  /** `virtqueues`. */
  | { readonly kind: "rings"; readonly queues: readonly VirtioRings[] }
  /** `packed_virtqueues`. */
  | { readonly kind: "packed"; readonly queues: readonly VirtioPackedQueue[] }
  /** `ringsize`: the size of each queue before the guest changed it. */
  | { readonly kind: "ring-sizes"; readonly sizes: readonly number[] }
  /** `started`, `disabled`, `broken`: 0 or 1; `device_endian`: 1 little, 2 big. */
  | { readonly kind: "byte"; readonly value: number }
  /** `extra_state` with nothing in it. */
  | { readonly kind: "empty" }
  /** `extra_state`: what a virtio 1.0 transport keeps itself. */
  | { readonly kind: "transport"; readonly state: VirtioTransportState }
  /** Anything else. */
  | { readonly kind: "raw"; readonly bytes: Uint8Array };

/** Guest addresses of a queue's rings. */
export interface VirtioRings {
  /** Address of the ring of available buffers. */
  readonly availAddress: bigint;
  /** Address of the ring of used buffers. */
  readonly usedAddress: bigint;
}

/** Where a device is in a packed queue. */
export interface VirtioPackedQueue {
  /** Index behind the last buffer that the device took. */
  readonly lastAvailIndex: number;
  /** Wrap counter that belongs to it. */
  readonly lastAvailWrap: boolean;
  /** Index of the next buffer that the device returns. */
  readonly usedIndex: number;
  /** Wrap counter that belongs to it. */
  readonly usedWrap: boolean;
  /** Buffers that were taken and not returned. */
  readonly inUse: number;
}

/** What a virtio 1.0 transport keeps itself. */
export interface VirtioTransportState {
  /** The transport. */
  readonly kind: "pci" | "mmio";
  /** Only PCI: which 32 device features the guest reads. */
  readonly deviceFeatureSelect?: number;
  /** Only PCI: which 32 guest features the guest writes. */
  readonly guestFeatureSelect?: number;
  /** Features that the guest has written so far. */
  readonly guestFeatures: bigint;
  /** All 1024 queues as the guest has set them up so far. */
  readonly queues: readonly VirtioTransportQueue[];
}

/** A queue as the guest has set it up. */
export interface VirtioTransportQueue extends VirtioRings {
  /** Number of its buffers. */
  readonly size: number;
  /** Whether the guest has enabled it. */
  readonly enabled: boolean;
  /** Address of the descriptors. */
  readonly descAddress: bigint;
}

interface SubsectionHeader {
  readonly name: string;
  readonly version: number;
  /** Offset behind the header. */
  readonly end: number;
}

/** The header of a subsection at `offset`, or `undefined` if none of such a name is there. */
function headerAt(bytes: Uint8Array, offset: number, names: RegExp): SubsectionHeader | undefined {
  const length = bytes[offset + 1] ?? 0;
  const end = offset + 6 + length;
  if (bytes[offset] !== SECTION_TYPE.SUBSECTION || end > bytes.length) return undefined;
  const name = decodeText(bytes.subarray(offset + 2, offset + 2 + length));
  if (!names.test(name)) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  return { name, version: view.getUint32(end - 4), end };
}

const OWN_NAMES = /^virtio\/[a-z0-9_-]+$/;
const TRANSPORT_NAMES = /^virtio_[a-z]+\/[a-z0-9_-]+$/;

/** Offset of the first thing from `offset` on that looks like a subsection's header; the end if there is none. */
export function findVirtioSubsection(bytes: Uint8Array, offset: number): number {
  for (let at = offset; at < bytes.length; at++) {
    at = bytes.indexOf(SECTION_TYPE.SUBSECTION, at);
    if (at < 0) break;
    if (headerAt(bytes, at, OWN_NAMES) !== undefined) return at;
  }
  return bytes.length;
}

/** Decodes the subsections from `offset` up to the end; `undefined` if there is something else. */
export function decodeVirtioSubsections(
  bytes: Uint8Array,
  offset: number,
): VirtioSubsection[] | undefined {
  const subsections: VirtioSubsection[] = [];
  const reader = new ByteReader(new BytesSource(bytes), { blockBytes: Math.max(1, bytes.length) });
  for (let at = offset; at < bytes.length;) {
    const header = headerAt(bytes, at, OWN_NAMES);
    if (header === undefined) return undefined;
    const { name, version } = header;
    reader.seek(header.end);
    let content = tryContent(reader, bytes, header);
    if (content === undefined) {
      const end = findVirtioSubsection(bytes, header.end);
      content = { kind: "raw", bytes: bytes.slice(header.end, end) };
      reader.seek(end);
    }
    subsections.push({ offset: at, name, version, content });
    at = reader.offset;
  }
  return subsections;
}

const CONTENT_BYTES: Readonly<Record<string, number>> = {
  "virtio/64bit_features": 8,
  "virtio/virtqueues": VIRTIO_MAX_QUEUES * 16,
  "virtio/packed_virtqueues": VIRTIO_MAX_QUEUES * 10,
  "virtio/ringsize": VIRTIO_MAX_QUEUES * 4,
  "virtio/device_endian": 1,
  "virtio/broken": 1,
  "virtio/started": 1,
  "virtio/disabled": 1,
  [MODERN_STATE]: 16 + VIRTIO_MAX_QUEUES * 28,
  [MMIO_STATE]: 8 + VIRTIO_MAX_QUEUES * 27,
};

/** Bytes of a subsection's content; NaN for an unknown one. */
function contentBytes(bytes: Uint8Array, header: SubsectionHeader): number {
  if (header.version !== VERSION) return NaN;
  if (header.name !== "virtio/extra_state") return CONTENT_BYTES[header.name] ?? NaN;
  const inner = headerAt(bytes, header.end, TRANSPORT_NAMES);
  return inner === undefined ? 0 : inner.end - header.end + contentBytes(bytes, inner);
}

function tryContent(
  reader: ByteReader,
  bytes: Uint8Array,
  header: SubsectionHeader,
): VirtioContent | undefined {
  const end = header.end + contentBytes(bytes, header);
  // Looked at before decoding: otherwise many short subsections that claim to be long would take quadratic time.
  if (end !== bytes.length && headerAt(bytes, end, OWN_NAMES) === undefined) return undefined;
  try {
    return decodeContent(reader, bytes, header.name);
  } catch (error) {
    if (isFormatError(error)) return undefined;
    throw error;
  }
}

function decodeContent(
  reader: ByteReader,
  bytes: Uint8Array,
  name: string,
): VirtioContent | undefined {
  switch (name) {
    case "virtio/64bit_features":
      return { kind: "features", features: reader.bigU64("features") };
    case "virtio/virtqueues":
      return { kind: "rings", queues: forEachQueue(() => decodeRings(reader)) };
    case "virtio/packed_virtqueues":
      return { kind: "packed", queues: forEachQueue(() => decodePackedQueue(reader)) };
    case "virtio/ringsize":
      return { kind: "ring-sizes", sizes: forEachQueue(() => reader.u32("ring size")) };
    case "virtio/device_endian":
    case "virtio/broken":
    case "virtio/started":
    case "virtio/disabled":
      return { kind: "byte", value: reader.u8(name) };
    case "virtio/extra_state":
      return decodeExtraState(reader, bytes);
    default:
      return undefined;
  }
}

function forEachQueue<T>(decode: () => T): T[] {
  return Array.from({ length: VIRTIO_MAX_QUEUES }, decode);
}

/** Reads a bool; anything but 0 and 1 would not survive encoding. */
function decodeBool(reader: ByteReader): boolean {
  const byte = reader.u8("bool");
  if (byte <= 1) return byte === 1;
  throw reader.error("device-mismatch", "Cannot decode virtio subsection: a bool is not 0 or 1");
}

function decodeRings(reader: ByteReader): VirtioRings {
  return { availAddress: reader.bigU64("avail ring"), usedAddress: reader.bigU64("used ring") };
}

function decodePackedQueue(reader: ByteReader): VirtioPackedQueue {
  return {
    lastAvailIndex: reader.u16("last avail index"),
    lastAvailWrap: decodeBool(reader),
    usedIndex: reader.u16("used index"),
    usedWrap: decodeBool(reader),
    inUse: reader.u32("buffers in use"),
  };
}

function encodePackedQueue(writer: ByteWriter, queue: VirtioPackedQueue): void {
  writer.u16(queue.lastAvailIndex, "last avail index");
  writer.u8(queue.lastAvailWrap ? 1 : 0, "last avail wrap counter");
  writer.u16(queue.usedIndex, "used index");
  writer.u8(queue.usedWrap ? 1 : 0, "used wrap counter");
  writer.u32(queue.inUse, "buffers in use");
}

/** Reads a 64-bit number of which the low half comes first. */
function decodeLowHigh(reader: ByteReader, what: string): bigint {
  const low = reader.u32(what);
  return BigInt(reader.u32(what)) << 32n | BigInt(low);
}

function encodeLowHigh(writer: ByteWriter, value: bigint, what: string): void {
  if (value < 0n || value >> 64n !== 0n) {
    throw writer.error(`Cannot encode ${what}: the number does not fit`, "0..2^64-1", `${value}`);
  }
  writer.u32(Number(value & 0xffffffffn), what);
  writer.u32(Number(value >> 32n), what);
}

function decodeExtraState(reader: ByteReader, bytes: Uint8Array): VirtioContent {
  const header = headerAt(bytes, reader.offset, TRANSPORT_NAMES);
  if (header === undefined) return { kind: "empty" };
  reader.seek(header.end);
  const pci = header.name === MODERN_STATE;
  return {
    kind: "transport",
    state: {
      kind: pci ? "pci" : "mmio",
      ...pci ? { deviceFeatureSelect: reader.u32("device feature select") } : {},
      ...pci ? { guestFeatureSelect: reader.u32("guest feature select") } : {},
      guestFeatures: decodeLowHigh(reader, "guest features"),
      queues: forEachQueue(() => decodeTransportQueue(reader, pci)),
    },
  };
}

function decodeTransportQueue(reader: ByteReader, pci: boolean): VirtioTransportQueue {
  const size = reader.u16("queue size");
  if (pci && decodeBool(reader)) {
    throw reader.error("device-mismatch", "Cannot decode virtio queue: the unused byte is not 0");
  }
  return {
    size,
    enabled: decodeBool(reader),
    descAddress: decodeLowHigh(reader, "descriptors"),
    availAddress: decodeLowHigh(reader, "avail ring"),
    usedAddress: decodeLowHigh(reader, "used ring"),
  };
}

function encodeTransportState(writer: ByteWriter, state: VirtioTransportState): void {
  const pci = state.kind === "pci";
  writer.u8(SECTION_TYPE.SUBSECTION, "subsection type");
  writer.countedString(pci ? MODERN_STATE : MMIO_STATE, "subsection name");
  writer.u32(VERSION, "subsection version");
  if (pci) {
    writer.u32(state.deviceFeatureSelect ?? 0, "device feature select");
    writer.u32(state.guestFeatureSelect ?? 0, "guest feature select");
  }
  encodeLowHigh(writer, state.guestFeatures, "guest features");
  for (const queue of checkCount(writer, state.queues)) {
    writer.u16(queue.size, "queue size");
    if (pci) writer.u8(0, "unused byte");
    writer.u8(queue.enabled ? 1 : 0, "queue enabled");
    encodeLowHigh(writer, queue.descAddress, "descriptors");
    encodeLowHigh(writer, queue.availAddress, "avail ring");
    encodeLowHigh(writer, queue.usedAddress, "used ring");
  }
}

/** Fails unless the list has an element for each of the 1024 queues, which is what QEMU reads. */
function checkCount<T>(writer: ByteWriter, list: readonly T[]): readonly T[] {
  if (list.length === VIRTIO_MAX_QUEUES) return list;
  const message = "Cannot encode virtio subsection: wrong number of queues";
  throw writer.error(message, `${VIRTIO_MAX_QUEUES} queues`, `${list.length}`);
}

/** Encodes a subsection. Its `offset` does not matter. */
export function encodeVirtioSubsection(writer: ByteWriter, subsection: VirtioSubsection): void {
  const { name, version, content } = subsection;
  writer.u8(SECTION_TYPE.SUBSECTION, "subsection type");
  writer.countedString(name, "subsection name");
  writer.u32(version, "subsection version");
  switch (content.kind) {
    case "features":
      return writer.bigU64(content.features, "features");
    case "rings":
      for (const { availAddress, usedAddress } of checkCount(writer, content.queues)) {
        writer.bigU64(availAddress, "avail ring");
        writer.bigU64(usedAddress, "used ring");
      }
      return;
    case "packed":
      for (const queue of checkCount(writer, content.queues)) encodePackedQueue(writer, queue);
      return;
    case "ring-sizes":
      for (const size of checkCount(writer, content.sizes)) writer.u32(size, "ring size");
      return;
    case "byte":
      return writer.u8(content.value, name);
    case "empty":
      return;
    case "transport":
      return encodeTransportState(writer, content.state);
    case "raw":
      return writer.bytes(content.bytes);
  }
}
