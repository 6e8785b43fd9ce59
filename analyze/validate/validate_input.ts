/**
 * Checks an input at once.
 *
 * @module
 */

import type { OpenInput } from "../../container/open.ts";
import { type ValidateOptions, validateSteps, type Validation } from "./validate.ts";
import { lastOf } from "../steps.ts";

/**
 * Checks an input against all rules. Damage is a finding, never an error.
 *
 * @example
 * ```ts
 * import { openInput, validateInput } from "@migstream/migstream";
 *
 * using input = await openInput("testdata/pc.mig");
 * const { valid, findings } = validateInput(input);
 * console.log(valid, findings.kept.map(({ rule, offset }) => `${rule} at ${offset}`));
 * ```
 */
export function validateInput(input: OpenInput, options: ValidateOptions = {}): Validation {
  return lastOf(validateSteps(input, options));
}
