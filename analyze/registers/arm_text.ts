/**
 * The registers of an Arm processor as QEMU's monitor prints them.
 *
 * Left out is what streams don't have (on processors without AArch64 state, whether the state is secure), and the registers
 * of SVE: where QEMU would print those, their lowest 128 bits are printed as it does without SVE.
 *
 * @module
 */

import { XPSR_EXCEPTION } from "./arm.ts";
import { bitOf, type CpuState, indexes } from "./cpu_state.ts";
import { flagLetters, hexDigits, RegisterText, twoDigits } from "./text.ts";

/** N, Z, C and V. */
const CONDITION_BITS = [31, 30, 29, 28];
const CONDITION_LETTERS = "NZCV";

/** AArch32 modes, by the lowest four bits of CPSR. */
const MODES = [
  ["usr", "fiq", "irq", "svc", "???", "???", "mon", "abt"],
  ["???", "???", "hyp", "und", "???", "???", "???", "sys"],
].flat();
const MODE_MONITOR = 6;

/** Part numbers of processors whose VFP has 16 double registers, not 32: ARM9, ARM10, ARM11, Cortex-R5. */
const PARTS_WITH_16_DOUBLES = new Set([0x926n, 0xa26n, 0xb02n, 0xb36n, 0xb56n, 0xb76n, 0xc15n]);

/** The text of one processor; `isNew` for the form of QEMU 11. */
export function formatArm(cpu: CpuState, isNew: boolean): string {
  const text = new RegisterText(cpu);
  if (text.get("pstate") !== undefined) writeArm64(text, isNew);
  else writeArm32(text);
  return text.text;
}

function writeArm64(text: RegisterText, isNew: boolean): void {
  text.rows(3, [
    text.cell(" PC=", "pc", 16),
    ...indexes(31).map((index) => text.cell(`X${twoDigits(index)}=`, `x${index}`, 16)),
    text.cell(" SP=", "sp", 16),
  ]);
  const pstate = text.get("pstate") ?? 0n;
  const level = Number(pstate >> 2n & 3n);
  let line = `PSTATE=${hexDigits(pstate, isNew ? 16 : 8)} ${conditions(pstate)} ` +
    `${securityText(text, level === 3)}EL${level}${bitOf(pstate, 0) ? "h" : "t"}`;
  const features = text.get("id_aa64pfr1_el1") ?? 0n;
  const svcr = text.get("svcr");
  if ((features >> 24n & 15n) !== 0n && svcr !== undefined) {
    line += `  SVCR=${hexDigits(svcr, 8)} ${bitOf(svcr, 1) ? "Z" : "-"}${
      bitOf(svcr, 0) ? "S" : "-"
    }`;
  }
  if ((features & 15n) !== 0n) line += `  BTYPE=${pstate >> 10n & 3n}`;
  if (!isFpuEnabled(text, level)) {
    text.line([line, "FPU disabled"], "    ");
    return;
  }
  const control = [text.cell("FPCR=", "fpcr", 8), text.cell("FPSR=", "fpsr", 8)];
  text.line([line, ...control.some((cell) => cell !== undefined) ? ["   "] : [], ...control]);
  text.rows(
    2,
    indexes(32).map((index) => {
      const value = text.get(`v${index}`);
      if (value === undefined) return undefined;
      return `Q${twoDigits(index)}=${hexDigits(value >> 64n, 16)}:${hexDigits(value, 16)}`;
    }),
  );
}

function conditions(value: bigint): string {
  return flagLetters(value, CONDITION_LETTERS, CONDITION_BITS);
}

/** Secure or not, of a processor that knows the difference, unless it is at the level that decides. */
function securityText(text: RegisterText, decides: boolean): string {
  const control = text.get("scr_el3");
  if (decides || control === undefined) return "";
  return bitOf(control, 0) ? "NS " : "S ";
}

/** Whether floating-point instructions can be used at this level: CPACR_EL1, CPTR_EL2 and CPTR_EL3 may forbid it. */
function isFpuEnabled(text: RegisterText, level: number): boolean {
  const hypervisor = text.get("hcr_el2");
  const secure = text.get("scr_el3");
  const isSecure = secure !== undefined && !bitOf(secure, 0);
  const hasHypervisor = hypervisor !== undefined && (!isSecure || bitOf(secure, 18));
  const isHost = hasHypervisor && bitOf(hypervisor, 34);
  const tge = hasHypervisor && bitOf(hypervisor, 27);
  if (level <= 1 && !(isHost && tge)) {
    const enabled = (text.get("cpacr_el1") ?? 0n) >> 20n & 3n;
    if (enabled !== 3n && !(enabled === 1n && level === 1)) return false;
  }
  if (level <= 2 && hasHypervisor) {
    const trap = text.get("cptr_el2") ?? 0n;
    const enabled = trap >> 20n & 3n;
    if (!isHost && bitOf(trap, 10)) return false;
    if (isHost && enabled !== 3n && !(enabled === 1n && !(level === 0 && tge))) return false;
  }
  return !bitOf(text.get("cptr_el3"), 10);
}

function writeArm32(text: RegisterText): void {
  text.rows(4, indexes(16).map((index) => text.cell(`R${twoDigits(index)}=`, `r${index}`, 8)));
  const xpsr = text.get("xpsr");
  const cpsr = text.get("cpsr");
  if (xpsr !== undefined) {
    const state = bitOf(xpsr, 24) ? "T" : "A";
    text.line([`XPSR=${hexDigits(xpsr, 8)}`, conditions(xpsr), state + modeOfM(text)]);
  }
  if (cpsr !== undefined) {
    const mode = Number(cpsr & 15n);
    const state = bitOf(cpsr, 5) ? "T" : "A";
    const security = securityText(text, mode === MODE_MONITOR);
    text.line([
      `PSR=${hexDigits(cpsr, 8)}`,
      conditions(cpsr),
      state,
      `${security}${MODES[mode]}${bitOf(cpsr, 4) ? 32 : 26}`,
    ]);
  }
  const part = (text.get("midr") ?? 0n) >> 4n & 0xfffn;
  const doubles = xpsr !== undefined || PARTS_WITH_16_DOUBLES.has(part) ? 16 : 32;
  for (const index of indexes(doubles)) {
    const value = text.get(`d${index}`);
    if (value === undefined) continue;
    text.line([
      `s${twoDigits(2 * index)}=${hexDigits(value, 8)}`,
      `s${twoDigits(2 * index + 1)}=${hexDigits(value >> 32n, 8)}`,
      `d${twoDigits(index)}=${hexDigits(value, 16)}`,
    ]);
  }
  text.line([`FPSCR: ${hexDigits(text.get("fpscr") ?? 0n, 8)}`]);
}

/** Security and mode of an M-profile processor, with the blank before them. */
function modeOfM(text: RegisterText): string {
  const secure = text.get("secure");
  const security = secure === undefined ? "" : secure !== 0n ? " S" : " NS";
  if (((text.get("xpsr") ?? 0n) & XPSR_EXCEPTION) !== 0n) return `${security} handler`;
  const control = text.get(secure ? "control_s" : "control_ns") ?? 0n;
  return `${security} ${bitOf(control, 0) ? "unpriv" : "priv"}-thread`;
}
