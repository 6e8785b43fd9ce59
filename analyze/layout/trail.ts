/**
 * The way from an item down to a byte: nested ranges, each with a name and a value.
 *
 * @module
 */

import { decodeText, hex, hexBytes, quoteText } from "../../format/text.ts";

/** A range that contains the explained byte. */
export interface ExplainedField {
  /** Name, without control characters. */
  readonly name: string;
  /** Absolute offset of the first byte. */
  readonly offset: number;
  /** Bytes. */
  readonly lengthBytes: number;
  /** What stands there, for people; without control characters. */
  readonly value: string;
}

/** Collects ranges from the outside in. */
export class Trail {
  /** The offset to be explained. */
  readonly target: number;
  /** Ranges, each inside the one before. */
  readonly fields: ExplainedField[] = [];
  /** Names of the ranges from the outside in, those of a device's fields joined by dots. */
  readonly path: string[];
  /** Name of the innermost range, as far as one line has to tell it. */
  #name = "";

  readonly #sizeBytes: number;

  /** Starts a way to `target`, `depth` packages deep, in an input of `sizeBytes`. */
  constructor(target: number, depth: number, sizeBytes: number) {
    this.target = target;
    this.#sizeBytes = sizeBytes;
    this.path = new Array<string>(depth).fill("package");
  }

  /** Whether the target lies in a range. */
  isIn(offset: number, lengthBytes: number): boolean {
    return this.target >= offset && this.target < offset + lengthBytes;
  }

  /** Goes into a range. */
  enter(name: string, offset: number, lengthBytes: number, value: string): void {
    this.path.push(name);
    this.#name = name;
    this.#push(name, offset, lengthBytes, value);
  }

  /** Goes into a range that the path does not mention. */
  pass(name: string, offset: number, lengthBytes: number, value: string): void {
    this.#name = name;
    this.#push(name, offset, lengthBytes, value);
  }

  /** Goes into a range and puts `suffix` to the path's last name, e.g. `.regs` or `[3]`. */
  extend(suffix: string, offset: number, lengthBytes: number, value: string): void {
    this.#name = (this.path.pop() ?? "") + suffix;
    this.path.push(this.#name);
    this.#push(suffix.replace(/^\./, ""), offset, lengthBytes, value);
  }

  /** A damaged structure may claim more than the input has. */
  #push(name: string, offset: number, lengthBytes: number, value: string): void {
    const most = this.#sizeBytes - offset;
    this.fields.push({ name, offset, lengthBytes: Math.min(lengthBytes, most), value });
  }

  /** Goes into that one of ranges behind each other that has the target; tells whether one has. */
  enterOneOf(offset: number, ranges: Iterable<FieldRange>): boolean {
    let at = offset;
    for (const [name, lengthBytes, value] of ranges) {
      if (this.isIn(at, lengthBytes)) {
        this.enter(name, at, lengthBytes, value);
        return true;
      }
      at += lengthBytes;
    }
    return false;
  }

  /** The innermost range in one line: name, value, and which of its bytes the target is; `byte` is its value. */
  describeInnermost(byte: number): string {
    const { offset, lengthBytes, value } = this.fields.at(-1)!;
    const name = this.#name;
    const which = `byte ${this.target - offset + 1} of ${lengthBytes} is ${hex(byte, 2)}`;
    const parts = [
      value === "" ? name : `${name}: ${value}`,
      ...(lengthBytes === 1 ? [] : [which]),
    ];
    return parts.join("; ");
  }
}

/** A field behind others: name, bytes, value. */
export type FieldRange = readonly [name: string, lengthBytes: number, value: string];

/** An integer: small ones in decimal, larger ones in both ways. */
export function integerText(value: number | bigint): string {
  return value < 10 ? String(value) : `${hex(value)} (${value})`;
}

/** Bytes: as quoted text where they are a name, else in hexadecimal. */
export function bytesText(bytes: Uint8Array): string {
  const isName = bytes.length > 0 && bytes.length <= 255 &&
    bytes.every((byte) => byte >= 0x20 && byte < 0x7f);
  return isName ? quoteText(decodeText(bytes)) : hexBytes(bytes);
}

/** The fields of a counted string. */
export function countedStringRanges(name: string, text: string, lengthBytes: number): FieldRange[] {
  return [
    [`length of ${name}`, 1, integerText(lengthBytes)],
    [name, lengthBytes, quoteText(text)],
  ];
}
