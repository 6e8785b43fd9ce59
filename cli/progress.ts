/**
 * A progress bar on a terminal's standard error, and nothing elsewhere.
 *
 * @module
 */

import type { OpenInput, PackedProgress } from "../container/open.ts";
import type { StreamItem } from "../format/items.ts";
import type { RamBlock } from "../format/ram.ts";

/** Shows how far a piece of work is. */
export interface Progress extends Disposable {
  /** Shows that `doneBytes` of `totalBytes` are done; the total may change on the way. */
  update(doneBytes: number, totalBytes: number, what: string): void;
  /** Takes the bar away until the next update. */
  clear(): void;
}

/** Says nothing. */
const SILENT: Progress = { update: () => {}, clear: () => {}, [Symbol.dispose]: () => {} };

/** A progress bar, if standard error is a terminal and `wanted` says so. */
export async function startProgress(wanted: boolean): Promise<Progress> {
  if (!wanted || !Deno.stderr.isTerminal()) return SILENT;
  const { BarProgress } = await import("./progress_bar.ts");
  return new BarProgress();
}

/** Shows how far the reading is; where nobody knows how much there is, because it is compressed, how much of that was read. */
export function showReading(
  progress: Progress,
  { packed }: Pick<OpenInput, "packed">,
  doneBytes: number,
  totalBytes: number,
  what: string,
): void {
  if (totalBytes > 0 || packed === undefined) progress.update(doneBytes, totalBytes, what);
  else progress.update(packed.readBytes, packed.sizeBytes, what);
}

/** Takes the items of an input that is read, and shows how much of it that is. */
export function readingProgress(
  input: Pick<OpenInput, "source" | "packed">,
  progress: Progress,
  what: string = "read",
): (item: Pick<StreamItem, "offset" | "lengthBytes">) => void {
  const { sizeBytes = 0 } = input.source;
  return ({ offset, lengthBytes }) =>
    showReading(progress, input, offset + lengthBytes, sizeBytes, what);
}

/** Takes how much of a compressed input was unpacked, and shows that. */
export function unpackingProgress(progress: Progress): (packed: PackedProgress) => void {
  return ({ readBytes, sizeBytes }) => progress.update(readBytes, sizeBytes, "unpacked");
}

/** Takes how far work is in one of several blocks, by its name, and shows how far it is in all of them together. */
export function progressOver(
  blocks: Iterable<Pick<RamBlock, "name" | "usedLengthBytes">>,
  progress: Progress,
  what: string,
): (block: string, address: number) => void {
  const starts = new Map<string, number>();
  let totalBytes = 0;
  for (const { name, usedLengthBytes } of blocks) {
    if (starts.has(name)) continue;
    starts.set(name, totalBytes);
    totalBytes += usedLengthBytes;
  }
  return (block, address) => progress.update((starts.get(block) ?? 0) + address, totalBytes, what);
}
