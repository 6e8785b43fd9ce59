/**
 * Arrays of pointers in device state, whose null elements several QEMU releases describe wrongly.
 *
 * @module
 */

import type { FieldDescription } from "./vmdescription.ts";

/**
 * How the description of arrays of pointers is read. QEMU's writers describe null pointers in such arrays wrongly in some
 * versions; only the section's end shows which reading is right.
 *
 * - `described`: as it stands;
 * - `runs`: QEMU 10 and later: the first run's length is the whole array's, null entries stand for one element each;
 * - `nulls`: before QEMU 10: null elements are a single byte 0x30 that the description does not tell.
 */
export type ArrayReading = "described" | "runs" | "nulls";

/** All readings, in the order in which they are tried. */
export const ARRAY_READINGS: readonly ArrayReading[] = ["described", "runs", "nulls"];

/** The byte that stands for a null pointer in an array of pointers. */
export const NULL_POINTER = 0x30;
/** Types whose elements are such bytes. */
const NULL_POINTER_TYPES = new Set(["nullptr", "ptr-marker"]);

/** The numbers of elements of all entries under the reading `runs`. */
export function runCounts(fields: readonly FieldDescription[]): number[] {
  const counts = fields.map((field) => field.arrayLength ?? 1);
  for (let start = 0; start < fields.length;) {
    let end = start + 1;
    while (end < fields.length && fields[end]!.name === fields[start]!.name) end += 1;
    const group = fields.slice(start, end);
    if (group.length > 1 && group.some((field) => NULL_POINTER_TYPES.has(field.type))) {
      for (let at = start + 1; at < end; at++) {
        const follows = NULL_POINTER_TYPES.has(fields[at]!.type) &&
          NULL_POINTER_TYPES.has(fields[at - 1]!.type);
        if (follows) counts[at] = 1;
      }
      const first = fields[start]!;
      if (first.arrayLength !== undefined && !NULL_POINTER_TYPES.has(first.type)) {
        const others = counts.slice(start + 1, end).reduce((sum, count) => sum + count, 0);
        counts[start] = Math.max(1, first.arrayLength - others);
      }
    }
    start = end;
  }
  return counts;
}
