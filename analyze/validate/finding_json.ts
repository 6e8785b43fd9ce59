/**
 * A finding as JSON: what scripts get, and the page of a report, whose script knows nothing else of the program.
 *
 * @module
 */

/** A place where a rule is broken. */
export interface FindingJson {
  /** Id of the rule. */
  readonly rule: string;
  /** Severity of the finding. */
  readonly severity: string;
  /** Absolute offset. */
  readonly offset: number;
  /** Where in the structure. */
  readonly path: string;
  /** What is wrong. */
  readonly message: string;
  /** What should be there. */
  readonly expected: string | null;
  /** What is there. */
  readonly found: string | null;
  /** What QEMU does about it. */
  readonly qemu: string;
}
