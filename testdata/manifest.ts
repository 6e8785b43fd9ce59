/**
 * The shape of `manifest.json`: what each recorded stream is, and the truth about its guest as
 * the running QEMU told it. Nothing under `truth` was read out of a stream.
 *
 * @module
 */

/** What a file holds. */
export type FileRole = "stream" | "main" | "multifd" | "returnPath" | "preempt";

/** One recorded file. */
export interface StreamFile {
  /** File name inside `testdata/`; `.zst` is zstd-compressed, everything else is plain. */
  readonly file: string;
  /** `stream`: all there is; `main`: the stream of a case with further channels. */
  readonly role: FileRole;
  /** Number of the multifd channel, as its first packet says. */
  readonly channel?: number;
  /** Size after decompression. */
  readonly sizeBytes: number;
  /** SHA-256 after decompression. */
  readonly sha256: string;
}

/** One RAM block, read from the QEMU process. */
export interface RamBlockTruth {
  readonly name: string;
  readonly usedLengthBytes: number;
  readonly maxLengthBytes: number;
  /** SHA-256 of the used part; missing where QEMU does not tell the block's address. */
  readonly sha256?: string;
  /** Number of target pages that are all zero. */
  readonly zeroPages?: number;
  /** Shared with the destination, hence never in the stream (`x-ignore-shared`). */
  readonly ignored?: true;
}

/** A dirty bitmap, as QEMU described it just before the migration. */
export interface DirtyBitmapTruth {
  readonly node: string;
  readonly name: string;
  readonly granularityBytes: number;
  readonly persistent: boolean;
  readonly recording: boolean;
  /** Number of dirty bytes. */
  readonly dirtyBytes: number;
  /** SHA-256 of QEMU's in-memory bitmap (64-bit words of the host). */
  readonly sha256: string;
}

/** What the running QEMU said about the guest whose state is in the stream. */
export interface Truth {
  /** QOM type of the machine, e.g. `pc-i440fx-10.0-machine`. */
  readonly machine: string;
  /** Size of a target page. */
  readonly pageSizeBytes?: number;
  readonly ramBlocks: readonly RamBlockTruth[];
  /** Output of `info registers -a`; missing if the guest ran on. */
  readonly registers?: string;
  readonly dirtyBitmaps?: readonly DirtyBitmapTruth[];
  /** SHA-256 of the disk images whose content is part of the stream, by device name. */
  readonly disks?: Readonly<Record<string, string>>;
}

/** How the guest was when its state was taken. */
export type GuestState =
  /** Never started. */
  | "stopped"
  /** Ran for a moment, then stopped, then migrated. */
  | "ran"
  /** Running while it was migrated. */
  | "live";

/** One case. */
export interface TestCase {
  readonly name: string;
  readonly about: string;
  readonly files: readonly StreamFile[];
  /** Exact version of QEMU. */
  readonly qemu: string;
  /** Target architecture, e.g. `x86_64`. */
  readonly arch: string;
  readonly guest: GuestState;
  readonly commandLine: readonly string[];
  /** Scheme of the migration target. */
  readonly transport: string;
  /** Position of the stream in its file. */
  readonly streamOffset: number;
  readonly capabilities: readonly string[];
  readonly parameters: Readonly<Record<string, unknown>>;
  /** `query-migrate` at the end. */
  readonly queryMigrate: Readonly<Record<string, unknown>>;
  readonly truth: Truth;
}

/** The whole manifest. */
export interface Manifest {
  readonly about: string;
  readonly cases: readonly TestCase[];
}
