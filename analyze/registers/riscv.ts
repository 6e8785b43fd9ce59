/**
 * The registers of a RISC-V processor, and their text.
 *
 * ```text
 * x0..x31 f0..f31 pc frm priv virt misa (its letters), and the other control and status registers that a stream has
 * ```
 *
 * The text is that of QEMU 10; later releases print nearly all control and status registers, of which a stream has a part. The flags
 * of floating-point exceptions are in no stream, so that `fcsr` has none.
 *
 * @module
 */

import type { DeviceFields } from "../fields.ts";
import { bitOf, type CpuState, indexes, numbered, RegisterReader } from "./cpu_state.ts";
import { hexDigits, RegisterText } from "./text.ts";

/** Control and status registers of which each is a field `env.<name>` of the section itself. */
const CONTROL = [
  ["mhartid", "mstatus", "mip", "mie", "mideleg", "medeleg", "mtvec", "mepc", "mcause", "mtval"],
  ["mscratch", "mvien", "mvip", "sie", "satp", "stval", "stvec", "sepc", "scause", "sscratch"],
  ["scounteren", "mcounteren", "mcountinhibit", "stimecmp", "frm", "priv"],
].flat();

/** Those of the hypervisor extension. */
const HYPERVISOR = [
  ["hstatus", "hedeleg", "hideleg", "hcounteren", "htval", "htinst", "hgatp", "hgeie", "hgeip"],
  ["hvien", "hvip", "htimedelta", "vstimecmp", "hvictl", "vsstatus", "vstvec", "vsscratch"],
  ["vsepc", "vscause", "vstval", "vsatp", "vsie", "mtval2", "mtinst"],
].flat();

const ENVIRONMENT = ["menvcfg", "senvcfg", "henvcfg"];

/** Names of the integer registers in calls. */
const INTEGER_NAMES = [
  [
    "zero",
    "ra",
    "sp",
    "gp",
    "tp",
    "t0",
    "t1",
    "t2",
    "s0",
    "s1",
    "a0",
    "a1",
    "a2",
    "a3",
    "a4",
    "a5",
  ],
  [
    "a6",
    "a7",
    "s2",
    "s3",
    "s4",
    "s5",
    "s6",
    "s7",
    "s8",
    "s9",
    "s10",
    "s11",
    "t3",
    "t4",
    "t5",
    "t6",
  ],
].flat();

/** Names of the floating-point registers in calls. */
const FLOAT_NAMES = [
  [
    "ft0",
    "ft1",
    "ft2",
    "ft3",
    "ft4",
    "ft5",
    "ft6",
    "ft7",
    "fs0",
    "fs1",
    "fa0",
    "fa1",
    "fa2",
    "fa3",
  ],
  ["fa4", "fa5", "fa6", "fa7", "fs2", "fs3", "fs4", "fs5", "fs6", "fs7", "fs8", "fs9", "fs10"],
  ["fs11", "ft8", "ft9", "ft10", "ft11"],
].flat();

/** The control and status registers that QEMU 10 prints, in its order; those with `true` only with the hypervisor extension. */
const SHOWN: readonly (readonly [name: string, hypervisor: boolean])[] = [
  ["mhartid", false],
  ["mstatus", false],
  ["hstatus", true],
  ["vsstatus", true],
  ["mip", false],
  ["mie", false],
  ["mideleg", false],
  ["hideleg", true],
  ["medeleg", false],
  ["hedeleg", true],
  ["mtvec", false],
  ["stvec", false],
  ["vstvec", true],
  ["mepc", false],
  ["sepc", false],
  ["vsepc", true],
  ["mcause", false],
  ["scause", false],
  ["vscause", true],
  ["mtval", false],
  ["stval", false],
  ["htval", true],
  ["mtval2", true],
  ["mscratch", false],
  ["sscratch", false],
  ["satp", false],
];

/** Guests of a 64-bit hypervisor have registers of 64 bits. */
const HSTATUS_VSXL_64 = 2n << 32n;
/** Set where one of the units below is dirty. */
const MSTATUS_SD = 1n << 63n;
/** Where the states of the vector unit, the floating-point unit and other extensions stand in mstatus; 3: dirty. */
const UNIT_STATES = [9n, 13n, 15n];

/** Whether the section is that of a 64-bit RISC-V processor. */
export function isRiscv64(cpu: DeviceFields): boolean {
  const registers = cpu.places("env.gpr").next().value;
  return registers?.sizeBytes === 8 && cpu.has("env.misa_ext");
}

/** Reads the registers of a RISC-V processor. */
export function readRiscv(cpu: DeviceFields): ReadonlyMap<string, bigint> {
  const reader = new RegisterReader(cpu);
  reader.array(numbered("x", 32), "env.gpr");
  reader.array(numbered("f", 32), "env.fpr");
  reader.field("pc", "env.pc");
  reader.field("virt", "env.virt_enabled");
  reader.field("misa", "env.misa_ext");
  for (const name of CONTROL) reader.field(name, `env.${name}`);
  const hypervisor = cpu.subsection("cpu/hyper");
  for (const name of HYPERVISOR) reader.field(name, `env.${name}`, hypervisor);
  const environment = cpu.subsection("cpu/envcfg");
  for (const name of ENVIRONMENT) reader.field(name, `env.${name}`, environment);
  return reader.registers;
}

/** The text of one processor. */
export function formatRiscv(cpu: CpuState): string {
  const text = new RegisterText(cpu);
  const hasHypervisor = bitOf(text.get("misa"), 7);
  const virt = text.get("virt");
  if (hasHypervisor && virt !== undefined) text.line([` V      =   ${virt}`]);
  const label = (name: string) => ` ${name.padEnd(8)} `;
  text.line([text.cell(label("pc"), "pc", 16)]);
  for (const [name, isHypervisor] of SHOWN) {
    if (isHypervisor && !hasHypervisor) continue;
    const value = asRead(name, text.get(name));
    text.line([value === undefined ? undefined : label(name) + hexDigits(value, 16)]);
  }
  const list = (letter: string, names: readonly string[]) =>
    indexes(32).map((index) =>
      text.cell(label(`${letter}${index}/${names[index]}`), `${letter}${index}`, 16)
    );
  text.rows(4, list("x", INTEGER_NAMES), "");
  const rounding = text.get("frm");
  if (rounding !== undefined) {
    text.line([label("fcsr") + hexDigits(rounding << 5n, 16)]);
  }
  text.rows(4, list("f", FLOAT_NAMES), "");
  return text.text;
}

/** The register as a program reads it, with the fields that follow from others or never change. */
function asRead(name: string, value: bigint | undefined): bigint | undefined {
  if (value === undefined) return undefined;
  if (name === "hstatus") return value & ~(3n << 32n) | HSTATUS_VSXL_64;
  if (name !== "mstatus") return value;
  const isDirty = UNIT_STATES.some((shift) => (value >> shift & 3n) === 3n);
  return isDirty ? value | MSTATUS_SD : value;
}
