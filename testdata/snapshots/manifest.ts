/**
 * The shape of `manifest.json`: what each image is, and the truth about its snapshots as QEMU and qemu-img told it.
 *
 * @module
 */

/** A snapshot, as `qemu-img info` shows it, and its state, as a file target of the same stopped guest got it. */
export interface SnapshotTruth {
  readonly id: string;
  readonly name: string;
  readonly dateSeconds: number;
  readonly dateNanoseconds: number;
  readonly clockSeconds: number;
  readonly stateBytes: number;
  /** SHA-256 of the stream that the same guest wrote to a file; missing for a snapshot of the disk alone. */
  readonly streamSha256?: string;
}

/** One image. */
export interface ImageTruth {
  readonly name: string;
  readonly about: string;
  /** File in this folder, compressed with zstd. */
  readonly file: string;
  /** Size and SHA-256 before compression. */
  readonly sizeBytes: number;
  readonly sha256: string;
  /** Exact version of QEMU. */
  readonly qemu: string;
  /** Options of `qemu-img create`. */
  readonly options: string;
  readonly clusterBytes: number;
  readonly diskBytes: number;
  readonly snapshots: readonly SnapshotTruth[];
}

/**
 * An image whose disk is a stream, compressed by qemu-img, with a snapshot of that disk: QEMU compresses no state, but programs may. Tests make
 * the snapshot one of a state: they set the size of its state to that of the stream, and that of its disk to 0.
 */
export interface DiskTruth {
  readonly name: string;
  /** File in this folder, compressed with zstd. */
  readonly file: string;
  /** Options of `qemu-img convert -c`. */
  readonly options: string;
  /** Case of the manifest of streams whose stream the disk is. */
  readonly stream: string;
}

/** The whole manifest. */
export interface SnapshotManifest {
  readonly about: string;
  readonly images: readonly ImageTruth[];
  readonly disks: readonly DiskTruth[];
}
