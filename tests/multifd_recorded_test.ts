/**
 * The recorded multifd channels: every packet is understood and encoded as it was, and the pages are those of the guest.
 */
import { assert, assertEquals } from "@std/assert";
import { createHash } from "node:crypto";
import { newMultifdDecompressor as newDecompressor } from "../container/multifd_decompress.ts";
import type { MultifdPacket, MultifdRamPacket } from "../format/multifd/channel.ts";
import { decodeInitialPacket, encodeInitialPacket } from "../format/multifd/initial_packet.ts";
import { decodePacket, encodePacket } from "../format/multifd/packet.ts";
import type { MultifdPacketHeader } from "../format/multifd/packet_header.ts";
import { PipeSource, readerOf, written } from "./annotated.ts";
import { packetLines, readChannel, recordedChannels } from "./multifd_channels.ts";
import { assertSameLines } from "./reading.ts";
import { caseNames, filesOf, loadCase, loadTruth } from "./testdata.ts";

const NAMES = caseNames(({ name }) => filesOf(name, "multifd").length > 0);

function isRam(packet: MultifdPacket): packet is MultifdRamPacket {
  return packet.kind === "ram";
}

Deno.test("multifd recorded: every packet is encoded as it was", () => {
  for (const name of NAMES) {
    const { channels, pageBytes } = recordedChannels(name);
    for (const bytes of channels) {
      const reader = readerOf(bytes);
      const again = written((writer) => {
        encodeInitialPacket(writer, decodeInitialPacket(reader));
        while (!reader.atEnd()) encodePacket(writer, decodePacket(reader, pageBytes));
      });
      assertEquals(again.length, bytes.length, name);
      assert(again.every((byte, at) => byte === bytes[at]), name);
    }
  }
});

Deno.test("multifd recorded: in the order of the packets' numbers, the pages are the guest's memory", () => {
  for (const name of NAMES) {
    const { channels, ...main } = recordedChannels(name);
    const { blocks, pageBytes } = main;
    const memory = new Map(
      [...blocks.values()].map((block) => [block, new Uint8Array(block.usedLengthBytes)]),
    );
    const packets = channels
      .flatMap((bytes) => readChannel(bytes, { ...main, newDecompressor })).filter(isRam)
      .sort((left, right) => left.packetNumber - right.packetNumber);
    for (const { block, normal, zero, content } of packets) {
      if (block === undefined) continue;
      const bytes = memory.get(block)!;
      for (const [index, address] of normal.entries()) {
        bytes.set(content!.subarray(index * pageBytes, (index + 1) * pageBytes), address);
      }
      for (const address of zero) bytes.fill(0, address, address + pageBytes);
    }
    for (const { name: blockName, sha256 } of loadTruth(name).ramBlocks) {
      const bytes = memory.get(blocks.get(blockName)!)!;
      assertEquals(createHash("sha256").update(bytes).digest("hex"), sha256, blockName);
    }
  }
});

Deno.test("multifd recorded: as many pages as QEMU counted, and as many synchronisations on every channel", () => {
  for (const name of NAMES) {
    const { channels, ...main } = recordedChannels(name);
    const all = channels.map((bytes) =>
      readChannel(bytes, { ...main, newDecompressor }).filter(isRam)
    );
    const packets = all.flat();
    const { queryMigrate, qemu } = loadCase(name);
    const { ram } = queryMigrate as { ram: { normal: number; duplicate: number } };
    assertEquals(packets.reduce((sum, { normal }) => sum + normal.length, 0), ram.normal, name);
    // Older versions send zero pages through the main channel.
    const zeroPages = qemu.startsWith("7.") ? 0 : ram.duplicate;
    assertEquals(packets.reduce((sum, { zero }) => sum + zero.length, 0), zeroPages, name);
    const syncs = all.map((channel) => channel.filter(({ isSync }) => isSync).length);
    assertEquals(new Set(syncs).size, 1, `${name}: ${syncs}`);
    assert(syncs[0]! >= 3, name);
    assertEquals(packets.flatMap(({ notes }) => notes), [], name);
    const methods = new Set(packets.filter(({ content }) => content).map(({ method }) => method));
    assertEquals([...methods], [/zlib|zstd/.exec(name)?.[0] ?? "none"]);
  }
});

Deno.test("multifd recorded: what old versions leave over is legal, and means nothing", () => {
  const { channels, ...main } = recordedChannels("pc-multifd-7.2");
  const packets = channels.flatMap((bytes) => readChannel(bytes, main)).filter(isRam);
  const raw = channels.flatMap((bytes) => {
    const reader = readerOf(bytes);
    decodeInitialPacket(reader);
    const headers: MultifdPacketHeader[] = [];
    while (!reader.atEnd()) headers.push(decodePacket(reader, main.pageBytes).header);
    return headers;
  });
  const stale = packets.filter((packet, index) => {
    const header = raw[index]!;
    return packet.normal.length === 0 && header.nextPacketBytes > 0 && header.name[0] !== 0;
  });
  assert(stale.length > 0);
  for (const { block, payloadBytes, content, lengthBytes } of stale) {
    assertEquals([block, payloadBytes, content, lengthBytes], [undefined, 0, undefined, 1344]);
  }
  // A SYNC packet with pages, and behind it an empty one of the same number.
  const [index] = packets.entries().find(([, { isSync, normal }]) => isSync && normal.length > 0)!;
  const [sync, empty] = packets.slice(index);
  assertEquals([empty!.packetNumber, empty!.isSync], [sync!.packetNumber, false]);
  assertEquals([...empty!.normal, ...empty!.zero], []);
});

Deno.test("multifd recorded: how the input is cut decides nothing", () => {
  for (const name of NAMES) {
    const { channels, ...main } = recordedChannels(name);
    for (const bytes of channels) {
      const options = { ...main, newDecompressor };
      const lines = packetLines(readChannel(bytes, options));
      for (const blockBytes of [64, 1500, 65536, 1 << 20]) {
        const cut = readChannel(bytes, { ...options, blockBytes });
        assertSameLines(packetLines(cut), lines, `${name}, blocks of ${blockBytes}`);
      }
      const piped = readChannel(new PipeSource(bytes, 1000), options);
      assertSameLines(packetLines(piped), lines, `${name}, a pipe`);
    }
  }
});

Deno.test("multifd recorded: without contents, all the rest is the same", () => {
  for (const name of NAMES) {
    const { channels, ...main } = recordedChannels(name);
    for (const bytes of channels) {
      const whole = readChannel(bytes, { ...main, newDecompressor }).map((packet) =>
        isRam(packet) ? { ...packet, content: undefined } : packet
      );
      const lines = packetLines(whole);
      assertSameLines(packetLines(readChannel(bytes, { ...main, content: false })), lines, name);
      const undecided = readChannel(bytes, main).map((packet) =>
        isRam(packet) && packet.method === "none" ? { ...packet, content: undefined } : packet
      );
      assertSameLines(packetLines(undecided), lines, name);
    }
  }
});
