/**
 * Fields of the opaque vmstate types that are decoded for the rich dump: PCI configuration spaces, interrupts, virtio devices.
 *
 * @module
 */

import {
  decodePciConfig,
  type PciBar,
  type PciCapability,
  type PciConfig,
} from "../../format/pci.ts";
import { decodeMsixState, decodePciIrqState, type MsixState } from "../../format/pci_interrupts.ts";
import { isFormatError } from "../../format/error.ts";
import { hex } from "../../format/text.ts";
import {
  decodeVirtio,
  VIRTIO_NO_VECTOR,
  VIRTIO_STATUS,
  type VirtioQueue,
  type VirtioState,
  type VirtioTransport,
} from "../../format/virtio.ts";
import type { VirtioContent, VirtioSubsection } from "../../format/virtio_subsections.ts";
import type { RichValue } from "./json.ts";

/** Where a field stands. */
export interface PayloadPlace {
  /** The section's idstr, which tells the kind of a virtio device. */
  readonly idstr: string;
  /** Absolute offset of the field. */
  readonly offset: number;
}

type Decoder = (bytes: Uint8Array, place: PayloadPlace) => RichValue | undefined;

const DECODERS = new Map<string, Decoder>([
  ["pci config", (bytes) => pciConfig(decodePciConfig(bytes))],
  ["pci irq state", (bytes) => [...decodePciIrqState(bytes)]],
  ["msix state", (bytes) => msixState(decodeMsixState(bytes))],
  ["virtio", (bytes, place) => {
    const state = decodeVirtio(bytes, { idstr: place.idstr });
    return state === undefined ? undefined : virtioState(state, place.offset);
  }],
]);

/** The decoded content of a field; `undefined` for other types, and where the bytes do not fit. */
export function richPayload(
  type: string,
  bytes: Uint8Array,
  place: PayloadPlace,
): RichValue | undefined {
  const decode = DECODERS.get(type);
  if (decode === undefined) return undefined;
  try {
    return decode(bytes, place);
  } catch (error) {
    if (isFormatError(error)) return undefined;
    throw error;
  }
}

function pciConfig(config: PciConfig): RichValue {
  const { bars, capabilities, extendedCapabilities, bytes } = config;
  const optionalId = (id: number | undefined) => id === undefined ? undefined : hex(id, 4);
  return {
    vendorId: hex(config.vendorId, 4),
    deviceId: hex(config.deviceId, 4),
    subsystemVendorId: optionalId(config.subsystemVendorId),
    subsystemId: optionalId(config.subsystemId),
    classCode: hex(config.classCode, 6),
    revisionId: config.revisionId,
    command: hex(config.command, 4),
    status: hex(config.status, 4),
    headerType: config.headerType & 0x7f,
    multifunction: config.multifunction,
    cacheLineSize: config.cacheLineSize,
    latencyTimer: config.latencyTimer,
    selfTest: config.selfTest,
    interruptLine: config.interruptLine,
    interruptPin: config.interruptPin,
    primaryBus: config.primaryBus,
    secondaryBus: config.secondaryBus,
    subordinateBus: config.subordinateBus,
    bars: bars.filter(isUsed).map(({ address, ...bar }) => ({ ...bar, address: hex(address) })),
    capabilities: capabilities.map(capability),
    extendedCapabilities: extendedCapabilities.length === 0
      ? undefined
      : extendedCapabilities.map(capability),
    capabilityFault: config.capabilityFault,
    bytes: withoutZerosAtEnd(bytes).toHex(),
  };
}

/** An unused register is all zeros, and looks like a memory region at address 0. */
function isUsed({ kind, address, prefetchable }: PciBar): boolean {
  return kind !== "memory32" || address !== 0n || prefetchable;
}

function capability({ id, name, offset, version }: PciCapability): RichValue {
  return { id: hex(id, 2), name, register: hex(offset, 2), version };
}

function withoutZerosAtEnd(bytes: Uint8Array): Uint8Array {
  let end = bytes.length;
  while (end > 0 && bytes[end - 1] === 0) end--;
  return bytes.subarray(0, end);
}

function msixState({ vectors, unusedPendingBits }: MsixState): RichValue {
  return {
    vectors: vectors.map(({ address, data, control, pending }) => ({
      address: hex(address),
      data: hex(data),
      masked: (control & 1) === 1,
      pending,
      control: control > 1 ? hex(control) : undefined,
    })),
    unusedPendingBits: unusedPendingBits === 0 ? undefined : hex(unusedPendingBits, 2),
  };
}

function virtioState(state: VirtioState, offset: number): RichValue {
  const flags = Object.entries(VIRTIO_STATUS).filter(([, bit]) => (state.status & bit) !== 0);
  return {
    device: state.device ?? null,
    transport: virtioTransport(state.transport),
    status: hex(state.status, 2),
    statusFlags: flags.map(([name]) => name),
    isr: state.isr,
    selectedQueue: state.selectedQueue,
    guestFeaturesLow: hex(state.guestFeaturesLow, 8),
    config: state.config.toHex(),
    queues: state.queues.map((queue, index) => virtioQueue(queue, index, offset)),
    deviceBytes: state.deviceBytes.toHex(),
    subsections: state.subsections.map((subsection) => virtioSubsection(subsection, offset)),
  };
}

function virtioTransport(transport: VirtioTransport): RichValue {
  if (transport.kind === "mmio") return { ...transport };
  const { config, irqState, msix, configVector } = transport;
  return {
    kind: "pci",
    config: pciConfig(config),
    irqState: [...irqState],
    msix: msix === undefined ? undefined : msixState(msix),
    configVector: vector(configVector),
  };
}

/** The number of a vector, `null` for none; `undefined` where there are no vectors at all. */
function vector(number: number | undefined): number | null | undefined {
  return number === VIRTIO_NO_VECTOR ? null : number;
}

function virtioQueue(queue: VirtioQueue, index: number, offset: number): RichValue {
  return {
    queue: index,
    offset: offset + queue.offset,
    size: queue.size,
    alignBytes: queue.alignBytes,
    descAddress: hex(queue.descAddress),
    lastAvailIndex: queue.lastAvailIndex,
    msixVector: vector(queue.msixVector),
  };
}

function virtioSubsection(subsection: VirtioSubsection, offset: number): RichValue {
  return {
    name: subsection.name,
    version: subsection.version,
    offset: offset + subsection.offset,
    ...virtioContent(subsection.content),
  };
}

/** Arrays have 1024 elements whatever the device has, so those of queues that nobody touched are left out. */
function virtioContent(content: VirtioContent): { [name: string]: RichValue | undefined } {
  switch (content.kind) {
    case "features":
      return { guestFeatures: hex(content.features) };
    case "rings":
      return {
        queues: numbered(
          content.queues,
          (queue) => queue.availAddress === 0n && queue.usedAddress === 0n,
          (queue) => ({
            availAddress: hex(queue.availAddress),
            usedAddress: hex(queue.usedAddress),
          }),
        ),
      };
    case "packed":
      return {
        queues: numbered(
          content.queues,
          (queue) =>
            queue.lastAvailIndex === 0 && queue.usedIndex === 0 && queue.inUse === 0 &&
            queue.lastAvailWrap && queue.usedWrap,
          (queue) => ({ ...queue }),
        ),
      };
    case "ring-sizes":
      return { queues: numbered(content.sizes, (size) => size === 0, (size) => ({ size })) };
    case "byte":
      return { value: content.value };
    case "empty":
      return {};
    case "transport": {
      const { kind, guestFeatures, queues, ...selects } = content.state;
      return {
        transport: kind,
        ...selects,
        guestFeatures: hex(guestFeatures),
        queues: numbered(
          queues,
          (queue) =>
            !queue.enabled && queue.size === 0 &&
            (queue.descAddress | queue.availAddress | queue.usedAddress) === 0n,
          ({ size, enabled, descAddress, availAddress, usedAddress }) => ({
            size,
            enabled,
            descAddress: hex(descAddress),
            availAddress: hex(availAddress),
            usedAddress: hex(usedAddress),
          }),
        ),
      };
    }
    case "raw":
      return { bytes: content.bytes.toHex() };
  }
}

function numbered<T>(
  list: readonly T[],
  isUntouched: (element: T) => boolean,
  show: (element: T) => { [name: string]: RichValue },
): RichValue[] {
  return list.flatMap((element, queue) =>
    isUntouched(element) ? [] : [{ queue, ...show(element) }]
  );
}
