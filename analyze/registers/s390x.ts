/**
 * The registers of an s390x processor, and their text.
 *
 * ```text
 * r0..r15 psw_mask psw_addr a0..a15 c0..c15 v0..v31 (128 bits; the left half of the first 16 is f0..f15) fpc
 * prefix todpr cputm ckc gbea pp pfault_token pfault_compare pfault_select
 * ```
 *
 * The condition code is in the mask of the PSW. An emulated processor may have it elsewhere, still to be computed; QEMU then prints
 * the operation (`cc CC_OP_ADD_32`), and the stream does not have it.
 *
 * @module
 */

import type { DeviceFields } from "../fields.ts";
import { type CpuState, indexes, joinWords, numbered, RegisterReader } from "./cpu_state.ts";
import { RegisterText, twoDigits } from "./text.ts";

const PLAIN_FIELDS: Readonly<Record<string, string>> = {
  psw_mask: "env.psw.mask",
  psw_addr: "env.psw.addr",
  prefix: "env.psa",
  todpr: "env.todpr",
  cputm: "env.cputm",
  ckc: "env.ckc",
  gbea: "env.gbea",
  pp: "env.pp",
  pfault_token: "env.pfault_token",
  pfault_compare: "env.pfault_compare",
  pfault_select: "env.pfault_select",
};

/** Whether the section is that of an s390x processor. */
export function isS390x(cpu: DeviceFields): boolean {
  return cpu.has("env.psw.mask") && cpu.has("env.cregs");
}

/** Reads the registers of an s390x processor. */
export function readS390x(cpu: DeviceFields): ReadonlyMap<string, bigint> {
  const reader = new RegisterReader(cpu);
  reader.array(numbered("r", 16), "env.regs");
  for (const [name, field] of Object.entries(PLAIN_FIELDS)) reader.field(name, field);
  reader.array(numbered("a", 16), "env.aregs");
  reader.array(numbered("c", 16), "env.cregs");
  const fpu = cpu.subsection("cpu/fpu");
  const vregs = cpu.subsection("cpu/vregs");
  reader.field("fpc", "env.fpc", fpu);
  for (const index of indexes(32)) {
    const half = (which: number) => {
      const name = `env.vregs[${index}][${which}]`;
      return fpu?.number(name) ?? vregs?.number(name);
    };
    // Without the vector facility, and while all of it is zero, only the left halves of the first 16 are there.
    const left = half(0) ?? (vregs === undefined && fpu !== undefined ? 0n : undefined);
    const right = half(1) ?? (vregs === undefined && fpu !== undefined ? 0n : undefined);
    reader.set(`v${index}`, joinWords([right, left]));
  }
  return reader.registers;
}

/** The text of one processor. */
export function formatS390x(cpu: CpuState, hasFpc: boolean): string {
  const text = new RegisterText(cpu);
  const mask = text.get("psw_mask");
  text.line([
    text.cell("PSW=mask ", "psw_mask", 16),
    text.cell("addr ", "psw_addr", 16),
    mask === undefined ? undefined : `cc 0${mask >> 44n & 3n}`,
  ]);
  const list = (label: string, name: string, count: number, digits: number) =>
    indexes(count).map((index) => text.cell(`${label}${twoDigits(index)}=`, name + index, digits));
  text.rows(4, list("R", "r", 16, 16));
  text.rows(2, list("V", "v", 32, 32));
  if (hasFpc) text.line([text.cell("FPC=", "fpc", 8)]);
  text.rows(4, list("C", "c", 16, 16));
  return `${text.text}\n`;
}
