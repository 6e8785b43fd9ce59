/**
 * What a rule is: something that holds for every stream that QEMU writes, and what QEMU does where it does not.
 *
 * @module
 */

/** How bad it is: a stream that breaks a rule of severity `error` is invalid. */
export type Severity = "error" | "warning" | "info";

/**
 * What a loading QEMU does with a stream that breaks the rule: refuses it, takes it silently, takes it with a message, crashes, hangs, reads on
 * at a wrong place, or it depends on the value or on the destination; `nothing` where QEMU never looks.
 */
export type Reaction =
  | "rejects"
  | "loads"
  | "warns"
  | "crashes"
  | "hangs"
  | "misreads"
  | "depends"
  | "nothing";

/** The groups of rules, by the letters before the hyphen of their ids. */
export const RULE_GROUPS = {
  STR: "The stream",
  CFG: "Configuration",
  SEC: "Sections",
  CMD: "Commands",
  END: "The end of the stream",
  VMD: "The vmdescription and the bytes that it describes",
  SUB: "Subsections",
  FLD: "Values of fields",
  RAM: "RAM",
  MAP: "mapped-ram",
  MFD: "multifd",
  DBM: "Dirty bitmaps",
  HTB: "Hash page table (spapr)",
  SAT: "Storage attributes (s390x)",
  BLK: "Block migration",
  VFI: "VFIO",
  CON: "libvirt save images and compressed files",
  QCW: "Snapshots in qcow2 images",
  DST: "The destination (--against)",
  LIM: "Limits of this program",
} as const;

/** Letters that a rule's id begins with. */
export type RuleGroup = keyof typeof RULE_GROUPS;

/** Id of a rule; stable. */
export type RuleId = `${RuleGroup}-${number}`;

/** A rule. */
export interface Rule {
  /** Stable id. */
  readonly id: RuleId;
  /** How bad it is to break it. */
  readonly severity: Severity;
  /** What holds, in one sentence. */
  readonly title: string;
  /** What QEMU does where it does not hold. */
  readonly reaction: Reaction;
  /** The same in words, with releases where they differ. */
  readonly qemu: string;
  /** Releases on which that was tried with bytes; empty if it was not. */
  readonly tried: readonly string[];
}
