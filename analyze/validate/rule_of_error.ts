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
  "bad-return-path": "MFD-028",
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

/** What an input that ends too early breaks, by how the places of an error's path begin. */
const RULE_OF_CUT: readonly (readonly [place: string, rule: RuleId])[] = [
  ["libvirt save image", "CON-004"],
  ["qcow2 image", "QCW-004"],
  ["multifd channel", "MFD-022"],
  ["return path", "MFD-028"],
];

/** The rule that an error stands for. */
export function ruleOfError({ rule, code, path }: FormatError): RuleId {
  const named = findRule(rule ?? "")?.id;
  if (named !== undefined) return named;
  const isCut = code === "truncated";
  const cut = isCut && RULE_OF_CUT.find(([place]) => path.some((each) => each.startsWith(place)));
  return cut ? cut[1] : RULE_OF_CODE[code];
}

/** Adds an error as a finding: of the given rule, else of the one that it stands for. */
export function reportError(findings: Findings, error: FormatError, given?: RuleId): void {
  const { offset, path, message, expected, found } = error;
  findings.report(given ?? ruleOfError(error), { offset, path, message, expected, found });
}
