/** Other targets, where their QEMU is installed beside the one of x86: other page sizes, byte orders and RAM blocks. */

import { TARGET_CASES } from "../../testdata/cases_targets.ts";
import { missing } from "./command.ts";
import type { CaseSpec } from "../../testdata/case.ts";
import type { Qemu } from "../../testdata/qemu.ts";
import { checkSaved } from "./checks.ts";
import { BINARY, interopTest, waitFor, withFolder } from "./qemu.ts";
import { AARCH64, ARM, PPC64, type RegisterMap, RISCV, S390X } from "./registers.ts";
import { save } from "./scene.ts";

/** What the tests have to know of a target. */
interface Target {
  /** How its registers are read; without it they are not compared. */
  readonly registers?: RegisterMap;
  /** What `info registers` shows when the guest's program has arrived at its endless loop. */
  readonly arrived?: RegExp;
}

const TARGETS: Readonly<Record<string, Target>> = {
  aarch64: { registers: AARCH64, arrived: /X30=0000000000002e1e/ },
  arm: { registers: ARM },
  riscv64: { registers: RISCV, arrived: /x31\/t6 +000000000000011e/ },
  s390x: { registers: S390X },
  ppc64: { registers: PPC64, arrived: /NIP 0000000000000178/ },
  alpha: {},
  avr: {},
  tricore: {},
  sparc: {},
};

/** A target whose memory is small enough to be printed. */
const SMALL = new Set(["arm", "avr", "s390x", "sparc"]);

function prepare(spec: CaseSpec, { arrived }: Target): (vm: Qemu) => Promise<void> {
  return async (vm) => {
    if (spec.guest === "stopped" || arrived === undefined) return;
    await vm.qmp("cont");
    await waitFor("the guest's program", async () => {
      return arrived.test(await vm.hmp("info registers")) || undefined;
    });
    await vm.qmp("stop");
  };
}

for (const spec of TARGET_CASES.filter(({ series }) => series === "10.0")) {
  const target = TARGETS[spec.target];
  if (target === undefined) throw new Error(`Nothing is known of ${spec.target}`);
  const binary = BINARY.replace(/x86_64$/, spec.target);
  const needs = { capabilities: spec.capabilities ?? [], obstacle: missing(binary) };
  interopTest(`target ${spec.name}`, needs, async (t) => {
    await withFolder(async (folder) => {
      const saved = await save(folder, {
        args: spec.args,
        files: spec.files ?? {},
        binary,
        prepare: prepare(spec, target),
        capabilities: spec.capabilities ?? [],
      });
      await checkSaved(t, saved, {
        registers: target.registers ?? null,
        memory: SMALL.has(spec.target),
      });
    });
  });
}
