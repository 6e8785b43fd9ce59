import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { FormatError } from "../format/error.ts";
import { decodePciConfig } from "../format/pci.ts";
import {
  decodeVirtio,
  encodeVirtio,
  VIRTIO_NO_VECTOR,
  virtioDeviceOf,
  type VirtioQueue,
  type VirtioState,
  virtioTransportOf,
} from "../format/virtio.ts";
import { HANG_MS } from "./patience.ts";
import {
  decodeVirtioSubsections,
  VIRTIO_MAX_QUEUES,
  type VirtioContent,
  type VirtioSubsection,
} from "../format/virtio_subsections.ts";

const bytesOf = (hex: string) => Uint8Array.fromHex(hex.replaceAll(/[^0-9a-f]/g, ""));
const ascii = (text: string) => new TextEncoder().encode(text).toHex();

/** A disk behind mmio, as QEMU 10.0 writes it for a microvm whose firmware used it. */
const MMIO_BLK = bytesOf(`
  00000001 00000001 0000000c
  0f 00 0000 00000044
  00000004 aabbccdd
  00000001
    00000080 00001000 0000000003ffd000 0003
  00
  05 15 ${ascii("virtio/64bit_features")} 00000001 0000000100000044
  05 0e ${ascii("virtio/started")} 00000001 01
`);

const MMIO_BLK_STATE: VirtioState = {
  device: "blk",
  transport: {
    kind: "mmio",
    hostFeaturesSelect: 1,
    guestFeaturesSelect: 1,
    guestPageShift: 12,
  },
  commonOffset: 12,
  status: 0x0f,
  isr: 0,
  selectedQueue: 0,
  guestFeaturesLow: 0x44,
  config: bytesOf("aabbccdd"),
  configOffset: 24,
  queues: [
    { offset: 32, size: 128, alignBytes: 4096, descAddress: 0x3ffd000n, lastAvailIndex: 3 },
  ],
  deviceBytes: bytesOf("00"),
  deviceOffset: 50,
  subsections: [
    {
      offset: 51,
      name: "virtio/64bit_features",
      version: 1,
      content: { kind: "features", features: 0x100000044n },
    },
    {
      offset: 86,
      name: "virtio/started",
      version: 1,
      content: { kind: "byte", value: 1 },
    },
  ],
};
const MMIO_BLK_HINT = { idstr: "virtio-mmio@00000000feb02c00/virtio-blk" };

/** A configuration space with the given capabilities, each of 16 bytes from offset 0x40 on. */
function configSpace(size: number, capabilities: readonly string[]): Uint8Array {
  const bytes = new Uint8Array(size);
  bytes.set(bytesOf("f4 1a 41 10"));
  if (capabilities.length > 0) {
    bytes[0x06] = 0x10;
    bytes[0x34] = 0x40;
  }
  capabilities.forEach((hex, index) => {
    const offset = 0x40 + 16 * index;
    bytes.set(bytesOf(hex), offset);
    bytes[offset + 1] = index + 1 < capabilities.length ? offset + 16 : 0;
  });
  return bytes;
}

const EXPRESS = "10 00";
const MSIX_OF_3 = "11 00 02 80";

/** A network card with the given configuration space. */
function pciState(space: Uint8Array, subsections: readonly VirtioSubsection[] = []): VirtioState {
  const config = decodePciConfig(space);
  const hasMsix = config.capabilities.some(({ id }) => id === 0x11);
  const vector = { address: 0xfee00000n, data: 33, control: 0, pending: false };
  const msix = {
    msix: { vectors: [vector, { ...vector, control: 1 }, vector], unusedPendingBits: 0 },
    configVector: 0,
  };
  const queue = (lastAvailIndex: number, msixVector: number): VirtioQueue => ({
    offset: 0,
    size: 256,
    descAddress: 0x1_2345_6000n,
    lastAvailIndex,
    ...hasMsix ? { msixVector } : {},
  });
  return {
    device: "net",
    transport: {
      kind: "pci",
      config,
      configOffset: 4,
      irqState: [1, 0, 0, 0],
      ...hasMsix ? { ...msix, msixOffset: 20 + space.length } : {},
    },
    commonOffset: 0,
    status: 15,
    isr: 1,
    selectedQueue: 2,
    guestFeaturesLow: 0xffffffff,
    config: new Uint8Array(12).fill(7),
    configOffset: 0,
    queues: [queue(1, 1), queue(0xffff, 2), queue(0, VIRTIO_NO_VECTOR)],
    deviceBytes: new Uint8Array(545).fill(0x05),
    deviceOffset: 0,
    subsections,
  };
}

/** The state without its offsets. */
function withoutOffsets(state: VirtioState | undefined): unknown {
  return JSON.parse(JSON.stringify(state, (key, value) => {
    if (/offset$/i.test(key)) return undefined;
    return typeof value === "bigint" ? `${value}n` : value;
  }));
}

const queueList = <T>(element: (index: number) => T): T[] =>
  Array.from({ length: VIRTIO_MAX_QUEUES }, (_, index) => element(index));

const rings = (index: number) => ({
  availAddress: BigInt(index),
  usedAddress: (1n << 64n) - 1n - BigInt(index),
});

const transportQueue = (index: number) => ({
  ...rings(index),
  size: index,
  enabled: index % 2 === 0,
  descAddress: 0x1_0000_0002n * BigInt(index),
});

const CONTENTS: [name: string, contentBytes: number, content: VirtioContent][] = [
  ["virtio/device_endian", 1, { kind: "byte", value: 1 }],
  ["virtio/64bit_features", 8, { kind: "features", features: (1n << 64n) - 1n }],
  ["virtio/virtqueues", 16384, { kind: "rings", queues: queueList(rings) }],
  ["virtio/ringsize", 4096, { kind: "ring-sizes", sizes: queueList((index) => index) }],
  ["virtio/broken", 1, { kind: "byte", value: 0 }],
  ["virtio/extra_state", 0, { kind: "empty" }],
  ["virtio/extra_state", 6 + 23 + 28688, {
    kind: "transport",
    state: {
      kind: "pci",
      deviceFeatureSelect: 1,
      guestFeatureSelect: 2,
      guestFeatures: 0x3_0000_0004n,
      queues: queueList(transportQueue),
    },
  }],
  ["virtio/extra_state", 6 + 17 + 27656, {
    kind: "transport",
    state: { kind: "mmio", guestFeatures: 1n << 63n, queues: queueList(transportQueue) },
  }],
  ["virtio/packed_virtqueues", 10240, {
    kind: "packed",
    queues: queueList((index) => ({
      lastAvailIndex: index,
      lastAvailWrap: index % 2 === 1,
      usedIndex: 0xffff - index,
      usedWrap: index % 3 === 1,
      inUse: index,
    })),
  }],
  ["virtio/started", 1, { kind: "byte", value: 1 }],
  ["virtio/disabled", 1, { kind: "byte", value: 1 }],
  ["virtio/news", 5, { kind: "raw", bytes: bytesOf("05 00 05 30 31") }],
];

Deno.test("virtio: a disk behind mmio", () => {
  assertEquals(decodeVirtio(MMIO_BLK, MMIO_BLK_HINT), MMIO_BLK_STATE);
  assertEquals(decodeVirtio(MMIO_BLK, { transport: "mmio" }), {
    ...MMIO_BLK_STATE,
    device: undefined,
  });
  assertEquals(encodeVirtio(MMIO_BLK_STATE), MMIO_BLK);
});

Deno.test("virtio: PCI with and without Express and MSI-X", () => {
  const spaces: [space: Uint8Array, bytes: number][] = [
    [configSpace(256, []), 4 + 256 + 16],
    [configSpace(256, [MSIX_OF_3]), 4 + 256 + 16 + 49 + 2],
    [configSpace(4096, [EXPRESS]), 4 + 4096 + 16],
    [configSpace(4096, ["09 00", MSIX_OF_3, EXPRESS]), 4 + 4096 + 16 + 49 + 2],
  ];
  for (const [space, transportBytes] of spaces) {
    const state = pciState(space);
    const bytes = encodeVirtio(state);
    const decoded = decodeVirtio(bytes, { idstr: "0000:00:01.0:00.0/virtio-net" });
    assertEquals(withoutOffsets(decoded), withoutOffsets(state));
    assert(decoded !== undefined);
    assertEquals(decoded.commonOffset, transportBytes);
    assertEquals(decoded.configOffset, transportBytes + 12);
    assertEquals(decoded.queues[0]!.offset, transportBytes + 12 + 12 + 4);
    assertEquals(bytes.length, decoded.deviceOffset + 545);
    assertEquals(encodeVirtio(decoded), bytes);
  }
});

Deno.test("virtio: subsections", () => {
  const subsections = CONTENTS.map(([name, , content]) => ({
    offset: 0,
    name,
    version: 1,
    content,
  }));
  const state = pciState(configSpace(256, []), subsections);
  const bytes = encodeVirtio(state);
  const decoded = decodeVirtio(bytes, { idstr: "0000:00:02.0/virtio-net" });
  assert(decoded !== undefined);
  let offset = decoded.deviceOffset + 545;
  for (const [index, [name, contentBytes, content]] of CONTENTS.entries()) {
    assertEquals(decoded.subsections[index], { offset, name, version: 1, content });
    offset += 6 + name.length + contentBytes;
  }
  assertEquals(offset, bytes.length);
  assertEquals(encodeVirtio(decoded), bytes);
  // Without the device's size the subsections are found by their names.
  const found = decodeVirtio(bytes, { transport: "pci" });
  assertEquals(found?.subsections, decoded.subsections);
});

Deno.test("virtio: subsections that are not as expected keep their bytes", () => {
  const raw = (name: string, version: number, hex: string): VirtioSubsection => ({
    offset: 0,
    name,
    version,
    content: { kind: "raw", bytes: bytesOf(hex) },
  });
  const subsections = [
    raw("virtio/64bit_features", 2, "00".repeat(8)),
    raw("virtio/64bit_features", 1, "00".repeat(7)),
    raw("virtio/64bit_features", 1, "00".repeat(9)),
    raw("virtio/virtqueues", 1, "05".repeat(100)),
    raw("virtio/packed_virtqueues", 1, "02".repeat(10240)),
    raw("virtio/extra_state", 1, `05 0d ${ascii("virtio_ccw/ab")} 00000001`),
    raw("virtio/extra_state", 1, `05 17 ${ascii("virtio_pci/modern_state")} 00000001 aa`),
    raw("virtio/started", 1, ""),
  ];
  const bytes = encodeVirtio({ ...MMIO_BLK_STATE, subsections });
  const decoded = decodeVirtio(bytes, MMIO_BLK_HINT);
  assertEquals(
    decoded?.subsections.map((subsection) => ({ ...subsection, offset: 0 })),
    subsections,
  );
});

Deno.test("virtio: many subsections that claim to be long take linear time", () => {
  const one = bytesOf(`05 11 ${ascii("virtio/virtqueues")} 00000001`);
  const bytes = new Uint8Array(one.length * 300_000);
  for (let at = 0; at < bytes.length; at += one.length) bytes.set(one, at);
  const started = performance.now();
  const subsections = decodeVirtioSubsections(bytes, 0);
  assertEquals(subsections?.length, 300_000);
  assert(performance.now() - started < HANG_MS);
});

Deno.test("virtio: devices of unknown size end at the first subsection", () => {
  const deviceBytes = bytesOf(`01 05 0e ${ascii("virtio-started")} 00000001 05 08`);
  const state = { ...MMIO_BLK_STATE, deviceBytes };
  assertEquals(decodeVirtio(encodeVirtio(state), MMIO_BLK_HINT)?.deviceBytes, deviceBytes);
  const bare = { ...state, subsections: [] };
  assertEquals(decodeVirtio(encodeVirtio(bare), MMIO_BLK_HINT), bare);
});

Deno.test("virtio: names tell device and transport", () => {
  const names: [idstr: string, device: string | undefined, transport: string][] = [
    ["0000:00:02.0/virtio-net", "net", "pci"],
    ["0000:00:01.0:00.0/virtio-gpu", "gpu", "pci"],
    ["virtio-mmio@000000000a003e00/virtio-blk", "blk", "mmio"],
    ["/fe.0.0000/virtio-blk", "blk", "ccw"],
    ["0000:00:01.0/virtio-mem-device-early", "mem-device-early", "pci"],
    ["0000:00:02.0/e1000", undefined, "pci"],
    ["", undefined, "pci"],
  ];
  for (const [idstr, device, transport] of names) {
    assertEquals(virtioDeviceOf(idstr), device);
    assertEquals(virtioTransportOf(idstr), transport);
  }
});

Deno.test("virtio: what does not fit stays opaque", () => {
  assertEquals(decodeVirtio(MMIO_BLK, { transport: "ccw" }), undefined);
  assertEquals(decodeVirtio(MMIO_BLK, { idstr: "/fe.0.0000/virtio-blk" }), undefined);
  assertEquals(decodeVirtio(MMIO_BLK, { transport: "pci" }), undefined);
  const damage: [offset: number, byte: number][] = [[20, 1], [28, 1], [30, 5], [32, 1]];
  for (const [offset, byte] of damage) {
    const bytes = MMIO_BLK.slice();
    bytes[offset] = byte;
    assertEquals(decodeVirtio(bytes, MMIO_BLK_HINT), undefined, `offset ${offset}`);
  }
});

Deno.test("virtio: cut off at any byte", () => {
  const whole = encodeVirtio(pciState(configSpace(256, [MSIX_OF_3]), MMIO_BLK_STATE.subsections));
  const deviceOffset = whole.length - 545 - 56;
  for (
    const [bytes, hint, least] of [
      [MMIO_BLK, MMIO_BLK_HINT, 50],
      [whole, { idstr: "0000:00:02.0/virtio-net" }, deviceOffset],
    ] as const
  ) {
    for (let end = 0; end < bytes.length; end++) {
      const part = bytes.subarray(0, end);
      const state = decodeVirtio(part, hint);
      assertEquals(state !== undefined, end >= least, `cut at ${end}`);
      if (state !== undefined) assertEquals(encodeVirtio(state), part);
    }
  }
});

Deno.test("virtio: a state that no field can hold is not encoded", () => {
  const pci = pciState(configSpace(256, [MSIX_OF_3]));
  assert(pci.transport.kind === "pci");
  const [queue] = pci.queues;
  const { msix: _, ...withoutMsix } = pci.transport;
  const content = (content: VirtioContent): VirtioState => ({
    ...MMIO_BLK_STATE,
    subsections: [{ offset: 0, name: "virtio/x", version: 1, content }],
  });
  const states: VirtioState[] = [
    { ...pci, transport: withoutMsix },
    { ...pci, transport: { ...pci.transport, msix: { vectors: [], unusedPendingBits: 0 } } },
    { ...pci, transport: { ...pci.transport, configVector: 0x10000 } },
    { ...pci, status: 256 },
    { ...pci, queues: [{ ...queue!, descAddress: -1n }] },
    { ...pci, queues: [{ ...queue!, size: -1 }] },
    content({ kind: "rings", queues: [] }),
    content({ kind: "ring-sizes", sizes: [1] }),
    content({ kind: "packed", queues: [] }),
    content({ kind: "byte", value: -1 }),
    content({ kind: "features", features: 1n << 64n }),
    content({ kind: "transport", state: { kind: "mmio", guestFeatures: 0n, queues: [] } }),
    content({ kind: "transport", state: { kind: "pci", guestFeatures: -1n, queues: [] } }),
  ];
  for (const state of states) {
    const error = assertThrows(() => encodeVirtio(state), FormatError);
    assertEquals(error.code, "not-encodable");
  }
});

Deno.test("virtio: any bytes either stay opaque or survive decoding and encoding", () => {
  const pci = encodeVirtio(pciState(configSpace(256, [MSIX_OF_3]), MMIO_BLK_STATE.subsections));
  const seeds = fc.constantFrom(
    [MMIO_BLK, MMIO_BLK_HINT] as const,
    [pci, { idstr: "0000:00:02.0/virtio-net" }] as const,
    [pci, { transport: "pci" }] as const,
  );
  const edits = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 8 });
  fc.assert(
    fc.property(seeds, edits, fc.nat(40), ([seed, hint], edits, cut) => {
      const bytes = seed.slice(0, seed.length - cut);
      for (const [at, value] of edits) bytes[at % bytes.length] = value;
      const state = decodeVirtio(bytes, hint);
      if (state !== undefined) assertEquals(encodeVirtio(state), bytes);
    }),
    { numRuns: 500 },
  );
  fc.assert(fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
    const state = decodeVirtio(bytes, { transport: "mmio" });
    if (state !== undefined) assertEquals(encodeVirtio(state), bytes);
  }));
});
