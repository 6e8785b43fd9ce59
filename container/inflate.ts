/**
 * zlib by the runtime. It is loaded only where something is compressed, since loading it takes longer than reading a small image.
 *
 * @module
 */

/** Inflates one whole zlib stream of at most `maxBytes`; fails if it is damaged or longer. */
export type Inflate = (deflated: Uint8Array, maxBytes: number) => Uint8Array;

/** Loads zlib. */
export async function loadInflate(): Promise<Inflate> {
  const { inflateSync } = await import("node:zlib");
  return (deflated, maxBytes) => inflateSync(deflated, { maxOutputLength: maxBytes });
}
