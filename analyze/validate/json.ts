/**
 * A validation as JSON, for scripts.
 *
 * ```text
 * { "file", "valid", "findings": [{ "rule", "severity", "offset", "path", "message", "expected", "found", "qemu" }],
 *   "counts": { "RAM-028": 3 }, "unchecked": [{ "offset", "bytes", "reason" }], "checked": { ... }, "notes": [] }
 * ```
 *
 * @module
 */

import type { FindingJson } from "./finding_json.ts";
import { ruleOf } from "./rules/mod.ts";
import type { Validation } from "./validate.ts";

/** What is printed of a validation. */
export interface ValidationJson {
  /** Path as it was given. */
  readonly file: string;
  /** Whether no rule of severity `error` is broken. */
  readonly valid: boolean;
  /** What was found, by offset; of each rule the first ones. */
  readonly findings: readonly FindingJson[];
  /** How often each rule was broken. */
  readonly counts: Readonly<Record<string, number>>;
  /** Parts that could not be looked at; `bytes` is `null` up to an end that is not known. */
  readonly unchecked: readonly {
    readonly offset: number;
    readonly bytes: number | null;
    readonly reason: string;
  }[];
  /** What was looked at. */
  readonly checked: Validation["checked"];
  /** What deserves attention about the input. */
  readonly notes: readonly string[];
}

/** Makes the JSON value of a validation. */
export function validationJson(
  file: string,
  { valid, findings, checked }: Validation,
  notes: readonly string[],
): ValidationJson {
  return {
    file,
    valid,
    findings: findings.kept.map((finding) => ({
      rule: finding.rule,
      severity: finding.severity,
      offset: finding.offset,
      path: finding.path.join(" > "),
      message: finding.message,
      expected: finding.expected ?? null,
      found: finding.found ?? null,
      qemu: ruleOf(finding.rule).qemu,
    })),
    counts: Object.fromEntries(findings.counts),
    unchecked: findings.unchecked.map(({ offset, lengthBytes, reason }) => ({
      offset,
      bytes: lengthBytes ?? null,
      reason,
    })),
    checked,
    notes,
  };
}
