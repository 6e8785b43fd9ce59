/**
 * What a processor of the guest has in its registers, by name.
 *
 * @module
 */

import type { DeviceFields } from "../fields.ts";

/** The instruction sets whose registers are known. */
export type CpuArchitecture =
  | "x86_64"
  | "i386"
  | "aarch64"
  | "arm"
  | "riscv64"
  | "ppc64"
  | "s390x";

/** One processor. */
export interface CpuState {
  /** The number that QEMU's monitor knows it by: `CPU#0`. */
  readonly index: number;
  /** Its instruction set. */
  readonly architecture: CpuArchitecture;
  /**
   * Values without sign, by QEMU's names in lower case; the modules of the instruction sets list them. What the stream does
   * not have is not there.
   */
  readonly registers: ReadonlyMap<string, bigint>;
  /** Whether it waits for an interrupt; `undefined` if the stream doesn't say. */
  readonly halted: boolean | undefined;
}

/** Collects the registers of one processor from the fields of its section. */
export class RegisterReader {
  /** What was collected. */
  readonly registers: Map<string, bigint> = new Map();
  readonly #fields: DeviceFields;

  /** Reads from `fields`, the section `cpu`. */
  constructor(fields: DeviceFields) {
    this.#fields = fields;
  }

  /** Sets a register, unless there is no value. */
  set(name: string, value: bigint | undefined): void {
    if (value !== undefined) this.registers.set(name, value);
  }

  /** Sets a register from a field. */
  field(name: string, field: string, fields: DeviceFields | undefined = this.#fields): void {
    this.set(name, unsigned(fields?.number(field), 64));
  }

  /** Sets registers from the elements of a field, by their names in its order; `undefined` passes one over. */
  array(
    names: readonly (string | undefined)[],
    field: string,
    fields: DeviceFields | undefined = this.#fields,
  ): void {
    const values = fields?.numbers(field) ?? [];
    for (const [index, name] of names.entries()) {
      if (name !== undefined) this.set(name, unsigned(values[index], 64));
    }
  }
}

/** The low bits of a value. */
export function unsigned(value: bigint | undefined, bits: number): bigint | undefined {
  return value === undefined ? undefined : BigInt.asUintN(bits, value);
}

/** A register of more than 64 bits from its words, lowest first; `undefined` if one is missing. */
export function joinWords(words: readonly (bigint | undefined)[]): bigint | undefined {
  let value = 0n;
  for (const word of words.toReversed()) {
    if (word === undefined) return undefined;
    value = value << 64n | BigInt.asUintN(64, word);
  }
  return words.length === 0 ? undefined : value;
}

/** Bit `bit` of a register. */
export function bitOf(value: bigint | undefined, bit: number): boolean {
  return ((value ?? 0n) >> BigInt(bit) & 1n) === 1n;
}

/** `0` to `count - 1`. */
export function indexes(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index);
}

/** Names of a bank of registers: `x0`, `x1`... */
export function numbered(prefix: string, count: number, first = 0): string[] {
  return indexes(count).map((index) => `${prefix}${first + index}`);
}
