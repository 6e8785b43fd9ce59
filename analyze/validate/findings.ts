/**
 * What a validation finds, rule by rule, bounded however broken the input is.
 *
 * @module
 */

import type { RuleId, Severity } from "./rule.ts";
import { ruleOf } from "./rules/mod.ts";

/** A place where a rule is broken. */
export interface Finding {
  /** Id of the rule. */
  readonly rule: RuleId;
  /** Severity of the rule. */
  readonly severity: Severity;
  /** Absolute offset in the input, or in the channel, of the first byte that is wrong or missing. */
  readonly offset: number;
  /** Where in the stream's structure, from the outside in. */
  readonly path: readonly string[];
  /** What is wrong, in one sentence. */
  readonly message: string;
  /** What a correct stream has there. */
  readonly expected: string | undefined;
  /** What the input has there. */
  readonly found: string | undefined;
}

/** The facts of a finding. */
export interface FindingDetails {
  /** Absolute offset. */
  readonly offset: number;
  /** Where in the stream's structure. */
  readonly path?: readonly string[];
  /** What is wrong; default: the rule's title, negated by the reader. */
  readonly message: string;
  /** What a correct stream has there. */
  readonly expected?: string | undefined;
  /** What the input has there. */
  readonly found?: string | undefined;
  /** How bad it is here, where that depends on more than the rule. */
  readonly severity?: Severity;
}

/** A part of the input that could not be looked at. */
export interface Unchecked {
  /** Absolute offset. */
  readonly offset: number;
  /** Bytes; `undefined` up to an end that is not known. */
  readonly lengthBytes: number | undefined;
  /** Why. */
  readonly reason: string;
}

/** Findings of one rule and severity that are kept; the others are counted. */
export const KEPT_FINDINGS = 20;

/** Collects findings. */
export class Findings {
  readonly #kept: Finding[] = [];
  readonly #counts = new Map<RuleId, number>();
  readonly #severities: Record<Severity, Map<RuleId, number>> = {
    error: new Map(),
    warning: new Map(),
    info: new Map(),
  };
  readonly #unchecked: Unchecked[] = [];

  /** Adds a finding. */
  report(id: RuleId, details: FindingDetails): void {
    this.#counts.set(id, (this.#counts.get(id) ?? 0) + 1);
    const { offset, path = [], message, expected, found } = details;
    const { severity = ruleOf(id).severity } = details;
    const counts = this.#severities[severity];
    const count = (counts.get(id) ?? 0) + 1;
    counts.set(id, count);
    if (count > KEPT_FINDINGS) return;
    this.#kept.push({ rule: id, severity, offset, path, message, expected, found });
  }

  /** Adds a part that could not be looked at. */
  skip(part: Unchecked): void {
    this.#unchecked.push(part);
  }

  /** The findings by offset, at most {@link KEPT_FINDINGS} of a rule and severity. */
  get kept(): readonly Finding[] {
    return this.#kept.toSorted((a, b) => a.offset - b.offset);
  }

  /** How often each rule was broken. */
  get counts(): ReadonlyMap<RuleId, number> {
    return this.#counts;
  }

  /** Parts that could not be looked at. */
  get unchecked(): readonly Unchecked[] {
    return this.#unchecked;
  }

  /** How many findings have a severity. */
  countOf(severity: Severity): number {
    let sum = 0;
    for (const count of this.#severities[severity].values()) sum += count;
    return sum;
  }
}
