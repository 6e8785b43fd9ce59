/**
 * Whether a stream carries the memory's content at all.
 *
 * @module
 */

import type { PageCounts } from "./page_table.ts";

/**
 * Whether pages are missing and none of the others has content: so it is on the main channel of a multifd migration, whose other channels
 * have the content. Before QEMU 8.1 nothing else tells of them.
 */
export function lacksContent(blocks: readonly PageCounts[]): boolean {
  return blocks.some(({ absent }) => absent > 0) &&
    blocks.every(({ normal, delta, compressed }) => normal + delta + compressed === 0);
}
