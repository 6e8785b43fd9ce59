/**
 * Multifd channels that are cut, damaged at random, or claim more than they have.
 */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { FormatError, isFormatError } from "../format/error.ts";
import { encodeInitialPacket } from "../format/multifd/initial_packet.ts";
import {
  decodePacket,
  encodeDeviceStatePacket,
  encodeRamPacket,
  MULTIFD_DEVICE_STATE_MAX_BYTES,
} from "../format/multifd/packet.ts";
import { encodePacketHeader } from "../format/multifd/packet_header.ts";
import { encodePageParts } from "../format/multifd/page_payload.ts";
import { readerOf, written } from "./annotated.ts";
import {
  blockOf,
  blocksOf,
  channelOf,
  DEVICE,
  packetLines,
  PAGE_BYTES,
  pagesOf,
  RAM_BYTES,
  readChannel,
  recordedChannels,
  START,
} from "./multifd_channels.ts";
import { compress, decompress, METHODS, newDecompressor } from "./multifd_payloads.ts";
import { Random } from "./reading.ts";

Deno.test("multifd damage: cut anywhere, a channel is truncated; between packets, it ends", () => {
  const pageBytes = PAGE_BYTES;
  const blocks = blocksOf(blockOf("b", 4 * pageBytes));
  const bytes = written((writer) => {
    encodeInitialPacket(writer, { channelId: 0 });
    encodeRamPacket(writer, {
      packetNumber: 0,
      block: "b",
      normal: [PAGE_BYTES],
      payload: pagesOf(1),
    }, pageBytes);
    encodeDeviceStatePacket(writer, DEVICE);
    const payload = written((inner) => encodePageParts(inner, [new Uint8Array(30)]));
    encodeRamPacket(
      writer,
      { packetNumber: 1, method: "uadk", block: "b", normal: [0], payload },
      pageBytes,
    );
    encodeRamPacket(writer, { packetNumber: 2, isSync: true }, pageBytes);
  });
  const options = { blocks, pageBytes, blockBytes: 1024 };
  const packets = readChannel(bytes, options);
  const borders = new Set([START, ...packets.map((packet) => packet.offset + packet.lengthBytes)]);
  assertEquals([packets.length, borders.has(bytes.length)], [4, true]);
  for (let length = 0; length < bytes.length; length++) {
    const cut = bytes.subarray(0, length);
    if (borders.has(length)) {
      const read = readChannel(cut, options);
      assertEquals(read, packets.slice(0, read.length));
      continue;
    }
    for (const content of [true, false]) {
      const error = assertThrows(() => readChannel(cut, { ...options, content }), FormatError);
      assertEquals([error.code, error.offset], ["truncated", length], error.describe());
    }
  }
});

Deno.test("multifd damage: random bytes changed give packets or a FormatError", () => {
  const { channels, ...main } = recordedChannels("pc-multifd-7.2");
  const random = new Random(11);
  const counts = { read: 0, refused: 0 };
  for (const whole of channels) {
    for (let turn = 0; turn < 400; turn++) {
      const bytes = whole.slice();
      for (let change = random.below(4); change >= 0; change--) {
        // Headers are a small part; half of the changes go there.
        const at = random.below(2) === 0 ? random.below(3000) : random.below(bytes.length);
        bytes[Math.min(at, bytes.length - 1)] = random.below(256);
      }
      try {
        readChannel(bytes, main);
        counts.read += 1;
      } catch (error) {
        if (!isFormatError(error)) throw error;
        counts.refused += 1;
      }
    }
  }
  assert(counts.read > 50 && counts.refused > 50, JSON.stringify(counts));
});

Deno.test("multifd damage: a claim costs no memory", () => {
  const claim = (flags: number) =>
    written((writer) => {
      encodeInitialPacket(writer, { channelId: 0 });
      encodePacketHeader(writer, {
        kind: "device-state",
        flags,
        name: new Uint8Array(256),
        instanceId: 0,
        nextPacketBytes: MULTIFD_DEVICE_STATE_MAX_BYTES,
      });
    });
  const before = Deno.memoryUsage().external;
  const bytes = claim(0x40);
  const error = assertThrows(() => readChannel(bytes), FormatError);
  assertEquals(error.code, "truncated");
  const reader = readerOf(bytes);
  reader.skip(START, "first packet");
  assertEquals(assertThrows(() => decodePacket(reader, 4096), FormatError).code, "truncated");
  assert(Deno.memoryUsage().external - before < 64e6);
});

Deno.test("multifd damage: truncated at any byte of a payload", () => {
  for (const method of METHODS) {
    const [payload] = compress(method, [new Uint8Array(PAGE_BYTES).fill(9)]);
    const fields = { packetNumber: 0, method, block: "pc.ram", normal: [0], payload: payload! };
    const bytes = channelOf([fields]);
    for (let length = START + RAM_BYTES; length < bytes.length; length++) {
      const read = () => readChannel(bytes.subarray(0, length), { newDecompressor });
      const error = assertThrows(read, FormatError);
      assertEquals([error.code, error.offset], ["truncated", length], method);
    }
    // The same with a size that fits to what is there.
    for (let length = 0; length < payload!.length; length++) {
      assertThrows(() => decompress(method, [payload!.subarray(0, length)], [PAGE_BYTES]), Error);
    }
  }
});

Deno.test("multifd damage: recorded payloads, damaged and cut", () => {
  const random = new Random(5);
  for (const name of ["pc-multifd-zlib", "pc-multifd-zstd"]) {
    const { channels, ...main } = recordedChannels(name);
    const whole = channels[0]!;
    const lines = packetLines(readChannel(whole, { ...main, newDecompressor }));
    let refused = 0;
    for (let turn = 0; turn < 60; turn++) {
      const bytes = whole.slice(0, random.below(2) === 0 ? undefined : random.below(whole.length));
      bytes[random.below(bytes.length)]! ^= 1 << random.below(8);
      try {
        assert(readChannel(bytes, { ...main, newDecompressor }).length <= lines.length);
      } catch (error) {
        if (!isFormatError(error)) throw error;
        refused += 1;
      }
    }
    assert(refused > 20, `${name}: ${refused}`);
  }
});
