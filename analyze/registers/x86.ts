/**
 * The registers of an x86 processor.
 *
 * ```text
 * rax rbx rcx rdx rsi rdi rbp rsp r8..r15 rip rflags    eax.. eip eflags for a processor without 64-bit mode
 * es cs ss ds fs gs ldt tr . selector base limit flags  flags: the second word of the descriptor
 * gdt idt . base limit
 * cr0 cr2 cr3 cr4 dr0..dr3 dr6 dr7 efer xcr0
 * star lstar cstar fmask kernel_gs_base sysenter_cs sysenter_esp sysenter_eip pat tsc tsc_aux smbase
 * fctrl fstat ftag (one bit a register, set: in use) fop fip fdp fpr0..fpr7 (80 bits, not in the order of the stack)
 * mxcsr xmm0.. (128 bits)  ymm0.. (256), zmm0.. (512), k0..k7: where xcr0 enables them
 * hflags a20_mask                                       QEMU's own
 * ```
 *
 * @module
 */

import type { DeviceFields } from "../fields.ts";
import { indexes, joinWords, numbered, RegisterReader, unsigned } from "./cpu_state.ts";

/** The order of `env.regs`, without the letter for the width. */
const GENERAL = ["ax", "cx", "dx", "bx", "sp", "bp", "si", "di"];
/** The order of `env.segs`. */
const SEGMENTS = ["es", "cs", "ss", "ds", "fs", "gs"];

/** Bits of XCR0: what AVX needs (SSE, AVX), and for AVX-512 masks, upper halves, registers 16 to 31. */
const XCR0_AVX = 0x06n;
const XCR0_AVX512 = 0xe6n;

const PLAIN_FIELDS: Readonly<Record<string, string>> = {
  cr0: "env.cr[0]",
  cr2: "env.cr[2]",
  cr3: "env.cr[3]",
  cr4: "env.cr[4]",
  efer: "env.efer",
  xcr0: "env.xcr0",
  star: "env.star",
  lstar: "env.lstar",
  cstar: "env.cstar",
  fmask: "env.fmask",
  kernel_gs_base: "env.kernelgsbase",
  sysenter_cs: "env.sysenter_cs",
  sysenter_esp: "env.sysenter_esp",
  sysenter_eip: "env.sysenter_eip",
  pat: "env.pat",
  tsc: "env.tsc",
  tsc_aux: "env.tsc_aux",
  smbase: "env.smbase",
  fctrl: "env.fpuc",
  fstat: "env.fpus_vmstate",
  ftag: "env.fptag_vmstate",
  mxcsr: "env.mxcsr",
  hflags: "env.hflags",
};

/** Whether the section is that of an x86 processor, and of which kind. */
export function x86Kind(cpu: DeviceFields): "x86_64" | "i386" | undefined {
  if (!cpu.has("env.eip") || !cpu.has("env.segs")) return undefined;
  return cpu.numbers("env.regs").length > GENERAL.length ? "x86_64" : "i386";
}

/** Reads the registers of an x86 processor. */
export function readX86(cpu: DeviceFields): ReadonlyMap<string, bigint> {
  const reader = new RegisterReader(cpu);
  const letter = x86Kind(cpu) === "x86_64" ? "r" : "e";
  reader.array([...GENERAL.map((name) => letter + name), ...numbered("r", 8, 8)], "env.regs");
  reader.field(`${letter}ip`, "env.eip");
  reader.field(`${letter}flags`, "env.eflags");
  readSegments(cpu, reader);
  for (const [name, field] of Object.entries(PLAIN_FIELDS)) reader.field(name, field);
  reader.array(["dr0", "dr1", "dr2", "dr3", undefined, undefined, "dr6", "dr7"], "env.dr");
  reader.set("a20_mask", unsigned(cpu.number("env.a20_mask"), 32));
  readFloatingPoint(cpu, reader);
  readVectors(cpu, reader);
  return reader.registers;
}

function readSegments(cpu: DeviceFields, reader: RegisterReader): void {
  const segments: [string, DeviceFields | undefined][] = [];
  const six = cpu.structs("env.segs");
  SEGMENTS.forEach((name, index) => segments.push([name, six[index]]));
  for (const name of ["ldt", "tr", "gdt", "idt"]) {
    segments.push([name, cpu.structs(`env.${name}`)[0]]);
  }
  for (const [name, segment] of segments) {
    if (segment === undefined) continue;
    const isTable = name === "gdt" || name === "idt";
    for (const part of isTable ? ["base", "limit"] : ["selector", "base", "limit", "flags"]) {
      reader.field(`${name}.${part}`, part, segment);
    }
  }
}

function readFloatingPoint(cpu: DeviceFields, reader: RegisterReader): void {
  const pointers = cpu.subsection("cpu/fpop_ip_dp");
  reader.field("fop", "env.fpop", pointers);
  reader.field("fip", "env.fpip", pointers);
  reader.field("fdp", "env.fpdp", pointers);
  for (const [index, register] of cpu.structs("env.fpregs").entries()) {
    const parts = register.structs("tmp")[0];
    reader.set(`fpr${index}`, joinWords([parts?.number("tmp_mant"), parts?.number("tmp_exp")]));
  }
}

/** The words of the vector registers, which different fields hold by twos and fours. */
function readVectors(cpu: DeviceFields, reader: RegisterReader): void {
  const words: (bigint | undefined)[][] = indexes(32).map(() => []);
  const add = (
    fields: readonly DeviceFields[],
    firstRegister: number,
    first: number,
    count = 2,
  ) => {
    for (const [index, register] of fields.entries()) {
      const row = words[firstRegister + index] ?? [];
      for (let word = first; word < first + count; word++) {
        row[word] = register.number(`_q_ZMMReg[${word}]`);
      }
    }
  };
  add(cpu.structs("env.xmm_regs[0]"), 0, 0);
  add(cpu.structs("env.xmm_regs[1]"), 0, 2);
  const avx512 = cpu.subsection("cpu/avx512");
  // Fields that would have one name are numbered; with 32 bits there is only one.
  add(avx512?.structs("env.xmm_regs[0]") ?? [], 0, 4, 4);
  add(avx512?.structs("env.xmm_regs") ?? [], 0, 4, 4);
  add(avx512?.structs("env.xmm_regs[1]") ?? [], 16, 0, 8);
  const xcr0 = reader.registers.get("xcr0") ?? 0n;
  const part = (row: readonly (bigint | undefined)[], count: number) =>
    joinWords(indexes(count).map((word) => row[word]));
  for (const [index, row] of words.slice(0, 16).entries()) {
    reader.set(`xmm${index}`, part(row, 2));
    if ((xcr0 & XCR0_AVX) === XCR0_AVX) reader.set(`ymm${index}`, part(row, 4));
  }
  if ((xcr0 & XCR0_AVX512) !== XCR0_AVX512) return;
  // QEMU leaves the subsection out where all of it is zero.
  for (const index of indexes(8)) {
    reader.set(`k${index}`, avx512?.number("env.opmask_regs", index) ?? 0n);
  }
  for (const [index, row] of words.entries()) {
    reader.set(`zmm${index}`, joinWords(indexes(8).map((word) => row[word] ?? 0n)));
  }
}
