/**
 * The error for a qcow2 image from which no vm state could be taken.
 *
 * @module
 */

import { FormatError } from "../format/error.ts";
import { quoteText } from "../format/text.ts";
import { containerName, type Qcow2Snapshot, type Wrapper } from "./wrapper.ts";

/** Snapshots that an error lists. */
const MAX_LISTED = 10;

/** An image whose snapshots don't include the one that was asked for, or from which one has to be chosen first. */
export class SnapshotError extends FormatError {
  /** What was taken off the input, the image included. */
  readonly wrappers: readonly Wrapper[];
  /** Their names. */
  readonly container: string;
  /** Whether there are several and none was asked for. */
  readonly isChoice: boolean;

  /** Makes the error; `offset` is where the image begins. */
  constructor(
    problem: string,
    wrappers: readonly Wrapper[],
    offset: number,
    snapshots: readonly Qcow2Snapshot[],
    isChoice = false,
  ) {
    super("bad-container", problem, {
      offset,
      path: ["qcow2 image"],
      expected: isChoice ? "--snapshot with a name or an id" : "a snapshot with a vm state",
      found: listText(snapshots),
      rule: "QCW-001",
    });
    this.wrappers = wrappers;
    this.container = containerName(wrappers);
    this.isChoice = isChoice;
  }
}

function listText(snapshots: readonly Qcow2Snapshot[]): string {
  if (snapshots.length === 0) return "no snapshot";
  const shown = snapshots.slice(0, MAX_LISTED).map(({ id, name, stateBytes }) =>
    `${quoteText(name)} (id ${quoteText(id)}${stateBytes === 0 ? ", disk only" : ""})`
  );
  const more = snapshots.length - shown.length;
  return shown.join(", ") + (more > 0 ? ` and ${more} more` : "");
}
