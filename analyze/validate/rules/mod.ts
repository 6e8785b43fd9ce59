/**
 * All rules.
 *
 * @module
 */

import type { Rule, RuleId } from "../rule.ts";
import { CONTAINERS_RULES } from "./containers.ts";
import { DESTINATION_RULES } from "./destination.ts";
import { END_RULES } from "./end.ts";
import { LIMIT_RULES } from "./limits.ts";
import { MAPPED_RAM_RULES } from "./mapped_ram.ts";
import { MULTIFD_RULES } from "./multifd.ts";
import { PAYLOADS_RULES } from "./payloads.ts";
import { RAM_RULES } from "./ram.ts";
import { SECTIONS_RULES } from "./sections.ts";
import { STATE_RULES } from "./state.ts";
import { STREAM_RULES } from "./stream.ts";

/** All rules, group by group. */
export const RULES: readonly Rule[] = [
  ...STREAM_RULES,
  ...SECTIONS_RULES,
  ...END_RULES,
  ...STATE_RULES,
  ...RAM_RULES,
  ...MAPPED_RAM_RULES,
  ...MULTIFD_RULES,
  ...PAYLOADS_RULES,
  ...CONTAINERS_RULES,
  ...DESTINATION_RULES,
  ...LIMIT_RULES,
];

const BY_ID: ReadonlyMap<string, Rule> = new Map(RULES.map((rule) => [rule.id, rule]));

/** The rule of an id; `undefined` if there is none. */
export function findRule(id: string): Rule | undefined {
  return BY_ID.get(id);
}

/** The rule of an id. */
export function ruleOf(id: RuleId): Rule {
  const rule = BY_ID.get(id);
  if (rule === undefined) throw new Error(`no rule ${id}`);
  return rule;
}
