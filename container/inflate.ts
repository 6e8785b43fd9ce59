/**
 * Pages that were compressed one by one.
 *
 * @module
 */

import { builtinZlib } from "./builtin_zlib.ts";

/** Inflates one whole zlib stream of at most `maxBytes`; fails if it is damaged or longer. */
export type Inflate = (deflated: Uint8Array, maxBytes: number) => Uint8Array;

/** Inflates with the runtime's zlib. */
export function inflate(deflated: Uint8Array, maxBytes: number): Uint8Array {
  return builtinZlib().inflateSync(deflated, { maxOutputLength: maxBytes });
}
