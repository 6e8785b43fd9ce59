/**
 * The runtime's zlib, loaded when it is used first: that takes as long as reading a small image, and most images have nothing compressed.
 *
 * @module
 */

/** The module. */
export type Zlib = typeof import("node:zlib");

/** Loads the module, synchronously and only once. */
export function builtinZlib(): Zlib {
  // deno-lint-ignore no-process-global -- an import of node:process would cost a third of what is saved here
  return process.getBuiltinModule("node:zlib");
}
