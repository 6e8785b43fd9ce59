/**
 * Declarations of the part of `@std/assert` that the tests use.
 *
 * The npm package that stands behind the bare name has no declarations of its own, and without
 * any every call would be unchecked. Signatures stay a subset of the original's, so that code
 * written against them also compiles against the original; drop this file when deno.json takes
 * the module from a source that brings its own types.
 */
declare module "@std/assert" {
  /** Thrown by every failing assertion. */
  export class AssertionError extends Error {
    constructor(message: string, options?: ErrorOptions);
  }

  /** Fails unless `expr` is truthy. */
  export function assert(expr: unknown, msg?: string): asserts expr;

  /** Fails unless `expr` is falsy. */
  export function assertFalse(expr: unknown, msg?: string): asserts expr is false;

  /** Fails unless both values are structurally equal. */
  export function assertEquals<T>(actual: T, expected: T, msg?: string): void;

  /** Fails if both values are structurally equal. */
  export function assertNotEquals<T>(actual: T, expected: T, msg?: string): void;

  /** Fails unless both are the same value (`Object.is`). */
  export function assertStrictEquals<T>(
    actual: unknown,
    expected: T,
    msg?: string,
  ): asserts actual is T;

  /** Fails if both are the same value (`Object.is`). */
  export function assertNotStrictEquals<T>(actual: T, expected: T, msg?: string): void;

  /** Fails on `undefined` and `null`. */
  export function assertExists<T>(actual: T, msg?: string): asserts actual is NonNullable<T>;

  /** Fails unless `actual` was made by `expectedType` or a class that extends it. */
  export function assertInstanceOf<T>(
    actual: unknown,
    expectedType: abstract new (...args: never[]) => T,
    msg?: string,
  ): asserts actual is T;

  /** Fails unless `actual` contains `expected`. */
  export function assertStringIncludes(actual: string, expected: string, msg?: string): void;

  /** Fails unless `actual` matches `expected`. */
  export function assertMatch(actual: string, expected: RegExp, msg?: string): void;

  /** Fails if `actual` matches `expected`. */
  export function assertNotMatch(actual: string, expected: RegExp, msg?: string): void;

  /** Fails unless `actual` is structurally equal to `expected` in all that `expected` names. */
  export function assertObjectMatch(
    // deno-lint-ignore no-explicit-any
    actual: Record<PropertyKey, any>,
    expected: Record<PropertyKey, unknown>,
    msg?: string,
  ): void;

  /** Fails unless the numbers are at most `tolerance` apart (default: 1e-7, relative). */
  export function assertAlmostEquals(
    actual: number,
    expected: number,
    tolerance?: number,
    msg?: string,
  ): void;

  /** Fails unless `actual > expected`. */
  export function assertGreater<T>(actual: T, expected: T, msg?: string): void;

  /** Fails unless `actual >= expected`. */
  export function assertGreaterOrEqual<T>(actual: T, expected: T, msg?: string): void;

  /** Fails unless `actual < expected`. */
  export function assertLess<T>(actual: T, expected: T, msg?: string): void;

  /** Fails unless `actual <= expected`. */
  export function assertLessOrEqual<T>(actual: T, expected: T, msg?: string): void;

  /** Fails unless `fn` throws; returns what was thrown. */
  export function assertThrows(fn: () => unknown, msg?: string): unknown;
  /** Fails unless `fn` throws an `ErrorClass` whose message includes `msgIncludes`. */
  export function assertThrows<E extends Error>(
    fn: () => unknown,
    ErrorClass: abstract new (...args: never[]) => E,
    msgIncludes?: string,
    msg?: string,
  ): E;

  /** Fails unless the promise that `fn` returns is rejected; resolves to the reason. */
  export function assertRejects(fn: () => PromiseLike<unknown>, msg?: string): Promise<unknown>;
  /** Fails unless it is rejected with an `ErrorClass` whose message includes `msgIncludes`. */
  export function assertRejects<E extends Error>(
    fn: () => PromiseLike<unknown>,
    ErrorClass: abstract new (...args: never[]) => E,
    msgIncludes?: string,
    msg?: string,
  ): Promise<E>;

  /** Always fails. */
  export function fail(msg?: string): never;
}
