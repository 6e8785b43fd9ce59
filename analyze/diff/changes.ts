/**
 * Collects what is different, unless it is to be passed over.
 *
 * @module
 */

import type { IgnoreList } from "./ignore.ts";
import type { Change, DiffValue } from "./values.ts";

/** Changes in the order in which they were found. */
export class ChangeList {
  /** What is different. */
  readonly changes: Change[] = [];
  /** What is passed over. */
  readonly ignored: IgnoreList;

  /** Passes over what `ignored` matches. */
  constructor(ignored: IgnoreList) {
    this.ignored = ignored;
  }

  /** Adds what is different at a path. */
  add(path: string, left: DiffValue, right: DiffValue): void {
    if (!this.ignored.ignores(path)) this.changes.push({ path, left, right });
  }
}
