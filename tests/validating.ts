/**
 * Validation of files, for tests.
 *
 * @module
 */

import { assert } from "@std/assert";
import type { RuleId } from "../analyze/validate/rule.ts";
import { unopenedValidation, type Validation } from "../analyze/validate/validate.ts";
import { validateInput } from "../analyze/validate/validate_input.ts";
import { openInput } from "../container/open.ts";
import { isFormatError } from "../format/error.ts";

/** Validates a file or a folder, as the command does. */
export async function validatePath(path: string): Promise<Validation> {
  try {
    using input = await openInput(path, { seekable: true });
    return validateInput(input);
  } catch (error) {
    assert(isFormatError(error), String(error));
    return unopenedValidation(error);
  }
}

/** The rules that are broken, each once. */
export function rulesOf({ findings }: Validation): RuleId[] {
  return [...findings.counts.keys()].toSorted();
}

/** The bytes without a range, or with others in its place. */
export function spliced(
  bytes: Uint8Array,
  from: number,
  count: number,
  instead: Uint8Array = new Uint8Array(0),
): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(bytes.length - count + instead.length);
  whole.set(bytes.subarray(0, from));
  whole.set(instead, from);
  whole.set(bytes.subarray(from + count), from + instead.length);
  return whole;
}
