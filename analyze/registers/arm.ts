/**
 * The registers of an Arm processor.
 *
 * ```text
 * in AArch64 state  x0..x30 sp pc pstate v0..v31 (128 bits) fpcr fpsr, elr_el1.. spsr_el1.. sp_el0..
 * in AArch32 state  r0..r15 cpsr d0..d31 fpscr
 * M profile         r0..r15 xpsr d0..d15 fpscr, control_s control_ns primask_s .. (without security extension, only _ns), secure
 * ```
 *
 * and system registers by name (midr where a processor without AArch64 state has it).
 *
 * @module
 */

import type { DeviceFields } from "../fields.ts";
import { bitOf, indexes, joinWords, numbered, RegisterReader } from "./cpu_state.ts";

/** Numbers of 64-bit system registers in the list of a stream are those of KVM: this, and op0, op1, CRn, CRm, op2. */
const SYSTEM_REGISTER_64 = 0x6030_0000_0013_0000n;
/** The number of MIDR where it is a register of coprocessor 15. */
const MIDR_32 = 0x4020_0000_200f_0000n;
/** The number of a register that only processors with AArch64 state have. */
const ID_AA64PFR1_EL1 = SYSTEM_REGISTER_64 | 0xc021n;

/** Names of system registers, by op0, op1, CRn, CRm and op2. */
const SYSTEM_REGISTERS: Readonly<Record<string, readonly number[]>> = {
  midr_el1: [3, 0, 0, 0, 0],
  mpidr_el1: [3, 0, 0, 0, 5],
  id_aa64pfr1_el1: [3, 0, 0, 4, 1],
  sctlr_el1: [3, 0, 1, 0, 0],
  actlr_el1: [3, 0, 1, 0, 1],
  cpacr_el1: [3, 0, 1, 0, 2],
  ttbr0_el1: [3, 0, 2, 0, 0],
  ttbr1_el1: [3, 0, 2, 0, 1],
  tcr_el1: [3, 0, 2, 0, 2],
  afsr0_el1: [3, 0, 5, 1, 0],
  afsr1_el1: [3, 0, 5, 1, 1],
  esr_el1: [3, 0, 5, 2, 0],
  far_el1: [3, 0, 6, 0, 0],
  par_el1: [3, 0, 7, 4, 0],
  mair_el1: [3, 0, 10, 2, 0],
  amair_el1: [3, 0, 10, 3, 0],
  vbar_el1: [3, 0, 12, 0, 0],
  contextidr_el1: [3, 0, 13, 0, 1],
  tpidr_el1: [3, 0, 13, 0, 4],
  cntkctl_el1: [3, 0, 14, 1, 0],
  svcr: [3, 3, 4, 2, 2],
  tpidr_el0: [3, 3, 13, 0, 2],
  tpidrro_el0: [3, 3, 13, 0, 3],
  sctlr_el2: [3, 4, 1, 0, 0],
  hcr_el2: [3, 4, 1, 1, 0],
  cptr_el2: [3, 4, 1, 1, 2],
  ttbr0_el2: [3, 4, 2, 0, 0],
  tcr_el2: [3, 4, 2, 0, 2],
  vttbr_el2: [3, 4, 2, 1, 0],
  vtcr_el2: [3, 4, 2, 1, 2],
  esr_el2: [3, 4, 5, 2, 0],
  far_el2: [3, 4, 6, 0, 0],
  vbar_el2: [3, 4, 12, 0, 0],
  sctlr_el3: [3, 6, 1, 0, 0],
  scr_el3: [3, 6, 1, 1, 0],
  cptr_el3: [3, 6, 1, 1, 2],
  ttbr0_el3: [3, 6, 2, 0, 0],
  tcr_el3: [3, 6, 2, 0, 2],
  vbar_el3: [3, 6, 12, 0, 0],
};

/** Bits of FPSCR that are in FPCR and in FPSR. */
const FPCR_MASK = 0x07ff_9f00n;
const FPSR_MASK = 0xf800_009fn;
/** The number of the exception that is being handled, in XPSR. */
export const XPSR_EXCEPTION = 0x1ffn;
/** Bit of PSTATE and CPSR: set in AArch32 state. */
const STATE_32 = 4;

/** Whether the section is that of an Arm processor, and of which kind. */
export function armKind(cpu: DeviceFields): "aarch64" | "arm" | undefined {
  if (!cpu.has("env.xregs") || !cpu.has("cpsr")) return undefined;
  if (isMProfile(cpu)) return "arm";
  if (!bitOf(cpu.number("cpsr"), STATE_32)) return "aarch64";
  return cpu.numbers("cpreg_vmstate_indexes").includes(ID_AA64PFR1_EL1) ? "aarch64" : "arm";
}

function isMProfile(cpu: DeviceFields): boolean {
  return cpu.subsection("cpu/m") !== undefined;
}

/** Reads the registers of an Arm processor. */
export function readArm(cpu: DeviceFields): ReadonlyMap<string, bigint> {
  const reader = new RegisterReader(cpu);
  const vfp = cpu.subsection("cpu/vfp");
  if (isMProfile(cpu)) {
    readClassic(vfp, reader, 16);
    readMProfile(cpu, reader);
  } else if (bitOf(cpu.number("cpsr"), STATE_32)) {
    readClassic(vfp, reader, 32);
    reader.field("cpsr", "cpsr");
  } else readArm64(cpu, vfp, reader);
  readSystemRegisters(cpu, reader);
  return reader.registers;
}

function readArm64(
  cpu: DeviceFields,
  vfp: DeviceFields | undefined,
  reader: RegisterReader,
): void {
  reader.array([...numbered("x", 31), "sp"], "env.xregs");
  reader.field("pc", "env.pc");
  reader.field("pstate", "cpsr");
  // No exception is taken to level 0, but the array has a place for it.
  reader.array([undefined, ...numbered("elr_el", 3, 1)], "env.elr_el");
  reader.array(numbered("sp_el", 4), "env.sp_el");
  // What is in use stands in sp alone; its place among the others is out of date.
  const pstate = cpu.number("cpsr") ?? 0n;
  reader.set(`sp_el${bitOf(pstate, 0) ? pstate >> 2n & 3n : 0n}`, reader.registers.get("sp"));
  // Banks of AArch32 modes, of which three serve AArch64 state too: supervisor, hypervisor, monitor.
  const saved = cpu.numbers("env.banked_spsr");
  for (const [level, bank] of [[1, 1], [2, 6], [3, 7]] as const) {
    reader.set(`spsr_el${level}`, saved[bank]);
  }
  for (const index of indexes(32)) {
    reader.set(`v${index}`, joinWords(vfp?.numbers(`env.vfp.zregs[${index}].d`) ?? []));
  }
  const both = vfp?.number("fpscr");
  const apart = vfp?.subsection("cpu/vfp/fpcr_fpsr");
  reader.set(
    "fpcr",
    apart?.number("env.vfp.fpcr") ?? (both === undefined ? both : both & FPCR_MASK),
  );
  reader.set(
    "fpsr",
    apart?.number("env.vfp.fpsr") ?? (both === undefined ? both : both & FPSR_MASK),
  );
}

/** The registers of AArch32 state and of the M profile. */
function readClassic(
  vfp: DeviceFields | undefined,
  reader: RegisterReader,
  doubles: number,
): void {
  reader.array(numbered("r", 16), "env.regs");
  for (const index of indexes(doubles)) {
    reader.set(`d${index}`, vfp?.number(`env.vfp.zregs[${index >> 1}].d`, index & 1));
  }
  reader.field("fpscr", "fpscr", vfp);
}

function readMProfile(cpu: DeviceFields, reader: RegisterReader): void {
  const common = cpu.subsection("cpu/m");
  const security = cpu.subsection("cpu/m-security");
  const masks = common?.subsection("cpu/m/faultmask-primask");
  // The number of the exception, which is a part of XPSR, stands apart.
  const exception = common?.number("env.v7m.exception") ?? 0n;
  const xpsr = cpu.number("cpsr");
  reader.set("xpsr", xpsr === undefined ? xpsr : xpsr | exception & XPSR_EXCEPTION);
  reader.field("secure", "env.v7m.secure", security);
  for (const [bank, suffix] of [["M_REG_NS", "ns"], ["M_REG_S", "s"]] as const) {
    for (const name of ["control", "basepri", "vecbase", "faultmask", "primask"]) {
      const field = `env.v7m.${name}[${bank}]`;
      for (const fields of [common, masks, security]) {
        if (fields !== undefined) reader.field(`${name}_${suffix}`, field, fields);
      }
    }
  }
}

function readSystemRegisters(cpu: DeviceFields, reader: RegisterReader): void {
  const values = cpu.numbers("cpreg_vmstate_values");
  const byNumber = new Map(
    cpu.numbers("cpreg_vmstate_indexes").map((number, index) => [number, values[index]]),
  );
  for (const [name, [op0, op1, crn, crm, op2]] of Object.entries(SYSTEM_REGISTERS)) {
    const encoded = op0! << 14 | op1! << 11 | crn! << 7 | crm! << 3 | op2!;
    reader.set(name, byNumber.get(SYSTEM_REGISTER_64 | BigInt(encoded)));
  }
  reader.set("midr", byNumber.get(MIDR_32));
}
