/**
 * The rules about device state.
 *
 * @module
 */

import type { Rule } from "../rule.ts";

/** The rules, in the order of their ids. */
export const STATE_RULES: readonly Rule[] = [
  {
    id: "VMD-001",
    severity: "error",
    title:
      "The vmdescription describes each device section, and no others, in the order of the stream.",
    reaction: "nothing",
    qemu:
      "Never reads the vmdescription. A device whose section is missing stays as it was after the start.",
    tried: [],
  },
  {
    id: "VMD-002",
    severity: "error",
    title: "A device section ends where its description says.",
    reaction: "nothing",
    qemu:
      "Never reads the vmdescription. It refuses the stream where its own idea of the device leads it to another place.",
    tried: [],
  },
  {
    id: "VMD-003",
    severity: "error",
    title: "A structure has the size that its members have together, at every level.",
    reaction: "nothing",
    qemu: "Never reads the vmdescription.",
    tried: [],
  },
  {
    id: "VMD-004",
    severity: "warning",
    title: "The version in the description is that of the section.",
    reaction: "nothing",
    qemu: "Never reads the vmdescription. It compares the section's version with its own.",
    tried: [],
  },
  {
    id: "VMD-005",
    severity: "error",
    title:
      "Sizes and other numbers of the description are whole and not negative; array_len is at least 2.",
    reaction: "nothing",
    qemu: "Never reads the vmdescription.",
    tried: [],
  },
  {
    id: "VMD-006",
    severity: "warning",
    title: "A field of a primitive type has the size of the type.",
    reaction: "nothing",
    qemu: "Never reads the vmdescription.",
    tried: [],
  },
  {
    id: "VMD-007",
    severity: "info",
    title:
      "Members of one object have different names, except in qtailq, qlist and gtree, which describe each element in the same object. (Looked for in descriptions up to 8 MiB.)",
    reaction: "nothing",
    qemu: "Never reads the vmdescription.",
    tried: [],
  },
  {
    id: "VMD-008",
    severity: "warning",
    title: "An element of an array of pointers is marked by 0x30 (null) or 0x31.",
    reaction: "rejects",
    qemu: "Refuses the stream.",
    tried: [],
  },
  {
    id: "VMD-009",
    severity: "warning",
    title: "A bool is 0 or 1.",
    reaction: "loads",
    qemu: "Loads the stream: all but 0 is true.",
    tried: ["10.0"],
  },
  {
    id: "VMD-010",
    severity: "info",
    title:
      "Arrays of pointers are described as they are: several releases miscount their null elements.",
    reaction: "nothing",
    qemu: "Never reads the vmdescription. The section's end shows what is right.",
    tried: [],
  },
  {
    id: "VMD-011",
    severity: "error",
    title:
      "The subsections of a device are those of its description, with the same names and versions.",
    reaction: "nothing",
    qemu:
      "Never reads the vmdescription. It looks up the subsections that it finds by their names.",
    tried: [],
  },
  {
    id: "SUB-001",
    severity: "error",
    title:
      "A subsection begins with 05, and its name with that of its structure, with something behind it.",
    reaction: "rejects",
    qemu:
      "Takes the structure for complete, and refuses the stream because no footer follows; refuses unknown names that begin rightly.",
    tried: ["10.0"],
  },
  {
    id: "SUB-002",
    severity: "warning",
    title: "The destination knows the subsection. (Only `--against` can tell.)",
    reaction: "rejects",
    qemu: "Refuses the stream: it doesn't know the subsection.",
    tried: ["10.0"],
  },
  {
    id: "SUB-003",
    severity: "info",
    title:
      "No subsection stands twice in a structure. (What is missing or moved only the source can tell.)",
    reaction: "loads",
    qemu: "Loads the stream: what comes last counts.",
    tried: ["10.0"],
  },
  {
    id: "SUB-004",
    severity: "warning",
    title: "The destination loads the subsection's version. (Only `--against` can tell.)",
    reaction: "rejects",
    qemu: "Refuses the stream: the version is too new.",
    tried: ["10.0"],
  },
  {
    id: "SUB-005",
    severity: "warning",
    title: "The version of a subsection is below 256.",
    reaction: "loads",
    qemu: "Loads the stream: it keeps the lowest eight bits.",
    tried: [],
  },
  {
    id: "FLD-001",
    severity: "info",
    title:
      'Fields of a type "... equal" have the value that the destination has. (Only the destination can tell.)',
    reaction: "rejects",
    qemu: "Refuses the stream.",
    tried: ["10.0"],
  },
  {
    id: "FLD-002",
    severity: "error",
    title: 'Fields of the type "int32 le" are not negative.',
    reaction: "rejects",
    qemu: "Refuses negative numbers, and numbers above its own.",
    tried: ["10.0"],
  },
  {
    id: "FLD-003",
    severity: "warning",
    title: "Unused bytes (unused_buffer) are zero.",
    reaction: "loads",
    qemu: "Loads the stream.",
    tried: ["10.0", "11.1"],
  },
  {
    id: "FLD-004",
    severity: "warning",
    title: "The interrupt pins of a PCI device have the level 0 or 1.",
    reaction: "rejects",
    qemu: "Refuses the stream.",
    tried: [],
  },
];
