/**
 * States in built qcow2 images: every kind of cluster, and every kind of damage.
 *
 * @module
 */

import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { readState } from "../analyze/state.ts";
import { openInput } from "../container/open.ts";
import { loadClusterInflate } from "../container/decompress/cluster.ts";
import { chooseSnapshot, openSnapshot, readQcow2 } from "../container/qcow2/open.ts";
import { SnapshotError } from "../container/snapshot_error.ts";
import { FormatError } from "../format/error.ts";
import { BytesSource } from "../format/source.ts";
import { buildImage, type BuiltImage, type ImageSpec } from "./qcow2_builder.ts";
import { CountingSource, Random } from "./reading.ts";
import { readAll } from "./snapshots.ts";
import { loadStream, withTempFile } from "./testdata.ts";

const inflate = await loadClusterInflate();
const NONE = loadStream("none");

/** Bytes of which long and short parts are zero, and some repeat. */
function makeState(bytes: number): Uint8Array {
  const random = new Random(5);
  const state = new Uint8Array(bytes);
  for (let at = 0; at < bytes; at += 3000) {
    if (random.below(3) === 0) state.set(random.bytes(20), at);
    else if (random.below(2) === 0) state.fill(random.below(255), at, at + 2000);
  }
  state.fill(0, Math.floor(bytes / 2), Math.floor(bytes * 3 / 4));
  state[bytes - 1] = 1;
  return state;
}

function stateOf(bytes: Uint8Array, asked?: string) {
  const source = new BytesSource(bytes);
  const image = readQcow2(source, 0);
  return openSnapshot(source, image, chooseSnapshot(image, asked, []), inflate);
}

const one = (spec: Omit<ImageSpec, "snapshots"> = {}, state = NONE) =>
  buildImage({ ...spec, snapshots: [{ id: "1", name: "one", state }] });

const FORMS: readonly Omit<ImageSpec, "snapshots">[] = [
  { version: 2, clusterBits: 9 },
  { version: 2, clusterBits: 12, compression: "deflate" },
  { clusterBits: 9, compression: "deflate", scattered: true },
  { clusterBits: 12, compression: "zstd" },
  { clusterBits: 12, scattered: true, diskBytes: 0 },
  { clusterBits: 12, diskBytes: 1 },
  { clusterBits: 12, diskBytes: 12 << 20 },
  { clusterBits: 16 },
  { clusterBits: 14, extendedL2: true },
  { clusterBits: 14, extendedL2: true, compression: "deflate" },
  { clusterBits: 21, compression: "zstd" },
];

for (const form of FORMS) {
  Deno.test(`qcow2: built with ${JSON.stringify(form)}`, () => {
    // Enough for two L2 tables where clusters are small.
    for (const bytes of [1, 4096, 100_000]) {
      const state = makeState(bytes);
      const source = stateOf(one(form, new Uint8Array(state)).bytes);
      assertEquals(source.sizeBytes, bytes);
      assertEquals(readAll(source), state);
      const random = new Random(bytes);
      for (let count = 0; count < 50; count++) {
        const offset = random.below(bytes);
        const into = new Uint8Array(1 + random.below(20_000)).fill(0xaa);
        const got = source.readAt(offset, into);
        assert(got > 0);
        assertEquals(into.subarray(0, got), state.subarray(offset, offset + got));
        assert(into.subarray(got).every((byte) => byte === 0xaa));
      }
    }
  });
}

Deno.test("qcow2: more tables than are kept are read again", () => {
  const state = makeState(32768 * 12);
  const { bytes, l2 } = one({ clusterBits: 9 }, new Uint8Array(state));
  assertEquals(l2.length, 12);
  const source = stateOf(bytes);
  for (let round = 0; round < 2; round++) assertEquals(readAll(source), state);
});

Deno.test("qcow2: entries with little or no extra data", () => {
  for (const extraBytes of [0, 8, 16, 24]) {
    const { bytes } = buildImage({
      version: 2,
      snapshots: [
        { id: "1", name: "disk", state: new Uint8Array(0), extraBytes },
        { id: "2", name: "größer", state: NONE, extraBytes },
      ],
    });
    const image = readQcow2(new BytesSource(bytes), 0);
    const [disk, state] = image.snapshots;
    assertEquals([disk?.stateBytes, disk?.diskBytes, disk?.name], [0, 1 << 20, "disk"]);
    assertEquals([state?.name, state?.guestClockNanoseconds], ["größer", 3_725_500_000_000n]);
    assertEquals(readAll(stateOf(bytes)), NONE);
  }
});

Deno.test("qcow2: an image may begin behind other bytes", async () => {
  const { bytes } = one();
  const moved = new Uint8Array(777 + bytes.length);
  moved.set(bytes, 777);
  await withTempFile(moved, async (path) => {
    using input = await openInput(path, { offset: 777 });
    assertEquals(readAll(input.source), NONE);
  });
});

Deno.test("qcow2: two snapshots of one name are told apart by their ids only", () => {
  const other = loadStream("pc-stopped");
  const { bytes } = buildImage({
    snapshots: [
      { id: "1", name: "same", state: NONE },
      { id: "2", name: "same", state: other },
    ],
  });
  assertThrows(() => stateOf(bytes, "same"), SnapshotError, "give its id");
  assertEquals(readAll(stateOf(bytes, "1")), NONE);
  assertEquals(readAll(stateOf(bytes, "2")), other);
});

Deno.test("qcow2: an image without a state, or without snapshots, is none", async () => {
  for (const snapshots of [[], [{ id: "1", name: "disk", state: new Uint8Array(0) }]]) {
    await withTempFile(buildImage({ snapshots }).bytes, async (path) => {
      const error = await assertRejects(() => openInput(path), SnapshotError, "without a saved");
      assertEquals([error.isChoice, error.wrappers.length], [false, 1]);
    });
  }
});

Deno.test("qcow2: an image that was not closed, or is marked as corrupt, is noted", async () => {
  const { bytes, view } = one();
  view.setBigUint64(72, 3n);
  await withTempFile(bytes, async (path) => {
    using input = await openInput(path);
    assertEquals(input.notes.length, 2);
  });
});

/** What is done to an image, and where the error must be. */
type Damage = readonly [what: string, damage: (image: BuiltImage) => number, message: string];

const be32 = (at: number, value: number) => ({ view }: BuiltImage) => {
  view.setUint32(at, value);
  return at;
};
const be64 = (at: number, value: bigint) => ({ view }: BuiltImage) => {
  view.setBigUint64(at, value);
  return at;
};
/** In the entry of the only snapshot. */
const entry32 = (at: number, value: number, offset = at) => ({ view, table }: BuiltImage) => {
  view.setUint32(table + at, value);
  return table + offset;
};
const entry64 = (at: number, value: bigint, offset = at) => ({ view, table }: BuiltImage) => {
  view.setBigUint64(table + at, value);
  return table + offset;
};
const l1 = (value: (image: BuiltImage) => bigint) => (image: BuiltImage) => {
  image.view.setBigUint64(image.l1[0]!, value(image));
  return image.l1[0]!;
};
const l2 = (value: (image: BuiltImage) => bigint, index = 0) => (image: BuiltImage) => {
  const at = image.l2[0]! + 8 * index;
  image.view.setBigUint64(at, value(image));
  return at;
};

const DAMAGES: readonly Damage[] = [
  ["version 4", be32(4, 4), "unknown version"],
  ["version 1", be32(4, 1), "unknown version"],
  ["cluster bits 8", be32(20, 8), "cluster bits"],
  ["cluster bits 22", be32(20, 22), "cluster bits"],
  ["AES", be32(32, 1), "encrypted"],
  ["LUKS", be32(32, 2), "encrypted"],
  ["an external file", be64(72, 4n), "external data file"],
  ["an unknown feature", be64(72, 32n), "unknown incompatible features"],
  ["the highest feature", be64(72, 1n << 63n), "unknown incompatible features"],
  ["a short header", be32(100, 96), "header length"],
  ["an odd header", be32(100, 107), "header length"],
  ["a long header", be32(100, 8192), "header length"],
  ["compression 2", ({ bytes }) => ((bytes[104] = 2), 104), "compression type"],
  ["subclusters too small", (image) => (be64(72, 16n)(image), 20), "subclusters"],
  ["70000 snapshots", be32(60, 70_000), "too many snapshots"],
  ["60000 snapshots", be32(60, 60_000), "snapshot table leaves"],
  ["a table at 0", be64(64, 0n), "misplaced snapshot table"],
  ["a table at 8", be64(64, 8n), "misplaced snapshot table"],
  ["a table behind the end", (image) => (be64(64, 1n << 40n)(image), 60), "leaves the file"],
  ["much extra data", entry32(36, 2000), "extra data"],
  ["an L1 of 0 entries", entry32(8, 0), "can't hold the state"],
  ["a huge L1", entry32(8, 0xffffffff), "can't hold the state"],
  ["an L1 behind the end", entry32(8, 1 << 20, 0), "leaves the file"],
  ["an L1 at 0", entry64(0, 0n), "misplaced L1"],
  ["an L1 at 100", entry64(0, 100n), "misplaced L1"],
  ["an L1 that is the snapshot table", (image) => entry64(0, 4096n)(image), "used twice"],
  ["a huge state", entry64(40, 1n << 50n, 8), "can't hold the state"],
  ["a huge disk", entry64(48, 1n << 50n, 8), "can't hold the state"],
  ["an L2 that is the header", l1(() => 0n | 1n << 63n | 4096n), "used twice"],
  ["an L2 that is the L1", l1(({ l1 }) => BigInt(l1[0]! - l1[0]! % 4096)), "used twice"],
  ["an L2 behind the end", l1(() => 1n << 40n), "leaves the file"],
  ["an L2 at 4608", l1(() => 4608n), "misplaced L2"],
  ["reserved bits in the L1", l1(() => 4096n | 1n << 58n), "reserved bits"],
  ["a cluster that is the L2", l2(({ l2 }) => BigInt(l2[0]!)), "used twice"],
  ["a cluster that is the table", l2(({ table }) => BigInt(table)), "used twice"],
  ["a cluster behind the end", l2(() => 1n << 40n), "leaves the file"],
  ["a cluster far behind", l2(() => 0x00fffffffffff000n), "leaves the file"],
  ["a cluster at 512", l2(() => 512n), "misplaced cluster"],
  ["reserved bits in the L2", l2(() => 2n), "reserved bits"],
  [
    "the same cluster again",
    (image) => l2(() => image.view.getBigUint64(image.l2[0]!), 1)(image),
    "used twice",
  ],
];

for (const [what, damage, message] of DAMAGES) {
  Deno.test(`qcow2: refused: ${what}`, () => {
    const image = one({}, new Uint8Array(10_000).fill(7));
    const offset = damage(image);
    const error = assertThrows(() => readAll(stateOf(image.bytes)), FormatError, message);
    assertEquals([error.code, error.offset], ["bad-container", offset], error.describe());
    assert(error.path.includes("qcow2 image"), error.describe());
  });
}

Deno.test("qcow2: refused: a compressed cluster that doesn't inflate, or lies outside", () => {
  const state = new Uint8Array(makeState(20_000).map((byte) => byte | 1));
  const compressedAt = ({ view, l2 }: BuiltImage) => {
    for (let at = l2[0]!;; at += 8) if (view.getUint32(at) & 0x40000000) return at;
  };
  const read = ({ bytes }: BuiltImage) => readAll(stateOf(bytes));
  const damaged = one({ compression: "deflate" }, state);
  const host = Number(damaged.view.getBigUint64(compressedAt(damaged)) & 0xffffffffn);
  damaged.bytes.fill(0xff, host, host + 20);
  const error = assertThrows(() => read(damaged), FormatError, "does not inflate");
  assertEquals([error.code, error.offset], ["bad-container", host]);

  const outside = one({ compression: "deflate" }, state);
  const at = compressedAt(outside);
  outside.view.setBigUint64(at, 1n << 62n | 1n << 40n);
  assertEquals(assertThrows(() => read(outside), FormatError, "leaves the file").offset, at);
});

Deno.test("qcow2: refused: subclusters that are both there and zero, or nowhere", () => {
  for (const [zero, there, host] of [[1, 1, undefined], [0, 1, 0n]] as const) {
    const { bytes, view, l2 } = one({ clusterBits: 14, extendedL2: true });
    view.setUint32(l2[0]! + 8, zero);
    view.setUint32(l2[0]! + 12, there);
    if (host !== undefined) view.setBigUint64(l2[0]!, host);
    assertThrows(() => readAll(stateOf(bytes)), FormatError, "impossible subclusters");
  }
});

Deno.test("qcow2: a file that ends inside of the state is truncated there", () => {
  const { bytes } = one({}, new Uint8Array(10_000).fill(7));
  const error = assertThrows(() => readAll(stateOf(bytes.subarray(0, -4096))), FormatError);
  assertEquals(error.code, "bad-container");
  const inside = bytes.subarray(0, -3000);
  const short = assertThrows(() => readAll(stateOf(inside)), FormatError);
  assertEquals([short.code, short.offset], ["truncated", inside.length], short.describe());
});

Deno.test("qcow2: a state that claims what isn't there costs nothing", () => {
  const { bytes, view, table } = one({ clusterBits: 21 });
  view.setBigUint64(table + 40, 1n << 38n);
  const source = new CountingSource(bytes);
  const image = readQcow2(source, 0);
  const state = openSnapshot(source, image, chooseSnapshot(image, undefined, []), inflate);
  assertEquals(readState(state).trailingBytes, 2 ** 38 - NONE.length);
  assert(source.bytesRead < 2 * bytes.length, String(source.bytesRead));
});
