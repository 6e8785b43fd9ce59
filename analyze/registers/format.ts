/**
 * The registers of a processor as QEMU's monitor prints them.
 *
 * @module
 */

import { formatArm } from "./arm_text.ts";
import type { CpuState } from "./cpu_state.ts";
import { formatPpc } from "./ppc.ts";
import { formatRiscv } from "./riscv.ts";
import { formatS390x } from "./s390x.ts";
import { formatX86 } from "./x86_text.ts";

/** How registers are printed. */
export interface FormatRegistersOptions {
  /** Release whose form the text has; they differ in the digits of PSTATE (aarch64) and in the line of FPC (s390x). Default 10. */
  readonly qemuMajor?: number;
}

/** As `info registers -a` prints this processor: an empty line, the head `CPU#n`, its registers. */
export function formatRegisters(cpu: CpuState, options: FormatRegistersOptions = {}): string {
  const isNew = (options.qemuMajor ?? 10) >= 11;
  switch (cpu.architecture) {
    case "x86_64":
    case "i386":
      return formatX86(cpu);
    case "aarch64":
    case "arm":
      return formatArm(cpu, isNew);
    case "riscv64":
      return formatRiscv(cpu);
    case "ppc64":
      return formatPpc(cpu);
    case "s390x":
      return formatS390x(cpu, isNew);
  }
}
