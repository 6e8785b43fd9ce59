/**
 * JSON text for the rich dump: written in pieces, ASCII only, one line for what is short.
 *
 * @module
 */

import { quoteJsonAscii } from "../../format/json_print.ts";

/** A value that becomes JSON; members that are `undefined` are left out. */
export type RichValue =
  | string
  | number
  | boolean
  | null
  | readonly RichValue[]
  | { readonly [name: string]: RichValue | undefined };

/** Columns that a value may take before it is broken over lines. */
const WIDTH = 120;
/** Pieces are handed on when so many characters have come together. */
const PIECE_CHARACTERS = 32 * 1024;
/** Bytes that are turned to hexadecimal digits at a time: the text of a long buffer need not fit into one string. */
const HEX_BYTES = 64 * 1024;
/** Deeper levels are not indented further: a hostile description may nest hundreds. */
const MAX_INDENT = 40;

/** The text of a value in one line. */
export function inlineJson(value: RichValue): string {
  switch (typeof value) {
    case "string":
      return quoteJsonAscii(value);
    case "number":
    case "boolean":
      return String(value);
  }
  if (value === null) return "null";
  if (Array.isArray(value)) return `[${value.map(inlineJson).join(", ")}]`;
  const members = definedMembers(value as { [name: string]: RichValue | undefined });
  return `{${members.map(([name, member]) => memberText(name, inlineJson(member))).join(", ")}}`;
}

/** The text of a value, broken over lines where it is long; the first line is not indented. */
export function prettyJson(value: RichValue, depth: number): string {
  const inline = inlineJson(value);
  if (inline.length <= WIDTH || typeof value !== "object" || value === null) return inline;
  const inner = depth + 1;
  if (Array.isArray(value)) {
    const items = value.map((item) => newLine(inner) + prettyJson(item, inner));
    return `[${items.join(",")}${newLine(depth)}]`;
  }
  const members = definedMembers(value as { [name: string]: RichValue | undefined });
  const lines = members.map(([name, member]) =>
    newLine(inner) + memberText(name, prettyJson(member, inner))
  );
  return `{${lines.join(",")}${newLine(depth)}}`;
}

function definedMembers(
  object: { readonly [name: string]: RichValue | undefined },
): [string, RichValue][] {
  return Object.entries(object).filter((member): member is [string, RichValue] =>
    member[1] !== undefined
  );
}

function memberText(name: string, value: string): string {
  return `${quoteJsonAscii(name)}: ${value}`;
}

/** A line break and the indentation of the line after it. */
export function newLine(depth: number): string {
  return `\n${" ".repeat(Math.min(depth * 2, MAX_INDENT))}`;
}

/** Collects text and hands it on in pieces. */
export class RichWriter {
  readonly #print: (text: string) => void;
  #pending = "";

  /** Hands on to `print`. */
  constructor(print: (text: string) => void) {
    this.#print = print;
  }

  /** Writes text as it is. */
  text(text: string): void {
    this.#pending += text;
    if (this.#pending.length >= PIECE_CHARACTERS) this.flush();
  }

  /** Writes a string of hexadecimal digits, two for each byte. */
  hex(bytes: Uint8Array): void {
    this.text('"');
    for (let at = 0; at < bytes.length; at += HEX_BYTES) {
      this.text(bytes.subarray(at, at + HEX_BYTES).toHex());
    }
    this.text('"');
  }

  /** Hands on what is left. */
  flush(): void {
    const text = this.#pending;
    this.#pending = "";
    if (text !== "") this.#print(text);
  }
}
