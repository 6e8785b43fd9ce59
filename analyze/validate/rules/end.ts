/**
 * The rules about the end of the stream.
 *
 * @module
 */

import type { Rule } from "../rule.ts";

/** The rules, in the order of their ids. */
export const END_RULES: readonly Rule[] = [
  {
    id: "END-001",
    severity: "error",
    title: "Stream ends with EOF (0x00)",
    reaction: "rejects",
    qemu: "Refuses the stream: EIO",
    tried: ["10.0", "11.1"],
  },
  {
    id: "END-002",
    severity: "error",
    title: "EOF not directly after RAM (i.e. device sections exist)",
    reaction: "warns",
    qemu: 'Prints a message and goes on: ("Expected vmdescription"), devices not loaded',
    tried: ["10.0", "11.1"],
  },
  {
    id: "END-003",
    severity: "warning",
    title: "Vmdescription present (unless postcopy/suppressed/COLO)",
    reaction: "warns",
    qemu: "Prints a message and goes on",
    tried: ["10.0", "11.1"],
  },
  {
    id: "END-004",
    severity: "error",
    title: "Vmdescription not before EOF",
    reaction: "rejects",
    qemu: "Refuses the stream",
    tried: ["10.0", "11.1"],
  },
  {
    id: "END-005",
    severity: "error",
    title: "Vmdescription length fits the file",
    reaction: "loads",
    qemu: "Loads the stream silently",
    tried: ["10.0", "11.1"],
  },
  {
    id: "END-006",
    severity: "warning",
    title: "Vmdescription is valid UTF-8 JSON with `page_size` and `devices`",
    reaction: "loads",
    qemu: "Loads the stream silently",
    tried: ["10.0", "11.1"],
  },
  {
    id: "END-007",
    severity: "warning",
    title: "No trailing bytes, except COLO checkpoints (01 §10.7)",
    reaction: "loads",
    qemu: "Loads the stream silently",
    tried: ["10.0", "11.1"],
  },
  {
    id: "END-008",
    severity: "warning",
    title: "Length > 0",
    reaction: "loads",
    qemu: "Loads the stream silently",
    tried: ["10.0", "11.1"],
  },
];
