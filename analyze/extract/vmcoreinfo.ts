/**
 * What a guest's kernel says of itself for crash dumps: the device vmcoreinfo holds the address of an ELF note in the guest's memory, which
 * belongs into a core file. crash and drgn need it.
 *
 * ```text
 * section vmcoreinfo: has_vmcoreinfo, host_format, guest_format (1: ELF), size, paddr
 * at paddr: le32 name length 11, le32 content length, le32 type 0, "VMCOREINFO\0", 1 byte of padding, content
 * ```
 *
 * @module
 */

import { ELF_NOTE, type ElfNote } from "../../format/elf_core.ts";
import { deviceFields } from "../memory/guest.ts";
import type { StreamState } from "../state.ts";

/** Name of the note. */
const NAME = "VMCOREINFO";

/** The guest's note is in ELF's form (`FW_CFG_VMCOREINFO_FORMAT_ELF`). */
const FORMAT_ELF = 1n;

/** Most bytes of the note; Linux has one page. */
const MAX_BYTES = 1 << 20;

/** Bytes of a note before its content: three numbers, the name with its end and padding. */
const HEAD_BYTES = 24;

/** Reads bytes at a guest-physical address and returns how many there were. */
export type ReadPhysical = (guestAddress: number, into: Uint8Array) => number;

/** The guest's note; `undefined` if the guest left none, or what is there is no such note. */
export function vmcoreinfoNote(state: StreamState, read: ReadPhysical): ElfNote | undefined {
  const device = deviceFields(state, /^vmcoreinfo$/);
  if (device?.number("vmcoreinfo.guest_format") !== FORMAT_ELF) return undefined;
  const size = Number(device.number("vmcoreinfo.size") ?? 0n);
  const address = Number(device.number("vmcoreinfo.paddr") ?? 0n);
  if (size <= HEAD_BYTES || size > MAX_BYTES || !Number.isSafeInteger(address)) return undefined;
  const bytes = new Uint8Array(size);
  if (read(address, bytes) < size) return undefined;
  const view = new DataView(bytes.buffer);
  const length = view.getUint32(4, true);
  const name = new TextDecoder().decode(bytes.subarray(12, 12 + NAME.length));
  if (view.getUint32(0, true) !== NAME.length + 1 || name !== NAME) return undefined;
  if (length > size - HEAD_BYTES) return undefined;
  const content = bytes.slice(HEAD_BYTES, HEAD_BYTES + length);
  return { name: NAME, type: ELF_NOTE.QEMU, content };
}
