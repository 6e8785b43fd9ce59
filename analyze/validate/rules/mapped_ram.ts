/**
 * The rules about mapped-ram.
 *
 * @module
 */

import type { Rule } from "../rule.ts";

/** The rules, in the order of their ids. */
export const MAPPED_RAM_RULES: readonly Rule[] = [
  {
    id: "MAP-001",
    severity: "error",
    title: "The version of a mapped-ram header is 1",
    reaction: "depends",
    qemu: "Refuses the stream if it is above 1; loads it if it is 0.",
    tried: ["10.0", "11.1"],
  },
  {
    id: "MAP-002",
    severity: "error",
    title: "The page size in a mapped-ram header is the target page size",
    reaction: "crashes",
    qemu:
      "10.0 crashes (SIGFPE) on 0 and loads with any other value, with a wrong number of pages; 11.1 refuses the stream.",
    tried: ["10.0", "11.1"],
  },
  {
    id: "MAP-003",
    severity: "error",
    title: "The bitmap lies inside the file",
    reaction: "rejects",
    qemu: "Refuses the stream.",
    tried: ["10.0", "11.1"],
  },
  {
    id: "MAP-004",
    severity: "error",
    title: "The bitmap stands directly behind the header",
    reaction: "loads",
    qemu: "Takes whatever stands there for the bitmap and loads wrong pages.",
    tried: ["10.0", "11.1"],
  },
  {
    id: "MAP-005",
    severity: "error",
    title: "The place of the pages is a multiple of the target page size",
    reaction: "rejects",
    qemu: "Refuses the stream.",
    tried: ["10.0", "11.1"],
  },
  {
    id: "MAP-006",
    severity: "warning",
    title: "The place of the pages is a multiple of 1 MiB",
    reaction: "loads",
    qemu: "Loads the stream if the next entry stands behind the pages.",
    tried: ["10.0", "11.1"],
  },
  {
    id: "MAP-007",
    severity: "error",
    title: "The pages stand behind the bitmap",
    reaction: "loads",
    qemu: "Loads wrong pages, and looks for the next entry at a wrong place.",
    tried: [],
  },
  {
    id: "MAP-008",
    severity: "error",
    title: "Each page whose bit is set lies inside the file",
    reaction: "rejects",
    qemu: "Refuses the stream: it cannot read the pages.",
    tried: ["10.0", "11.1"],
  },
  {
    id: "MAP-009",
    severity: "warning",
    title: "The bits of a bitmap behind the block's last page are 0",
    reaction: "loads",
    qemu: "Does not look at them.",
    tried: ["10.0", "11.1"],
  },
  {
    id: "MAP-010",
    severity: "error",
    title:
      "No bit is set of a page behind the end of the destination's block (only the destination can tell; MAP-009 for the stream's own length)",
    reaction: "misreads",
    qemu:
      "Tests only where a run of pages begins: a run across the block's end is read into the memory behind it.",
    tried: ["10.0", "11.1"],
  },
  {
    id: "MAP-011",
    severity: "error",
    title: "No bitmap and no pages overlap what belongs to another block",
    reaction: "loads",
    qemu: "Loads wrong pages.",
    tried: ["10.0", "11.1"],
  },
  {
    id: "MAP-012",
    severity: "error",
    title: "A block has the length that it has at the destination (only the destination can tell)",
    reaction: "loads",
    qemu:
      "Does not compare them: a shorter block loads, a longer one if no bit behind the end is set.",
    tried: ["10.0", "11.1"],
  },
  {
    id: "MAP-013",
    severity: "error",
    title:
      "There are no records about pages and no synchronisation marks in the RAM sections of a mapped-ram stream",
    reaction: "rejects",
    qemu: "Refuses the stream: unexpected RAM flags.",
    tried: ["10.0", "11.1"],
  },
  {
    id: "MAP-014",
    severity: "error",
    title: "The block list goes on, or ends, directly behind the pages of a block",
    reaction: "rejects",
    qemu: "Looks there for the next entry and refuses what it finds: unknown block.",
    tried: ["10.0", "11.1"],
  },
  {
    id: "MAP-015",
    severity: "error",
    title: "Both offsets are 0 only with the capability x-ignore-shared",
    reaction: "rejects",
    qemu: "Looks for the next entry at the block's length and refuses what it finds there.",
    tried: ["10.0", "11.1"],
  },
  {
    id: "MAP-016",
    severity: "warning",
    title: "A stream with mapped-ram and x-ignore-shared comes from QEMU 11.0 or newer",
    reaction: "rejects",
    qemu:
      "Releases before 11.0 write guest addresses that they do not read, and refuse the stream; 11.1 loads it.",
    tried: ["10.0", "11.1"],
  },
  {
    id: "MAP-017",
    severity: "info",
    title:
      "Places of pages that are not part of the memory are zero (looked at on request; in a live save they need not be)",
    reaction: "loads",
    qemu: "Does not look at them.",
    tried: ["10.0", "11.1"],
  },
  {
    id: "MAP-018",
    severity: "error",
    title: "The stream stands where it was written: offsets are absolute in the file",
    reaction: "rejects",
    qemu: "Refuses the stream: it finds neither bitmaps nor entries.",
    tried: ["10.0"],
  },
  {
    id: "MAP-019",
    severity: "warning",
    title:
      "PART and END sections of ram hold nothing but EOS in a mapped-ram stream, or are absent",
    reaction: "loads",
    qemu: "Loads the stream without them.",
    tried: ["10.0", "11.1"],
  },
  {
    id: "MAP-020",
    severity: "error",
    title: "A block list has mapped-ram headers only if the capability mapped-ram is announced",
    reaction: "rejects",
    qemu: "Refuses the stream: capability mapped-ram differs.",
    tried: ["10.0", "11.1"],
  },
  {
    id: "MAP-021",
    severity: "warning",
    title: "A mapped-ram block stands once in the list",
    reaction: "loads",
    qemu:
      "Loads the stream; the last content counts, and a block that is missing instead stays zero.",
    tried: ["10.0", "11.1"],
  },
  {
    id: "MAP-022",
    severity: "info",
    title: "A bitmap consists of little-endian words, as all usual hosts write them",
    reaction: "nothing",
    qemu: "Takes the words as those of its own host.",
    tried: [],
  },
  {
    id: "MAP-023",
    severity: "error",
    title: "A mapped-ram stream is read from a file, at any position (only who opens it can tell)",
    reaction: "rejects",
    qemu: "Refuses a source that it cannot seek in.",
    tried: ["10.0", "11.1"],
  },
];
