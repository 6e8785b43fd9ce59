/**
 * The registers of an x86 processor as QEMU's monitor prints them.
 *
 * @module
 */

import { bitOf, type CpuState, indexes } from "./cpu_state.ts";
import { flagLetters, hexDigits, RegisterText, twoDigits } from "./text.ts";

/** Bits of QEMU's `hflags`. */
const HFLAG_INHIBIT_IRQ = 3;
const HFLAG_PROTECTED_MODE = 7;
const HFLAG_LONG_MODE = 14;
const HFLAG_64_BIT_CODE = 15;
const HFLAG_SMM = 19;

/** Bits of a descriptor's second word. */
const DESCRIPTOR_ACCESSED = 8;
const DESCRIPTOR_WRITABLE = 9;
const DESCRIPTOR_CONFORMING = 10;
const DESCRIPTOR_CODE = 11;
const DESCRIPTOR_NOT_SYSTEM = 12;
const DESCRIPTOR_PRESENT = 15;
const DESCRIPTOR_64_BIT = 21;
const DESCRIPTOR_32_BIT = 22;

/** Names of the system descriptors by type. */
const SYSTEM_TYPES = [
  ["Reserved", "TSS16-avl", "LDT", "TSS16-busy"],
  ["CallGate16", "TaskGate", "IntGate16", "TrapGate16"],
  ["Reserved", "TSS32-avl", "Reserved", "TSS32-busy"],
  ["CallGate32", "Reserved", "IntGate32", "TrapGate32"],
].flat();
const LONG_MODE_SYSTEM_TYPES = [
  ["<hiword>", "Reserved", "LDT", "Reserved"],
  ["Reserved", "Reserved", "Reserved", "Reserved"],
  ["Reserved", "TSS64-avl", "Reserved", "TSS64-busy"],
  ["CallGate64", "Reserved", "IntGate64", "TrapGate64"],
].flat();

/** Flags in the order in which they are shown. */
const FLAG_LETTERS = "DOSZAPC";
const FLAG_BITS = [10, 11, 7, 6, 4, 2, 0];

/** The text of one processor. */
export function formatX86(cpu: CpuState): string {
  const text = new RegisterText(cpu);
  const isWide = cpu.architecture === "x86_64";
  const is64 = isWide && bitOf(text.get("hflags"), HFLAG_64_BIT_CODE);
  writeGeneral(text, cpu, is64);
  const isLong = isWide && bitOf(text.get("hflags"), HFLAG_LONG_MODE);
  writeSegments(text, is64 ? 16 : 8);
  writeControl(text, cpu, isLong ? 16 : 8);
  writeFloatingPoint(text);
  writeVectors(text, is64);
  return text.text;
}

function writeGeneral(text: RegisterText, cpu: CpuState, is64: boolean): void {
  const letter = cpu.architecture === "i386" ? "e" : "r";
  const digits = is64 ? 16 : 8;
  const shown = is64 ? "R" : "E";
  const general = ["ax", "bx", "cx", "dx", "si", "di", "bp", "sp"].map((name) =>
    text.cell(`${shown}${name.toUpperCase()}=`, letter + name, digits)
  );
  const numbered = indexes(8).map((index) =>
    text.cell(`R${index + 8}`.padEnd(3) + "=", `r${index + 8}`, digits)
  );
  text.rows(4, is64 ? [...general, ...numbered] : general);
  const flags = text.get(`${letter}flags`);
  const hflags = text.get("hflags");
  const a20 = text.get("a20_mask");
  text.line([
    text.cell(`${shown}IP=`, `${letter}ip`, digits),
    text.cell(`${shown}FL=`, `${letter}flags`, 8),
    flags === undefined ? undefined : `[${flagLetters(flags, FLAG_LETTERS, FLAG_BITS)}]`,
    hflags === undefined ? undefined : `CPL=${hflags & 3n}`,
    hflags === undefined ? undefined : `II=${Number(bitOf(hflags, HFLAG_INHIBIT_IRQ))}`,
    a20 === undefined ? undefined : `A20=${Number(bitOf(a20, 20))}`,
    hflags === undefined ? undefined : `SMM=${Number(bitOf(hflags, HFLAG_SMM))}`,
    cpu.halted === undefined ? undefined : `HLT=${Number(cpu.halted)}`,
  ]);
}

function writeSegments(text: RegisterText, digits: number): void {
  for (const name of ["es", "cs", "ss", "ds", "fs", "gs", "ldt", "tr"]) {
    text.line([
      selectorCell(text, name),
      text.hex(`${name}.base`, digits),
      text.hex(`${name}.limit`, 8),
      text.hex(`${name}.flags`, 8),
      describeSegment(text, text.get(`${name}.flags`)),
    ]);
  }
}

/** A selector of more than 16 bits, which no processor has but a stream may, is shown whole. */
function selectorCell(text: RegisterText, name: string): string | undefined {
  const value = text.get(`${name}.selector`);
  if (value === undefined) return undefined;
  return `${name.toUpperCase().padEnd(3)}=${
    hexDigits(value, value > 0xffffn ? 8 : 4).replace(/^0+(?=.{4})/, "")
  }`;
}

/** What a descriptor says, in protected mode. */
function describeSegment(text: RegisterText, flags: bigint | undefined): string | undefined {
  const hflags = text.get("hflags");
  if (!bitOf(hflags, HFLAG_PROTECTED_MODE) || !bitOf(flags, DESCRIPTOR_PRESENT)) return undefined;
  const level = `DPL=${(flags ?? 0n) >> 13n & 3n} `;
  const isLong = bitOf(hflags, HFLAG_LONG_MODE);
  if (!bitOf(flags, DESCRIPTOR_NOT_SYSTEM)) {
    const names = isLong ? LONG_MODE_SYSTEM_TYPES : SYSTEM_TYPES;
    return level + names[Number((flags ?? 0n) >> 8n & 15n)];
  }
  const letter = (bit: number, set: string) => bitOf(flags, bit) ? set : "-";
  const accessed = letter(DESCRIPTOR_ACCESSED, "A");
  const is32 = bitOf(flags, DESCRIPTOR_32_BIT);
  if (bitOf(flags, DESCRIPTOR_CODE)) {
    const width = bitOf(flags, DESCRIPTOR_64_BIT) ? "64" : is32 ? "32" : "16";
    const kind = letter(DESCRIPTOR_CONFORMING, "C") + letter(DESCRIPTOR_WRITABLE, "R");
    return `${level}CS${width} [${kind}${accessed}]`;
  }
  const width = is32 || isLong ? "  " : "16";
  const kind = letter(DESCRIPTOR_CONFORMING, "E") + letter(DESCRIPTOR_WRITABLE, "W");
  return `${level}DS${width} [${kind}${accessed}]`;
}

function writeControl(text: RegisterText, cpu: CpuState, wide: number): void {
  for (const name of ["gdt", "idt"]) {
    text.line([
      text.cell(`${name.toUpperCase()}=     `, `${name}.base`, wide),
      text.hex(`${name}.limit`, 8),
    ]);
  }
  text.line([
    text.cell("CR0=", "cr0", 8),
    text.cell("CR2=", "cr2", wide),
    text.cell("CR3=", "cr3", wide),
    text.cell("CR4=", "cr4", 8),
  ]);
  const digits = cpu.architecture === "i386" ? 8 : 16;
  const debug = (index: number) => text.cell(`DR${index}=`, `dr${index}`, digits);
  text.line([0, 1, 2, 3].map(debug), " ", " \n");
  text.line([6, 7].map(debug));
  // A stream of a processor without 64-bit mode has no EFER: whoever loads it has zero there.
  const efer = text.hex("efer", 16) ??
    (cpu.architecture === "i386" ? hexDigits(0n, 16) : undefined);
  text.line([efer === undefined ? undefined : `EFER=${efer}`]);
}

function writeFloatingPoint(text: RegisterText): void {
  const status = text.get("fstat");
  text.line([
    text.cell("FCW=", "fctrl", 4),
    text.cell("FSW=", "fstat", 4),
    status === undefined ? undefined : `[ST=${status >> 11n & 7n}]`,
    text.cell("FTW=", "ftag", 2),
    text.cell("MXCSR=", "mxcsr", 8),
  ]);
  text.rows(
    2,
    indexes(8).map((index) => {
      const value = text.get(`fpr${index}`);
      if (value === undefined) return undefined;
      return `FPR${index}=${hexDigits(value, 16)} ${hexDigits(value >> 64n, 4)}`;
    }),
  );
}

function writeVectors(text: RegisterText, is64: boolean): void {
  const words = (name: string, count: number) => {
    const value = text.get(name);
    if (value === undefined) return undefined;
    return indexes(count).map((word) => hexDigits(value >> BigInt(64 * (count - 1 - word)), 16))
      .join(" ");
  };
  const list = (label: string, name: string, registers: number, count: number) =>
    indexes(registers).map((index) => {
      const value = words(`${name}${index}`, count);
      return value === undefined ? undefined : `${label}${twoDigits(index)}=${value}`;
    });
  const registers = is64 ? 16 : 8;
  if (text.get("zmm0") !== undefined) {
    text.rows(4, list("Opmask", "k", 8, 1));
    text.rows(1, list("ZMM", "zmm", is64 ? 32 : 8, 8));
  } else if (text.get("ymm0") !== undefined) text.rows(1, list("YMM", "ymm", registers, 4));
  else text.rows(2, list("XMM", "xmm", registers, 2));
}
