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
    title: "Chunk flags ⊆ 0x7f, exactly one of START/COMPLETE/BITS or only EOS",
    reaction: "misreads",
    qemu: "Reads on at a wrong place",
    tried: [],
  },
  {
    id: "DBM-002",
    severity: "error",
    title: "First chunk carries both names",
    reaction: "nothing",
    qemu: "Does not look at it: cancels",
    tried: [],
  },
  {
    id: "DBM-003",
    severity: "error",
    title: "Granularity power of two ≥ 512",
    reaction: "crashes",
    qemu: "Crashes: (assert) 10.0.2",
    tried: ["10.0"],
  },
  {
    id: "DBM-004",
    severity: "error",
    title: "Start flags & 0xf8 = 0",
    reaction: "rejects",
    qemu: "Refuses the stream",
    tried: ["10.0"],
  },
  {
    id: "DBM-005",
    severity: "error",
    title: "Bits size ≤ 10240",
    reaction: "rejects",
    qemu: "Refuses the stream",
    tried: ["10.0"],
  },
  {
    id: "DBM-006",
    severity: "error",
    title: "Bits size = needed size rounded up to ≤ 32",
    reaction: "warns",
    qemu: "Prints a message and goes on: bitmaps cancelled",
    tried: ["10.0"],
  },
  {
    id: "DBM-007",
    severity: "warning",
    title: "COMPLETE for every started bitmap",
    reaction: "loads",
    qemu: "Loads the stream silently",
    tried: [],
  },
  {
    id: "DBM-008",
    severity: "info",
    title: "Node known at destination / capability on",
    reaction: "warns",
    qemu: "Prints a message and goes on: or L",
    tried: ["10.0"],
  },
  {
    id: "HTB-001",
    severity: "error",
    title: "START header −1 or 18..46; PART/END header 0 or −1",
    reaction: "misreads",
    qemu: "Reads on at a wrong place",
    tried: [],
  },
  {
    id: "HTB-002",
    severity: "error",
    title: "Index + n_valid + n_invalid ≤ 2^shift / 16",
    reaction: "rejects",
    qemu: "Refuses the stream",
    tried: [],
  },
  {
    id: "HTB-003",
    severity: "error",
    title: "End marker present",
    reaction: "misreads",
    qemu: "Reads on at a wrong place",
    tried: [],
  },
  {
    id: "SAT-001",
    severity: "error",
    title: "Exactly one flag per word; MORE count ≤ remaining pages",
    reaction: "rejects",
    qemu: "Refuses the stream",
    tried: [],
  },
  {
    id: "BLK-001",
    severity: "error",
    title: "Flags ⊆ 0x0f; EOS present",
    reaction: "rejects",
    qemu: "Refuses the stream",
    tried: [],
  },
  {
    id: "BLK-002",
    severity: "error",
    title: "Data block 1 MiB unless ZERO_BLOCK",
    reaction: "misreads",
    qemu: "Reads on at a wrong place",
    tried: [],
  },
  {
    id: "VFI-001",
    severity: "error",
    title: "Known tag; SETUP followed by END_OF_STATE",
    reaction: "rejects",
    qemu: "Refuses the stream",
    tried: [],
  },
];
