/**
 * What a stream can be wrapped in, and what each wrapper says.
 *
 * @module
 */

import type { LibvirtSave } from "./libvirt.ts";

/** A compressor's format around everything. */
export interface CompressionWrapper {
  /** Which wrapper this is. */
  readonly kind: "compression";
  /** The format. */
  readonly compression: "gzip" | "bzip2" | "xz" | "lzop" | "zstd";
  /** Offset of its first byte in what is around it. */
  readonly offset: number;
}

/** The domain in a libvirt save image, as its XML names it. */
export interface LibvirtDomain {
  /** Name of the domain, if the XML has one. */
  readonly name: string | undefined;
  /** UUID of the domain as text, if the XML has one. */
  readonly uuid: string | undefined;
}

/** An image of `virsh save`. */
export interface LibvirtWrapper extends LibvirtSave, LibvirtDomain {
  /** Which wrapper this is. */
  readonly kind: "libvirt";
  /** Offset of its first byte in what is around it. */
  readonly offset: number;
}

/** An internal snapshot of a qcow2 image. */
export interface Qcow2Snapshot {
  /** Id, which is unique in an image: "1", "2"... */
  readonly id: string;
  /** Name. */
  readonly name: string;
  /** When it was taken: seconds since 1970. */
  readonly dateSeconds: number;
  /** Nanoseconds to be added to {@link dateSeconds}. */
  readonly dateNanoseconds: number;
  /** How long the guest had been running, in nanoseconds. */
  readonly guestClockNanoseconds: bigint;
  /** Bytes of the saved state; 0 if only disks were saved. */
  readonly stateBytes: number;
  /** Size of the virtual disk when it was taken, in bytes. */
  readonly diskBytes: number;
}

/** A qcow2 image with internal snapshots. */
export interface Qcow2Wrapper {
  /** Which wrapper this is. */
  readonly kind: "qcow2";
  /** Offset of its first byte in what is around it. */
  readonly offset: number;
  /** Version of the format. */
  readonly version: number;
  /** Bytes of a cluster. */
  readonly clusterBytes: number;
  /** Bytes of the virtual disk. */
  readonly diskBytes: number;
  /** All snapshots in the order of the image's table. */
  readonly snapshots: readonly Qcow2Snapshot[];
  /** The one that was taken. */
  readonly snapshot: Qcow2Snapshot | undefined;
}

/** Several channels of one migration. */
export interface CaptureWrapper {
  /** Which wrapper this is. */
  readonly kind: "capture";
  /** Path of the main channel. */
  readonly mainPath: string;
}

/** What a stream is wrapped in. */
export type Wrapper = CompressionWrapper | LibvirtWrapper | Qcow2Wrapper | CaptureWrapper;

/** Names of wrappers from the outside in: `none`, `libvirt`, `libvirt > zstd`... */
export function containerName(wrappers: readonly Wrapper[]): string {
  const names = wrappers.map((each) => each.kind === "compression" ? each.compression : each.kind);
  return names.length === 0 ? "none" : names.join(" > ");
}

/** What a file of a captured migration is, told by its content. */
export type ChannelRole = "multifd" | "preempt" | "return-path" | "cpr" | "unknown";

/** A file of a captured migration that is not the main channel. */
export interface CapturedChannel {
  /** Path of the file. */
  readonly path: string;
  /** What it is. */
  readonly role: ChannelRole;
  /** Number of a multifd channel, as its first packet says. */
  readonly channelId?: number;
  /** UUID of the VM in the first packet of a multifd channel, as text; absent if all its bytes are zero. */
  readonly uuid?: string;
  /** First bytes, unpacked, of what is not recognised. */
  readonly head?: Uint8Array;
  /** Bytes of the file as it is stored. */
  readonly sizeBytes: number;
}
