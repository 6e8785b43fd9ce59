/**
 * The progress bar itself. Loaded only where one is shown: the packages take longer than many a command.
 *
 * @module
 */

import { format } from "@std/fmt/duration";
import cliProgress from "cli-progress";
import type { Progress } from "./progress.ts";
import { sizeText } from "./size_text.ts";

/** Milliseconds of work without a picture: most of it is over by then. */
const PATIENCE_MS = 300;

/** Milliseconds between two pictures. */
const REFRESH_MS = 100;

/** A bar that is drawn anew as the work goes on. */
export class BarProgress implements Progress {
  readonly #bar = new cliProgress.SingleBar({
    format: "{what} {bar} {percentage}% {done} of {all}, {rate}/s{left}",
    barsize: 24,
    clearOnComplete: true,
    hideCursor: true,
    // The work doesn't let timers run.
    synchronousUpdate: true,
  }, cliProgress.Presets.shades_classic);
  readonly #start = performance.now();
  /** The kind of work that is done now, and where it began. */
  #phase = { what: "", start: this.#start, doneBytes: 0 };
  #shown = 0;
  #started = false;

  /** Draws the bar, unless the last picture is too young. */
  update(doneBytes: number, totalBytes: number, what: string): void {
    const now = performance.now();
    if (what !== this.#phase.what) {
      const isFirst = this.#phase.what === "";
      this.#phase = isFirst ? { ...this.#phase, what } : { what, start: now, doneBytes };
    }
    if (totalBytes === 0 || now - this.#start < PATIENCE_MS) return;
    if (now - this.#shown < REFRESH_MS) return;
    this.#shown = now;
    // Pages that come again would take it beyond the end.
    const done = Math.min(doneBytes, totalBytes);
    const { start, doneBytes: before } = this.#phase;
    const perSecond = (doneBytes - before) / Math.max(1, now - start) * 1000;
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

  /** Takes the bar away. */
  clear(): void {
    if (this.#started) this.#bar.stop();
    this.#started = false;
  }

  /** Takes the bar away for ever. */
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
