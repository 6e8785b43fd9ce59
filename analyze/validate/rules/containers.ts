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
    title: "Libvirt magic `LibvirtQemudSave`",
    reaction: "rejects",
    qemu: 'Refuses the stream: libvirt R ("Part": incomplete)',
    tried: [],
  },
  {
    id: "CON-002",
    severity: "error",
    title: "Libvirt version 1..2 after optional byte swap",
    reaction: "rejects",
    qemu: "Refuses the stream",
    tried: [],
  },
  {
    id: "CON-003",
    severity: "error",
    title: "Libvirt format 0..6",
    reaction: "rejects",
    qemu: "Refuses the stream",
    tried: [],
  },
  {
    id: "CON-004",
    severity: "error",
    title: "92 + data_len inside the file; cookieOffset ≤ data_len",
    reaction: "nothing",
    qemu: "Does not look at it: –",
    tried: [],
  },
  {
    id: "CON-005",
    severity: "warning",
    title: "Compressor magic agrees with format",
    reaction: "nothing",
    qemu: "Does not look at it: decompressor fails",
    tried: [],
  },
  {
    id: "CON-006",
    severity: "error",
    title: "XML NUL-terminated inside its area; cookie likewise; reserve after it zero (W)",
    reaction: "nothing",
    qemu: "Does not look at it: –",
    tried: [],
  },
  {
    id: "CON-007",
    severity: "error",
    title: "Sparse: stream has mapped-ram; decode with base, absolute offsets",
    reaction: "nothing",
    qemu: "Does not look at it: –",
    tried: [],
  },
  {
    id: "CON-008",
    severity: "error",
    title: "Compressed data is whole and undamaged",
    reaction: "rejects",
    qemu: "The decompressor fails, and QEMU sees a stream that ends too early",
    tried: [],
  },
  {
    id: "QCW-001",
    severity: "error",
    title: "Snapshot vm_state_size > 0 for a VM snapshot",
    reaction: "warns",
    qemu: 'Prints a message and goes on: QEMU R ("disk-only")',
    tried: [],
  },
  {
    id: "QCW-002",
    severity: "error",
    title: "Vmstate clusters allocated up to vm_state_size",
    reaction: "rejects",
    qemu: "Refuses the stream: zeros → R",
    tried: [],
  },
  {
    id: "QCW-003",
    severity: "warning",
    title: "Extracted stream length = vm_state_size",
    reaction: "nothing",
    qemu: "Does not look at it: –",
    tried: ["10.0"],
  },
];
