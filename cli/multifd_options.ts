/**
 * Options of the commands that make multifd channels.
 *
 * @module
 */

import type { MarkKind } from "../analyze/image/main_channel.ts";
import type { MultifdOptions, SEND_COMPRESSIONS } from "../analyze/image/multifd_channels.ts";
import { UsageError } from "./main.ts";

/** How multifd channels are made. */
export interface MultifdCommandOptions {
  /** Number of multifd channels. */
  readonly multifd?: number | undefined;
  /** How their pages are compressed. */
  readonly compression: typeof SEND_COMPRESSIONS[number];
  /** Level of the compression. */
  readonly level?: number | undefined;
  /** Where the channels wait for each other. */
  readonly marks?: MarkKind | undefined;
}

const ZLIB_MAX_LEVEL = 9;

/**
 * What the options ask for; `undefined` without channels.
 *
 * @param unless What the other options need, for the error.
 */
export function multifdOptions(
  { multifd, compression, level, marks }: MultifdCommandOptions,
  unless = "--multifd",
): Omit<MultifdOptions, "uuid" | "marks"> | undefined {
  if (multifd === undefined) {
    if (compression === "none" && level === undefined && marks === undefined) return undefined;
    throw new UsageError(`--compression, --level and --marks go with ${unless}`);
  }
  if (compression === "none" && level !== undefined) {
    throw new UsageError("--level goes with --compression zlib or zstd");
  }
  if (compression === "zlib" && (level ?? 0) > ZLIB_MAX_LEVEL) {
    throw new UsageError(`--level of zlib is at most ${ZLIB_MAX_LEVEL}`);
  }
  return { channels: multifd, compression, level };
}
