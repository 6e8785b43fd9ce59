/**
 * What this program can't check.
 *
 * @module
 */

import type { Rule } from "../rule.ts";

/** The rules, in the order of their ids. */
export const LIMIT_RULES: readonly Rule[] = [
  {
    id: "LIM-001",
    severity: "error",
    title: "No limit of this program is reached (docs/errors.md).",
    reaction: "nothing",
    qemu: "Has limits of its own, or none.",
    tried: [],
  },
  {
    id: "LIM-002",
    severity: "error",
    title: "Offsets, lengths and addresses are at most 2^53 - 1.",
    reaction: "depends",
    qemu:
      "Has no such limit. It refuses what no file and no block is large enough for, and does not look at the address in a word that ends a payload.",
    tried: [],
  },
];
