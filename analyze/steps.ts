/**
 * Work in steps, for a caller that has nothing else to do in between.
 *
 * @module
 */

/** Takes all steps and gives their result. */
export function lastOf<Result>(steps: Generator<unknown, Result, undefined>): Result {
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}
