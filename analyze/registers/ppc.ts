/**
 * The registers of a 64-bit POWER processor, and their text.
 *
 * ```text
 * gpr0..gpr31 nip lr ctr xer msr cr crf0..crf7 fpr0..fpr31 fpscr vr0..vr31 (128 bits) vscr
 * vsr0..vsr31 (128 bits: fpr and a right half), and special registers by name: srr0 srr1 pvr sprg0 dar ...
 * ```
 *
 * What QEMU prints besides is in no stream, or not in the processor's section: the flags of its translator (`HF`, `iidx`, `didx`),
 * the time base and the decrementer, and the reservation.
 *
 * @module
 */

import type { DeviceFields } from "../fields.ts";
import { type CpuState, indexes, joinWords, numbered, RegisterReader } from "./cpu_state.ts";
import { RegisterText, twoDigits } from "./text.ts";

/** Numbers of special registers. */
const SPECIAL: Readonly<Record<string, number>> = {
  xer: 1,
  lr: 8,
  ctr: 9,
  amr: 13,
  dsisr: 18,
  dar: 19,
  sdr1: 25,
  srr0: 26,
  srr1: 27,
  cfar: 28,
  pidr: 48,
  fscr: 153,
  vrsave: 256,
  sprg0: 272,
  sprg1: 273,
  sprg2: 274,
  sprg3: 275,
  sprg4: 276,
  sprg5: 277,
  sprg6: 278,
  sprg7: 279,
  pvr: 287,
  hsrr0: 314,
  hsrr1: 315,
  lpcr: 318,
  lpidr: 319,
  ptcr: 464,
  tar: 815,
  ppr: 896,
  hid0: 1008,
  pir: 1023,
};

/** The upper halves of PVR of processors that have no hypervisor registers: 970, 970FX, 970MP, 970GX. */
const PPC970_FAMILIES = new Set([0x39, 0x3c, 0x44, 0x45]);
/** Those of processors with radix page tables: POWER9, POWER10, POWER11. */
const RADIX_FAMILIES = new Set([0x4e, 0x80, 0x82]);

/** Whether the section is that of a 64-bit POWER processor. */
export function isPpc64(cpu: DeviceFields): boolean {
  return cpu.has("env.nip") && cpu.places("env.gpr").next().value?.sizeBytes === 8;
}

/** Reads the registers of a POWER processor. */
export function readPpc(cpu: DeviceFields): ReadonlyMap<string, bigint> {
  const reader = new RegisterReader(cpu);
  reader.array(numbered("gpr", 32), "env.gpr");
  reader.field("nip", "env.nip");
  reader.field("msr", "env.msr");
  reader.array(numbered("crf", 8), "env.crf");
  const fields = indexes(8).map((index) => reader.registers.get(`crf${index}`));
  if (!fields.includes(undefined)) {
    reader.set("cr", fields.reduce<bigint>((cr, field) => cr << 4n | field! & 15n, 0n));
  }
  const special = cpu.numbers("env.spr");
  for (const [name, number] of Object.entries(SPECIAL)) reader.set(name, special[number]);
  const fpu = cpu.subsection("cpu/fpu");
  reader.array(numbered("fpr", 32), "env.vsr", fpu);
  reader.field("fpscr", "env.fpscr", fpu);
  const vectors = cpu.subsection("cpu/altivec");
  reader.field("vscr", "vscr", vectors);
  const rightHalves = cpu.subsection("cpu/vsx")?.numbers("env.vsr") ?? [];
  for (const index of indexes(32)) {
    reader.set(`vr${index}`, wide(vectors?.bytes("env.vsr", index)));
    reader.set(`vsr${index}`, joinWords([rightHalves[index], reader.registers.get(`fpr${index}`)]));
  }
  return reader.registers;
}

/** A number of 128 bits. */
function wide(bytes: Uint8Array | undefined): bigint | undefined {
  return bytes?.length === 16 ? BigInt(`0x${bytes.toHex()}`) : undefined;
}

/** The text of one processor. */
export function formatPpc(cpu: CpuState): string {
  const text = new RegisterText(cpu);
  const cell = (label: string, name = label.trim().toLowerCase()) =>
    text.cell(`${label} `, name, 16);
  text.line([cell("NIP"), cell("  LR"), cell("CTR"), cell("XER"), `CPU#${cpu.index}`]);
  text.line([cell("MSR"), cell("HID0")]);
  writeBank(text, "GPR", "gpr");
  const fields = indexes(8).map((index) => text.get(`crf${index}`));
  text.line([
    text.cell("CR ", "cr", 8),
    fields.includes(undefined) ? undefined : ` [${fields.map(conditionField).join("")} ]`,
  ]);
  writeBank(text, "FPR", "fpr");
  text.line([cell("FPSCR")]);
  text.line([cell(" SRR0"), cell(" SRR1"), cell("   PVR"), cell("VRSAVE")]);
  text.line([cell("SPRG0"), cell("SPRG1"), cell(" SPRG2"), cell(" SPRG3")]);
  text.line([cell("SPRG4"), cell("SPRG5"), cell(" SPRG6"), cell(" SPRG7")]);
  const family = Number((text.get("pvr") ?? 0n) >> 16n);
  if (!PPC970_FAMILIES.has(family)) {
    text.line([cell("HSRR0"), cell("HSRR1")]);
    text.line([cell(" CFAR")]);
    text.line([cell(" LPCR")]);
  }
  const table = RADIX_FAMILIES.has(family) ? cell(" PTCR") : cell(" SDR1");
  text.line([table, cell("  DAR"), cell(" DSISR")]);
  return text.text;
}

function writeBank(text: RegisterText, label: string, name: string): void {
  for (let first = 0; first < 32; first += 4) {
    const cells = indexes(4).map((index) => text.hex(name + (first + index), 16));
    if (cells.includes(undefined)) continue;
    text.line([`${label}${twoDigits(first)}`, ...cells]);
  }
}

/** One field of the condition register: less, greater or equal, and overflow. */
function conditionField(value: bigint | undefined): string {
  const field = Number(value ?? 0n);
  const relation = (field & 8) !== 0
    ? "L"
    : (field & 4) !== 0
    ? "G"
    : (field & 2) !== 0
    ? "E"
    : "-";
  return ` ${relation}${(field & 1) !== 0 ? "O" : " "}`;
}
