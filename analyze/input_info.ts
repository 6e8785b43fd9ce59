/**
 * What the wrappers around a stream say, as it stands in an overview.
 *
 * @module
 */

import type { OpenInput } from "../container/open.ts";
import type {
  CapturedChannel,
  LibvirtWrapper,
  Qcow2Snapshot,
  Qcow2Wrapper,
  Wrapper,
} from "../container/wrapper.ts";

/** An image of `virsh save` in an overview. */
export interface LibvirtInfo {
  /** Name of the domain; `null` where the XML doesn't say. */
  readonly name: string | null;
  /** UUID of the domain; `null` where the XML doesn't say. */
  readonly uuid: string | null;
  /** Whether the domain is to run when it is restored. */
  readonly wasRunning: boolean;
  /** How the header says that the stream is stored. */
  readonly format: LibvirtWrapper["format"];
  /** Version of the header. */
  readonly version: number;
  /** Byte order of the header. */
  readonly byteOrder: LibvirtWrapper["byteOrder"];
  /** Bytes of the domain's XML. */
  readonly xmlBytes: number;
  /** Bytes of the cookie; `null` without one. */
  readonly cookieBytes: number | null;
  /** Bytes that are left free for a longer XML. */
  readonly reserveBytes: number;
}

/** A snapshot of a qcow2 image in an overview. */
export interface SnapshotInfo {
  /** Id. */
  readonly id: string;
  /** Name. */
  readonly name: string;
  /** When it was taken, as ISO 8601 says it. */
  readonly date: string;
  /** How long the guest had been running, in seconds. */
  readonly clockSeconds: number;
  /** Bytes of the saved state; 0 if only disks were saved. */
  readonly stateBytes: number;
  /** Bytes of the virtual disk. */
  readonly diskBytes: number;
}

/** A qcow2 image in an overview. */
export interface Qcow2Info {
  /** Version of the format. */
  readonly version: number;
  /** Bytes of a cluster. */
  readonly clusterBytes: number;
  /** Bytes of the virtual disk. */
  readonly diskBytes: number;
  /** Id of the snapshot that the stream comes from; `null` before one was chosen. */
  readonly snapshotId: string | null;
  /** All snapshots. */
  readonly snapshots: readonly SnapshotInfo[];
}

/** What the wrappers of an input say. */
export interface WrapperInfo {
  /** An image of `virsh save`. */
  readonly libvirt?: LibvirtInfo;
  /** A qcow2 image. */
  readonly qcow2?: Qcow2Info;
}

/** Where a stream comes from. */
export interface InputInfo extends WrapperInfo {
  /** The path as it was given. */
  readonly path: string;
  /** What the stream is wrapped in; `none`. */
  readonly container: string;
  /** Where the stream starts in what it was taken from. */
  readonly streamOffset: number;
  /** Size of what the stream was taken from in bytes; of a pipe and of compressed data, what came out. */
  readonly sizeBytes: number | null;
  /** The other channels of a captured migration. */
  readonly channels?: readonly Omit<CapturedChannel, "head">[];
}

/** Tells where a stream comes from; after it was read, since a pipe's size shows at its end. */
export function inputInfo(input: OpenInput): InputInfo {
  const { path, container, streamOffset, source, channels, wrappers } = input;
  const isCapture = wrappers.some(({ kind }) => kind === "capture");
  return {
    path,
    container,
    streamOffset,
    sizeBytes: source.sizeBytes ?? null,
    ...wrapperInfo(wrappers),
    // What is printed tells what a file is, not its bytes.
    ...(isCapture ? { channels: channels.map(({ head: _, ...told }) => told) } : {}),
  };
}

/** Tells what wrappers say. */
export function wrapperInfo(wrappers: readonly Wrapper[]): WrapperInfo {
  const libvirt = wrappers.find((each) => each.kind === "libvirt");
  const qcow2 = wrappers.find((each) => each.kind === "qcow2");
  return {
    ...(libvirt === undefined ? {} : { libvirt: libvirtInfo(libvirt) }),
    ...(qcow2 === undefined ? {} : { qcow2: qcow2Info(qcow2) }),
  };
}

function libvirtInfo(libvirt: LibvirtWrapper): LibvirtInfo {
  const { name = null, uuid = null, wasRunning, format, version, byteOrder } = libvirt;
  const { xml, cookie, reserveBytes } = libvirt;
  return {
    name,
    uuid,
    wasRunning,
    format,
    version,
    byteOrder,
    xmlBytes: xml.length,
    cookieBytes: cookie?.length ?? null,
    reserveBytes,
  };
}

function qcow2Info({ version, clusterBytes, diskBytes, ...rest }: Qcow2Wrapper): Qcow2Info {
  return {
    version,
    clusterBytes,
    diskBytes,
    snapshotId: rest.snapshot?.id ?? null,
    snapshots: rest.snapshots.map(snapshotInfo),
  };
}

function snapshotInfo(snapshot: Qcow2Snapshot): SnapshotInfo {
  const { id, name, dateSeconds, dateNanoseconds, stateBytes, diskBytes } = snapshot;
  return {
    id,
    name,
    date: new Date(dateSeconds * 1000 + Math.floor(dateNanoseconds / 1e6)).toISOString(),
    clockSeconds: Number(snapshot.guestClockNanoseconds) / 1e9,
    stateBytes,
    diskBytes,
  };
}
