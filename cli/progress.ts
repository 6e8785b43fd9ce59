/**
 * A progress bar on a terminal's standard error, and nothing elsewhere.
 *
 * @module
 */

import { format } from "@std/fmt/duration";
import type { SingleBar } from "cli-progress";
import type { StreamItem } from "../format/items.ts";
import type { ByteSource } from "../format/source.ts";
import type { RamBlock } from "../format/ram.ts";
import { sizeText } from "./size_text.ts";

/** Shows how far a piece of work is. */
export interface Progress extends Disposable {
  /** Shows that `doneBytes` of `totalBytes` are done; the total may change on the way. */
  update(doneBytes: number, totalBytes: number, what: string): void;
  /** Takes the bar away until the next update. */
  clear(): void;
}

/** Says nothing. */
const SILENT: Progress = { update: () => {}, clear: () => {}, [Symbol.dispose]: () => {} };

/** Milliseconds of work without a picture: most of it is over by then. */
const PATIENCE_MS = 300;

/** Milliseconds between two pictures. */
const REFRESH_MS = 100;

/** A progress bar, if standard error is a terminal and `wanted` says so. */
export async function startProgress(wanted: boolean): Promise<Progress> {
  if (!wanted || !Deno.stderr.isTerminal()) return SILENT;
  // Loaded here because it takes longer than many a command.
  const { default: cliProgress } = await import("cli-progress");
  const bar = new cliProgress.SingleBar({
    format: "{what} {bar} {percentage}% {done} of {all}, {rate}/s{left}",
    barsize: 24,
    clearOnComplete: true,
    hideCursor: true,
    // The work doesn't let timers run.
    synchronousUpdate: true,
  }, cliProgress.Presets.shades_classic);
  return new BarProgress(bar);
}

/** Takes the items of an input that is read, and shows how much of it that is. */
export function readingProgress(
  { sizeBytes = 0 }: Pick<ByteSource, "sizeBytes">,
  progress: Progress,
  what: string = "read",
): (item: Pick<StreamItem, "offset" | "lengthBytes">) => void {
  return ({ offset, lengthBytes }) => progress.update(offset + lengthBytes, sizeBytes, what);
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

class BarProgress implements Progress {
  readonly #bar: SingleBar;
  readonly #start = performance.now();
  #shown = 0;
  #started = false;

  constructor(bar: SingleBar) {
    this.#bar = bar;
  }

  update(doneBytes: number, totalBytes: number, what: string): void {
    const now = performance.now();
    if (totalBytes === 0 || now - this.#start < PATIENCE_MS) return;
    if (now - this.#shown < REFRESH_MS) return;
    this.#shown = now;
    // Pages that come again would take it beyond the end.
    const done = Math.min(doneBytes, totalBytes);
    const perSecond = doneBytes / (now - this.#start) * 1000;
    const left = timeLeft((totalBytes - done) / perSecond);
    const texts = {
      what,
      done: sizeText(done),
      all: sizeText(totalBytes),
      rate: sizeText(perSecond),
      left,
    };
    if (!this.#started) this.#bar.start(totalBytes, done, texts);
    this.#started = true;
    this.#bar.setTotal(totalBytes);
    this.#bar.update(done, texts);
  }

  clear(): void {
    if (this.#started) this.#bar.stop();
    this.#started = false;
  }

  [Symbol.dispose](): void {
    this.clear();
  }
}

/** `, 1m 5s left`; nothing where nobody knows. */
function timeLeft(seconds: number): string {
  // What would take days is a stall.
  if (!(seconds < 1e6)) return "";
  const text = format(Math.ceil(seconds) * 1000, { ignoreZero: true });
  return `, ${text === "" ? "0s" : text} left`;
}
