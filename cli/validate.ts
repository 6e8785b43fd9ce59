/**
 * `migstream validate`: which rules of the format an image breaks.
 *
 * @module
 */

import { loadVmdescription } from "../analyze/load_vmdescription.ts";
import { loadDestination } from "../analyze/validate/against/load.ts";
import { nearestName } from "../analyze/edit/nearest.ts";
import type { Finding, Unchecked } from "../analyze/validate/findings.ts";
import { validationJson } from "../analyze/validate/json.ts";
import { type Rule, RULE_GROUPS } from "../analyze/validate/rule.ts";
import { findRule, ruleOf, RULES } from "../analyze/validate/rules/mod.ts";
import { sarifLog } from "../analyze/validate/sarif.ts";
import {
  unopenedValidation,
  type ValidateOptions,
  validateSteps,
  type Validation,
} from "../analyze/validate/validate.ts";
import { SnapshotError } from "../container/snapshot_error.ts";
import { type OpenInput, openInput } from "../container/open.ts";
import { isFormatError } from "../format/error.ts";
import { escapeJson, hex } from "../format/text.ts";
import config from "../deno.json" with { type: "json" };
import { SignalGuard } from "./long_work.ts";
import { describeError, escapeLine, EXIT, type Streams, UsageError } from "./main.ts";
import { type Progress, readingProgress, startProgress, unpackingProgress } from "./progress.ts";
import { type Style, styleOf } from "./style.ts";

/** Options of `validate`. */
export interface ValidateCommandOptions {
  /** Whether JSON is printed. */
  readonly json?: boolean | undefined;
  /** Whether SARIF is printed. */
  readonly sarif?: boolean | undefined;
  /** Whether warnings make an image invalid, too. */
  readonly strict?: boolean | undefined;
  /** Whether absent pages of a mapped-ram file are looked at. */
  readonly slack?: boolean | undefined;
  /** File that says what another QEMU would load. */
  readonly against?: string | undefined;
  /** Absolute offset of the stream in the input. */
  readonly offset: number;
  /** Name or id of a snapshot in a qcow2 image. */
  readonly snapshot?: string | undefined;
  /** File that a vmdescription is taken from. */
  readonly vmdesc?: string | undefined;
  /** Whether there may be a progress bar. */
  readonly progress: boolean;
  /** Whether nothing is printed. */
  readonly quiet?: boolean | undefined;
}

/** An image that was checked. */
interface Checked {
  readonly path: string;
  readonly validation: Validation;
  readonly notes: readonly string[];
}

/** Checks images. */
export async function runValidate(
  paths: readonly string[],
  options: ValidateCommandOptions,
  streams: Streams,
): Promise<number> {
  const { vmdesc, quiet = false, json = false, sarif = false } = options;
  const vmdescription = vmdesc === undefined ? undefined : await loadVmdescription(vmdesc);
  const against = options.against === undefined
    ? undefined
    : await loadDestination(options.against);
  using progress = await startProgress(options.progress && !quiet);
  const all: Checked[] = [];
  let failed = false;
  for (const path of paths) {
    try {
      const checked = await check(path, options, { vmdescription, against }, progress);
      all.push(checked);
      progress.clear();
      if (!json && !sarif && !quiet) printText(checked, streams);
    } catch (error) {
      // The other images can still be checked.
      if (paths.length === 1) throw error;
      failed = true;
      streams.err.line(`migstream: ${escapeLine(path)}: ${describeError(error)}`);
    }
  }
  if (json) printJson(all, paths.length === 1, streams);
  if (sarif) streams.out.line(escapeJson(JSON.stringify(sarifLog(all, config.version), null, 2)));
  if (failed) return EXIT.FAILED;
  const isInvalid = ({ validation: { valid, findings } }: Checked) =>
    !valid || (options.strict === true && findings.countOf("warning") > 0);
  return all.some(isInvalid) ? EXIT.NO : EXIT.DONE;
}

async function check(
  path: string,
  options: ValidateCommandOptions,
  given: Pick<ValidateOptions, "vmdescription" | "against">,
  progress: Progress,
): Promise<Checked> {
  const { offset, snapshot, slack = false } = options;
  let input: OpenInput;
  try {
    const onUnpack = unpackingProgress(progress);
    input = await openInput(path, { offset, snapshot, seekable: true, onUnpack });
  } catch (error) {
    if (!isFormatError(error)) throw error;
    // Which of several snapshots is meant is a question, not a fault of the image.
    if (error instanceof SnapshotError && (error.isChoice || snapshot !== undefined)) throw error;
    return { path, validation: unopenedValidation(error), notes: [] };
  }
  using opened = input;
  using guard = new SignalGuard(path);
  const validation = await guard.run(
    validateSteps(opened, { slack, ...given }),
    readingProgress(opened, progress, "checked"),
  );
  return { path, validation, notes: opened.notes };
}

function printJson(all: readonly Checked[], isOne: boolean, { out }: Streams): void {
  const values = all.map(({ path, validation, notes }) => validationJson(path, validation, notes));
  out.line(escapeJson(JSON.stringify(isOne ? values[0] : values, null, 2)));
}

function printText({ path, validation, notes }: Checked, { out, err }: Streams): void {
  const { findings, valid } = validation;
  const style = styleOf(Deno.stdout);
  const paint = valid ? findings.countOf("warning") > 0 ? style.yellow : style.green : style.red;
  out.line(`${escapeLine(path)}: ${paint(summary(validation))}`);
  for (const finding of findings.kept) {
    for (const line of findingLines(finding, style)) out.line(line);
  }
  for (const [id, count] of findings.counts) {
    const shown = findings.kept.filter(({ rule }) => rule === id).length;
    if (count > shown) out.line(`  ${id}: ${count - shown} more`);
  }
  for (const part of findings.unchecked) out.line(`  not checked: ${describePart(part)}`);
  for (const note of notes) err.line(`note: ${escapeLine(note)}`);
  if (!valid) out.line(`  (migstream validate --explain ${findings.kept[0]?.rule} says more)`);
}

/** `ok`, or how many findings there are of which severity. */
function summary({ findings }: Validation): string {
  const errors = findings.countOf("error");
  const warnings = findings.countOf("warning");
  if (errors + warnings === 0) return "ok";
  return `${counted(errors, "error")}, ${counted(warnings, "warning")}`;
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}

/** How each severity looks. */
const PAINT = { error: "red", warning: "yellow", info: "cyan" } as const;

function findingLines(finding: Finding, style: Style): string[] {
  const { severity, rule, offset, path, message, expected, found } = finding;
  const facts = [
    message,
    ...(expected === undefined ? [] : [`expected ${expected}`]),
    ...(found === undefined ? [] : [`found ${found}`]),
  ];
  const where = path.length === 0 ? "" : ` in ${path.join(" > ")}`;
  return [
    `  ${style[PAINT[severity]](severity)} ${style.bold(rule)} ` +
    escapeLine(`at ${hex(offset)} (${offset})${where}`),
    escapeLine(`    ${facts.join("; ")}`),
    style.dim(`    QEMU: ${ruleOf(rule).qemu}`),
  ];
}

function describePart({ offset, lengthBytes, reason }: Unchecked): string {
  const bytes = lengthBytes === undefined ? "everything" : `${lengthBytes} byte(s)`;
  return `${bytes} from offset ${offset} on: ${reason}`;
}

/** Prints one rule. */
export function showRule(id: string, { out }: Streams): number {
  const rule = findRule(id.toUpperCase());
  if (rule === undefined) {
    const near = nearestName(RULES.map((each) => each.id), id.toUpperCase());
    const hint = near === undefined ? "" : `; did you mean ${near}?`;
    throw new UsageError(`there is no rule ${escapeLine(id)}${hint}`);
  }
  out.line(`${rule.id} (${rule.severity}): ${rule.title}`);
  out.line(`QEMU: ${rule.qemu}`);
  out.line(triedText(rule));
  return EXIT.DONE;
}

function triedText({ tried }: Rule): string {
  if (tried.length === 0) return "Not tried with a real QEMU.";
  return `Tried with QEMU ${tried.join(" and ")}.`;
}

/** Prints all rules. */
export function showRules(json: boolean, { out }: Streams): number {
  if (json) {
    out.line(JSON.stringify(RULES, null, 2));
    return EXIT.DONE;
  }
  for (const [group, title] of Object.entries(RULE_GROUPS)) {
    out.line(`${title}`);
    for (const { id, severity, title } of RULES) {
      if (id.startsWith(`${group}-`)) out.line(`  ${id}  ${severity.padEnd(7)}  ${title}`);
    }
  }
  return EXIT.DONE;
}
