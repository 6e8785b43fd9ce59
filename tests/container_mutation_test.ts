/**
 * Damaged containers: they are read, or refused with a `FormatError` at an offset inside of them.
 *
 * @module
 */

import { assert } from "@std/assert";
import { readState } from "../analyze/state.ts";
import { openInput } from "../container/open.ts";
import { type FormatError, isFormatError } from "../format/error.ts";
import { checkError, mutate, type Victim } from "./mutations.ts";
import { buildImage } from "./qcow2_builder.ts";
import { Random } from "./reading.ts";
import { loadImage, loadSnapshotManifest } from "./snapshots.ts";
import { loadStream, withTempFile } from "./testdata.ts";
import { compressedStream, gzip, libvirtImage, payloadOf, zstd } from "./wrapped.ts";

const NONE = loadStream("none");
const state = { id: "1", name: "one", state: NONE };

function built(spec: Parameters<typeof buildImage>[0]): { bytes: Uint8Array; marks: number[] } {
  const { bytes, table, l1, l2 } = buildImage(spec);
  return { bytes, marks: [0, 20, 60, 72, 100, table, table + 36, ...l1, ...l2] };
}

const subclusters = { clusterBits: 14, extendedL2: true, snapshots: [state] };
const REAL = loadSnapshotManifest().images.find(({ name }) => name === "v2-4k")!;

/** Containers, and where their structures are. */
const CONTAINERS: readonly (readonly [
  name: string,
  container: { readonly bytes: Uint8Array; readonly marks: readonly number[] },
])[] = [
  ["libvirt, raw", { bytes: libvirtImage({}, NONE), marks: [0, 16, 28, 92] }],
  ["libvirt, gzip", { bytes: libvirtImage({ format: "gzip" }, gzip(NONE)), marks: [0, 16, 28] }],
  ["libvirt, zstd", { bytes: libvirtImage({ format: "zstd" }, zstd(NONE)), marks: [0, 16, 28] }],
  ["libvirt, xz", { bytes: libvirtImage({ format: "xz" }, payloadOf("xz")), marks: [16] }],
  ["bzip2", { bytes: compressedStream("bzip2"), marks: [0, 4, 14] }],
  ["lzop", { bytes: compressedStream("lzop"), marks: [0, 9, 30] }],
  ["qcow2", built({ clusterBits: 9, compression: "deflate", snapshots: [state] })],
  ["qcow2, version 2", built({ version: 2, clusterBits: 9, snapshots: [state, state] })],
  ["qcow2, zstd", built({ clusterBits: 9, compression: "zstd", snapshots: [state] })],
  ["qcow2, subclusters", built(subclusters)],
  ["qcow2 of QEMU", { bytes: loadImage(REAL), marks: [0, 60, 4096, 8192] }],
];

/** Reads everything; an error in the wrapper is thrown, or found while the stream is read. */
async function check(bytes: Uint8Array): Promise<"read" | "refused" | "stream"> {
  return await withTempFile(bytes, async (path) => {
    let error: FormatError | undefined;
    let outcome: "read" | "refused" | "stream" = "refused";
    // The offsets in what came out of a wrapper have another end.
    let size = bytes.length;
    try {
      using input = await openInput(path, { snapshot: undefined });
      const result = readState(input.source, { offset: input.streamOffset, keepGoing: true });
      error = result.error;
      outcome = error === undefined ? "read" : "stream";
      if (input.source.label !== undefined) size = input.source.sizeBytes ?? Infinity;
      if (error?.code === "bad-container") size = bytes.length;
    } catch (thrown) {
      if (!isFormatError(thrown)) throw thrown;
      error = thrown;
    }
    checkError(error, Math.max(size, bytes.length));
    return outcome;
  });
}

const ROUNDS = 150;

for (const [name, { bytes, marks }] of CONTAINERS) {
  Deno.test(`damaged containers: ${name}`, async () => {
    const victim: Victim = { name, bytes, offset: 0, marks, text: undefined };
    const outcomes = new Map<string, number>();
    for (let seed = 0; seed < ROUNDS; seed++) {
      const { bytes: damaged, done } = mutate(victim, new Random(seed));
      try {
        const outcome = await check(damaged);
        outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
      } catch (error) {
        throw new Error(`seed ${seed}: ${done}`, { cause: error });
      }
    }
    assert((outcomes.get("refused") ?? 0) > 0, "no damage was seen");
  });
}

for (const [name, { bytes, marks }] of CONTAINERS) {
  Deno.test(`containers that end too early: ${name}`, async () => {
    const random = new Random(3);
    const ends = new Set([...marks, ...marks.map((mark) => mark + 1)]);
    for (let count = 0; count < 60; count++) ends.add(random.below(bytes.length));
    for (const end of ends) {
      if (end >= bytes.length) continue;
      await check(bytes.subarray(0, end));
    }
  });
}
