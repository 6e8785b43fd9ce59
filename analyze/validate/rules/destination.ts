/**
 * The rules that only a comparison with another QEMU can check (`--against`), beside those of other groups.
 *
 * @module
 */

import type { Rule } from "../rule.ts";

/** The rules, in the order of their ids. */
export const DESTINATION_RULES: readonly Rule[] = [
  {
    id: "DST-001",
    severity: "error",
    title: "The destination reads the fields that the image has, in the same order.",
    reaction: "misreads",
    qemu: "Takes other bytes for the field, misses the footer and refuses the stream.",
    tried: [],
  },
  {
    id: "DST-002",
    severity: "error",
    title: "A field has the type, the size and the number of elements that the destination reads.",
    reaction: "misreads",
    qemu:
      "Takes too many bytes or too few, misses the footer and refuses the stream; with another " +
      "type of one size, it takes a wrong value.",
    tried: [],
  },
  {
    id: "DST-003",
    severity: "warning",
    title: "Fields that may depend on the state are there in both, or in neither.",
    reaction: "depends",
    qemu: "Loads the stream if it is the state that makes the difference, and refuses it if not.",
    tried: [],
  },
  {
    id: "DST-004",
    severity: "warning",
    title: "The image has all fields of the version that the destination has.",
    reaction: "loads",
    qemu: "Loads the stream; the field keeps its default.",
    tried: [],
  },
  {
    id: "DST-005",
    severity: "error",
    title: "The target page size is that of the destination.",
    reaction: "rejects",
    qemu:
      "Refuses the stream where the configuration or POSTCOPY_ADVISE tells the size, and reads " +
      "pages of the wrong size elsewhere.",
    tried: [],
  },
  {
    id: "DST-006",
    severity: "warning",
    title: "The block list has every RAM block of the destination.",
    reaction: "loads",
    qemu: "Loads the stream; the block stays as it is.",
    tried: ["10.0"],
  },
  {
    id: "DST-007",
    severity: "warning",
    title: "The image has an entry for every device of the destination.",
    reaction: "loads",
    qemu: "Loads the stream; the device stays as it is after a reset.",
    tried: ["10.0"],
  },
];
