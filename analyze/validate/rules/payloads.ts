/**
 * The rules about payloads of other formats of our own knowledge.
 *
 * @module
 */

import type { Rule } from "../rule.ts";

/** The rules, in the order of their ids. */
export const PAYLOADS_RULES: readonly Rule[] = [
  {
    id: "DBM-001",
    severity: "error",
    title:
      "The flags of a dirty-bitmap chunk are exactly one of START, COMPLETE and BITS, or EOS alone",
    reaction: "misreads",
    qemu:
      "Takes the body of the flag that it tests first and reads on at a wrong place, until the section's footer is missing.",
    tried: [],
  },
  {
    id: "DBM-002",
    severity: "error",
    title: "The first dirty-bitmap chunk carries the names of its node and its bitmap",
    reaction: "warns",
    qemu: "Gives up all bitmaps of the migration and loads the guest without them.",
    tried: [],
  },
  {
    id: "DBM-003",
    severity: "error",
    title: "The granularity of a dirty bitmap is a power of two of at least 512",
    reaction: "crashes",
    qemu: "10.0 aborts on an assertion.",
    tried: ["10.0"],
  },
  {
    id: "DBM-004",
    severity: "error",
    title: "The reserved bits of a dirty bitmap's flags are 0",
    reaction: "rejects",
    qemu: "Refuses the stream.",
    tried: ["10.0"],
  },
  {
    id: "DBM-005",
    severity: "error",
    title: "A BITS chunk has at most 10240 bytes of bits",
    reaction: "rejects",
    qemu: "Refuses the stream.",
    tried: ["10.0"],
  },
  {
    id: "DBM-006",
    severity: "error",
    title:
      "The bits of a BITS chunk take the bytes that its sectors need, rounded up to at most 32",
    reaction: "warns",
    qemu:
      "Prints a message, gives up all bitmaps of the migration and loads the guest without them.",
    tried: ["10.0"],
  },
  {
    id: "DBM-007",
    severity: "warning",
    title: "Each dirty bitmap that a START chunk announces has a COMPLETE chunk",
    reaction: "loads",
    qemu: "Loads the guest; the bitmap is not there.",
    tried: [],
  },
  {
    id: "DBM-008",
    severity: "info",
    title:
      "The destination knows the node of each dirty bitmap and has the capability dirty-bitmaps (only the destination can tell)",
    reaction: "warns",
    qemu:
      "Prints a message and loads the guest without the bitmap, or takes the bitmap without a word.",
    tried: ["10.0"],
  },
  {
    id: "HTB-001",
    severity: "error",
    title:
      "The header of a spapr/htab section is ffffffff (no table) or, in START, the table's log2 18..46 and, in PART and END, 0",
    reaction: "misreads",
    qemu: "Reads on at a wrong place, until the section's footer is missing.",
    tried: [],
  },
  {
    id: "HTB-002",
    severity: "error",
    title: "The entries of a hash table chunk lie inside the table that START announced",
    reaction: "rejects",
    qemu: "Refuses the stream.",
    tried: [],
  },
  {
    id: "HTB-003",
    severity: "error",
    title: "The chunks of a hash table end with a chunk of no entries",
    reaction: "misreads",
    qemu: "Takes the footer for a chunk and reads on at a wrong place.",
    tried: [],
  },
  {
    id: "SAT-001",
    severity: "error",
    title:
      "A word of storage attributes has exactly one flag and an EOS word ends them; MORE counts no more pages than the guest has",
    reaction: "rejects",
    qemu: "Refuses the stream.",
    tried: [],
  },
  {
    id: "SAT-002",
    severity: "error",
    title: "The source could send all storage attributes: no word has the flag ERROR",
    reaction: "rejects",
    qemu: "Refuses the stream.",
    tried: [],
  },
  {
    id: "SAT-003",
    severity: "error",
    title: "A word of s390-skeys has the flag EOS, SKEYS or ERROR",
    reaction: "rejects",
    qemu: "Refuses the stream.",
    tried: [],
  },
  {
    id: "SAT-004",
    severity: "error",
    title: "The source could send all storage keys: no word has the flag ERROR",
    reaction: "rejects",
    qemu: "Refuses the stream.",
    tried: [],
  },
  {
    id: "BLK-001",
    severity: "error",
    title:
      "A word of block migration has no flags above 8 and one of DEVICE_BLOCK, PROGRESS and EOS; an EOS word ends the section",
    reaction: "rejects",
    qemu: "Refuses the stream (releases from 9.1 on refuse the section itself).",
    tried: [],
  },
  {
    id: "BLK-002",
    severity: "error",
    title: "A disk block has 1 MiB of data, unless ZERO_BLOCK is set",
    reaction: "misreads",
    qemu: "Takes the bytes behind the block for its data and reads on at a wrong place.",
    tried: [],
  },
  {
    id: "VFI-001",
    severity: "error",
    title:
      "The payload of a live VFIO section consists of known tags, and END_OF_STATE follows SETUP",
    reaction: "rejects",
    qemu: "Refuses the stream.",
    tried: [],
  },
];
