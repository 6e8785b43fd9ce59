/**
 * The error for an edit that can't be made: the request is wrong, not the input.
 *
 * @module
 */

import { escapeText } from "../../format/text.ts";

/** Characters of a path or value that an error shows. */
const MAX_SHOWN = 80;

/**
 * Thrown where an edit names something that is not there, or a value that does not fit.
 *
 * @example
 * ```ts
 * import { EditError } from "./edit_error.ts";
 *
 * const error = new EditError("there is no section \"cpu\"");
 * console.log(error.message);
 * ```
 */
export class EditError extends Error {
  /** The field that should have been set, as it was asked for; `undefined` where the error is about something else. */
  readonly path: string | undefined;

  /** Makes the error; `message` is one line without control characters. */
  constructor(message: string, path?: string) {
    super(message);
    this.name = "EditError";
    this.path = path;
  }
}

/** The error for a field that can't be set. */
export function cannotSet(path: string, reason: string): EditError {
  return new EditError(`Cannot set ${shownText(path)}: ${reason}`, path);
}

/** Text of somebody's as an error can show it: without control characters, not longer than a line. */
export function shownText(text: string): string {
  return escapeText(text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}...` : text);
}
