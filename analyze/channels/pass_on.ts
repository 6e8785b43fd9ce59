/**
 * What the reader of several channels hands on to the visitor behind it as it is.
 *
 * @module
 */

import type { StreamVisitor } from "../../format/payload.ts";

/** All methods but those about blocks and pages, in which the other channels have a part. */
type PassedOn = Exclude<keyof StreamVisitor, "blockList" | "run">;

/** Their names: one that is missing here is an error of types. */
const PASSED_ON: Readonly<Record<PassedOn, true>> = {
  payload: true,
  section: true,
  beginBlockList: true,
  blockEntry: true,
  area: true,
  bitmap: true,
  pages: true,
  discard: true,
  dirtyBitmap: true,
  hashTable: true,
  storageAttributes: true,
  diskBlock: true,
  vfio: true,
  pbsState: true,
  compatRecord: true,
  trailing: true,
  problem: true,
};

/** The methods that `inner` has: the reader spares itself the work for others. */
export function passedOn(inner: StreamVisitor): Pick<StreamVisitor, PassedOn> {
  const methods: Partial<Record<PassedOn, unknown>> = {};
  for (const name of Object.keys(PASSED_ON) as PassedOn[]) {
    const method = inner[name] as ((...parameters: unknown[]) => unknown) | undefined;
    if (method !== undefined) methods[name] = method.bind(inner);
  }
  return methods as Pick<StreamVisitor, PassedOn>;
}
