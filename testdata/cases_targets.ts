/**
 * The cases of other targets: other page sizes, byte orders and iterable sections.
 *
 * @module
 */

import type { CaseSpec } from "./case.ts";
import { aarch64Program, patternPages, pseriesProgram, riscvProgram } from "./guest.ts";

type TargetSpec = Partial<CaseSpec> & Pick<CaseSpec, "name" | "about" | "target" | "args">;

function target(spec: TargetSpec): CaseSpec {
  return { series: "10.0", guest: "stopped", transport: "file", ...spec };
}

/** Arguments that put the pattern file into guest memory. */
function pattern(address: number): string {
  return `-device loader,file=pattern.bin,force-raw=on,addr=0x${address.toString(16)}`;
}

/** Arguments that put the program into guest memory and the first processor behind it. */
function program(address: number): string {
  return `-device loader,file=program.bin,force-raw=on,cpu-num=0,addr=0x${address.toString(16)}`;
}

/** All cases with another guest. */
export const TARGET_CASES: readonly CaseSpec[] = [
  target({
    name: "aarch64-virt",
    about: "announced page size, two processors, two flash blocks of 64 MiB without content",
    target: "aarch64",
    args: "-machine virt,gic-version=3 -cpu cortex-a57 -smp 2 -m 2M " +
      `${program(0x40100000)} ${pattern(0x40140000)}`,
    files: { "program.bin": aarch64Program(), "pattern.bin": patternPages(4096, 10) },
    guest: "ran",
  }),
  target({
    name: "arm-microbit",
    about: "pages of 1 KiB",
    target: "arm",
    args: `-machine microbit ${pattern(0)}`,
    files: { "pattern.bin": patternPages(1024, 10) },
  }),
  target({
    name: "riscv64-virt",
    about: "RISC-V",
    target: "riscv64",
    args: `-machine virt -bios none -m 2M ${program(0x80000000)} ${pattern(0x80040000)}`,
    files: { "program.bin": riscvProgram(), "pattern.bin": patternPages(4096, 10) },
    guest: "ran",
  }),
  target({
    name: "s390x",
    about: "storage attributes, storage keys, and an array of pointers most of which are null",
    target: "s390x",
    args: `-machine s390-ccw-virtio -m 4M ${pattern(0x10000)}`,
    files: { "pattern.bin": patternPages(4096, 10) },
  }),
  target({
    name: "s390x-11.1",
    about: "the same of QEMU 11.1",
    series: "11.1",
    target: "s390x",
    args: `-machine s390-ccw-virtio -m 4M ${pattern(0x10000)}`,
    files: { "pattern.bin": patternPages(4096, 10) },
  }),
  target({
    name: "s390x-mapped",
    about: "mapped-ram of a big-endian guest",
    target: "s390x",
    args: `-machine s390-ccw-virtio -m 4M ${pattern(0x10000)}`,
    files: { "pattern.bin": patternPages(4096, 10) },
    capabilities: ["mapped-ram"],
  }),
  target({
    name: "alpha-clipper",
    about: "pages of 8 KiB",
    target: "alpha",
    args: `-machine clipper -m 2M ${pattern(0x100000)}`,
    files: { "pattern.bin": patternPages(8192, 10) },
  }),
  target({
    name: "tricore",
    about: "pages of 16 KiB, many RAM blocks",
    target: "tricore",
    args: `-machine tricore_testboard ${pattern(0xa1000000)}`,
    files: { "pattern.bin": patternPages(16384, 10) },
  }),
  target({
    name: "avr-uno",
    about: "pages of 256 bytes: the flags of compression and multifd are address bits",
    target: "avr",
    args: "-machine arduino-uno",
    files: {},
  }),
  target({
    name: "ppc64-pseries",
    about: "a hash page table with entries",
    target: "ppc64",
    args: "-machine pseries -cpu power8 -m 256M -bios program.bin",
    files: { "program.bin": pseriesProgram() },
    guest: "ran",
  }),
  target({
    name: "sparc-ss5",
    about: "a 32-bit big-endian machine",
    target: "sparc",
    args: `-machine SS-5 -m 2M ${pattern(0x10000)}`,
    files: { "pattern.bin": patternPages(4096, 10) },
  }),
];
