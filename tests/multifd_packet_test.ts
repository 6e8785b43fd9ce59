/**
 * The packets of multifd channels: what is legal, and each way in which one can be wrong, at its place.
 */
import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { FormatError } from "../format/error.ts";
import type { MultifdDeviceStatePacket, MultifdRamPacket } from "../format/multifd/channel.ts";
import { MultifdChannelReader } from "../format/multifd/channel.ts";
import { multifdMethod } from "../format/multifd/flags.ts";
import { decodeInitialPacket, encodeInitialPacket } from "../format/multifd/initial_packet.ts";
import { decodeOffsets, encodeOffsets } from "../format/multifd/offsets.ts";
import {
  decodePacket,
  encodeDeviceStatePacket,
  encodePacket,
  encodeRamPacket,
  type MultifdRamFields,
} from "../format/multifd/packet.ts";
import { decodePacketHeader, encodePacketHeader } from "../format/multifd/packet_header.ts";
import { encodePageParts } from "../format/multifd/page_payload.ts";
import { annotated, failureOf, readerOf, written } from "./annotated.ts";
import {
  blockOf,
  BLOCKS,
  blocksOf,
  channelOf,
  DEVICE,
  PAGE_BYTES,
  pagesOf,
  RAM_BYTES,
  readChannel,
  START,
} from "./multifd_channels.ts";

const PLAIN: MultifdRamFields = {
  packetNumber: 40,
  block: "pc.ram",
  normal: [0x3000, 0x1000],
  zero: [0x5000, 0],
  payload: pagesOf(2),
};
const QPL: MultifdRamFields = {
  ...PLAIN,
  method: "qpl",
  payload: written((writer) => encodePageParts(writer, [new Uint8Array(10), pagesOf(1)])),
};
const ZLIB: MultifdRamFields = { ...PLAIN, method: "zlib", payload: new Uint8Array(9) };

/** The error for a channel with one packet, after `edit` has damaged that. */
function damaged(
  fields: MultifdRamFields | "device",
  edit: (packet: DataView, bytes: Uint8Array) => void,
): FormatError {
  const bytes = written((writer) => {
    encodeInitialPacket(writer, { channelId: 1 });
    if (fields === "device") encodeDeviceStatePacket(writer, DEVICE);
    else encodeRamPacket(writer, fields, PAGE_BYTES);
  });
  edit(new DataView(bytes.buffer, bytes.byteOffset + START), bytes.subarray(START));
  return assertThrows(() => readChannel(bytes), FormatError);
}

Deno.test("multifd packet: pages in the order of the payload", () => {
  const [packet] = readChannel(
    channelOf([{ ...PLAIN, payload: Uint8Array.from([...pagesOf(1, 3), ...pagesOf(1, 1)]) }]),
  );
  const { block, normal, zero, content, ...rest } = packet as MultifdRamPacket;
  assertEquals([block?.name, normal, zero], ["pc.ram", [0x3000, 0x1000], [0x5000, 0]]);
  assertEquals([content![0], content![4095], content![4096], content!.length], [3, 3, 1, 8192]);
  assertEquals(rest, {
    kind: "ram",
    offset: START,
    lengthBytes: RAM_BYTES + 8192,
    flags: 0,
    isSync: false,
    method: "none",
    pagesAlloc: 128,
    packetNumber: 40,
    payloadOffset: START + RAM_BYTES,
    payloadBytes: 8192,
    notes: [],
  });
});

Deno.test("multifd packet: the bytes of a channel", () => {
  const uuid = annotated("00 11 22 33 44 55 66 77 88 99 aa bb cc dd ee ff");
  const bytes = written((writer) => {
    encodeInitialPacket(writer, { channelId: 2, uuid });
    encodeRamPacket(writer, { packetNumber: 5, isSync: true }, 65536);
    encodeRamPacket(writer, { packetNumber: 6, method: "zstd", block: "b", zero: [65536] }, 65536);
    encodeDeviceStatePacket(writer, { idstr: "d", instanceId: 1, payload: annotated("aa bb") });
  });
  const expected = `
    11 22 33 44 00 00 00 01 00 11 22 33 44 55 66 77 88 99 aa bb cc dd ee ff 02 00*39
    11 22 33 44 00 00 00 01 00 00 00 01 00*12 00*7 05 00*32 00*256 00*64
    11 22 33 44 00 00 00 01 00 00 00 04 00 00 00 08 00*8 00*7 06 00 00 00 01 00*28
      "b" 00*255 00*5 01 00 00 00*56
    11 22 33 44 00 00 00 01 00 00 00 40 "d" 00*255 00 00 00 01 00 00 00 02 aa bb`;
  assertEquals(bytes, annotated(expected));
  const blocks = blocksOf(blockOf("b", 131072));
  using channel = new MultifdChannelReader(readerOf(bytes), { blocks, pageBytes: 65536 });
  assertEquals([channel.initial.uuid, channel.initial.channelId, channel.notes], [uuid, 2, []]);
  const [sync, ram, device] = readChannel(bytes, { blocks, pageBytes: 65536 });
  assertEquals((sync as MultifdRamPacket).isSync, true);
  assertEquals((ram as MultifdRamPacket).zero, [65536]);
  assertEquals(device as MultifdDeviceStatePacket, {
    kind: "device-state",
    offset: bytes.length - 278,
    lengthBytes: 278,
    idstr: "d",
    instanceId: 1,
    payloadOffset: bytes.length - 2,
    payloadBytes: 2,
    notes: [],
  });
});

Deno.test("multifd packet: without pages, nothing but flags and number counts", () => {
  const header = {
    kind: "ram",
    flags: 1,
    pagesAlloc: 128,
    normalPages: 0,
    nextPacketBytes: 0xffffffff,
    packetNumber: 9,
    zeroPages: 0,
    reserved: new Uint8Array(28),
    name: new Uint8Array(256).fill(0x61),
  } as const;
  const packet = { header, offsets: new Uint8Array(1024).fill(0xff), payload: new Uint8Array(0) };
  const bytes = written((writer) => {
    encodeInitialPacket(writer, { channelId: 0 });
    encodePacket(writer, packet);
    encodeRamPacket(writer, { ...PLAIN, isSync: true }, PAGE_BYTES);
  });
  const [sync, both] = readChannel(bytes) as MultifdRamPacket[];
  assertEquals([sync!.block, sync!.payloadBytes, sync!.lengthBytes], [undefined, 0, RAM_BYTES]);
  assertEquals([both!.isSync, both!.normal.length, both!.content!.length], [true, 2, 8192]);
  const reader = readerOf(bytes);
  reader.skip(START, "first packet");
  assertEquals(decodePacket(reader, PAGE_BYTES), packet);
});

Deno.test("multifd packet: what QEMU does not look at is noted and kept", () => {
  const bytes = channelOf([PLAIN]);
  bytes[30] = 1;
  bytes[START + 40] = 2;
  bytes[START + 64 + 100] = 3;
  const [packet] = readChannel(bytes);
  assertEquals(packet!.notes, [
    "the reserved words are not zero",
    "bytes behind the name are not zero",
  ]);
  using channel = new MultifdChannelReader(readerOf(bytes), { blocks: BLOCKS, pageBytes: 4096 });
  assertEquals(channel.notes, ["the reserved bytes of the first packet are not zero"]);
  const reader = readerOf(bytes);
  const again = written((writer) => {
    encodeInitialPacket(writer, decodeInitialPacket(reader));
    encodePacket(writer, decodePacket(reader, PAGE_BYTES));
  });
  assertEquals(again, bytes);
});

/** What is wrong, the damage, its offset in the packet, and a part of the error. */
type Fault = readonly [
  packet: MultifdRamFields | "device",
  edit: (packet: DataView, bytes: Uint8Array) => void,
  offset: number,
  text: RegExp,
];

const FAULTS: readonly Fault[] = [
  [
    PLAIN,
    (packet) => packet.setUint8(0, 0),
    0,
    /wrong magic.*expected 0x11223344; found 0x00223344/,
  ],
  [PLAIN, (packet) => packet.setUint32(4, 2), 4, /unknown version.*expected 1; found 2/],
  [PLAIN, (packet) => packet.setUint32(8, 0x100), 8, /unknown bits.*found 0x100/],
  [PLAIN, (packet) => packet.setUint32(8, 0x80000000), 8, /unknown bits.*found 0x80000000/],
  [PLAIN, (packet) => packet.setUint32(8, 0x06), 8, /more than one compression method/],
  [PLAIN, (packet) => packet.setUint32(8, 0x41), 8, /DEVICE_STATE together.*found 0x41/],
  ["device", (packet) => packet.setUint32(8, 0x42), 8, /DEVICE_STATE together.*found 0x42/],
  [PLAIN, (packet) => packet.setUint32(12, 129), 12, /pages_alloc.*at most 128; found 129/],
  [PLAIN, (packet) => packet.setUint32(12, 1), 16, /normal_pages.*at most 1; found 2/],
  [PLAIN, (packet) => packet.setUint32(16, 129), 16, /normal_pages.*at most 128; found 129/],
  [PLAIN, (packet) => packet.setUint32(12, 3), 32, /zero_pages.*at most 1; found 2/],
  [PLAIN, (packet) => packet.setUint32(32, 127), 32, /zero_pages.*at most 126; found 127/],
  [
    PLAIN,
    (packet) => packet.setUint32(20, 8191),
    20,
    /not that of the pages.*expected 8192; found 8191/,
  ],
  [PLAIN, (packet) => packet.setUint32(20, 0), 20, /expected 8192; found 0/],
  [
    ZLIB,
    (packet) => packet.setUint32(20, 0),
    20,
    /impossible for compressed.*1\.\.1048576; found 0/,
  ],
  [ZLIB, (packet) => packet.setUint32(20, 0x100001), 20, /1\.\.1048576; found 1048577/],
  [QPL, (packet) => packet.setUint32(20, 9), 20, /lengths.*expected 10\.\.8200; found 9/],
  [QPL, (packet) => packet.setUint32(20, 8201), 20, /expected 10\.\.8200; found 8201/],
  [QPL, (packet) => packet.setUint32(20, 4113), 20, /expected 4114; found 4113/],
  [
    QPL,
    (packet) => packet.setUint32(RAM_BYTES, 0),
    RAM_BYTES,
    /> length\[0\]; expected 1\.\.4096; found 0/,
  ],
  [
    QPL,
    (packet) => packet.setUint32(RAM_BYTES + 4, 4097),
    RAM_BYTES + 4,
    /> length\[1\].*found 4097/,
  ],
  [PLAIN, (packet) => packet.setUint8(64, 0x71), 64, /unknown.*found "qc\.ram"/],
  [PLAIN, (packet) => packet.setUint8(64, 0), 64, /unknown.*found ""/],
  [
    PLAIN,
    (_, bytes) => bytes.fill(0x61, 64, 320),
    319,
    /name of a RAM block: no NUL.*expected 00; found 61/,
  ],
  [PLAIN, (packet) => packet.setUint8(320 + 7, 1), 320, /page border.*> offset\[0\].*found 0x3001/],
  [
    PLAIN,
    (packet) => packet.setUint8(328, 1),
    328,
    /outside.*offset\[1\].*at most 0xff000 in block "pc.ram"; found 0x100000000001000/,
  ],
  [
    PLAIN,
    (packet) => packet.setUint32(336 + 4, 0x100000),
    336,
    /outside.*offset\[2\].*found 0x100000/,
  ],
  [
    PLAIN,
    (packet) => packet.setUint32(344 + 4, 0x1000),
    344,
    /second time.*offset\[3\].*found 0x1000/,
  ],
  [
    PLAIN,
    (packet) => packet.setUint32(328 + 4, 0x3000),
    328,
    /second time.*offset\[1\].*found 0x3000/,
  ],
  ["device", (_, bytes) => bytes.fill(0x61, 12, 268), 267, /idstr: no NUL/],
  ["device", (packet) => packet.setUint32(272, 0), 272, /device's state.*found 0/],
  [
    "device",
    (packet) => packet.setUint32(272, 0x40000001),
    272,
    /device's state.*found 1073741825/,
  ],
];

Deno.test("multifd packet: each fault is found at its place", () => {
  for (const [fields, edit, offset, text] of FAULTS) {
    const error = damaged(fields, edit);
    const described = error.describe();
    assertEquals([error.code, error.offset], ["bad-multifd", START + offset], described);
    assert(text.test(described), `${text}: ${described}`);
    assert(
      error.path[0] === "multifd channel 1" && error.path[1]!.startsWith("packet 0"),
      described,
    );
  }
});

Deno.test("multifd packet: an error names channel, packet and number", () => {
  const bytes = channelOf([{ packetNumber: 39 }, PLAIN]);
  bytes[START + RAM_BYTES + 344 + 7] = 1;
  assertEquals(
    failureOf(() => readChannel(bytes)),
    "Cannot decode offset of a page: not on a page border at offset 1752 (0x6d8); in multifd channel 1 " +
      "> packet 1 (packet_num 40) > offset[3]; expected a multiple of the page size, 4096; found 0x1 " +
      "[bad-multifd]",
  );
});

Deno.test("multifd packet: a number above 2^53 - 1", () => {
  const error = damaged(PLAIN, (packet) => packet.setUint8(24, 1));
  assertEquals([error.code, error.offset], ["out-of-range", START + 24]);
});

Deno.test("multifd packet: a block shorter than a page has no page", () => {
  const text = failureOf(() =>
    readChannel(channelOf([{ packetNumber: 0, block: "tiny", zero: [0] }]))
  );
  assert(text.includes('none: block "tiny" is shorter than a page; found 0x0'), text);
});

Deno.test("multifd packet: the first packet", () => {
  for (const [at, offset] of [[0, 0], [3, 0], [4, 4], [7, 4]] as const) {
    const bytes = channelOf([]);
    bytes[at]! ^= 0x80;
    const error = assertThrows(() => readChannel(bytes), FormatError);
    assertEquals([error.code, error.offset, error.path], ["bad-multifd", offset, [
      "multifd channel",
    ]]);
  }
});

Deno.test("multifd packet: no page size", () => {
  const reader = readerOf(channelOf([]));
  for (const pageBytes of [0, 128, 4095, 131072, NaN, -4096]) {
    assertThrows(() => new MultifdChannelReader(reader, { blocks: BLOCKS, pageBytes }), RangeError);
  }
});

Deno.test("multifd packet: headers alone, for who does not know the page size", () => {
  const reader = readerOf(channelOf([PLAIN]));
  reader.skip(START, "first packet");
  const header = decodePacketHeader(reader);
  assert(header.kind === "ram");
  assertEquals([header.normalPages, header.zeroPages, multifdMethod(header.flags)], [2, 2, "none"]);
  assertEquals(reader.offset, START + 320);
});

Deno.test("multifd packet: what has no form is not encoded", () => {
  const pages = Array.from({ length: 129 }, (_, index) => index * PAGE_BYTES);
  const fields: MultifdRamFields[] = [
    { ...PLAIN, payload: pagesOf(1) },
    { ...PLAIN, method: "zlib", payload: new Uint8Array(0) },
    { ...PLAIN, method: "zlib", payload: new Uint8Array(2 ** 20 + 1) },
    { packetNumber: 0, payload: pagesOf(1) },
    { packetNumber: 0, block: "x".repeat(256) },
    { packetNumber: 0, block: "a\0b" },
    { packetNumber: 0, block: "pc.ram", zero: pages },
    { packetNumber: -1 },
  ];
  for (const each of fields) {
    const text = failureOf(() => written((writer) => encodeRamPacket(writer, each, PAGE_BYTES)));
    assert(text.includes("[not-encodable]"), text);
  }
  const empty = { ...DEVICE, payload: new Uint8Array(0) };
  const uuid = new Uint8Array(15);
  for (
    const write of [
      () => written((writer) => encodeDeviceStatePacket(writer, empty)),
      () => written((writer) => encodeInitialPacket(writer, { channelId: 0, uuid })),
      () => {
        const reader = readerOf(channelOf([PLAIN]).subarray(START));
        const packet = decodePacket(reader, PAGE_BYTES);
        written((writer) => encodePacket(writer, { ...packet, payload: pagesOf(1) }));
      },
      () => {
        const header = decodePacketHeader(readerOf(channelOf([PLAIN]).subarray(START)));
        written((writer) => encodePacketHeader(writer, { ...header, name: new Uint8Array(9) }));
      },
    ]
  ) assert(failureOf(write).includes("[not-encodable]"), String(write));
});

Deno.test("multifd packet: offsets in any order, for every page size", () => {
  const sizes = [256, 1024, 4096, 16384, 65536];
  fc.assert(fc.property(
    fc.constantFrom(...sizes),
    fc.uniqueArray(fc.nat(499), { maxLength: 8 }),
    fc.nat(8),
    (pageBytes, numbers, split) => {
      const addresses = numbers.map((number) => number * pageBytes);
      const bytes = written((writer) => encodeOffsets(writer, addresses, pageBytes));
      assertEquals(bytes.length, 8 * 524288 / pageBytes);
      const normal = Math.min(split, addresses.length);
      const block = blockOf("b", 500 * pageBytes);
      const reader = readerOf(bytes);
      const pages = decodeOffsets(reader, normal, addresses.length - normal, block, pageBytes);
      assertEquals([...pages.normal, ...pages.zero], addresses);
      assertEquals([pages.normal.length, reader.atEnd()], [normal, true]);
    },
  ));
});
