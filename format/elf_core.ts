/**
 * ELF core files of a guest's physical memory, as `dump-guest-memory` makes them.
 *
 * ```text
 * ELF header, 64 bytes    e_type CORE, class 64
 * program headers         56 bytes each: one PT_NOTE, then one PT_LOAD for each range of physical addresses, ascending
 * notes
 * memory                  each range at a multiple of 4096 in the file
 * ```
 *
 * Unlike QEMU's files, these have no section headers, and memory stands at whole pages, which lets those of zeros be holes. The headers
 * don't announce that alignment: crash takes a core for one of QEMU's by the zero there.
 *
 * @module
 */

import { encodeText } from "./text.ts";

/** Bytes of the ELF header (`Elf64_Ehdr`). */
export const ELF_HEADER_BYTES = 64;
/** Bytes of a program header (`Elf64_Phdr`). */
export const ELF_PROGRAM_HEADER_BYTES = 56;
/** Memory stands at multiples of this in the file. */
export const ELF_ALIGNMENT_BYTES = 4096;
/** Most ranges: a larger number of program headers is written in another way. */
export const ELF_MAX_RANGES = 65_000;

/** Instruction sets (`e_machine`). */
export const ELF_MACHINE = {
  NONE: 0,
  PPC64: 21,
  S390: 22,
  ARM: 40,
  X86_64: 62,
  AARCH64: 183,
  RISCV: 243,
  LOONGARCH: 258,
} as const;

/** Types of notes. */
export const ELF_NOTE = {
  /** Registers (`NT_PRSTATUS`), of `CORE`. */
  PRSTATUS: 1,
  /** Floating-point registers (`NT_PRFPREG`), of `CORE`. */
  PRFPREG: 2,
  /** QEMU's own note about a CPU, of `QEMU`. */
  QEMU: 0,
} as const;

const PT_LOAD = 1;
const PT_NOTE = 4;
const ET_CORE = 4;
const READ_WRITE_EXECUTE = 7;

/** A note. */
export interface ElfNote {
  /** Whose note it is, e.g. `CORE`. */
  readonly name: string;
  /** What it is, see {@link ELF_NOTE}. */
  readonly type: number;
  /** Its content. */
  readonly content: Uint8Array;
}

/** A range of physical memory in the file. */
export interface ElfRange {
  /** First guest-physical address. */
  readonly guestAddress: number;
  /** Bytes. */
  readonly lengthBytes: number;
}

/** A range, and where it stands in the file. */
export interface PlacedElfRange extends ElfRange {
  /** Offset in the file. */
  readonly fileOffset: number;
}

/** What a core file consists of besides the memory's bytes. */
export interface ElfCore {
  /** Instruction set, see {@link ELF_MACHINE}. */
  readonly machine: number;
  /** Whether numbers are little-endian. */
  readonly littleEndian: boolean;
  /** The notes. */
  readonly notes: readonly ElfNote[];
  /** The ranges of memory, ascending. */
  readonly ranges: readonly ElfRange[];
}

/** The head of a core file: everything before the memory. */
export interface ElfCoreHead {
  /** The bytes at the file's beginning. */
  readonly bytes: Uint8Array;
  /** Where the ranges stand. */
  readonly ranges: readonly PlacedElfRange[];
  /** Size of the whole file. */
  readonly fileBytes: number;
}

/** Lays a core file out and encodes its head. */
export function encodeElfCoreHead(core: ElfCore): ElfCoreHead {
  const { machine, littleEndian: le } = core;
  if (core.ranges.length > ELF_MAX_RANGES) {
    throw new RangeError(`an ELF core of ${core.ranges.length} ranges, at most ${ELF_MAX_RANGES}`);
  }
  const notes = encodeNotes(core.notes, le);
  const headerCount = 1 + core.ranges.length;
  const notesOffset = ELF_HEADER_BYTES + headerCount * ELF_PROGRAM_HEADER_BYTES;
  const bytes = new Uint8Array(notesOffset + notes.length);
  const view = new DataView(bytes.buffer);
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, le ? 1 : 2, 1]);
  view.setUint16(16, ET_CORE, le);
  view.setUint16(18, machine, le);
  view.setUint32(20, 1, le);
  view.setBigUint64(32, BigInt(ELF_HEADER_BYTES), le);
  view.setUint16(52, ELF_HEADER_BYTES, le);
  view.setUint16(54, ELF_PROGRAM_HEADER_BYTES, le);
  view.setUint16(56, headerCount, le);
  writeProgramHeader(view, 0, le, {
    type: PT_NOTE,
    fileOffset: notesOffset,
    guestAddress: 0,
    lengthBytes: notes.length,
    flags: 0,
    alignment: 4,
  });
  let end = bytes.length;
  const ranges = core.ranges.map((range, index) => {
    const fileOffset = Math.ceil(end / ELF_ALIGNMENT_BYTES) * ELF_ALIGNMENT_BYTES;
    end = fileOffset + range.lengthBytes;
    const placed = { ...range, fileOffset };
    writeProgramHeader(view, index + 1, le, {
      ...placed,
      type: PT_LOAD,
      flags: READ_WRITE_EXECUTE,
      alignment: 0,
    });
    return placed;
  });
  bytes.set(notes, notesOffset);
  return { bytes, ranges, fileBytes: end };
}

interface ProgramHeader extends PlacedElfRange {
  readonly type: number;
  readonly flags: number;
  readonly alignment: number;
}

function writeProgramHeader(
  view: DataView,
  index: number,
  le: boolean,
  header: ProgramHeader,
): void {
  const at = ELF_HEADER_BYTES + index * ELF_PROGRAM_HEADER_BYTES;
  const length = BigInt(header.lengthBytes);
  view.setUint32(at, header.type, le);
  view.setUint32(at + 4, header.flags, le);
  view.setBigUint64(at + 8, BigInt(header.fileOffset), le);
  // Without a page table in use, virtual addresses are physical ones.
  view.setBigUint64(at + 16, BigInt(header.guestAddress), le);
  view.setBigUint64(at + 24, BigInt(header.guestAddress), le);
  view.setBigUint64(at + 32, length, le);
  view.setBigUint64(at + 40, header.type === PT_NOTE ? 0n : length, le);
  view.setBigUint64(at + 48, BigInt(header.alignment), le);
}

/** Bytes that a note's name or content takes. */
function padded(bytes: number): number {
  return Math.ceil(bytes / 4) * 4;
}

function encodeNotes(notes: readonly ElfNote[], le: boolean): Uint8Array {
  const names = notes.map(({ name }) => encodeText(`${name}\0`));
  const total = notes.reduce(
    (sum, { content }, index) => sum + 12 + padded(names[index]!.length) + padded(content.length),
    0,
  );
  const bytes = new Uint8Array(total);
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const [index, { type, content }] of notes.entries()) {
    const name = names[index]!;
    view.setUint32(at, name.length, le);
    view.setUint32(at + 4, content.length, le);
    view.setUint32(at + 8, type, le);
    bytes.set(name, at + 12);
    at += 12 + padded(name.length);
    bytes.set(content, at);
    at += padded(content.length);
  }
  return bytes;
}
