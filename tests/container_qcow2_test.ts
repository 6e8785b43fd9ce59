/**
 * The states in qcow2 images that a real QEMU wrote, against what the same guest wrote to a file.
 *
 * @module
 */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { readInfo } from "../analyze/info.ts";
import { type OpenInput, openInput } from "../container/open.ts";
import { PipeSource } from "../container/pipe.ts";
import { chooseSnapshot, openSnapshot, readQcow2 } from "../container/qcow2/open.ts";
import { loadClusterInflate } from "../container/decompress/cluster.ts";
import { SnapshotError } from "../container/snapshot_error.ts";
import { BytesSource } from "../format/source.ts";
import { ChunkedInput, CountingSource } from "./reading.ts";
import {
  loadCompressedState,
  loadImage,
  loadSnapshotManifest,
  readAll,
  sha256,
} from "./snapshots.ts";
import { withTempFile } from "./testdata.ts";

const { images, disks } = loadSnapshotManifest();
const inflate = await loadClusterInflate();
const TWO_STATES = images.find(({ name }) => name === "v2-4k")!;

function qcow2Of({ wrappers }: OpenInput) {
  const qcow2 = wrappers.find(({ kind }) => kind === "qcow2");
  assert(qcow2?.kind === "qcow2");
  return qcow2;
}

for (const image of images) {
  Deno.test(`qcow2: states in ${image.name}`, async () => {
    const bytes = loadImage(image);
    assertEquals(await sha256(bytes), image.sha256);
    await withTempFile(bytes, async (path) => {
      for (const truth of image.snapshots) {
        if (truth.streamSha256 === undefined) continue;
        using input = await openInput(path, { snapshot: truth.name });
        assertEquals([input.container, input.streamOffset], ["qcow2", 0]);
        const qcow2 = qcow2Of(input);
        assertEquals(qcow2.snapshot?.id, truth.id);
        assertEquals([qcow2.clusterBytes, qcow2.diskBytes], [image.clusterBytes, image.diskBytes]);
        const state = readAll(input.source);
        assertEquals([state.length, await sha256(state)], [truth.stateBytes, truth.streamSha256]);
        const { info } = readInfo(input);
        assertEquals([info.machine, info.notes], ["pc-i440fx-10.0", []]);
        const shown = info.input.qcow2?.snapshots.map(({ id, name, clockSeconds, stateBytes }) => [
          ...[id, name, stateBytes, clockSeconds.toFixed(6)],
        ]);
        assertEquals(
          shown,
          image.snapshots.map(({ id, name, clockSeconds, stateBytes }) => [
            ...[id, name, stateBytes, clockSeconds.toFixed(6)],
          ]),
        );
        for (const [index, { dateSeconds, dateNanoseconds }] of image.snapshots.entries()) {
          const { date } = info.input.qcow2!.snapshots[index]!;
          assertEquals(Date.parse(date), dateSeconds * 1000 + Math.floor(dateNanoseconds / 1e6));
        }
      }
    });
  });
}

for (const disk of disks) {
  Deno.test(`qcow2: clusters in ${disk.name}`, () => {
    const { image, stream } = loadCompressedState(disk);
    const source = new BytesSource(image);
    const qcow2 = readQcow2(source, 0);
    const state = openSnapshot(source, qcow2, qcow2.snapshots[0]!, inflate);
    assertEquals(readAll(state), stream);
    const into = new Uint8Array(1000);
    for (const offset of [stream.length - 10, 5000, 0, 4095, 32768, 8191]) {
      const got = state.readAt(offset, into);
      assert(got > 0);
      assertEquals(into.subarray(0, got), stream.subarray(offset, offset + got), `at ${offset}`);
    }
    assertEquals(state.readAt(stream.length, into), 0);
  });
}

Deno.test("qcow2: neighbouring clusters come with one read", () => {
  const image = images.find(({ name }) => name === "v3-64k")!;
  const source = new CountingSource(loadImage(image));
  const qcow2 = readQcow2(source, 0);
  const snapshot = chooseSnapshot(qcow2, undefined, []);
  const state = openSnapshot(source, qcow2, snapshot, inflate);
  const into = new Uint8Array(snapshot.stateBytes);
  state.readAt(0, new Uint8Array(1));
  const before = source.reads;
  assertEquals(state.readAt(0, into), into.length);
  assertEquals(source.reads - before, 1);
});

Deno.test("qcow2: a name goes before an id, and one of several states has to be named", async () => {
  await withTempFile(loadImage(TWO_STATES), async (path) => {
    const open = async (snapshot: string | undefined) => {
      using input = await openInput(path, { snapshot });
      return qcow2Of(input).snapshot?.id;
    };
    // The first one is named "2", which is the id of the other.
    assertEquals([await open("2"), await open("after"), await open("1")], ["1", "2", "1"]);
    const several = await assertRejects(() => open(undefined), SnapshotError, "Several snapshots");
    assertEquals([several.isChoice, several.container], [true, "qcow2"]);
    const list = '"2" (id "1"), "after" (id "2"), "disk only" (id "3", disk only)';
    assertEquals(several.found, list);
    await assertRejects(() => open("disk only"), SnapshotError, "only the disk was saved");
    await assertRejects(() => open("3"), SnapshotError, "only the disk was saved");
    const unknown = await assertRejects(() => open("other"), SnapshotError, "nor is that an id");
    assertEquals([unknown.isChoice, unknown.code, unknown.offset], [false, "bad-container", 0]);
  });
});

Deno.test("qcow2: a pipe is kept, since tables may be anywhere", () => {
  const image = images.find(({ name }) => name === "v3-64k")!;
  const bytes = loadImage(image);
  using pipe = new PipeSource(new ChunkedInput(bytes, 10_000));
  pipe.keepAll();
  const qcow2 = readQcow2(pipe, 0);
  const state = openSnapshot(pipe, qcow2, chooseSnapshot(qcow2, undefined, []), inflate);
  assertEquals(readAll(state).length, image.snapshots[0]?.stateBytes);
});
