/**
 * Fields of the vmstate type `virtio`: the whole state of a virtio device, which no description in the stream describes.
 *
 * ```text
 * transport PCI    be32 version 2
 *                  PCI configuration space: 4096 bytes if it has PCI Express, else 256
 *                  4 x be32 level of INTA..INTD
 *                  with MSI-X of n vectors: 16 n table, (n+7)/8 pending bits, be16 vector of configuration changes
 * transport mmio   be32 host features select, be32 guest features select, be32 guest page shift
 * common           u8 status, u8 isr, be16 selected queue, be32 guest features (low 32 bits)
 *                  be32 length, configuration
 *                  be32 number of queues
 * per queue        be32 size, [mmio: be32 alignment], be64 address, be16 last avail index, [MSI-X: be16 vector]
 * device           by kind of device
 * subsections      to the end of the field; see virtio_subsections.ts
 * ```
 *
 * The transport is not told by the bytes, but by the path in the section's name. The transport of s390x (ccw) is not decoded.
 *
 * @example
 * ```ts
 * import { decodeVirtio } from "./virtio.ts";
 *
 * const idstr = "virtio-mmio@00000000feb02e00/virtio-rng";
 * console.log(decodeVirtio(new Uint8Array(28), { idstr })?.queues.length); // 0
 * ```
 *
 * @module
 */

import { type FormatError, isFormatError } from "./error.ts";
import {
  decodePciConfig,
  encodePciConfig,
  listPciCapabilities,
  PCI_CAPABILITY_EXPRESS,
  PCI_CAPABILITY_MSIX,
  PCI_CONFIG_BYTES,
  type PciConfig,
  PCIE_CONFIG_BYTES,
} from "./pci.ts";
import {
  decodeMsixState,
  decodePciIrqState,
  encodeMsixState,
  encodePciIrqState,
  type MsixState,
  msixStateBytes,
  PCI_IRQ_STATE_BYTES,
  type PciIrqState,
} from "./pci_interrupts.ts";
import { ByteReader } from "./reader.ts";
import { BytesSource } from "./source.ts";
import {
  decodeVirtioSubsections,
  encodeVirtioSubsection,
  findVirtioSubsection,
  VIRTIO_MAX_QUEUES,
  type VirtioSubsection,
} from "./virtio_subsections.ts";
import { ByteWriter } from "./writer.ts";

/** Bits of {@link VirtioState.status} (`VIRTIO_CONFIG_S_*`). */
export const VIRTIO_STATUS = {
  ACKNOWLEDGE: 0x01,
  DRIVER: 0x02,
  DRIVER_OK: 0x04,
  FEATURES_OK: 0x08,
  NEEDS_RESET: 0x40,
  FAILED: 0x80,
} as const;

/** A vector number that stands for none. */
export const VIRTIO_NO_VECTOR = 0xffff;

/** The version of `PCIDevice` in a PCI transport. */
const PCI_DEVICE_VERSION = 2;
/** Most buffers of a queue (`VIRTQUEUE_MAX_SIZE` is less; packed queues may be larger). */
const MAX_QUEUE_SIZE = 32768;

/**
 * Bytes of the device's part where it always has as many: a disk without requests in flight, and devices whose number of ports
 * or content does not matter. Used only to tell where the subsections begin.
 */
const DEVICE_BYTES: Readonly<Record<string, number>> = {
  balloon: 8,
  blk: 1,
  gpu: 0,
  input: 0,
  mem: 16,
  net: 545,
  rng: 0,
  scsi: 0,
};

/** How a device is attached. */
export type VirtioTransport = VirtioPciTransport | VirtioMmioTransport;

/** A device on a PCI bus. */
export interface VirtioPciTransport {
  /** Tells it from the others. */
  readonly kind: "pci";
  /** The configuration space. */
  readonly config: PciConfig;
  /** Offset of the configuration space in the field. */
  readonly configOffset: number;
  /** Levels of the interrupt pins. */
  readonly irqState: PciIrqState;
  /** The vectors, if the device has MSI-X. */
  readonly msix?: MsixState;
  /** Offset of the vectors in the field. */
  readonly msixOffset?: number;
  /** Vector that is raised when the device's configuration changes, if it has MSI-X. */
  readonly configVector?: number;
}

/** A device in memory, found by its address. */
export interface VirtioMmioTransport {
  /** Tells it from the others. */
  readonly kind: "mmio";
  /** Which 32 host features the guest reads. */
  readonly hostFeaturesSelect: number;
  /** Which 32 guest features the guest writes. */
  readonly guestFeaturesSelect: number;
  /** Binary logarithm of the guest's page size in bytes; 0: not set. */
  readonly guestPageShift: number;
}

/** A queue. */
export interface VirtioQueue {
  /** Offset of the queue in the field. */
  readonly offset: number;
  /** Number of its buffers. */
  readonly size: number;
  /** Only mmio: alignment of the used ring in bytes. */
  readonly alignBytes?: number;
  /** Guest address of the descriptors; 0: the guest has not set up the queue. */
  readonly descAddress: bigint;
  /** Index behind the last buffer that the device took. */
  readonly lastAvailIndex: number;
  /** Only with MSI-X: vector that is raised for the queue. */
  readonly msixVector?: number;
}

/** The state of a virtio device. All offsets are relative to the field. */
export interface VirtioState {
  /** Kind of device by the section's name, e.g. `net`; `undefined` if that was not given. */
  readonly device: string | undefined;
  /** How the device is attached. */
  readonly transport: VirtioTransport;
  /** Offset of `status` and what follows it. */
  readonly commonOffset: number;
  /** How far the guest's driver is; see {@link VIRTIO_STATUS}. */
  readonly status: number;
  /** Bit 0: a queue raised an interrupt; bit 1: the configuration changed. */
  readonly isr: number;
  /** The queue that the guest selected. */
  readonly selectedQueue: number;
  /** Low 32 bits of the features that the guest accepted; see the subsection `virtio/64bit_features`. */
  readonly guestFeaturesLow: number;
  /** The device's configuration as the guest sees it. */
  readonly config: Uint8Array;
  /** Offset of `config`. */
  readonly configOffset: number;
  /** The queues. */
  readonly queues: readonly VirtioQueue[];
  /** What this kind of device saves itself; not decoded. */
  readonly deviceBytes: Uint8Array;
  /** Offset of `deviceBytes`. */
  readonly deviceOffset: number;
  /** The subsections. */
  readonly subsections: readonly VirtioSubsection[];
}

/** What is known about a `virtio` field from outside. */
export interface VirtioHint {
  /** The section's idstr, e.g. `0000:00:02.0/virtio-net`. */
  readonly idstr?: string;
  /** The transport; default: as the idstr says. */
  readonly transport?: "pci" | "mmio" | "ccw";
}

/** The kind of device that the section's idstr names: `net` for `0000:00:02.0/virtio-net`. */
export function virtioDeviceOf(idstr: string): string | undefined {
  return /(?:^|\/)virtio-([a-z0-9-]+)$/.exec(idstr)?.[1];
}

/** The transport that the section's idstr tells: PCI unless its path is of another bus. */
export function virtioTransportOf(idstr: string): "pci" | "mmio" | "ccw" {
  if (/(?:^|\/)virtio-mmio@/.test(idstr)) return "mmio";
  return /^\/?[0-9a-f]+\.[0-9a-f]\.[0-9a-f]{4}\//.test(idstr) ? "ccw" : "pci";
}

/**
 * Decodes a `virtio` field that has exactly these bytes. Returns `undefined` where they do not fit the transport, or the
 * transport is ccw: the field stays opaque then. Never fails.
 */
export function decodeVirtio(bytes: Uint8Array, hint: VirtioHint = {}): VirtioState | undefined {
  const transport = hint.transport ?? virtioTransportOf(hint.idstr ?? "");
  if (transport === "ccw") return undefined;
  const reader = new ByteReader(new BytesSource(bytes), { blockBytes: Math.max(1, bytes.length) });
  try {
    return decodeState(reader, bytes, transport, virtioDeviceOf(hint.idstr ?? ""));
  } catch (error) {
    if (isFormatError(error)) return undefined;
    throw error;
  }
}

function decodeState(
  reader: ByteReader,
  bytes: Uint8Array,
  transportKind: "pci" | "mmio",
  device: string | undefined,
): VirtioState {
  const transport = transportKind === "pci"
    ? decodePciTransport(reader, bytes)
    : decodeMmioTransport(reader);
  const commonOffset = reader.offset;
  const status = reader.u8("status");
  const isr = reader.u8("isr");
  const selectedQueue = reader.u16("selected queue");
  const guestFeaturesLow = reader.u32("guest features");
  const configBytes = reader.u32("configuration length");
  const configOffset = reader.offset;
  const config = reader.bytes(configBytes, "configuration");
  const queues = decodeQueues(reader, transport);
  const deviceOffset = reader.offset;
  const { end, subsections } = decodeTail(bytes, deviceOffset, device);
  return {
    device,
    transport,
    commonOffset,
    status,
    isr,
    selectedQueue,
    guestFeaturesLow,
    config,
    configOffset,
    queues,
    deviceBytes: bytes.slice(deviceOffset, end),
    deviceOffset,
    subsections,
  };
}

/** Encodes the state of a device. Offsets in it do not matter. Fails with `not-encodable`. */
export function encodeVirtio(state: VirtioState): Uint8Array {
  const writer = new ByteWriter();
  if (state.transport.kind === "pci") encodePciTransport(writer, state.transport);
  else encodeMmioTransport(writer, state.transport);
  writer.u8(state.status, "status");
  writer.u8(state.isr, "isr");
  writer.u16(state.selectedQueue, "selected queue");
  writer.u32(state.guestFeaturesLow, "guest features");
  writer.u32(state.config.length, "configuration length");
  writer.bytes(state.config);
  encodeQueues(writer, state.queues, state.transport);
  writer.bytes(state.deviceBytes);
  for (const subsection of state.subsections) encodeVirtioSubsection(writer, subsection);
  return writer.finish();
}

function decodePciTransport(reader: ByteReader, bytes: Uint8Array): VirtioPciTransport {
  const version = reader.u32("version of the PCI device");
  if (version !== PCI_DEVICE_VERSION) {
    throw mismatch(reader, `version ${PCI_DEVICE_VERSION}`, String(version));
  }
  const configOffset = reader.offset;
  reader.need(PCI_CONFIG_BYTES, "configuration space");
  const { capabilities } = listPciCapabilities(bytes.subarray(configOffset));
  const express = capabilities.some(({ id }) => id === PCI_CAPABILITY_EXPRESS);
  const config = decodePciConfig(
    reader.bytes(express ? PCIE_CONFIG_BYTES : PCI_CONFIG_BYTES, "configuration space"),
  );
  const irqState = decodePciIrqState(reader.bytes(PCI_IRQ_STATE_BYTES, "interrupt pins"));
  const base = { kind: "pci" as const, config, configOffset, irqState };
  const vectors = msixVectors(config);
  if (vectors === undefined) return base;
  const msixOffset = reader.offset;
  const msix = decodeMsixState(reader.bytes(msixStateBytes(vectors), "MSI-X vectors"));
  return { ...base, msix, msixOffset, configVector: reader.u16("configuration vector") };
}

function encodePciTransport(writer: ByteWriter, transport: VirtioPciTransport): void {
  writer.u32(PCI_DEVICE_VERSION, "version of the PCI device");
  writer.bytes(encodePciConfig(transport.config));
  writer.bytes(encodePciIrqState(transport.irqState));
  const vectors = msixVectors(transport.config);
  if (vectors !== transport.msix?.vectors.length) {
    const message = "Cannot encode virtio transport: the configuration space says otherwise";
    throw writer.error(message, `${vectors ?? "no"} vectors`, `${transport.msix?.vectors.length}`);
  }
  if (transport.msix === undefined) return;
  writer.bytes(encodeMsixState(transport.msix));
  writer.u16(transport.configVector ?? VIRTIO_NO_VECTOR, "configuration vector");
}

/** The number of MSI-X vectors that a configuration space announces; `undefined` without MSI-X. */
function msixVectors(config: PciConfig): number | undefined {
  const capability = config.capabilities.find(({ id }) => id === PCI_CAPABILITY_MSIX);
  if (capability === undefined) return undefined;
  const at = capability.offset + 2;
  return ((config.bytes[at]! | config.bytes[at + 1]! << 8) & 0x7ff) + 1;
}

function decodeMmioTransport(reader: ByteReader): VirtioMmioTransport {
  return {
    kind: "mmio",
    hostFeaturesSelect: reader.u32("host features select"),
    guestFeaturesSelect: reader.u32("guest features select"),
    guestPageShift: reader.u32("guest page shift"),
  };
}

function encodeMmioTransport(writer: ByteWriter, transport: VirtioMmioTransport): void {
  writer.u32(transport.hostFeaturesSelect, "host features select");
  writer.u32(transport.guestFeaturesSelect, "guest features select");
  writer.u32(transport.guestPageShift, "guest page shift");
}

function decodeQueues(reader: ByteReader, transport: VirtioTransport): VirtioQueue[] {
  const count = reader.u32("number of queues");
  if (count > VIRTIO_MAX_QUEUES) {
    throw mismatch(reader, `at most ${VIRTIO_MAX_QUEUES} queues`, String(count));
  }
  const mmio = transport.kind === "mmio";
  const msix = transport.kind === "pci" && transport.msix !== undefined;
  return Array.from({ length: count }, () => {
    const offset = reader.offset;
    const size = reader.u32("queue size");
    if (size > MAX_QUEUE_SIZE) throw mismatch(reader, `at most ${MAX_QUEUE_SIZE}`, String(size));
    return {
      offset,
      size,
      ...mmio ? { alignBytes: reader.u32("queue alignment") } : {},
      descAddress: reader.bigU64("queue address"),
      lastAvailIndex: reader.u16("last avail index"),
      ...msix ? { msixVector: reader.u16("queue vector") } : {},
    };
  });
}

function encodeQueues(
  writer: ByteWriter,
  queues: readonly VirtioQueue[],
  transport: VirtioTransport,
): void {
  writer.u32(queues.length, "number of queues");
  for (const queue of queues) {
    writer.u32(queue.size, "queue size");
    if (transport.kind === "mmio") writer.u32(queue.alignBytes ?? 0, "queue alignment");
    writer.bigU64(queue.descAddress, "queue address");
    writer.u16(queue.lastAvailIndex, "last avail index");
    if (transport.kind === "pci" && transport.msix !== undefined) {
      writer.u16(queue.msixVector ?? VIRTIO_NO_VECTOR, "queue vector");
    }
  }
}

/** Finds where the device's own part ends, and decodes the subsections behind it. */
function decodeTail(
  bytes: Uint8Array,
  offset: number,
  device: string | undefined,
): { end: number; subsections: readonly VirtioSubsection[] } {
  const size = device !== undefined && Object.hasOwn(DEVICE_BYTES, device)
    ? DEVICE_BYTES[device]
    : undefined;
  if (size !== undefined && offset + size <= bytes.length) {
    const subsections = decodeVirtioSubsections(bytes, offset + size);
    if (subsections !== undefined) return { end: offset + size, subsections };
  }
  const end = findVirtioSubsection(bytes, offset);
  return { end, subsections: decodeVirtioSubsections(bytes, end) ?? [] };
}

function mismatch(reader: ByteReader, expected: string, found: string): FormatError {
  const message = "Cannot decode virtio device: its bytes do not fit";
  return reader.error("device-mismatch", message, { expected, found });
}
