/**
 * The configuration space of a PCI device: fields of the vmstate type `pci config`.
 *
 * It is the device's memory as it is, so numbers in it are little-endian.
 *
 * ```text
 * pci config   256 bytes, or 4096 for PCI Express
 *   00 le16 vendor id      02 le16 device id   04 le16 command        06 le16 status
 *   08 u8   revision id    09 le24 class code  0c u8   cache line     0d u8   latency timer
 *   0e u8   header type    0f u8   self test   34 u8   capabilities   3c u8   interrupt line   3d u8 interrupt pin
 *   type 0: 10 6 x le32 BAR   2c le16 subsystem vendor id   2e le16 subsystem id   30 le32 ROM
 *   type 1: 10 2 x le32 BAR   18 u8 primary bus   19 u8 secondary bus   1a u8 subordinate bus   38 le32 ROM
 *   capability           u8 id, u8 offset of the next or 0, ...
 *   extended capability  from 0x100: le32 id | version << 16 | offset of the next or 0 << 20, ...
 * ```
 *
 * @example
 * ```ts
 * import { decodePciConfig } from "./pci.ts";
 *
 * const space = new Uint8Array(256);
 * space.set([0xf4, 0x1a, 0x00, 0x10]);
 * console.log(decodePciConfig(space).vendorId.toString(16)); // 1af4
 * ```
 *
 * @module
 */

import { notEncodable, wrongSize } from "./field_errors.ts";

/** Bytes of the configuration space of a conventional PCI device. */
export const PCI_CONFIG_BYTES = 256;
/** Bytes of the configuration space of a PCI Express device. */
export const PCIE_CONFIG_BYTES = 4096;
/** Bit of the status register: the device has capabilities. */
const STATUS_CAPABILITIES = 0x10;
const MULTIFUNCTION = 0x80;

/** Ids of capabilities (`PCI_CAP_ID_*`) and their names. */
export const PCI_CAPABILITIES: Readonly<Record<number, string>> = {
  0x01: "power management",
  0x02: "AGP",
  0x03: "vital product data",
  0x04: "slot identification",
  0x05: "MSI",
  0x06: "CompactPCI hot swap",
  0x07: "PCI-X",
  0x08: "HyperTransport",
  0x09: "vendor specific",
  0x0a: "debug port",
  0x0b: "CompactPCI resource control",
  0x0c: "hot plug",
  0x0d: "bridge subsystem id",
  0x0e: "AGP 8x",
  0x0f: "secure device",
  0x10: "PCI Express",
  0x11: "MSI-X",
  0x12: "SATA",
  0x13: "advanced features",
  0x14: "enhanced allocation",
};

/** Ids of extended capabilities (`PCI_EXT_CAP_ID_*`) and their names. */
export const PCI_EXTENDED_CAPABILITIES: Readonly<Record<number, string>> = {
  0x01: "advanced error reporting",
  0x02: "virtual channel",
  0x03: "device serial number",
  0x04: "power budgeting",
  0x0b: "vendor specific",
  0x0d: "access control services",
  0x0e: "alternative routing id",
  0x0f: "address translation services",
  0x10: "single root I/O virtualization",
  0x13: "page request",
  0x15: "resizable BAR",
  0x1b: "process address space id",
  0x23: "designated vendor specific",
  0x2e: "data object exchange",
};

/** Capability id of PCI Express. */
export const PCI_CAPABILITY_EXPRESS = 0x10;
/** Capability id of MSI-X. */
export const PCI_CAPABILITY_MSIX = 0x11;

/** A base address register: where the guest put a region of the device. */
export interface PciBar {
  /** Number of the register, 0..5; a 64-bit one takes two. */
  readonly index: number;
  /** What kind of region it is; an unused register looks like `memory32` at address 0. */
  readonly kind: "io" | "memory32" | "memory64";
  /** Address of the region. */
  readonly address: bigint;
  /** Whether reads have no side effects; always false for `io`. */
  readonly prefetchable: boolean;
}

/** A capability in the list of a device. */
export interface PciCapability {
  /** What it is; see {@link PCI_CAPABILITIES} and {@link PCI_EXTENDED_CAPABILITIES}. */
  readonly id: number;
  /** Its name; `undefined` for an id that is not in the tables. */
  readonly name: string | undefined;
  /** Offset of its header in the configuration space. */
  readonly offset: number;
  /** Only for extended capabilities: version of its layout. */
  readonly version?: number;
}

/** The registers of the header, with the offset and size in bytes of each; all are little-endian. */
const HEADER_FIELDS = [
  ["vendorId", 0x00, 2],
  ["deviceId", 0x02, 2],
  ["command", 0x04, 2],
  ["status", 0x06, 2],
  ["revisionId", 0x08, 1],
  ["classCode", 0x09, 3],
  ["cacheLineSize", 0x0c, 1],
  ["latencyTimer", 0x0d, 1],
  ["headerType", 0x0e, 1],
  ["selfTest", 0x0f, 1],
  ["interruptLine", 0x3c, 1],
  ["interruptPin", 0x3d, 1],
] as const;

/** Registers of a header of type 0 (a device) alone. */
const DEVICE_FIELDS = [
  ["subsystemVendorId", 0x2c, 2],
  ["subsystemId", 0x2e, 2],
] as const;

/** Registers of a header of type 1 (a bridge) alone. */
const BRIDGE_FIELDS = [
  ["primaryBus", 0x18, 1],
  ["secondaryBus", 0x19, 1],
  ["subordinateBus", 0x1a, 1],
] as const;

/** Registers of every configuration space. */
export interface PciHeader {
  /** Who made the device. */
  readonly vendorId: number;
  /** What device of that vendor. */
  readonly deviceId: number;
  /** What the guest lets it do: bit 0 I/O, 1 memory, 2 bus master, 10 no interrupt pin. */
  readonly command: number;
  /** What it can and what happened; bit 4: it has capabilities. */
  readonly status: number;
  /** Revision of the device. */
  readonly revisionId: number;
  /** 24 bits: base class, subclass, programming interface. */
  readonly classCode: number;
  /** Size of a cache line in 4-byte words. */
  readonly cacheLineSize: number;
  /** Latency timer in bus clocks. */
  readonly latencyTimer: number;
  /** Bits 0..6: layout of the header (0 device, 1 bridge); bit 7: several functions. */
  readonly headerType: number;
  /** Control of the self test. */
  readonly selfTest: number;
  /** What the firmware noted as interrupt line. */
  readonly interruptLine: number;
  /** 0 none, 1 INTA .. 4 INTD. */
  readonly interruptPin: number;
  /** Type 0: who made the board or the implementation. */
  readonly subsystemVendorId?: number;
  /** Type 0: what board of that vendor. */
  readonly subsystemId?: number;
  /** Type 1: number of the bus on this side. */
  readonly primaryBus?: number;
  /** Type 1: number of the bus behind the bridge. */
  readonly secondaryBus?: number;
  /** Type 1: highest bus number behind the bridge. */
  readonly subordinateBus?: number;
}

/** A configuration space. */
export interface PciConfig extends PciHeader {
  /** All of it: 256 or 4096 bytes. */
  readonly bytes: Uint8Array;
  /** Whether it is a function of a device with several. */
  readonly multifunction: boolean;
  /** The base address registers. */
  readonly bars: readonly PciBar[];
  /** Capabilities in the list's order. */
  readonly capabilities: readonly PciCapability[];
  /** Extended capabilities in the list's order; only PCI Express has any. */
  readonly extendedCapabilities: readonly PciCapability[];
  /** Why a list of capabilities was not followed to its end. */
  readonly capabilityFault?: string;
}

type Fields = readonly (readonly [string, number, number])[];

function fieldsOfType(headerType: number): Fields {
  const layout = headerType & ~MULTIFUNCTION;
  const own: Fields = layout === 0 ? DEVICE_FIELDS : layout === 1 ? BRIDGE_FIELDS : [];
  return [...HEADER_FIELDS, ...own];
}

/** Decodes a `pci config`; the bytes are not copied. Fails with `device-mismatch` if it is of another size. */
export function decodePciConfig(bytes: Uint8Array): PciConfig {
  if (bytes.length !== PCI_CONFIG_BYTES && bytes.length !== PCIE_CONFIG_BYTES) {
    throw wrongSize("pci config", `${PCI_CONFIG_BYTES} or ${PCIE_CONFIG_BYTES}`, bytes.length);
  }
  const headerType = bytes[0x0e]!;
  const header: Record<string, number> = {};
  for (const [name, offset, size] of fieldsOfType(headerType)) {
    header[name] = littleEndian(bytes, offset, size);
  }
  const conventional = listPciCapabilities(bytes);
  const extended = listExtendedCapabilities(bytes);
  const fault = conventional.fault ?? extended.fault;
  return {
    ...header as unknown as PciHeader,
    bytes,
    multifunction: (headerType & MULTIFUNCTION) !== 0,
    bars: decodeBars(bytes, headerType & ~MULTIFUNCTION),
    capabilities: conventional.capabilities,
    extendedCapabilities: extended.capabilities,
    ...fault === undefined ? {} : { capabilityFault: fault },
  };
}

/**
 * Encodes a configuration space: its `bytes`, with the registers of {@link PciHeader} written over them. BARs and capabilities
 * are taken from `bytes`.
 */
export function encodePciConfig(config: PciConfig): Uint8Array {
  const { length } = config.bytes;
  if (length !== PCI_CONFIG_BYTES && length !== PCIE_CONFIG_BYTES) {
    throw notEncodable("pci config", `${PCI_CONFIG_BYTES} or ${PCIE_CONFIG_BYTES} bytes`, length);
  }
  const bytes = config.bytes.slice();
  for (const [name, offset, size] of fieldsOfType(config.headerType)) {
    const value = config[name as keyof PciHeader];
    if (value !== undefined) putLittleEndian(bytes, offset, size, value, name);
  }
  return bytes;
}

function decodeBars(bytes: Uint8Array, layout: number): PciBar[] {
  const count = layout === 0 ? 6 : layout === 1 ? 2 : 0;
  const bars: PciBar[] = [];
  for (let index = 0; index < count; index++) {
    const low = littleEndian(bytes, 0x10 + 4 * index, 4);
    if ((low & 1) === 1) {
      bars.push({ index, kind: "io", address: BigInt((low & ~3) >>> 0), prefetchable: false });
      continue;
    }
    const kind = (low & 6) === 4 && index + 1 < count ? "memory64" : "memory32";
    const prefetchable = (low & 8) !== 0;
    let address = BigInt((low & ~15) >>> 0);
    if (kind === "memory64") {
      address |= BigInt(littleEndian(bytes, 0x14 + 4 * index, 4)) << 32n;
    }
    bars.push({ index, kind, address, prefetchable });
    if (kind === "memory64") index++;
  }
  return bars;
}

/** Capabilities, and why their list was not followed to its end. */
export interface PciCapabilityList {
  /** The capabilities in the list's order, each once. */
  readonly capabilities: readonly PciCapability[];
  /** What is wrong with the list: it has a cycle or leaves its part of the configuration space. */
  readonly fault?: string;
}

/** Follows the list of capabilities in a configuration space of 256 bytes or more. */
export function listPciCapabilities(bytes: Uint8Array): PciCapabilityList {
  const capabilities: PciCapability[] = [];
  if ((bytes[0x06]! & STATUS_CAPABILITIES) === 0) return { capabilities };
  const seen = new Set<number>();
  let offset = bytes[0x34]! & ~3;
  while (offset !== 0) {
    if (offset < 0x40) return { capabilities, fault: `capability at ${offset}, inside the header` };
    if (seen.has(offset)) return { capabilities, fault: `capability at ${offset} follows itself` };
    seen.add(offset);
    const id = bytes[offset]!;
    capabilities.push({ id, name: PCI_CAPABILITIES[id], offset });
    offset = bytes[offset + 1]! & ~3;
  }
  return { capabilities };
}

function listExtendedCapabilities(bytes: Uint8Array): PciCapabilityList {
  const capabilities: PciCapability[] = [];
  if (bytes.length < PCIE_CONFIG_BYTES) return { capabilities };
  const seen = new Set<number>();
  let offset = 0x100;
  while (offset !== 0) {
    if (offset < 0x100) {
      return {
        capabilities,
        fault: `extended capability at ${offset}, inside the first 256 bytes`,
      };
    }
    if (seen.has(offset)) {
      return { capabilities, fault: `extended capability at ${offset} follows itself` };
    }
    seen.add(offset);
    const header = littleEndian(bytes, offset, 4);
    if (header === 0) break; // an empty list is a first header of zeros
    const id = header & 0xffff;
    const version = (header >>> 16) & 15;
    capabilities.push({ id, name: PCI_EXTENDED_CAPABILITIES[id], offset, version });
    offset = (header >>> 20) & ~3;
  }
  return { capabilities };
}

function littleEndian(bytes: Uint8Array, offset: number, size: number): number {
  let value = 0;
  for (let at = offset + size - 1; at >= offset; at--) value = value * 256 + bytes[at]!;
  return value;
}

function putLittleEndian(
  bytes: Uint8Array,
  offset: number,
  size: number,
  value: number,
  name: string,
): void {
  if (!Number.isInteger(value) || value < 0 || value >= 2 ** (8 * size)) {
    throw notEncodable(name, `0..${2 ** (8 * size) - 1}`, value);
  }
  for (let at = 0; at < size; at++) bytes[offset + at] = Math.floor(value / 2 ** (8 * at));
}
