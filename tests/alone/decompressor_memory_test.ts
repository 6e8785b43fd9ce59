/**
 * What decompressors take of the process's memory, and give back.
 */
import { assert } from "@std/assert";
import { zstdCompressSync } from "node:zlib";
import { loadClusterInflate } from "../../container/decompress/cluster.ts";
import { isFormatError } from "../../format/error.ts";
import type { MultifdRamFields } from "../../format/multifd/packet.ts";
import { originalBytes } from "../compressed.ts";
import { channelOf, PAGE_BYTES, RAM_BYTES, readChannel, START } from "../multifd_channels.ts";
import {
  compress,
  type Compressed,
  METHODS,
  newDecompressor,
  PACKETS,
  SIZES,
} from "../multifd_payloads.ts";
import { Random } from "../reading.ts";

Deno.test("cluster: the memory of a decompressor is free as soon as it has done its work", async () => {
  const inflate = await loadClusterInflate();
  const cluster = originalBytes("mixed").slice(0, 65536);
  const packed = zstdCompressSync(cluster);
  const before = Deno.memoryUsage().rss;
  for (let turn = 0; turn < 60_000; turn++) inflate("zstd", packed, cluster.length);
  // Measured: 130 MB for half as many, most of it results not collected yet; 1.4 GB if they waited for a turn of the event loop.
  assert(Deno.memoryUsage().rss - before < 800e6);
});

Deno.test("multifd damage: damage gives pages or a FormatError, and no more memory than before", () => {
  const before = Deno.memoryUsage().rss;
  const random = new Random(23);
  const counts = { read: 0, refused: 0 };
  const fields = (method: Compressed) => {
    const payloads = compress(method, PACKETS.slice(0, 2));
    return payloads.map((payload, index): MultifdRamFields => ({
      packetNumber: index,
      method,
      block: "pc.ram",
      normal: Array.from({ length: SIZES[index]! / PAGE_BYTES }, (_, page) => page * PAGE_BYTES),
      payload,
    }));
  };
  for (const method of METHODS) {
    const packets = fields(method);
    const whole = channelOf(packets);
    for (let turn = 0; turn < 400; turn++) {
      const bytes = whole.slice();
      const inPayload = START + RAM_BYTES + random.below(packets[0]!.payload!.length);
      for (let change = random.below(3); change >= 0; change--) {
        bytes[turn % 2 === 0 ? inPayload : random.below(bytes.length)] = random.below(256);
      }
      try {
        readChannel(bytes, { newDecompressor });
        counts.read += 1;
      } catch (error) {
        if (!isFormatError(error)) throw error;
        counts.refused += 1;
      }
    }
  }
  assert(counts.read > 50 && counts.refused > 500, JSON.stringify(counts));
  assert(Deno.memoryUsage().rss - before < 400e6);
});

Deno.test("multifd damage: the memory of a channel is free once it is read", () => {
  const bytes = channelOf([{
    packetNumber: 0,
    method: "zstd",
    block: "pc.ram",
    normal: [0],
    payload: compress("zstd", [new Uint8Array(PAGE_BYTES)])[0]!,
  }]);
  const before = Deno.memoryUsage().rss;
  for (let turn = 0; turn < 2000; turn++) readChannel(bytes, { newDecompressor, blockBytes: 4096 });
  assert(Deno.memoryUsage().rss - before < 400e6, `${Deno.memoryUsage().rss - before}`);
});
