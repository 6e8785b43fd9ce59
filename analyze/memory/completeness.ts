/**
 * Whether a stream carries the whole memory, or is one of several channels.
 *
 * @module
 */

import type { PageCounts } from "./page_table.ts";

/** What tells of other channels. */
export interface ChannelEvidence {
  /** Whether the stream was read to its end. */
  readonly isRead: boolean;
  /** Whether pages have fixed places in the file: there are no channels then. */
  readonly isMapped: boolean;
  /** Multifd synchronisation marks. */
  readonly multifdFlushes: number;
  /** Whether the guest ran on at the destination before all pages were there. */
  readonly ranPostcopy: boolean;
  /** Number of pages of each block by kind. */
  readonly counts: readonly PageCounts[];
}

/** The kind of migration whose other channels have pages. */
export type MissingChannels = "multifd" | "postcopy-preempt";

/** Which channels have pages that this stream lacks, as far as it tells. */
export function missingChannels(evidence: ChannelEvidence): MissingChannels | undefined {
  const { isRead, isMapped, multifdFlushes, ranPostcopy, counts } = evidence;
  if (isMapped) return undefined;
  if (multifdFlushes > 0) return "multifd";
  if (!isRead || counts.every(({ absent }) => absent === 0)) return undefined;
  if (ranPostcopy) return "postcopy-preempt";
  // Before QEMU 8.1 nothing tells of multifd but that no page has content; zero pages are on the main channel all the same.
  const hasContent = counts.some(({ normal, delta, compressed }) =>
    normal + delta + compressed > 0
  );
  return hasContent ? undefined : "multifd";
}
