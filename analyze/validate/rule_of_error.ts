/**
 * The rule that an error of a decoder stands for.
 *
 * @module
 */

import type { FormatError, FormatErrorCode } from "../../format/error.ts";
import type { Findings } from "./findings.ts";
import type { RuleId } from "./rule.ts";
import { findRule } from "./rules/mod.ts";

/** The rules of errors that don't name one: what can't be read at all, and the most general rule of a structure. */
const RULE_OF_CODE: Readonly<Record<FormatErrorCode, RuleId>> = {
  "truncated": "STR-005",
  "bad-magic": "STR-001",
  "bad-container": "CON-001",
  "bad-compression": "CON-008",
  "unsupported-version": "STR-002",
  "bad-configuration": "CFG-002",
  "bad-section": "SEC-001",
  "bad-footer": "SEC-016",
  "bad-command": "CMD-002",
  "bad-return-path": "MFD-022",
  "bad-package": "CMD-010",
  "bad-ram-record": "RAM-020",
  "bad-ram-address": "RAM-028",
  "bad-ram-block": "RAM-027",
  "bad-page-size": "CFG-020",
  "bad-mapped-ram": "MAP-004",
  "bad-multifd": "MFD-006",
  "bad-xbzrle": "RAM-043",
  "bad-compressed-page": "RAM-050",
  "bad-payload": "SEC-013",
  "bad-json": "END-006",
  "bad-vmdescription": "END-006",
  "device-mismatch": "VMD-002",
  "out-of-range": "LIM-002",
  "limit-exceeded": "LIM-001",
  "not-seekable": "MAP-023",
  "not-encodable": "LIM-001",
};

/** Adds an error as a finding. */
export function reportError(findings: Findings, error: FormatError): void {
  const rule = findRule(error.rule ?? "")?.id ?? RULE_OF_CODE[error.code];
  const { offset, path, message, expected, found } = error;
  findings.report(rule, { offset, path, message, expected, found });
}
