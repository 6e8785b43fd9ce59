/**
 * The rules about RAM records.
 *
 * @module
 */

import type { Rule } from "../rule.ts";

/** The rules, in the order of their ids. */
export const RAM_RULES: readonly Rule[] = [
  {
    id: "RAM-001",
    severity: "error",
    title:
      "The first word of the START section of ram is the block list (MEM_SIZE), and there is no other list in the stream",
    reaction: "loads",
    qemu: "Loads a page before the list, and a list that stands in a PART or a second time.",
    tried: ["10.0", "11.1"],
  },
  {
    id: "RAM-002",
    severity: "error",
    title: "The used lengths of the block list sum up to the total in its word",
    reaction: "rejects",
    qemu:
      "Takes the words behind a list for entries, or entries for words, and so refuses the stream sooner or later.",
    tried: ["10.0", "11.1"],
  },
  {
    id: "RAM-003",
    severity: "error",
    title: "No entry of the block list is longer than what is left of the total",
    reaction: "rejects",
    qemu:
      "Refuses the stream if its own block is smaller; otherwise the total wraps around and the loop runs on behind the list.",
    tried: ["10.0", "11.1"],
  },
  {
    id: "RAM-004",
    severity: "error",
    title: "The names in the block list are unique and have 1 to 255 bytes",
    reaction: "loads",
    qemu: "Loads a list with a block twice; refuses a name that it does not know.",
    tried: ["10.0", "11.1"],
  },
  {
    id: "RAM-005",
    severity: "error",
    title: "A used length is above 0 and a multiple of the target page size",
    reaction: "rejects",
    qemu:
      "Rounds the length up to its host page and refuses the stream unless that is its own block's length.",
    tried: ["10.0", "11.1"],
  },
  {
    id: "RAM-006",
    severity: "info",
    title: "The destination knows each block (only the destination can tell)",
    reaction: "rejects",
    qemu: "Refuses the stream.",
    tried: ["10.0", "11.1"],
  },
  {
    id: "RAM-007",
    severity: "info",
    title:
      "A block has the length that it has at the destination, unless it can be resized (only the destination can tell)",
    reaction: "rejects",
    qemu: "Refuses the stream.",
    tried: ["10.0", "11.1"],
  },
  {
    id: "RAM-008",
    severity: "info",
    title: "The total of the block list is above 0 (0 is right for a machine without RAM)",
    reaction: "loads",
    qemu: "Loads the stream.",
    tried: ["10.0", "11.1"],
  },
  {
    id: "RAM-009",
    severity: "error",
    title:
      "The entries of the block list have a guest address if, and only if, the capability x-ignore-shared is announced",
    reaction: "misreads",
    qemu: "Reads on at a wrong place, and so refuses the stream.",
    tried: ["10.0", "11.1"],
  },
  {
    id: "RAM-010",
    severity: "info",
    title:
      "The guest addresses of blocks that are not sent are those of the destination (only the destination can tell)",
    reaction: "rejects",
    qemu: "Refuses the stream.",
    tried: ["10.0"],
  },
  {
    id: "RAM-011",
    severity: "warning",
    title:
      "The guest addresses of blocks that are sent are those of the destination (only the destination can tell)",
    reaction: "loads",
    qemu: "Does not compare them.",
    tried: ["10.0"],
  },
  {
    id: "RAM-012",
    severity: "error",
    title:
      "The page size in an entry of the block list is a power of two and one of those that POSTCOPY_ADVISE announced",
    reaction: "rejects",
    qemu: "Refuses the stream, because it is not that of its own block.",
    tried: [],
  },
  {
    id: "RAM-020",
    severity: "error",
    title:
      "The flags of a RAM word are ZERO, PAGE, XBZRLE or COMPRESS_PAGE, each with or without CONTINUE, or MEM_SIZE, EOS, HOOK or MULTIFD_FLUSH",
    reaction: "rejects",
    qemu: "Refuses the stream: unknown combination of flags.",
    tried: ["10.0", "11.1"],
  },
  {
    id: "RAM-021",
    severity: "warning",
    title: "A word that concerns no page has no CONTINUE",
    reaction: "loads",
    qemu: "Loads the stream.",
    tried: ["10.0", "11.1"],
  },
  {
    id: "RAM-022",
    severity: "warning",
    title: "EOS and MULTIFD_FLUSH words have no address",
    reaction: "loads",
    qemu: "Loads the stream.",
    tried: ["10.0", "11.1"],
  },
  {
    id: "RAM-023",
    severity: "error",
    title: "There is no HOOK word, which belongs to RDMA",
    reaction: "misreads",
    qemu: "Passes the word over without a body, so that the bytes of one are taken for words.",
    tried: ["10.0", "11.1"],
  },
  {
    id: "RAM-024",
    severity: "warning",
    title: "There are MULTIFD_FLUSH words only in a stream with multifd",
    reaction: "loads",
    qemu: "Loads the stream.",
    tried: ["10.0", "11.1"],
  },
  {
    id: "RAM-025",
    severity: "error",
    title:
      "A stream of QEMU 9.1 or newer has no COMPRESS_PAGE records (the machine type proves the release)",
    reaction: "rejects",
    qemu:
      "9.1 and newer refuse the stream; older ones take the record if the capability compress is on.",
    tried: ["10.0", "11.1"],
  },
  {
    id: "RAM-026",
    severity: "error",
    title:
      "The first record about a page on a channel names its block: CONTINUE needs a record before",
    reaction: "rejects",
    qemu: "Refuses the stream.",
    tried: ["10.0", "11.1"],
  },
  {
    id: "RAM-027",
    severity: "error",
    title: "A record names a block of the list",
    reaction: "rejects",
    qemu: "Refuses the stream.",
    tried: ["10.0", "11.1"],
  },
  {
    id: "RAM-028",
    severity: "error",
    title: "A page lies inside its block",
    reaction: "rejects",
    qemu: "Refuses the stream: illegal offset.",
    tried: ["10.0", "11.1"],
  },
  {
    id: "RAM-029",
    severity: "error",
    title: "The fill byte of a ZERO record is 0",
    reaction: "rejects",
    qemu: "Refuses the stream; very old releases sent other bytes, and those before 8.0 take them.",
    tried: ["10.0", "11.1"],
  },
  {
    id: "RAM-030",
    severity: "error",
    title: "A PAGE record has one target page of content",
    reaction: "rejects",
    qemu:
      "Takes what is behind the page for content, and so refuses the next word, or the stream's end.",
    tried: ["10.0", "11.1"],
  },
  {
    id: "RAM-031",
    severity: "error",
    title: "An EOS word ends the payload of a RAM section, before the footer",
    reaction: "rejects",
    qemu: "Takes the footer for a word and refuses its flags.",
    tried: ["10.0", "11.1"],
  },
  {
    id: "RAM-032",
    severity: "warning",
    title:
      "Each page of each block is sent at least once (as far as the stream tells: not with multifd, postcopy, mapped-ram, blocks of virtio-mem, and blocks that x-ignore-shared leaves out)",
    reaction: "loads",
    qemu: "Loads the stream; the pages that were not sent are zero.",
    tried: ["10.0", "11.1"],
  },
  {
    id: "RAM-033",
    severity: "error",
    title:
      "No record names a block that x-ignore-shared leaves out (only the destination can tell)",
    reaction: "rejects",
    qemu: "Refuses the stream.",
    tried: [],
  },
  {
    id: "RAM-034",
    severity: "info",
    title: "A page is not sent twice in a round",
    reaction: "loads",
    qemu: "Loads the stream; the last content counts.",
    tried: ["10.0", "11.1"],
  },
  {
    id: "RAM-040",
    severity: "error",
    title: "The encoding flag of an XBZRLE record is 1",
    reaction: "rejects",
    qemu: "Refuses the stream: wrong compression.",
    tried: ["10.0"],
  },
  {
    id: "RAM-041",
    severity: "error",
    title: "An XBZRLE delta is not longer than a page",
    reaction: "rejects",
    qemu: "Refuses the stream: length overflow.",
    tried: ["10.0"],
  },
  {
    id: "RAM-042",
    severity: "warning",
    title: "An XBZRLE delta is not empty",
    reaction: "loads",
    qemu: "Loads the stream; the page stays as it is.",
    tried: ["10.0"],
  },
  {
    id: "RAM-043",
    severity: "error",
    title:
      "The runs of an XBZRLE delta stay inside the page and the delta; only the first run of old bytes may be empty",
    reaction: "rejects",
    qemu: "Refuses the stream: decode error.",
    tried: ["10.0"],
  },
  {
    id: "RAM-044",
    severity: "error",
    title: "The length of a run in an XBZRLE delta has one or two bytes",
    reaction: "rejects",
    qemu: "Refuses the stream: decode error.",
    tried: ["10.0"],
  },
  {
    id: "RAM-045",
    severity: "error",
    title: "An XBZRLE record concerns a page that was sent before",
    reaction: "loads",
    qemu: "Loads the stream and applies the delta to a page of zeros.",
    tried: [],
  },
  {
    id: "RAM-046",
    severity: "error",
    title: "There is no XBZRLE record in a mapped-ram stream and in the postcopy phase",
    reaction: "rejects",
    qemu: "Refuses the stream.",
    tried: ["10.0", "11.1"],
  },
  {
    id: "RAM-050",
    severity: "error",
    title:
      "The content of a COMPRESS_PAGE record has a possible length and inflates to exactly one page",
    reaction: "rejects",
    qemu: "Refuses the stream (9.0 and older; newer ones refuse the record itself).",
    tried: [],
  },
  {
    id: "RAM-060",
    severity: "error",
    title: "In the postcopy phase there are only PAGE, ZERO and EOS words",
    reaction: "rejects",
    qemu: "Refuses the stream.",
    tried: [],
  },
  {
    id: "RAM-061",
    severity: "error",
    title: "In the postcopy phase the target pages of a host page follow each other without a gap",
    reaction: "rejects",
    qemu: "Refuses the stream: non-same host page.",
    tried: [],
  },
  {
    id: "RAM-062",
    severity: "warning",
    title:
      "The first record of a preempt channel names its block (RAM-026 says so of a channel that is there; the main channel alone cannot, only a capture can tell)",
    reaction: "rejects",
    qemu: "Refuses the stream.",
    tried: [],
  },
];
