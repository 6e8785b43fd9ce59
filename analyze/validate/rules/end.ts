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
    title: "The stream ends with an EOF byte (00).",
    reaction: "rejects",
    qemu: "Refuses the stream: it ends too early.",
    tried: ["10.0", "11.1"],
  },
  {
    id: "END-002",
    severity: "error",
    title: "The EOF byte stands behind all sections, those of the devices too.",
    reaction: "warns",
    qemu:
      'Loads what stands before it, prints "Expected vmdescription section", and goes on without the rest: the guest runs with devices that were never loaded.',
    tried: ["10.0", "11.1"],
  },
  {
    id: "END-003",
    severity: "warning",
    title:
      "A vmdescription follows the EOF byte, except in postcopy, with COLO, and where it was switched off (suppress-vmdesc).",
    reaction: "warns",
    qemu: "Prints a message and goes on. No tool can tell what stands in the devices.",
    tried: ["10.0", "11.1"],
  },
  {
    id: "END-004",
    severity: "error",
    title: "The vmdescription stands behind the EOF byte.",
    reaction: "rejects",
    qemu: "Refuses the stream: type 6 is no section.",
    tried: ["10.0", "11.1"],
  },
  {
    id: "END-005",
    severity: "error",
    title: "The length of the vmdescription is that of its text.",
    reaction: "loads",
    qemu: "Loads the stream: it passes over the text without a look.",
    tried: ["10.0", "11.1"],
  },
  {
    id: "END-006",
    severity: "warning",
    title: "The vmdescription is JSON in UTF-8, with page_size and devices as QEMU describes them.",
    reaction: "loads",
    qemu: "Loads the stream: it passes over the text without a look.",
    tried: ["10.0", "11.1"],
  },
  {
    id: "END-007",
    severity: "warning",
    title: "No bytes stand behind the stream, except those of COLO's checkpoints.",
    reaction: "loads",
    qemu: "Loads the stream: it reads no further.",
    tried: ["10.0", "11.1"],
  },
  {
    id: "END-008",
    severity: "warning",
    title: "The vmdescription is not empty.",
    reaction: "loads",
    qemu: "Loads the stream.",
    tried: ["10.0", "11.1"],
  },
];
