/**
 * A progress bar on a terminal's standard error, and nothing elsewhere.
 *
 * @module
 */

import type { SingleBar } from "cli-progress";
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
    format: "{what} {bar} {percentage}% {done} of {all}, {rate}/s, {eta_formatted} left",
    barsize: 24,
    clearOnComplete: true,
    hideCursor: true,
    // The work doesn't let timers run.
    synchronousUpdate: true,
    etaBuffer: 50,
  }, cliProgress.Presets.shades_classic);
  return new BarProgress(bar);
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
    const rate = sizeText(doneBytes / Math.max(1, now - this.#start) * 1000);
    const texts = { what, done: sizeText(done), all: sizeText(totalBytes), rate };
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
