/** Physical memory and registers of other targets, where their QEMU is installed beside the one of x86. */

import { assert, assertEquals } from "@std/assert";
import { TARGET_CASES } from "../../testdata/cases_targets.ts";
import type { CaseSpec } from "../../testdata/case.ts";
import type { Qemu } from "../../testdata/qemu.ts";
import { migstream, migstreamBytes, missing } from "./command.ts";
import { addressTexts, assertSameMemory, CoreFile } from "./core_file.ts";
import { assertSameNotes, type PhysicalTruth, runUntil, savePhysical } from "./physical.ts";
import { BINARY, interopTest, withFolder } from "./qemu.ts";

/** What the tests have to know of a target. */
interface Target {
  /** Owners of the notes that QEMU's core file and ours have; where there are none, ours has no notes. */
  readonly notes: readonly string[];
  /** What the monitor tells and no stream has. */
  readonly untold?: RegExp;
}

const TARGETS: Readonly<Record<string, Target>> = {
  "aarch64-virt": { notes: ["CORE"] },
  "riscv64-virt": { notes: [] },
  "s390x": { notes: [] },
  // Flags of the translator, time base and decrementer, reservation.
  "ppc64-pseries": { notes: [], untold: / {2}HF .*|^TB .*\n| {5}RES .*/gm },
};

/** Lets a guest run until its registers show it. */
function prepare({ guest }: CaseSpec): (vm: Qemu) => Promise<void> {
  return async (vm) => {
    if (guest === "stopped") return;
    const before = await vm.hmp("info registers");
    const run = runUntil("the guest to run", async () => {
      return await vm.hmp("info registers") !== before;
    });
    await run(vm);
  };
}

for (const [name, target] of Object.entries(TARGETS)) {
  const spec = TARGET_CASES.find((each) => each.name === name);
  if (spec === undefined) throw new Error(`There is no ${name}`);
  const binary = BINARY.replace(/x86_64$/, spec.target);
  interopTest(`physical memory of ${name}`, { obstacle: missing(binary) }, async (t) => {
    await withFolder(async (folder) => {
      const scene = { args: spec.args, files: spec.files ?? {}, binary, prepare: prepare(spec) };
      const truth = await savePhysical(folder, scene);
      await t.step("ELF core", () => checkCore(folder, truth, target));
      await t.step("read", () => checkRead(truth));
      await t.step("registers", async () => {
        const expected = truth.registers.replace(target.untold ?? /^$/, "");
        assertEquals(await migstream(["registers", truth.stream]), expected);
      });
    });
  });
}

async function checkCore(folder: string, truth: PhysicalTruth, { notes }: Target): Promise<void> {
  const path = `${folder}/our.core`;
  await migstream(["extract", truth.stream, "--format", "elf", "--out", path], ["-R", "-W"]);
  using ours = CoreFile.open(path);
  using theirs = CoreFile.open(truth.cores[0]!);
  assertEquals(ours.machine, theirs.machine);
  assertEquals(addressTexts(ours.ranges), addressTexts(truth.map));
  // QEMU leaves flash chips out.
  const usual = truth.map.filter(({ kind }) => kind !== "romd");
  assertEquals(addressTexts(theirs.ranges), addressTexts(usual));
  for (const range of theirs.ranges) assertSameMemory(ours, theirs, range);
  if (notes.length > 0) assertSameNotes(ours, theirs, notes);
  else assertEquals(ours.notes, []);
}

/** Every range begins where QEMU says. */
async function checkRead({ stream, cores, map }: PhysicalTruth): Promise<void> {
  using core = CoreFile.open(cores[0]!);
  const usual = map.filter(({ kind }) => kind !== "romd");
  assert(usual.length > 0);
  for (const { guestAddress } of usual) {
    const expected = new Uint8Array(4096);
    core.read(guestAddress, expected);
    const where = ["--physical", `${guestAddress}`, "--length", "4096", "--raw"];
    assertEquals((await migstreamBytes(["read", stream, ...where])).toHex(), expected.toHex());
  }
}
