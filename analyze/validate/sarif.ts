/**
 * Validations as a SARIF 2.1.0 log, which CI systems show beside the files.
 *
 * @module
 */

import type { Finding } from "./findings.ts";
import type { Rule, Severity } from "./rule.ts";
import { ruleOf, RULES } from "./rules/mod.ts";
import type { Validation } from "./validate.ts";

const SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json";
const RULES_PAGE = "https://jsr.io/@migstream/migstream";

const LEVELS: Readonly<Record<Severity, "error" | "warning" | "note">> = {
  error: "error",
  warning: "warning",
  info: "note",
};

/** An image that was checked. */
export interface CheckedFile {
  /** Path as it was given. */
  readonly path: string;
  /** What came out. */
  readonly validation: Validation;
}

/** A SARIF log; the value that is serialised. */
export type SarifLog = Readonly<Record<string, unknown>>;

/** Makes a log with one run; `version` is that of this program. */
export function sarifLog(files: readonly CheckedFile[], version: string): SarifLog {
  return {
    $schema: SCHEMA,
    version: "2.1.0",
    runs: [{
      tool: {
        driver: {
          name: "migstream",
          semanticVersion: version,
          informationUri: RULES_PAGE,
          rules: RULES.map(ruleObject),
        },
      },
      columnKind: "utf16CodeUnits",
      invocations: [{
        executionSuccessful: true,
        toolExecutionNotifications: files.flatMap(notifications),
      }],
      artifacts: files.map(({ path }) => ({ location: { uri: pathUri(path) } })),
      results: files.flatMap(({ path, validation }, index) =>
        validation.findings.kept.map((finding) => resultObject(finding, path, index))
      ),
    }],
  };
}

function ruleObject({ id, severity, title, qemu }: Rule): SarifLog {
  return {
    id,
    shortDescription: { text: title },
    fullDescription: { text: `${title}. QEMU: ${qemu}` },
    defaultConfiguration: { level: LEVELS[severity] },
  };
}

function notifications({ path, validation }: CheckedFile): SarifLog[] {
  return validation.findings.unchecked.map(({ offset, lengthBytes, reason }) => ({
    level: "warning",
    message: { text: `Not checked: ${reason}` },
    locations: [{
      physicalLocation: {
        artifactLocation: { uri: pathUri(path) },
        region: {
          byteOffset: offset,
          ...(lengthBytes === undefined ? {} : { byteLength: lengthBytes }),
        },
      },
    }],
  }));
}

function resultObject(finding: Finding, path: string, index: number): SarifLog {
  const { rule, severity, offset, message, expected, found } = finding;
  const facts = [
    message,
    ...(expected === undefined ? [] : [`expected ${expected}`]),
    ...(found === undefined ? [] : [`found ${found}`]),
    `QEMU: ${ruleOf(rule).qemu}`,
  ];
  return {
    ruleId: rule,
    ruleIndex: RULES.findIndex(({ id }) => id === rule),
    level: LEVELS[severity],
    message: { text: facts.join("; ") },
    locations: [{
      physicalLocation: {
        artifactLocation: { uri: pathUri(path), index },
        region: { byteOffset: offset, byteLength: 0 },
      },
      ...(finding.path.length === 0
        ? {}
        : { logicalLocations: [{ fullyQualifiedName: finding.path.join(" > ") }] }),
    }],
  };
}

/** A path as a URI reference. */
function pathUri(path: string): string {
  return path.split("/").map(encodeURIComponent).join("/");
}
