/**
 * A physical map that somebody wrote down.
 *
 * ```json
 * [
 *   { "block": "pc.ram", "guestAddress": "0x0", "lengthBytes": "0xc0000000" },
 *   { "block": "pc.ram", "guestAddress": "0x100000000", "blockAddress": "0xc0000000" }
 * ]
 * ```
 *
 * Numbers may be strings, in decimal or with `0x`. `blockAddress` is 0 unless it is said, `lengthBytes` the rest of the block.
 *
 * @module
 */

import type { RamBlock } from "../../format/ram.ts";
import { quoteText } from "../../format/text.ts";
import { PhysicalMap, type PhysicalRange } from "./physical_map.ts";

/** Most ranges of a map. */
const MAX_RANGES = 4096;

const MEMBERS: readonly string[] = ["block", "guestAddress", "blockAddress", "lengthBytes"];

/**
 * Reads a map of the given blocks.
 *
 * @throws {SyntaxError} if the text is no such map
 * @throws {RangeError} if its ranges overlap or leave their blocks
 */
export function parseGivenMap(text: string, blocks: readonly RamBlock[]): PhysicalMap {
  const entries: unknown = JSON.parse(text);
  if (!Array.isArray(entries) || entries.length === 0 || entries.length > MAX_RANGES) {
    throw new SyntaxError(`a physical map is a list of 1..${MAX_RANGES} ranges`);
  }
  return new PhysicalMap(entries.map((entry, index) => rangeOf(entry, index, blocks)));
}

function rangeOf(entry: unknown, index: number, blocks: readonly RamBlock[]): PhysicalRange {
  const where = `range ${index} of the physical map`;
  if (typeof entry !== "object" || entry === null) throw new SyntaxError(`${where} is no object`);
  const members = entry as Readonly<Record<string, unknown>>;
  const unknown = Object.keys(members).find((name) => !MEMBERS.includes(name));
  if (unknown !== undefined) throw new SyntaxError(`${where} has ${quoteText(unknown)}`);
  const block = blocks.find(({ name }) => name === members.block);
  if (block === undefined) {
    throw new SyntaxError(`${where} names no RAM block: ${quoteText(String(members.block))}`);
  }
  const blockAddress = number(members.blockAddress ?? 0, `blockAddress of ${where}`);
  const rest = block.usedLengthBytes - blockAddress;
  return {
    block,
    blockAddress,
    guestAddress: number(members.guestAddress, `guestAddress of ${where}`),
    lengthBytes: number(members.lengthBytes ?? rest, `lengthBytes of ${where}`),
  };
}

function number(value: unknown, what: string): number {
  const isText = typeof value === "string" && /^(0x[0-9a-f]+|[0-9]+)$/i.test(value);
  const result = typeof value === "number" || isText ? Number(value) : NaN;
  if (Number.isSafeInteger(result) && result >= 0) return result;
  throw new SyntaxError(`${what} is not a number from 0 to 2^53 - 1`);
}
