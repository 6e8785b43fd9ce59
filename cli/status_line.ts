/**
 * One line on a terminal's standard error that tells how something goes on whose end nobody knows; nothing elsewhere.
 *
 * @module
 */

import { terminalWidth } from "./terminal.ts";

/** Milliseconds between two pictures. */
const REFRESH_MS = 200;

const ERASE_LINE = "\r\x1b[K";

/** A line that is replaced by the next one. */
export interface StatusLine extends Disposable {
  /** Shows a text, unless the last one is too young. */
  show(text: () => string): void;
  /** Takes the line away, so that something else can be printed. */
  clear(): void;
}

/** Says nothing. */
const SILENT: StatusLine = { show: () => {}, clear: () => {}, [Symbol.dispose]: () => {} };

/** A status line, if standard error is a terminal and `wanted` says so. */
export function startStatusLine(wanted: boolean): StatusLine {
  if (!wanted || !Deno.stderr.isTerminal()) return SILENT;
  const write = (text: string) => Deno.stderr.writeSync(new TextEncoder().encode(text));
  let shownMs = 0;
  let visible = false;
  const clear = () => {
    if (visible) write(ERASE_LINE);
    visible = false;
  };
  return {
    show(text: () => string): void {
      if (performance.now() - shownMs < REFRESH_MS) return;
      shownMs = performance.now();
      visible = true;
      write(`${ERASE_LINE}${text().slice(0, terminalWidth() - 1)}`);
    },
    clear,
    [Symbol.dispose]: clear,
  };
}
