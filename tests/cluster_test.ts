/**
 * Compressed clusters of qcow2 images: exactly as many bytes as a cluster has, whatever follows.
 */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { deflateRawSync, zstdCompressSync } from "node:zlib";
import { type ClusterCompression, loadClusterInflate } from "../container/decompress/cluster.ts";
import { concat, originalBytes } from "./compressed.ts";
import { Random } from "./reading.ts";

const inflate = await loadClusterInflate();
const cluster = originalBytes("mixed").slice(0, 65536);
const PACKED: Readonly<Record<ClusterCompression, Uint8Array>> = {
  // As qemu-img does it: the smallest window that zlib has for raw data, 4 KiB.
  deflate: deflateRawSync(cluster, { windowBits: 12 }),
  zstd: zstdCompressSync(cluster),
};
const TYPES: readonly ClusterCompression[] = ["deflate", "zstd"];

Deno.test("cluster: what follows the compressed data is of no matter", () => {
  const random = new Random(3);
  for (const type of TYPES) {
    for (const garbage of [0, 1, 2, 17, 511]) {
      const bytes = concat(PACKED[type], random.bytes(garbage));
      assertEquals(inflate(type, bytes, cluster.length), cluster, `${type}, ${garbage} bytes more`);
    }
    // Another cluster may follow at once.
    const bytes = concat(PACKED[type], PACKED[type]);
    assertEquals(inflate(type, bytes, cluster.length), cluster, type);
  }
});

Deno.test("cluster: no more than a cluster is made", () => {
  for (const type of TYPES) {
    assertEquals(inflate(type, PACKED[type], 1000), cluster.slice(0, 1000), type);
  }
});

Deno.test("cluster: too few bytes are an error", () => {
  const { deflate, zstd } = PACKED;
  for (const [type, bytes] of [["deflate", deflate], ["zstd", zstd]] as const) {
    const short = `${cluster.length} byte(s) of ${cluster.length + 1}`;
    assertThrows(() => inflate(type, bytes, cluster.length + 1), Error, short);
    for (let length = 0; length < bytes.length; length += 13) {
      assertThrows(() => inflate(type, bytes.subarray(0, length), cluster.length), Error);
    }
    // A damage leaves nothing behind.
    assertEquals(inflate(type, bytes, cluster.length), cluster);
  }
});

Deno.test("cluster: damaged data is an error or a cluster, and nothing else", () => {
  const random = new Random(5);
  let refused = 0;
  for (const type of TYPES) {
    for (let turn = 0; turn < 1000; turn++) {
      const bytes = PACKED[type].slice();
      bytes[random.below(bytes.length)]! ^= 1 << random.below(8);
      try {
        assertEquals(inflate(type, bytes, cluster.length).length, cluster.length);
      } catch (error) {
        assert(error instanceof Error);
        refused += 1;
      }
    }
  }
  assert(refused > 100 && refused < 2000, `${refused} refused`);
});
