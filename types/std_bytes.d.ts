/** Declarations of the part of `@std/bytes` that we use; why: see std_assert.d.ts. */
declare module "@std/bytes/concat" {
  /** Joins the arrays into one new array. */
  export function concat(buffers: readonly Uint8Array[]): Uint8Array<ArrayBuffer>;
}
