/**
 * Builds the text of `info registers`: lines of cells, in which a register that isn't known leaves no trace.
 *
 * @module
 */

import type { CpuState } from "./cpu_state.ts";

/** The text of one processor. */
export class RegisterText {
  readonly #registers: ReadonlyMap<string, bigint>;
  #text: string;

  /** Begins with the head `CPU#n` behind an empty line. */
  constructor({ index, registers }: CpuState) {
    this.#registers = registers;
    this.#text = `\nCPU#${index}\n`;
  }

  /** The text so far. */
  get text(): string {
    return this.#text;
  }

  /** A register's value. */
  get(name: string): bigint | undefined {
    return this.#registers.get(name);
  }

  /** The lowest digits of a register, in hexadecimal. */
  hex(name: string, digits: number): string | undefined {
    const value = this.get(name);
    return value === undefined ? undefined : hexDigits(value, digits);
  }

  /** A label and a register's digits. */
  cell(label: string, name: string, digits: number): string | undefined {
    const value = this.hex(name, digits);
    return value === undefined ? undefined : label + value;
  }

  /** Adds a line of those cells that are known, if any is. */
  line(cells: readonly (string | undefined)[], separator = " ", end = "\n"): void {
    const known = cells.filter((cell) => cell !== undefined);
    if (known.length > 0) this.#text += known.join(separator) + end;
  }

  /** Adds lines with so many cells each. */
  rows(perLine: number, cells: readonly (string | undefined)[], separator = " ", end = "\n"): void {
    for (let start = 0; start < cells.length; start += perLine) {
      this.line(cells.slice(start, start + perLine), separator, end);
    }
  }
}

/** The lowest digits of a value, in hexadecimal. */
export function hexDigits(value: bigint, digits: number): string {
  return BigInt.asUintN(4 * digits, value).toString(16).padStart(digits, "0");
}

/** One letter for each set bit, `-` for the others: `bits` are bit numbers, `letters` their names. */
export function flagLetters(value: bigint, letters: string, bits: readonly number[]): string {
  return bits.map((bit, index) => (value >> BigInt(bit) & 1n) === 1n ? letters[index] : "-")
    .join("");
}

/** Two decimal digits. */
export function twoDigits(index: number): string {
  return String(index).padStart(2, "0");
}
