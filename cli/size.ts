/**
 * Sizes and offsets as people write them.
 *
 * @module
 */

import { UsageError } from "./main.ts";

const UNITS = new Map([
  ["", 1],
  ["k", 1024],
  ["m", 1024 ** 2],
  ["g", 1024 ** 3],
  ["t", 1024 ** 4],
]);

/** Reads `4096`, `0x1000`, `4K`, `1M`, `2G`: units are powers of 1024. `option` names the option in the error. */
export function parseSize(text: string, option: string): number {
  const hexadecimal = /^0x[0-9a-f]+$/i.test(text);
  const decimal = /^([0-9]+)([kmgt]?)(?:i?b)?$/i.exec(text);
  const value = hexadecimal
    ? Number(text)
    : decimal === null
    ? NaN
    : Number(decimal[1]) * (UNITS.get(decimal[2]!.toLowerCase()) ?? NaN);
  if (Number.isSafeInteger(value)) return value;
  throw new UsageError(`${option} takes a number of bytes such as 4096, 0x1000, 4K or 1M`);
}
