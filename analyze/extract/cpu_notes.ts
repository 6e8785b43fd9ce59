/**
 * The notes of an ELF core about the guest's processors, from what the stream says of their registers.
 *
 * ```text
 * x86_64   CORE NT_PRSTATUS, 336 bytes: pid at 32; from 112 on r15 r14 r13 r12 rbp rbx r11 r10 r9 r8 rax rcx rdx rsi rdi orig_rax rip
 *          cs eflags rsp ss fs_base gs_base ds es fs gs
 *          QEMU 0, 440 bytes: version, size, general registers, ten segments, control registers
 * aarch64  CORE NT_PRSTATUS, 392 bytes: pid at 32; from 112 on x0..x30 sp pc pstate, then 1: there is NT_PRFPREG
 *          CORE NT_PRFPREG, 528 bytes: v0..v31, fpsr, fpcr
 * ```
 *
 * @module
 */

import { ELF_MACHINE, ELF_NOTE, type ElfNote } from "../../format/elf_core.ts";
import type { CpuArchitecture, CpuState } from "../registers/mod.ts";

/** What an instruction set means for a core file. */
interface CoreTarget {
  readonly machine: number;
  readonly littleEndian: boolean;
  /** The notes of one processor; missing where nobody has settled on a form here. */
  readonly notes?: (cpu: CpuState) => { core: ElfNote[]; qemu: ElfNote[] };
}

const TARGETS: Readonly<Record<CpuArchitecture, CoreTarget>> = {
  x86_64: { machine: ELF_MACHINE.X86_64, littleEndian: true, notes: x86Notes },
  i386: { machine: ELF_MACHINE.X86_64, littleEndian: true, notes: x86Notes },
  aarch64: { machine: ELF_MACHINE.AARCH64, littleEndian: true, notes: aarch64Notes },
  arm: { machine: ELF_MACHINE.ARM, littleEndian: true },
  riscv64: { machine: ELF_MACHINE.RISCV, littleEndian: true },
  ppc64: { machine: ELF_MACHINE.PPC64, littleEndian: false },
  s390x: { machine: ELF_MACHINE.S390, littleEndian: false },
};

/** What a core file says of the processors. */
export interface CpuNotes {
  /** Instruction set (`e_machine`). */
  readonly machine: number;
  /** Whether numbers in the file are little-endian. */
  readonly littleEndian: boolean;
  /** The notes: those of `CORE` of all processors, then QEMU's. */
  readonly notes: readonly ElfNote[];
  /** Why there are no notes. */
  readonly missing?: string;
}

/** Makes the notes of all processors. */
export function cpuNotes(cpus: readonly CpuState[]): CpuNotes {
  const [first] = cpus;
  if (first === undefined) {
    return {
      machine: ELF_MACHINE.NONE,
      littleEndian: true,
      notes: [],
      missing: "the stream describes no processor of a known kind",
    };
  }
  const { machine, littleEndian, notes } = TARGETS[first.architecture];
  if (notes === undefined) {
    const missing = `no notes about processors are made for ${first.architecture}`;
    return { machine, littleEndian, notes: [], missing };
  }
  const all = cpus.map(notes);
  return {
    machine,
    littleEndian,
    notes: [...all.flatMap(({ core }) => core), ...all.flatMap(({ qemu }) => qemu)],
  };
}

/** Writes registers one behind the other; those that the stream lacks are 0. */
class NoteWriter {
  readonly bytes: Uint8Array;
  readonly #view: DataView;
  readonly #registers: ReadonlyMap<string, bigint>;
  #at: number;

  constructor(size: number, cpu: CpuState, start: number) {
    this.bytes = new Uint8Array(size);
    this.#view = new DataView(this.bytes.buffer);
    this.#registers = cpu.registers;
    this.#at = start;
  }

  u32(value: bigint | number): this {
    this.#view.setUint32(this.#at, Number(BigInt.asUintN(32, BigInt(value))), true);
    this.#at += 4;
    return this;
  }

  u64(value: bigint): this {
    this.#view.setBigUint64(this.#at, value, true);
    this.#at += 8;
    return this;
  }

  /** A register by its name in a 64-bit processor; one without that mode has e... for r... */
  register(name: string): bigint {
    return this.#registers.get(name) ?? this.#registers.get(name.replace(/^r/, "e")) ?? 0n;
  }

  registers(...names: string[]): this {
    for (const name of names) this.u64(BigInt.asUintN(64, this.register(name)));
    return this;
  }
}

/** Bytes before the registers in `elf_prstatus` of 64-bit targets, and where the process id stands in them. */
const PRSTATUS_REGISTERS = 112;
const PRSTATUS_PID = 32;

function prstatus(size: number, cpu: CpuState): NoteWriter {
  const writer = new NoteWriter(size, cpu, PRSTATUS_REGISTERS);
  new DataView(writer.bytes.buffer).setUint32(PRSTATUS_PID, cpu.index + 1, true);
  return writer;
}

const X86_PRSTATUS_BYTES = 336;
const X86_QEMU_BYTES = 440;

function x86Notes(cpu: CpuState): { core: ElfNote[]; qemu: ElfNote[] } {
  const status = prstatus(X86_PRSTATUS_BYTES, cpu);
  status.registers("r15", "r14", "r13", "r12", "rbp", "rbx", "r11", "r10", "r9", "r8")
    .registers("rax", "rcx", "rdx", "rsi", "rdi")
    // No system call is under way.
    .u64(0n)
    .registers("rip", "cs.selector", "rflags", "rsp", "ss.selector", "fs.base", "gs.base")
    .registers("ds.selector", "es.selector", "fs.selector", "gs.selector");
  const own = new NoteWriter(X86_QEMU_BYTES, cpu, 0);
  own.u32(1).u32(X86_QEMU_BYTES)
    .registers("rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rsp", "rbp")
    .registers("r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "rip", "rflags");
  for (const name of ["cs", "ds", "es", "fs", "gs", "ss", "ldt", "tr", "gdt", "idt"]) {
    own.u32(own.register(`${name}.selector`)).u32(own.register(`${name}.limit`))
      .u32(own.register(`${name}.flags`)).u32(0).registers(`${name}.base`);
  }
  own.registers("cr0", "cr1", "cr2", "cr3", "cr4", "kernel_gs_base");
  return {
    core: [{ name: "CORE", type: ELF_NOTE.PRSTATUS, content: status.bytes }],
    qemu: [{ name: "QEMU", type: ELF_NOTE.QEMU, content: own.bytes }],
  };
}

const AARCH64_PRSTATUS_BYTES = 392;
const AARCH64_PRFPREG_BYTES = 528;

function aarch64Notes(cpu: CpuState): { core: ElfNote[]; qemu: ElfNote[] } {
  const status = prstatus(AARCH64_PRSTATUS_BYTES, cpu);
  for (let index = 0; index <= 30; index++) status.registers(`x${index}`);
  // A note with the floating-point registers follows (`pr_fpvalid`).
  status.registers("sp", "pc", "pstate").u32(1);
  const vectors = new NoteWriter(AARCH64_PRFPREG_BYTES, cpu, 0);
  for (let index = 0; index < 32; index++) {
    const value = vectors.register(`v${index}`);
    vectors.u64(BigInt.asUintN(64, value)).u64(BigInt.asUintN(64, value >> 64n));
  }
  vectors.u32(vectors.register("fpsr")).u32(vectors.register("fpcr"));
  return {
    core: [
      { name: "CORE", type: ELF_NOTE.PRSTATUS, content: status.bytes },
      { name: "CORE", type: ELF_NOTE.PRFPREG, content: vectors.bytes },
    ],
    qemu: [],
  };
}
