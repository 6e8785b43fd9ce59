/**
 * Work in steps that a signal can end: temporary files are then removed before the process ends.
 *
 * @module
 */

/** Milliseconds of work before signals are looked for. */
const SLICE_MS = 50;

/** What ends work early, and the exit code that shells know it by. */
const SIGNALS = { SIGINT: 130, SIGTERM: 143 } as const;

/** The work was interrupted by a signal. */
export class Interrupted extends Error {
  /** Exit code. */
  readonly exitCode: number;

  /** Makes the error. */
  constructor(signal: keyof typeof SIGNALS) {
    super(`interrupted (${signal}): nothing was written`);
    this.name = "Interrupted";
    this.exitCode = SIGNALS[signal];
  }
}

/**
 * Whether reading an input may wait for somebody else. Signals would have to wait as well, so they keep their usual effect then: the
 * process ends at once, and unfinished files stay under their temporary names.
 */
function mayBlock(path: string): boolean {
  if (path === "-") return true;
  try {
    const { isFile, isDirectory } = Deno.statSync(path);
    return !isFile && !isDirectory;
  } catch {
    // Who opens it tells better what is wrong with it.
    return true;
  }
}

/**
 * Takes signals, from when it is made until it is disposed: work in steps ends when one has come. What has to be removed then is made
 * after it, and so disposed before it. Where reading the input `path` may block, signals keep their usual effect.
 */
export class SignalGuard implements Disposable {
  readonly #listeners: (readonly [keyof typeof SIGNALS, () => void])[];
  #received: keyof typeof SIGNALS | undefined;

  /**
   * Begins to take signals, unless nothing would have to be removed (`hasRemains` is false): they needn't wait for the end of a long
   * step then.
   */
  constructor(path: string, hasRemains = true) {
    this.#listeners = (hasRemains && !mayBlock(path) ? knownSignals() : [])
      .map((signal) => [signal, () => this.#received = signal] as const);
    for (const [signal, listener] of this.#listeners) Deno.addSignalListener(signal, listener);
  }

  /**
   * Takes all steps and returns their result; `onStep` is called with each.
   *
   * @throws {Interrupted} after SIGINT or SIGTERM
   */
  async run<Step, Result>(
    steps: Generator<Step, Result, undefined>,
    onStep: (step: Step) => void = () => {},
  ): Promise<Result> {
    try {
      this.#check();
      let sliceEnd = performance.now() + SLICE_MS;
      for (;;) {
        const { done, value } = steps.next();
        if (done === true) return value;
        onStep(value);
        if (performance.now() < sliceEnd) continue;
        // Signals are delivered between tasks only.
        await new Promise((resolve) => setTimeout(resolve, 0));
        this.#check();
        sliceEnd = performance.now() + SLICE_MS;
      }
    } finally {
      // Lets the steps clean up behind themselves where they were not taken to their end.
      steps.return(undefined as Result);
    }
  }

  #check(): void {
    if (this.#received !== undefined) throw new Interrupted(this.#received);
  }

  /** Gives signals their usual effect again; more than once is no harm. */
  [Symbol.dispose](): void {
    for (const [signal, listener] of this.#listeners.splice(0)) {
      Deno.removeSignalListener(signal, listener);
    }
  }
}

/**
 * Does what signals may not cut in two: files that were written get their names, all of them. What comes meanwhile is passed over,
 * since the work is done then.
 */
export function undisturbed<Result>(action: () => Result): Result {
  const ignore = () => {};
  const signals = knownSignals();
  for (const signal of signals) Deno.addSignalListener(signal, ignore);
  try {
    return action();
  } finally {
    for (const signal of signals) Deno.removeSignalListener(signal, ignore);
  }
}

function knownSignals(): (keyof typeof SIGNALS)[] {
  // Windows knows only the first one.
  return Deno.build.os === "windows" ? ["SIGINT"] : ["SIGINT", "SIGTERM"];
}
