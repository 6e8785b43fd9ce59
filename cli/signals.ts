/**
 * Signals that end work which has something to save first.
 *
 * @module
 */

/** What ends work early, and the exit code that shells know it by. */
const SIGNALS = { SIGINT: 130, SIGTERM: 143 } as const;

/** Waits for signals until it is disposed of. */
export interface SignalWatch extends Disposable {
  /** Is aborted by the first signal. */
  readonly signal: AbortSignal;
  /** The signal that came. */
  readonly received: { readonly name: string; readonly exitCode: number } | undefined;
}

/** Begins to wait for SIGINT and SIGTERM. */
export function watchSignals(): SignalWatch {
  const controller = new AbortController();
  let received: SignalWatch["received"];
  const listeners = Object.entries(SIGNALS)
    // Windows knows only the first one.
    .filter(([name]) => name === "SIGINT" || Deno.build.os !== "windows")
    .map(([name, exitCode]) => {
      const listener = () => {
        received ??= { name, exitCode };
        controller.abort();
      };
      return [name as keyof typeof SIGNALS, listener] as const;
    });
  for (const [name, listener] of listeners) Deno.addSignalListener(name, listener);
  return {
    signal: controller.signal,
    get received() {
      return received;
    },
    [Symbol.dispose](): void {
      for (const [name, listener] of listeners) Deno.removeSignalListener(name, listener);
    },
  };
}
