/**
 * The registers of the processors: what `info registers -a` says, and what a stream says in the same words.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";

/** A value of the JSON that `analyze.ts` prints. */
export type Json = string | boolean | readonly Json[] | { readonly [name: string]: Json };

/** Register values by the monitor's names. */
export type Registers = Record<string, bigint>;

/** How a target's registers are read on both sides. */
export interface RegisterMap {
  /** From one processor's part of `info registers -a`. */
  readonly fromMonitor: (text: string) => Registers;
  /** From the value of `cpu (n)`. */
  readonly fromState: (cpu: { readonly [name: string]: Json }) => Registers;
}

/** A number as the JSON has it: `0x...`, of a negative one with its value behind. */
function number(value: Json | undefined): bigint {
  assert(typeof value === "string", `a number is needed: ${JSON.stringify(value)}`);
  return BigInt(value.replace(/ .*/, ""));
}

function list(value: Json | undefined): readonly Json[] {
  assert(Array.isArray(value), `a list is needed: ${JSON.stringify(value)}`);
  return value;
}

/** Names for the elements of a list. */
function named(value: Json | undefined, name: (index: number) => string | undefined): Registers {
  const registers: Registers = {};
  for (const [index, element] of list(value).entries()) {
    const key = name(index);
    if (key !== undefined) registers[key] = number(element);
  }
  return registers;
}

/** All `NAME=hex` or `NAME hex` that the expression finds, by name. */
function scan(text: string, expression: RegExp): Registers {
  const registers: Registers = {};
  for (const [, name = "", value = ""] of text.matchAll(expression)) {
    registers[name.trim()] = BigInt(`0x${value}`);
  }
  return registers;
}

/** The order of env.regs and env.segs. */
const X86_REGISTERS = ["EAX", "ECX", "EDX", "EBX", "ESP", "EBP", "ESI", "EDI"];
const X86_SEGMENTS = ["ES", "CS", "SS", "DS", "FS", "GS"];

/** Registers of an x86 that is not in 64-bit mode. */
export const X86: RegisterMap = {
  fromMonitor: (text) => {
    const registers = scan(text, /\b(E[A-Z]{2}|CR[0-4])=([0-9a-f]+)/g);
    for (const name of X86_SEGMENTS) {
      const match = new RegExp(`^${name} *=([0-9a-f]+) ([0-9a-f]+) ([0-9a-f]+)`, "m").exec(text);
      const [, selector, base, limit] = match ?? [];
      registers[name] = BigInt(`0x${selector}`);
      registers[`${name}.base`] = BigInt(`0x${base}`);
      registers[`${name}.limit`] = BigInt(`0x${limit}`);
    }
    return registers;
  },
  fromState: (cpu) => {
    const registers = named(cpu["env.regs"], (index) => X86_REGISTERS[index]);
    registers.EIP = number(cpu["env.eip"]);
    registers.EFL = number(cpu["env.eflags"]);
    for (const index of [0, 2, 3, 4]) registers[`CR${index}`] = number(cpu[`env.cr[${index}]`]);
    for (const [index, segment] of list(cpu["env.segs"]).entries()) {
      const { selector, base, limit } = segment as Record<string, Json>;
      registers[X86_SEGMENTS[index]!] = number(selector);
      registers[`${X86_SEGMENTS[index]}.base`] = number(base);
      registers[`${X86_SEGMENTS[index]}.limit`] = number(limit);
    }
    return registers;
  },
};

const two = (index: number) => String(index).padStart(2, "0");

/** AArch64. */
export const AARCH64: RegisterMap = {
  fromMonitor: (text) => scan(text, /\b(PC|X\d\d)=([0-9a-f]{16})/g),
  fromState: (cpu) => ({
    ...named(cpu["env.xregs"], (index) => index < 31 ? `X${two(index)}` : undefined),
    PC: number(cpu["env.pc"]),
  }),
};

/** 32-bit Arm; R15 is the program counter. */
export const ARM: RegisterMap = {
  fromMonitor: (text) => scan(text, /\b(R\d\d)=([0-9a-f]{8})/g),
  fromState: (cpu) => named(cpu["env.regs"], (index) => `R${two(index)}`),
};

/** RISC-V. */
export const RISCV: RegisterMap = {
  fromMonitor: (text) => scan(text, /\b(pc|x\d+(?=\/))(?:\/\w+)? +([0-9a-f]{16})/g),
  fromState: (cpu) => ({
    ...named(cpu["env.gpr"], (index) => `x${index}`),
    pc: number(cpu["env.pc"]),
  }),
};

/** s390x. */
export const S390X: RegisterMap = {
  fromMonitor: (text) => scan(text, /\b(R\d\d=|mask |addr )([0-9a-f]{16})/g),
  fromState: (cpu) => ({
    ...named(cpu["env.regs"], (index) => `R${two(index)}=`),
    mask: number(cpu["env.psw.mask"]),
    addr: number(cpu["env.psw.addr"]),
  }),
};

/** 64-bit POWER. */
export const PPC64: RegisterMap = {
  fromMonitor: (text) => {
    const registers = scan(text, /^(NIP) ([0-9a-f]{16})/gm);
    for (const [, first, values = ""] of text.matchAll(/^GPR(\d\d)((?: [0-9a-f]{16})+)/gm)) {
      for (const [index, value] of values.trim().split(" ").entries()) {
        registers[`GPR${two(Number(first) + index)}`] = BigInt(`0x${value}`);
      }
    }
    return registers;
  },
  fromState: (cpu) => ({
    ...named(cpu["env.gpr"], (index) => `GPR${two(index)}`),
    NIP: number(cpu["env.nip"]),
  }),
};

/** Compares the processors of a state with what the monitor said. */
export function assertRegisters(
  state: { readonly [key: string]: Json },
  monitor: string,
  map: RegisterMap,
): void {
  const cpus = Object.entries(state).filter(([key]) => /^cpu \(\d+\)$/.test(key))
    .map(([, value]) => value as { readonly [name: string]: Json });
  const texts = monitor.split(/^CPU#\d+$/m).slice(1);
  assertEquals(cpus.length, texts.length, "number of processors");
  for (const [index, text] of texts.entries()) {
    const expected = map.fromMonitor(text);
    assert(Object.keys(expected).length > 8, `no registers in: ${text}`);
    assertEquals(map.fromState(cpus[index]!), expected, `registers of processor ${index}`);
  }
}
