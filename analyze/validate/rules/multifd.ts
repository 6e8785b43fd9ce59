/**
 * The rules about multifd channels.
 *
 * @module
 */

import type { Rule } from "../rule.ts";

/** The rules, in the order of their ids. */
export const MULTIFD_RULES: readonly Rule[] = [
  {
    id: "MFD-001",
    severity: "error",
    title: "The first packet of a channel begins with 0x11223344 and version 1.",
    reaction: "rejects",
    qemu: "Refuses the migration; 10.0 and 11.1 say so in different words.",
    tried: ["10.0", "11.1"],
  },
  {
    id: "MFD-002",
    severity: "info",
    title:
      "The UUID in the first packet is that of the destination's VM. Only the destination can judge that.",
    reaction: "rejects",
    qemu: "Refuses the migration.",
    tried: ["10.0", "11.1"],
  },
  {
    id: "MFD-003",
    severity: "error",
    title: "The number of a channel is below the number of channels.",
    reaction: "crashes",
    qemu:
      "With N channels, 10.0 crashes at number N, and 11.1 refuses it; both refuse larger ones.",
    tried: ["10.0", "11.1"],
  },
  {
    id: "MFD-004",
    severity: "error",
    title: "No two channels have the same number.",
    reaction: "rejects",
    qemu: "Refuses the migration.",
    tried: ["10.0", "11.1"],
  },
  {
    id: "MFD-005",
    severity: "warning",
    title: "The reserved bytes of the first packet are zero.",
    reaction: "loads",
    qemu: "Does not look at them.",
    tried: ["10.0", "11.1"],
  },
  {
    id: "MFD-006",
    severity: "error",
    title: "Each packet begins with 0x11223344 and version 1, directly behind the one before.",
    reaction: "hangs",
    qemu: "The channel ends with an error, and the destination waits for it forever.",
    tried: ["10.0", "11.1"],
  },
  {
    id: "MFD-007",
    severity: "error",
    title:
      "The flags of a packet are SYNC and at most one compression method; other bits are not set.",
    reaction: "loads",
    qemu:
      "Does not look at unknown bits; takes two methods for one that it was not set to, and hangs.",
    tried: ["10.0", "11.1"],
  },
  {
    id: "MFD-008",
    severity: "error",
    title: "All packets of all channels use one compression method.",
    reaction: "hangs",
    qemu:
      "The channel ends with an error, as the destination is set to one method, and the destination waits for it forever.",
    tried: ["10.0", "11.1"],
  },
  {
    id: "MFD-009",
    severity: "error",
    title:
      "pages_alloc is at most 512 KiB / P, and the normal and zero pages of a packet together are at most pages_alloc.",
    reaction: "hangs",
    qemu: "The channel ends with an error, and the destination waits for it forever.",
    tried: ["10.0", "11.1"],
  },
  {
    id: "MFD-010",
    severity: "error",
    title:
      "The name of the RAM block in a packet with pages ends with NUL, and the block list has it.",
    reaction: "hangs",
    qemu: "The channel ends with an error, and the destination waits for it forever.",
    tried: ["10.0", "11.1"],
  },
  {
    id: "MFD-011",
    severity: "error",
    title: "Each page of a packet lies in its RAM block.",
    reaction: "hangs",
    qemu: "The channel ends with an error, and the destination waits for it forever.",
    tried: ["10.0", "11.1"],
  },
  {
    id: "MFD-012",
    severity: "error",
    title: "The offset of a page is a multiple of the page size.",
    reaction: "loads",
    qemu: "Writes the page where it says, across two pages.",
    tried: ["10.0", "11.1"],
  },
  {
    id: "MFD-013",
    severity: "warning",
    title: "A page stands once in a packet.",
    reaction: "loads",
    qemu: "Writes it twice; the last content counts.",
    tried: ["10.0", "11.1"],
  },
  {
    id: "MFD-014",
    severity: "warning",
    title: "Without compression, next_packet_size is that of the normal pages.",
    reaction: "loads",
    qemu: "Does not look at it, and reads the normal pages.",
    tried: ["10.0", "11.1"],
  },
  {
    id: "MFD-015",
    severity: "error",
    title:
      "A payload of zlib or zstd has 1 byte to 1 MiB and decompresses to exactly the normal pages.",
    reaction: "hangs",
    qemu: "The channel ends with an error, and the destination waits for it forever.",
    tried: ["10.0"],
  },
  {
    id: "MFD-016",
    severity: "error",
    title:
      "Behind a packet without normal pages the next packet follows, whatever next_packet_size says. A payload there is read as a packet, which breaks MFD-006.",
    reaction: "hangs",
    qemu:
      "Reads no payload, and takes what follows for a packet. Releases before 9.0 leave an old next_packet_size in such packets.",
    tried: ["7.2"],
  },
  {
    id: "MFD-017",
    severity: "warning",
    title:
      "A SYNC packet has no pages, and every other packet has some; in streams of machine types since 9.0.",
    reaction: "loads",
    qemu: "Takes such packets: releases before 9.0 write them.",
    tried: ["7.2"],
  },
  {
    id: "MFD-018",
    severity: "warning",
    title: "The reserved words of a packet's header, and the bytes behind its name, are zero.",
    reaction: "loads",
    qemu: "Does not look at them.",
    tried: ["10.0", "11.1"],
  },
  {
    id: "MFD-019",
    severity: "info",
    title:
      "The numbers of all packets of all channels are 0 to n - 1, each once; in streams of machine types since 9.0.",
    reaction: "loads",
    qemu: "Does not look at them.",
    tried: ["10.0", "11.1"],
  },
  {
    id: "MFD-026",
    severity: "warning",
    title:
      "A page comes at most once between two synchronisations, over all channels; in streams of machine types since 9.0.",
    reaction: "loads",
    qemu: "Writes both; which of them stays is left to chance.",
    tried: [],
  },
  {
    id: "MFD-027",
    severity: "error",
    title:
      "A payload of QPL or UADK has a length of 1 to P for each page, and these make up the payload; one of QATzip consists of gzip members whose sizes agree; each decompresses to exactly the normal pages.",
    reaction: "hangs",
    qemu: "The channel ends with an error, and the destination waits for it forever.",
    tried: [],
  },
  {
    id: "MFD-020",
    severity: "error",
    title: "Every channel has as many SYNC packets as the main channel has marks.",
    reaction: "hangs",
    qemu: "Waits forever for one that is missing; one too many at the end does no harm.",
    tried: ["10.0", "11.1"],
  },
  {
    id: "MFD-021",
    severity: "warning",
    title:
      "Where marks are words of their own (machine types since 8.1), the first RAM section has one.",
    reaction: "loads",
    qemu: "Loads it; the first synchronisation is then missing.",
    tried: ["10.0", "11.1"],
  },
  {
    id: "MFD-022",
    severity: "error",
    title: "A channel ends behind a packet.",
    reaction: "hangs",
    qemu: "The channel ends with an error, and the destination waits for it forever.",
    tried: ["10.0", "11.1"],
  },
  {
    id: "MFD-023",
    severity: "error",
    title:
      "A DEVICE_STATE packet has no other flag, names an entry of the main channel, with NUL behind the name, and has a payload.",
    reaction: "hangs",
    qemu: "The channel ends with an error, and the destination waits for it forever.",
    tried: ["10.0", "11.1"],
  },
  {
    id: "MFD-024",
    severity: "info",
    title:
      "There are as many channels as the destination is set to. Only the destination can judge that.",
    reaction: "nothing",
    qemu: 'Waits in state "setup" for more channels.',
    tried: ["10.0", "11.1"],
  },
  {
    id: "MFD-025",
    severity: "warning",
    title: "Each payload of zlib goes on with the channel's one zlib stream and ends with a flush.",
    reaction: "hangs",
    qemu:
      "The channel ends with an error where a page is incomplete, and the destination waits for it forever.",
    tried: ["10.0"],
  },
  {
    id: "MFD-028",
    severity: "error",
    title: "A return path consists of whole messages of known types and lengths.",
    reaction: "rejects",
    qemu: "The source ends the migration as failed; what the destination has is not affected.",
    tried: [],
  },
  {
    id: "MFD-029",
    severity: "error",
    title: "All channels carry the same UUID, that of the configuration if it has one.",
    reaction: "rejects",
    qemu: "Refuses at least one of the channels, as the destination has one UUID.",
    tried: ["10.0", "11.1"],
  },
  {
    id: "MFD-030",
    severity: "warning",
    title: "No packet with pages stands behind the last mark of the main channel.",
    reaction: "depends",
    qemu: "May end the migration before such pages are in place.",
    tried: [],
  },
  {
    id: "MFD-031",
    severity: "error",
    title: "A captured migration has exactly one main channel.",
    reaction: "nothing",
    qemu: "Waits for it, or takes the first one.",
    tried: [],
  },
];
