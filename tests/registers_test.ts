/**
 * The registers of processors: the text is what the QEMU that wrote the stream printed, and the values are those that the guest's
 * program left.
 */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import fc from "fast-check";
import { DeviceFields } from "../analyze/fields.ts";
import {
  type CpuArchitecture,
  cpuEntries,
  type CpuState,
  formatRegisters,
  readCpuStates,
} from "../analyze/registers/mod.ts";
import { readState, type StreamState } from "../analyze/state.ts";
import { BytesSource } from "../format/source.ts";
import { parseVmdescription, type Vmdescription } from "../format/vmdescription.ts";
import { caseNames, loadCase, loadStream, loadTruth } from "./testdata.ts";

/** Targets whose processors are known. */
const TARGETS = new Set(["x86_64", "aarch64", "arm", "riscv64", "ppc64", "s390x"]);

function stateOf(name: string, vmdescription?: Vmdescription): StreamState {
  return readState(new BytesSource(loadStream(name)), {
    offset: loadCase(name).streamOffset,
    ...(vmdescription === undefined ? {} : { vmdescription }),
  });
}

function textOf(name: string, cpus: readonly CpuState[]): string {
  const qemuMajor = parseInt(loadCase(name).qemu);
  return cpus.map((cpu) => formatRegisters(cpu, { qemuMajor })).join("");
}

/** What QEMU printed, without what it alone knows: flags of the translator, time base and decrementer, reservation of POWER. */
function knowable(name: string): string {
  const truth = loadTruth(name).registers ?? "";
  if (loadCase(name).arch !== "ppc64") return truth;
  return truth.replace(/ {2}HF .*/g, "").replace(/^TB .*\n/gm, "").replace(/ {5}RES .*/g, "");
}

const described = caseNames(({ name, arch, truth }) =>
  TARGETS.has(arch) && (truth.registers ?? "") !== "" &&
  stateOf(name).descriptionOrigin === "stream"
);

Deno.test("registers: most recorded streams have some, of each known target", () => {
  assert(described.length >= 42);
  assertEquals(new Set(described.map((name) => loadCase(name).arch)), TARGETS);
});

for (const name of described) {
  Deno.test(`registers: the text of ${name} is QEMU's own`, () => {
    assertEquals(textOf(name, readCpuStates(stateOf(name))), knowable(name));
  });
}

Deno.test("registers: a description from another image of the machine does", () => {
  assertEquals(readCpuStates(stateOf("pc-no-vmdesc")), []);
  assertEquals(cpuEntries(stateOf("pc-no-vmdesc")).length, 1);
  const { vmdescription } = stateOf("pc-zero-none");
  const given = parseVmdescription(vmdescription!.text, vmdescription!.offset);
  const cpus = readCpuStates(stateOf("pc-no-vmdesc", given));
  assertEquals(textOf("pc-no-vmdesc", cpus), loadTruth("pc-no-vmdesc").registers);
});

Deno.test("registers: no processor, or none of a known kind, gives none", () => {
  assertEquals(cpuEntries(stateOf("none")), []);
  for (const name of ["none", "alpha-clipper", "sparc-ss5", "tricore", "avr-uno"]) {
    assertEquals(readCpuStates(stateOf(name)), [], name);
  }
});

Deno.test("registers: names and values of a guest in 64-bit mode", () => {
  const [first, second] = readCpuStates(stateOf("pc-long-mode"));
  assertEquals([first!.index, first!.architecture, first!.halted], [0, "x86_64", true]);
  assertEquals([second!.index, second!.architecture, second!.halted], [1, "x86_64", true]);
  const values: Record<string, bigint> = {
    "rax": 0x18171615_14131211n,
    "r14": 0x06050403_020100ffn,
    "rip": 0xf01fcn,
    "rflags": 0x16n,
    "cs.selector": 8n,
    "cs.limit": 0xffff_ffffn,
    "cs.flags": 0x00af_9a00n,
    "gs.base": 0xffff_8000_1234_5678n,
    "ldt.base": 0x6000n,
    "tr.limit": 0x67n,
    "gdt.base": 0xf0400n,
    "gdt.limit": 0x37n,
    "cr0": 0x8000_0011n,
    "cr3": 0x1000n,
    "efer": 0x501n,
    "xcr0": 7n,
    "mxcsr": 0x1f80n,
    "fctrl": 0x37fn,
    "fstat": 0x3000n,
    "ftag": 0xc0n,
    "fpr6": 0x4000_c90f_daa2_2168_c235n,
    "xmm15": 0x1234_5678_0000_0000_ffff_8000n,
    "ymm1": 0x1234_5678n << 128n,
  };
  for (const [name, value] of Object.entries(values)) {
    assertEquals(first!.registers.get(name), value, name);
  }
  assertEquals(second!.registers.get("rip"), 0xfff0n);
  assertEquals(first!.registers.has("zmm0"), false);
});

Deno.test("registers: names and values of other guests", () => {
  const values: [string, number, Record<string, bigint>][] = [
    ["aarch64-virt", 0, {
      x0: 0x1000n,
      x30: 0x2e1en,
      sp: 0n,
      pc: 0x4010007cn,
      pstate: 0x400003c5n,
      v31: 0n,
      fpsr: 0n,
      fpcr: 0n,
      sctlr_el1: 0x00c50838n,
    }],
    ["aarch64-virt", 1, { x0: 0n, pc: 0n }],
    ["arm-microbit", 0, { r13: 0x01010100n, r15: 0x01010100n, xpsr: 0x41000000n }],
    ["riscv64-virt", 0, { x31: 0x11en, pc: 0x8000007cn, mstatus: 0xa_0000_0000n, priv: 3n }],
    ["s390x-11.1", 0, { psw_addr: 0x100b48n, c14: 0xc2000000n, v31: 0n, fpc: 0n }],
    ["ppc64-pseries", 0, {
      gpr4: 0x400n,
      nip: 0x178n,
      msr: 0x3000n,
      pvr: 0x4d0200n,
      lpcr: 0x1f008n,
    }],
  ];
  for (const [name, index, registers] of values) {
    const cpu = readCpuStates(stateOf(name))[index]!;
    for (const [register, value] of Object.entries(registers)) {
      assertEquals(cpu.registers.get(register), value, `${name} ${register}`);
    }
  }
});

function cpuOf(architecture: CpuArchitecture, registers: Record<string, bigint>): CpuState {
  return { index: 0, architecture, registers: new Map(Object.entries(registers)), halted: false };
}

/** States that no recorded guest is in; the lines are those of QEMU 10.0 with these values loaded. */
const LINES: [string, CpuState, string[]][] = [
  ["x86 protected mode", cpuOf("x86_64", { "hflags": 0x80n, "cs.flags": 0x409f00n }), [
    "CPL=0 II=0 SMM=0 HLT=0",
    "DPL=0 CS32 [CRA]",
  ]],
  [
    "x86 system descriptors",
    cpuOf("x86_64", {
      "hflags": 0x80n,
      "ds.flags": 0x7265ef00n,
      "es.flags": 0x008d00n,
      "tr.flags": 0x8b00n,
    }),
    ["DPL=0 Reserved", "DPL=3 TrapGate32", "DPL=0 TSS32-busy"],
  ],
  [
    "x86 compatibility mode",
    cpuOf("x86_64", {
      "hflags": 0x4080n,
      "rip": 0x1_0000_0010n,
      "cr2": 0x01b4_3aea_700e_7408n,
      "gdt.base": 0x5450_6239_167c_2f87n,
      "gdt.limit": 0xc625_eb5fn,
      "ds.flags": 0x009a_8d00n & ~0x1000n,
      "tr.flags": 0x8800n,
    }),
    ["EIP=00000010", "GDT=     54506239167c2f87 c625eb5f", "CR2=01b43aea700e7408", "Reserved"],
  ],
  ["x86 A20, SMM, interrupts held", cpuOf("x86_64", { hflags: 0x8008bn, a20_mask: 0xffefffffn }), [
    "CPL=3 II=1 A20=0 SMM=1 HLT=0",
  ]],
  ["i386", cpuOf("i386", { eax: 1n, eflags: 0x887n, dr0: 0n }), [
    "EAX=00000001\n",
    "EFL=00000887 [-OS--PC] HLT=0",
    "DR0=00000000 \n",
    "EFER=0000000000000000\n",
  ]],
  ["AVX-512", cpuOf("x86_64", { k0: 1n, zmm0: 1n << 448n }), [
    "Opmask00=0000000000000001\n",
    `ZMM00=0000000000000001${" 0000000000000000".repeat(7)}\n`,
  ]],
  [
    "aarch64 at level 2 with FPU",
    cpuOf("aarch64", {
      pstate: 0x900003c9n,
      scr_el3: 1n,
      hcr_el2: 0n,
      cptr_el2: 0x33ffn,
      fpcr: 0n,
      fpsr: 0n,
      v0: 0x42c17da8e1b80928_d14aaa127606e12an,
    }),
    [
      "PSTATE=900003c9 N--V NS EL2h     FPCR=00000000 FPSR=00000000\n" +
      "Q00=42c17da8e1b80928:d14aaa127606e12a\n",
    ],
  ],
  ["aarch64, secure, no FPU", cpuOf("aarch64", { pstate: 0x600003c4n, scr_el3: 0n }), [
    "PSTATE=600003c4 -ZC- S EL1t    FPU disabled\n",
  ]],
  [
    "aarch64 with SME and BTI",
    cpuOf("aarch64", { pstate: 0x400003c5n, id_aa64pfr1_el1: 0x1001000121n, svcr: 0n }),
    ["PSTATE=400003c5 -Z-- EL1h  SVCR=00000000 --  BTYPE=0    FPU disabled\n"],
  ],
  ["AArch32 of aarch64", cpuOf("aarch64", { r0: 5n, cpsr: 0x1d3n, scr_el3: 1n, d1: 1n }), [
    "R00=00000005\nPSR=000001d3 ---- A NS svc32\ns02=00000001 s03=00000000 d01=0000000000000001\n",
  ]],
  ["M profile", cpuOf("arm", { xpsr: 0x80000003n, secure: 1n }), [
    "XPSR=80000003 N--- A S handler\nFPSCR: 00000000\n",
  ]],
  ["M profile, unprivileged", cpuOf("arm", { xpsr: 0x41000000n, control_ns: 1n }), [
    "XPSR=41000000 -Z-- T unpriv-thread\n",
  ]],
  ["riscv64, FPU dirty", cpuOf("riscv64", { mstatus: 0xa00006000n, frm: 2n, misa: 0x1411adn }), [
    " mstatus  8000000a00006000\n",
    " fcsr     0000000000000040\n",
  ]],
  ["POWER9", cpuOf("ppc64", { pvr: 0x4e1202n, ptcr: 1n, sdr1: 2n, dar: 3n, dsisr: 4n }), [
    " PTCR 0000000000000001   DAR 0000000000000003  DSISR 0000000000000004\n",
  ]],
  ["s390x condition code", cpuOf("s390x", { psw_mask: 0x0000_2001_8000_0000n }), [
    "PSW=mask 0000200180000000 cc 02\n",
  ]],
];

for (const [what, cpu, lines] of LINES) {
  Deno.test(`registers: the text of ${what}`, () => {
    const text = formatRegisters(cpu);
    for (const line of lines) assertStringIncludes(text, line);
  });
}

Deno.test("registers: releases differ in two places", () => {
  const arm = cpuOf("aarch64", { pstate: 0x3c5n });
  assertStringIncludes(formatRegisters(arm), "PSTATE=000003c5 ");
  assertStringIncludes(formatRegisters(arm, { qemuMajor: 11 }), "PSTATE=00000000000003c5 ");
  const s390x = cpuOf("s390x", { fpc: 0n });
  assertEquals(formatRegisters(s390x), "\nCPU#0\n\n");
  assertEquals(formatRegisters(s390x, { qemuMajor: 11 }), "\nCPU#0\nFPC=00000000\n\n");
});

Deno.test("registers: whatever is missing leaves no trace", () => {
  for (const name of ["pc-long-mode", "aarch64-virt", "arm-microbit", "riscv64-virt", "s390x"]) {
    const cpu = readCpuStates(stateOf(name))[0]!;
    const all = [...cpu.registers];
    fc.assert(fc.property(fc.subarray(all), (some) => {
      const text = formatRegisters({ ...cpu, registers: new Map(some), halted: undefined });
      assert(!/undefined|NaN|null/.test(text), text);
      // Nothing is made up: each line has a part of a line of the whole.
      assert(text.split("\n").length <= formatRegisters(cpu).split("\n").length);
    }));
  }
});

Deno.test("registers: any content of the section can be read and printed", () => {
  for (
    const name of ["pc-long-mode", "aarch64-virt", "arm-microbit", "riscv64-virt", "ppc64-pseries"]
  ) {
    const state = stateOf(name);
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 64, maxLength: 64 }), (noise) => {
        const entries = state.entries.map((entry) => {
          const { device } = entry.first;
          if (device === undefined) return entry;
          const bytes = device.bytes.map((byte, at) => byte ^ noise[at % 64]!);
          return { ...entry, first: { ...entry.first, device: { ...device, bytes } } };
        });
        const cpus = readCpuStates({ ...state, entries });
        assert(cpus.length > 0);
        for (const cpu of cpus) {
          for (const value of cpu.registers.values()) assert(value >= 0n);
          assert(formatRegisters(cpu).startsWith(`\nCPU#${cpu.index}\n`));
        }
      }),
      { numRuns: 30 },
    );
  }
});

Deno.test("registers: fields by name, in structures and subsections", () => {
  const { first } = cpuEntries(stateOf("pc-long-mode"))[0]!;
  const cpu = new DeviceFields(first.device!);
  assertEquals(cpu.numbers("env.regs").length, 16);
  assertEquals(cpu.number("env.regs", 3), 0x29282726_25242322n);
  assertEquals(cpu.number("env.a20_mask"), -1n);
  assertEquals(cpu.structs("env.segs").map((each) => each.number("selector")), [
    0n,
    8n,
    16n,
    16n,
    0n,
    0n,
  ]);
  assertEquals(cpu.bytes("env.fpuc"), Uint8Array.of(0x03, 0x7f));
  assertEquals(cpu.has("env.segs"), true);
  assertEquals([...cpu.places("env.segs")], []);
  const [place] = cpu.places("env.eip");
  assertEquals(place, { type: "uint64", offset: 128, sizeBytes: 8 });
  assert(cpu.subsection("cpu/poll_control_msr")?.number("env.poll_control_msr") !== undefined);
  assertEquals(cpu.subsection("cpu/nothing"), undefined);
  assertEquals([cpu.has("x"), cpu.number("x"), cpu.bytes("x")], [false, undefined, undefined]);
  assertEquals(cpu.structs("x"), []);
});
