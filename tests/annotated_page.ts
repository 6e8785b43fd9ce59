/**
 * The blocks of a page of documentation that quote recorded streams. The first line of a block says what it quotes:
 *
 * ```text
 * testdata/pc.mig, offset 0x0                  lines of: offset, bytes, note
 * testdata/pc.mig, items                       lines of: offset, item, note
 * testdata/pc.mig, description of "serial"     the JSON of a device's description
 * ```
 *
 * In notes, `= 14` says that the bytes of the field are this number, big-endian, and `"text"` that they have this text in them.
 *
 * @module
 */

import { zstdDecompressSync } from "node:zlib";

/** A block that quotes a stream. */
export interface Quote {
  /** Number of the block's first line in the page. */
  readonly line: number;
  /** File in `testdata/`. */
  readonly file: string;
  /** What of the file it shows: `offset 0x0`, `items`, `description of "serial"`. */
  readonly what: string;
  /** The lines behind the caption and an empty line. */
  readonly lines: readonly string[];
}

/** A field of a dump: its bytes, which may be cut off, and the note. */
export interface DumpedField {
  readonly offset: number;
  readonly bytes: readonly number[];
  readonly note: string;
}

/** The blocks of a page that quote streams. */
export function quotesOf(page: string): Quote[] {
  const quotes: Quote[] = [];
  const lines = page.split("\n");
  for (let at = 0; at < lines.length; at++) {
    if (!lines[at]!.startsWith("```") || lines[at] === "```") continue;
    const end = lines.indexOf("```", at + 1);
    if (end < 0) throw new Error(`line ${at + 1}: a block without an end`);
    const caption = /^testdata\/(\S+), (.+)$/.exec(lines[at + 1] ?? "");
    if (caption !== null) {
      if (lines[at + 2] !== "") throw new Error(`line ${at + 3}: should be empty`);
      const [, file = "", what = ""] = caption;
      quotes.push({ line: at + 2, file, what, lines: lines.slice(at + 3, end) });
    }
    at = end;
  }
  return quotes;
}

/** The bytes of a file in `testdata/`, decompressed. */
export function quotedBytes(file: string): Uint8Array {
  const stored = Deno.readFileSync(new URL(`../testdata/${file}`, import.meta.url));
  return file.endsWith(".zst") ? new Uint8Array(zstdDecompressSync(stored)) : stored;
}

const DUMP_LINE = /^([0-9a-f]{5,}) {2}([0-9a-f]{2}(?: [0-9a-f]{2})*)(?: {2,}(\S.*))?$/;

/**
 * The fields of a dump whose lines follow each other without gap, but for lines of `...`.
 *
 * @throws {Error} for a line of another form, or that stands at another offset
 */
export function dumpedFields({ line, what, lines }: Quote): DumpedField[] {
  const fields: { offset: number; bytes: number[]; note: string }[] = [];
  let next = Number(/^offset (0x[0-9a-f]+)$/.exec(what)?.[1]);
  let mayJump = false;
  for (const [index, text] of lines.entries()) {
    const place = `line ${line + 2 + index}`;
    if (text === "...") {
      mayJump = true;
      continue;
    }
    const parsed = DUMP_LINE.exec(text);
    if (parsed === null) throw new Error(`${place}: not a line of a dump: ${text}`);
    const [, digits = "", hex = "", note = ""] = parsed;
    const offset = parseInt(digits, 16);
    if (mayJump ? offset <= next : offset !== next) {
      throw new Error(`${place}: offset ${digits} where 0x${next.toString(16)} is next`);
    }
    const bytes = hex.split(" ").map((byte) => parseInt(byte, 16));
    const last = fields.at(-1);
    if (note !== "" || last === undefined || mayJump) fields.push({ offset, bytes, note });
    else last.bytes.push(...bytes);
    next = offset + bytes.length;
    mayJump = false;
  }
  return fields;
}

/** The number that a note says the bytes to be, if it says one. */
export function notedNumber(note: string): bigint | undefined {
  const found = /= (0x[0-9a-f]+|\d+)\b/.exec(note)?.[1];
  return found === undefined ? undefined : BigInt(found);
}

/** The texts that a note says to be in the bytes. */
export function notedTexts(note: string): string[] {
  return [...note.matchAll(/"([^"]*)"/g)].map(([, text = ""]) => text);
}
