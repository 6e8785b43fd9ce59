/**
 * What the search for a physical map starts from.
 *
 * @module
 */

import type { RamBlock } from "../../format/ram.ts";
import { DeviceFields } from "../fields.ts";
import type { StreamState } from "../state.ts";

/** What is known of a guest. */
export interface Guest {
  /** Machine type as the configuration says it, e.g. `pc-q35-10.0`; `undefined` where it doesn't. */
  readonly machine: string | undefined;
  /** All RAM blocks in list order. */
  readonly blocks: readonly RamBlock[];
  /** The device sections. */
  readonly state: StreamState;
}

/** The physical map is not known; a map has to be given. */
export class UnknownMapError extends Error {
  /** Makes the error. */
  constructor(reason: string) {
    super(`The guest-physical addresses are not known: ${reason}; give them with --map`);
    this.name = "UnknownMapError";
  }
}

/** The fields of a device's section; `undefined` where the stream has none, or doesn't describe it. */
export function deviceFields(state: StreamState, idstr: RegExp): DeviceFields | undefined {
  const entry = state.entries.find(({ section, first }) =>
    idstr.test(section.idstr) && first.device !== undefined
  );
  return entry?.first.device === undefined ? undefined : new DeviceFields(entry.first.device);
}
