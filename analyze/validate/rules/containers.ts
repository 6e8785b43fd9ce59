/**
 * The rules about what a stream can be wrapped in.
 *
 * @module
 */

import type { Rule } from "../rule.ts";

/** The rules, in the order of their ids. */
export const CONTAINERS_RULES: readonly Rule[] = [
  {
    id: "CON-001",
    severity: "error",
    title: "A save image of libvirt begins with LibvirtQemudSave.",
    reaction: "rejects",
    qemu: "libvirt refuses it; LibvirtQemudPart tells it that virsh save did not finish.",
    tried: [],
  },
  {
    id: "CON-002",
    severity: "error",
    title: "The version of a save image of libvirt is 1 or 2, in one of the two byte orders.",
    reaction: "rejects",
    qemu: "libvirt refuses it.",
    tried: [],
  },
  {
    id: "CON-003",
    severity: "error",
    title:
      "The format of a save image of libvirt is 0 to 6: raw, gzip, bzip2, xz, lzop, zstd, sparse.",
    reaction: "rejects",
    qemu: "libvirt refuses it.",
    tried: [],
  },
  {
    id: "CON-004",
    severity: "error",
    title:
      "The header of a save image of libvirt, and the data length behind it, lie in the file; the cookie lies in the data length.",
    reaction: "nothing",
    qemu: "QEMU never sees the header; libvirt can't read the XML.",
    tried: [],
  },
  {
    id: "CON-005",
    severity: "warning",
    title: "The data of a save image of libvirt are compressed as its format says.",
    reaction: "rejects",
    qemu: "The decompressor that libvirt starts fails, or QEMU gets compressed data.",
    tried: [],
  },
  {
    id: "CON-006",
    severity: "error",
    title: "The XML of a save image of libvirt ends with NUL in its area, and so does the cookie.",
    reaction: "nothing",
    qemu: "QEMU never sees them; libvirt can't read the XML.",
    tried: [],
  },
  {
    id: "CON-007",
    severity: "error",
    title:
      "A save image of libvirt of format sparse holds a stream with mapped-ram, and mapped-ram is in no other format.",
    reaction: "rejects",
    qemu:
      "libvirt hands a sparse image over as a file with mapped-ram set, and all others as a pipe: QEMU refuses what does not fit.",
    tried: [],
  },
  {
    id: "CON-008",
    severity: "error",
    title: "Compressed data is whole and undamaged.",
    reaction: "rejects",
    qemu: "The decompressor fails, and QEMU sees a stream that ends too early.",
    tried: [],
  },
  {
    id: "CON-009",
    severity: "warning",
    title:
      "What libvirt leaves empty in a save image is zero: the unused words of the header, and the reserve behind XML and cookie.",
    reaction: "nothing",
    qemu: "Nobody looks at it.",
    tried: [],
  },
  {
    id: "CON-010",
    severity: "warning",
    title: "Nothing but zeros follows compressed data.",
    reaction: "nothing",
    qemu: "gzip, bzip2, lzop and zstd ignore it with a message, xz fails.",
    tried: [],
  },
  {
    id: "QCW-001",
    severity: "error",
    title: "A snapshot has a saved state: its size is above 0.",
    reaction: "rejects",
    qemu: "Refuses to load it, since only the disk was saved.",
    tried: [],
  },
  {
    id: "QCW-002",
    severity: "error",
    title: "All clusters of a saved state are allocated in the image.",
    reaction: "misreads",
    qemu: "Reads zeros there, and refuses what follows.",
    tried: [],
  },
  {
    id: "QCW-003",
    severity: "warning",
    title: "A saved state ends where the stream in it ends.",
    reaction: "loads",
    qemu: "Stops reading at the end of the stream.",
    tried: ["10.0"],
  },
  {
    id: "QCW-004",
    severity: "error",
    title:
      "Header and snapshot table of a qcow2 image are whole, their numbers are possible, and the state is in the image itself and not encrypted.",
    reaction: "rejects",
    qemu: "Refuses to open the image.",
    tried: [],
  },
  {
    id: "QCW-005",
    severity: "error",
    title:
      "The tables of a saved state, and its clusters, lie in the file on cluster borders, none is used twice, and no reserved bit is set.",
    reaction: "rejects",
    qemu: "Marks the image as corrupt and reads nothing more of it, or reads other data there.",
    tried: [],
  },
];
