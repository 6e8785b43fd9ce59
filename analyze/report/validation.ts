/**
 * What a validation found, for a report.
 *
 * @module
 */

import { hex } from "../../format/text.ts";
import { ruleOf } from "../validate/rules/mod.ts";
import type { Validation } from "../validate/validate.ts";
import { clip, sentence } from "./field_text.ts";
import type { ValidationModel } from "./model.ts";

/** Findings that are shown. */
const MAX_FINDINGS = 500;
/** Parts that could not be looked at, of which some are shown. */
const MAX_UNCHECKED = 20;

/** The verdict. */
export function validationModel({ valid, findings }: Validation): ValidationModel {
  const kept = findings.kept.slice(0, MAX_FINDINGS);
  const all = [...findings.counts.values()].reduce((sum, count) => sum + count, 0);
  return {
    valid,
    findings: kept.map((finding) => ({
      rule: finding.rule,
      severity: finding.severity,
      offset: finding.offset,
      path: finding.path.map((part) => clip(sentence(part))).join(" › "),
      message: clip(sentence(finding.message)),
      expected: textOrNull(finding.expected),
      found: textOrNull(finding.found),
      qemu: ruleOf(finding.rule).qemu,
    })),
    more: all - kept.length,
    unchecked: findings.unchecked.slice(0, MAX_UNCHECKED).map(
      ({ offset, lengthBytes, reason }) => {
        const bytes = lengthBytes === undefined ? "everything" : `${lengthBytes} bytes`;
        return `${bytes} from ${hex(offset)} on: ${reason}`;
      },
    ),
  };
}

function textOrNull(text: string | undefined): string | null {
  return text === undefined ? null : clip(sentence(text));
}
