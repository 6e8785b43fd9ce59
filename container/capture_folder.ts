/**
 * The folder of a captured migration.
 *
 * ```text
 * main.bin                 the main channel
 * multifd-0.bin ...        the multifd channels, by the number in their first packets
 * preempt.bin              the channel of postcopy-preempt
 * cpr.bin                  the channel of cpr-transfer
 * conn-3.bin               a connection that is none of these, by its place in the order of connections
 * main.return.bin ...      what the destination said on that connection
 * capture.json             what each file is, and whether it is whole
 * ```
 *
 * @module
 */

import type { ReturnPathMessageName } from "../format/return_path.ts";
import { OutputFolder } from "./output_folder.ts";

/** Name of the file that describes the others. */
export const CAPTURE_FILE = "capture.json";
/** Version of the form of {@link CaptureDescription}. */
export const CAPTURE_VERSION = 1;

/** What a connection carries. */
export type ConnectionRole = "main" | "multifd" | "preempt" | "cpr" | "unknown";

/** How often each message stands on a return path. */
export type MessageCounts = Partial<Record<ReturnPathMessageName, number>>;

/** A file of a captured migration. */
export interface CaptureFileEntry {
  /** Its name in the folder. */
  readonly file: string;
  /** What its connection is. */
  readonly role: ConnectionRole;
  /** Number of a multifd channel. */
  readonly channel?: number;
  /** In which order the connection came: 0, 1... */
  readonly connection: number;
  /** From the source to the destination, or back. */
  readonly direction: "forward" | "return";
  /** Its size. */
  readonly bytes: number;
  /** Whether the connection came to its own end and nothing is wrong with its bytes. */
  readonly complete: boolean;
}

/** What `capture.json` says. */
export interface CaptureDescription {
  /** What the file is. */
  readonly format: "migstream-capture";
  /** {@link CAPTURE_VERSION}. */
  readonly version: number;
  /** When the first connection could come, in ISO 8601. */
  readonly startedAt: string;
  /** When the last connection had ended. */
  readonly endedAt: string;
  /** Whether this is a whole migration. */
  readonly complete: boolean;
  /** Why it is none. */
  readonly problems: readonly string[];
  /** Whether somebody ended the capture. */
  readonly interrupted: boolean;
  /** Where everything was passed on to, if so. */
  readonly forwardedTo?: string;
  /** Connections on which nothing came, such as an unused preempt channel. */
  readonly emptyConnections: number;
  /** The files. */
  readonly files: readonly CaptureFileEntry[];
  /** What the destination said on the main connection, if it said anything. */
  readonly returnPath?: {
    /** How often each message came. */
    readonly messages: MessageCounts;
  };
}

/**
 * Begins a capture in `path`, which must be empty or not there; with `force`, an earlier capture may be in it.
 *
 * @throws {Error} if anything is in the folder, unless `force` is set
 */
export function beginCaptureFolder(
  path: string,
  options: { readonly force: boolean; readonly sync: boolean },
): OutputFolder {
  const names = namesIn(path);
  if (names.length > 0 && !options.force) {
    throw new Error(`${path} is not empty; --force replaces a capture that is there`);
  }
  if (names.length > 0 && !names.includes(CAPTURE_FILE)) {
    throw new Error(`${path} has files, but no ${CAPTURE_FILE}: not replaced`);
  }
  return new OutputFolder(path, options);
}

function namesIn(path: string): string[] {
  try {
    return [...Deno.readDirSync(path)].map(({ name }) => name);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    if (error instanceof Deno.errors.NotADirectory) throw new Error(`${path} is not a folder`);
    throw error;
  }
}

/** Encodes a description as it stands in {@link CAPTURE_FILE}. */
export function encodeCaptureDescription(description: CaptureDescription): Uint8Array {
  return new TextEncoder().encode(`${JSON.stringify(description, null, 2)}\n`);
}

/** What only captures are named. */
const OWN_NAMES = /^(main|multifd-\d+|preempt|cpr|conn-\d+)(\.return)?\.bin(~\d+)?$/;

/** Removes the files of an earlier capture that the new one, `files`, has not replaced: channels of two migrations don't mix. */
export function removeStaleFiles(path: string, files: readonly CaptureFileEntry[]): void {
  const kept = new Set(files.map(({ file }) => file));
  for (const name of namesIn(path)) {
    if (OWN_NAMES.test(name) && !kept.has(name)) Deno.removeSync(`${path}/${name}`);
  }
}
