/**
 * Where the guest's memory stands in its physical address space: options, and the map that follows from them.
 *
 * @module
 */

import { findMachineMap, type MachineMap } from "../analyze/memory/machine_map.ts";
import { parseGivenMap } from "../analyze/memory/given_map.ts";
import type { Guest } from "../analyze/memory/guest.ts";
import { UsageError } from "./main.ts";

/** The options. */
export interface PhysicalOptions {
  /** File with a map. */
  readonly map: string | undefined;
  /** Bytes of a PC's main memory below 4 GiB. */
  readonly below4g: number | undefined;
}

/**
 * The map of a guest: the given one, or what is known of its machine.
 *
 * @throws {UnknownMapError} if it is neither given nor known
 */
export function physicalMapOf(guest: Guest, { map, below4g }: PhysicalOptions): MachineMap {
  if (map === undefined) return findMachineMap(guest, { below4gBytes: below4g });
  if (below4g !== undefined) throw new UsageError("--map and --below-4g exclude each other");
  try {
    return { map: parseGivenMap(Deno.readTextFileSync(map), guest.blocks), notes: [] };
  } catch (error) {
    if (!(error instanceof SyntaxError || error instanceof RangeError)) throw error;
    throw new UsageError(`${map}: ${error.message}`);
  }
}
