import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { FormatError } from "../format/error.ts";
import { decodePciConfig, encodePciConfig, listPciCapabilities } from "../format/pci.ts";
import {
  decodeMsixState,
  decodePciIrqState,
  encodeMsixState,
  encodePciIrqState,
  MSIX_MAX_VECTORS,
  type MsixState,
  msixStateBytes,
} from "../format/pci_interrupts.ts";

const bytesOf = (hex: string) => Uint8Array.fromHex(hex.replaceAll(/[^0-9a-f]/g, ""));

/** A configuration space of `size` bytes with the given parts at their offsets. */
function space(size: number, parts: Record<number, string>): Uint8Array {
  const bytes = new Uint8Array(size);
  for (const [offset, hex] of Object.entries(parts)) bytes.set(bytesOf(hex), Number(offset));
  return bytes;
}

/** As a network card that the firmware has set up. */
const DEVICE = space(256, {
  0x00: "f4 1a 00 10", // vendor 1af4, device 1000
  0x04: "07 05 10 00", // command, status: has capabilities
  0x08: "01 00 00 02", // revision, class 020000
  0x0c: "10 40 80 00", // cache line, latency timer, header type 0 with several functions, self test
  0x10: "81 c0 00 00", // BAR 0: I/O c080
  0x14: "00 10 be fe", // BAR 1: memory febe1000
  0x20: "0c 00 00 00 38 00 00 00", // BAR 4 and 5: 64 bits, prefetchable
  0x2c: "f4 1a 01 00", // subsystem vendor, subsystem
  0x34: "98",
  0x3c: "0b 01", // line 11, INTA
  0x40: "09 00 10 01",
  0x98: "11 40 02 80",
});

Deno.test("pci: a device's configuration space", () => {
  const { bytes, ...config } = decodePciConfig(DEVICE);
  assertEquals(bytes, DEVICE);
  assertEquals(config, {
    vendorId: 0x1af4,
    deviceId: 0x1000,
    command: 0x507,
    status: 0x10,
    revisionId: 1,
    classCode: 0x020000,
    cacheLineSize: 0x10,
    latencyTimer: 0x40,
    headerType: 0x80,
    selfTest: 0,
    interruptLine: 11,
    interruptPin: 1,
    subsystemVendorId: 0x1af4,
    subsystemId: 1,
    multifunction: true,
    bars: [
      { index: 0, kind: "io", address: 0xc080n, prefetchable: false },
      { index: 1, kind: "memory32", address: 0xfebe1000n, prefetchable: false },
      { index: 2, kind: "memory32", address: 0n, prefetchable: false },
      { index: 3, kind: "memory32", address: 0n, prefetchable: false },
      { index: 4, kind: "memory64", address: 0x3800000000n, prefetchable: true },
    ],
    capabilities: [
      { id: 0x11, name: "MSI-X", offset: 0x98 },
      { id: 0x09, name: "vendor specific", offset: 0x40 },
    ],
    extendedCapabilities: [],
  });
});

Deno.test("pci: a bridge's configuration space of PCI Express", () => {
  const bytes = space(4096, {
    0x00: "36 1b 0c 00 07 00 10 00 00 00 04 06 00 00 01 00",
    0x10: "00 00 a0 fe 00 00 00 00 00 01 02 00",
    0x34: "54",
    0x54: "10 00 42 01",
    0x100: "01 00 02 14", // id 1, version 2, next at 140
    0x140: "ff ff 01 00",
  });
  const config = decodePciConfig(bytes);
  assertEquals(config.classCode, 0x060400);
  assertEquals([config.primaryBus, config.secondaryBus, config.subordinateBus], [0, 1, 2]);
  assertEquals(config.subsystemId, undefined);
  assertEquals(config.bars.map((bar) => bar.address), [0xfea00000n, 0n]);
  assertEquals(config.capabilities, [{ id: 0x10, name: "PCI Express", offset: 0x54 }]);
  assertEquals(config.extendedCapabilities, [
    { id: 1, name: "advanced error reporting", offset: 0x100, version: 2 },
    { id: 0xffff, name: undefined, offset: 0x140, version: 1 },
  ]);
  assertEquals(encodePciConfig(config), bytes);
});

Deno.test("pci: named registers can be changed", () => {
  const config = decodePciConfig(DEVICE);
  const changed = encodePciConfig({ ...config, classCode: 0x010203, interruptPin: 4 });
  assertEquals(changed.subarray(9, 12), bytesOf("03 02 01"));
  assertEquals(decodePciConfig(changed).interruptPin, 4);
  assertEquals(DEVICE[0x3d], 1);
  for (const classCode of [-1, 0.5, 0x1000000]) {
    assertThrows(() => encodePciConfig({ ...config, classCode }), FormatError);
  }
  assertThrows(() => encodePciConfig({ ...config, bytes: new Uint8Array(255) }), FormatError);
});

Deno.test("pci: damaged lists of capabilities end", () => {
  const list = (parts: Record<number, string>) =>
    listPciCapabilities(space(256, { 0x06: "10", ...parts }));
  assertEquals(list({ 0x34: "00" }), { capabilities: [] });
  assertEquals(list({ 0x34: "40", 0x40: "05 44", 0x44: "12 40" }), {
    capabilities: [
      { id: 5, name: "MSI", offset: 0x40 },
      { id: 0x12, name: "SATA", offset: 0x44 },
    ],
    fault: "capability at 64 follows itself",
  });
  assertEquals(list({ 0x34: "08" }).fault, "capability at 8, inside the header");
  assertEquals(listPciCapabilities(space(256, { 0x34: "40" })), { capabilities: [] });

  const extended = (parts: Record<number, string>) => decodePciConfig(space(4096, parts));
  assertEquals(
    extended({ 0x100: "01 00 01 10" }).capabilityFault,
    "extended capability at 256 follows itself",
  );
  assertEquals(
    extended({ 0x100: "01 00 01 08" }).capabilityFault,
    "extended capability at 128, inside the first 256 bytes",
  );
  assertEquals(extended({}).capabilityFault, undefined);
});

Deno.test("pci: levels of the interrupt pins", () => {
  const bytes = bytesOf("00 00 00 00  00 00 00 01  00 00 00 00  ff ff ff ff");
  assertEquals(decodePciIrqState(bytes), [0, 1, 0, 0xffffffff]);
  assertEquals(encodePciIrqState([0, 1, 0, 0xffffffff]), bytes);
  assertThrows(() => encodePciIrqState([0, 1, 0, -1]), FormatError);
});

Deno.test("pci: MSI-X", () => {
  const bytes = bytesOf(`
    00 10 e0 fe 01 00 00 00  21 40 00 00  00 00 00 00
    00 00 00 00 00 00 00 00  00 00 00 00  01 00 00 00
    06`);
  const state: MsixState = {
    vectors: [
      { address: 0x1fee01000n, data: 0x4021, control: 0, pending: false },
      { address: 0n, data: 0, control: 1, pending: true },
    ],
    unusedPendingBits: 4,
  };
  assertEquals(decodeMsixState(bytes), state);
  assertEquals(encodeMsixState(state), bytes);
  assertEquals(encodeMsixState({ vectors: [], unusedPendingBits: 0 }), new Uint8Array(0));

  const [vector] = state.vectors;
  const changes = [{ address: -1n }, { address: 1n << 64n }, { data: -1 }, { control: 2 ** 32 }];
  for (const change of changes) {
    const vectors = [{ ...vector!, ...change }];
    assertThrows(() => encodeMsixState({ vectors, unusedPendingBits: 0 }), FormatError);
  }
  const vectors = Array.from({ length: MSIX_MAX_VECTORS + 1 }, () => vector!);
  assertThrows(() => encodeMsixState({ vectors, unusedPendingBits: 0 }), FormatError);
});

Deno.test("pci: only the sizes that exist decode", () => {
  const msixSizes = new Map<number, number>();
  for (let count = 0; count <= MSIX_MAX_VECTORS; count++) {
    msixSizes.set(msixStateBytes(count), count);
  }
  for (let size = 0; size < 600; size++) {
    const bytes = new Uint8Array(size);
    if (size !== 256) assertThrows(() => decodePciConfig(bytes), FormatError);
    if (size !== 16) assertThrows(() => decodePciIrqState(bytes), FormatError);
    const count = msixSizes.get(size);
    if (count === undefined) assertThrows(() => decodeMsixState(bytes), FormatError);
    else assertEquals(decodeMsixState(bytes).vectors.length, count);
  }
  for (const [size, count] of msixSizes) {
    assertEquals(decodeMsixState(new Uint8Array(size)).vectors.length, count);
  }
  assertThrows(() => decodeMsixState(new Uint8Array(msixStateBytes(2049))), FormatError);
  const error = assertThrows(() => decodePciConfig(new Uint8Array(257)), FormatError);
  assertEquals(
    error.describe(),
    "Cannot decode pci config: it has another size at offset 0 (0x0); " +
      "expected 256 or 4096 bytes; found 257 byte(s) [device-mismatch]",
  );
});

Deno.test("pci: any bytes of the right size survive decoding and encoding", () => {
  const exactly = (size: number) => fc.uint8Array({ minLength: size, maxLength: size });
  const sizes = fc.constantFrom(256, 4096);
  fc.assert(fc.property(sizes.chain(exactly), (bytes) => {
    assertEquals(encodePciConfig(decodePciConfig(bytes)), bytes);
  }));
  fc.assert(fc.property(exactly(16), (bytes) => {
    assertEquals(encodePciIrqState(decodePciIrqState(bytes)), bytes);
  }));
  fc.assert(fc.property(fc.nat(40).map(msixStateBytes).chain(exactly), (bytes) => {
    assertEquals(encodeMsixState(decodeMsixState(bytes)), bytes);
  }));
});
