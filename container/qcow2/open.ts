/**
 * Opens the vm state of an internal snapshot in a qcow2 image.
 *
 * @module
 */

import { ByteReader } from "../../format/reader.ts";
import type { ByteSource } from "../../format/source.ts";
import { quoteText } from "../../format/text.ts";
import type { ClusterInflate } from "../decompress/cluster.ts";
import { SnapshotError } from "../snapshot_error.ts";
import type { Qcow2Wrapper, Wrapper } from "../wrapper.ts";
import { decodeQcow2Header, type Qcow2Header } from "./header.ts";
import { decodeSnapshotTable, type SnapshotEntry } from "./snapshots.ts";
import { SnapshotStateSource } from "./state_source.ts";

/** A qcow2 image whose snapshots are known. */
export interface Qcow2Image {
  /** The header. */
  readonly header: Qcow2Header;
  /** The snapshots. */
  readonly snapshots: readonly SnapshotEntry[];
  /** What the image says, without a chosen snapshot. */
  readonly wrapper: Qcow2Wrapper;
}

/** Reads header and snapshot table of the image that begins at `offset`. */
export function readQcow2(source: ByteSource, offset: number): Qcow2Image {
  const reader = new ByteReader(source, { offset, blockBytes: 4096 });
  reader.path.push("qcow2 image");
  const header = decodeQcow2Header(reader);
  const snapshots = decodeSnapshotTable(reader, header, offset);
  const { version, clusterBytes, diskBytes } = header;
  const wrapper: Qcow2Wrapper = {
    kind: "qcow2",
    offset,
    version,
    clusterBytes,
    diskBytes,
    snapshots,
    snapshot: undefined,
  };
  return { header, snapshots, wrapper };
}

/**
 * The snapshot that `asked` means: the one of that name, or else of that id. Without it, the only one that has a vm state.
 *
 * @throws {SnapshotError} if there is none, or more than one
 */
export function chooseSnapshot(
  { snapshots, wrapper }: Qcow2Image,
  asked: string | undefined,
  wrappers: readonly Wrapper[],
): SnapshotEntry {
  const fail = (problem: string, isChoice = false) =>
    new SnapshotError(problem, wrappers, wrapper.offset, snapshots, isChoice);
  const withState = snapshots.filter(({ stateBytes }) => stateBytes > 0);
  const [only, second] = withState;
  if (only === undefined) {
    throw fail("Not a migration stream: a qcow2 image without a saved vm state");
  }
  if (asked === undefined) {
    if (second === undefined) return only;
    throw fail("Several snapshots in the qcow2 image have a vm state", true);
  }
  const [named, alike] = withState.filter(({ name }) => name === asked);
  if (alike !== undefined) {
    throw fail(`More than one snapshot is named ${quoteText(asked)}: give its id`);
  }
  const found = named ?? withState.find(({ id }) => id === asked);
  if (found !== undefined) return found;
  const exists = snapshots.some(({ name, id }) => name === asked || id === asked);
  throw fail(
    exists
      ? `Snapshot ${quoteText(asked)} has no vm state: only the disk was saved`
      : `No snapshot in the qcow2 image is named ${quoteText(asked)}, nor is that an id`,
  );
}

/** The vm state of a snapshot. */
export function openSnapshot(
  source: ByteSource,
  { header, wrapper }: Qcow2Image,
  snapshot: SnapshotEntry,
  inflate: ClusterInflate,
): SnapshotStateSource {
  return new SnapshotStateSource(source, wrapper.offset, header, snapshot, inflate);
}
