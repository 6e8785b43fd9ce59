/**
 * JSON without loss: what a vmdescription is written in. json_print.ts prints it as QEMU's script does.
 *
 * `JSON.parse` keeps one of several members of the same name (QEMU writes one `fields` per element of a list into the same object)
 * and rounds numbers above 2^53. This parser keeps all members in their order and the text of each number. It accepts what
 * Python's `json.loads` accepts by default: RFC 8259, and also `NaN`, `Infinity`, `-Infinity` and escapes of lone surrogates.
 *
 * @example
 * ```ts
 * import { JsonObject, parseJson } from "./json.ts";
 * import { printPythonJson } from "./json_print.ts";
 *
 * const value = parseJson('{"name": "io", "version": 1, "version": 2}');
 * if (value instanceof JsonObject) console.log(value.getAll("version").length); // 2
 * console.log(printPythonJson(value, null)); // {"name": "io", "version": 2}
 * ```
 *
 * @module
 */

import { FormatError, type FormatErrorCode } from "./error.ts";
import { DEFAULT_LIMITS } from "./limits.ts";
import { encodeText, quoteText } from "./text.ts";

/** How deep arrays and objects may be nested unless {@link ParseJsonOptions.maxDepth} says otherwise. */
export const JSON_MAX_DEPTH = 1000;

/** Any JSON value. */
export type JsonValue = null | boolean | string | JsonNumber | JsonArray | JsonObject;

/** A JSON array. */
export type JsonArray = readonly JsonValue[];

/** A member of a JSON object: its name and its value. */
export type JsonMember = readonly [name: string, value: JsonValue];

/** A JSON number as it was written. */
export class JsonNumber {
  /** The number's text, e.g. `18446744073709551615`, `1.50e3` or `NaN`. */
  readonly text: string;

  /** Makes a number of its JSON text, which is not checked. */
  constructor(text: string) {
    this.text = text;
  }

  /** The nearest number; an integer above 2^53 may be rounded. */
  toNumber(): number {
    return Number(this.text);
  }
}

/** A JSON object with all of its members in the order in which they were written, repeated names included. */
export class JsonObject {
  /** All members in order. */
  readonly members: readonly JsonMember[];

  /** Makes an object of its members. */
  constructor(members: readonly JsonMember[]) {
    this.members = members;
  }

  /** The value of the last member of that name, as other parsers have it. */
  get(name: string): JsonValue | undefined {
    for (let i = this.members.length - 1; i >= 0; i--) {
      const member = this.members[i]!;
      if (member[0] === name) return member[1];
    }
    return undefined;
  }

  /** The values of all members of that name in order. */
  getAll(name: string): JsonValue[] {
    return this.members.filter((member) => member[0] === name).map((member) => member[1]);
  }
}

/** Options of {@link parseJson}. */
export interface ParseJsonOptions {
  /** How deep arrays and objects may be nested. Default {@link JSON_MAX_DEPTH}. */
  readonly maxDepth?: number;
  /** How many values there may be, however small. Default {@link DEFAULT_LIMITS}. */
  readonly maxValues?: number;
  /** Absolute offset in the input of the text's first byte, for errors. Default 0. */
  readonly offset?: number;
}

/**
 * Parses a JSON text. Fails with `bad-json`, or with `limit-exceeded` where it is nested too deeply or has too many values, each of which
 * takes many times the memory that its text does. It does not recurse, so that no text can exhaust the stack.
 */
export function parseJson(text: string, options: ParseJsonOptions = {}): JsonValue {
  return new JsonParser(text, options).parse();
}

/**
 * Fails with `limit-exceeded` if a JSON text may have more values than the limit, without parsing it: a pair of braces takes a hundred times
 * the memory when it is parsed. Commas and brackets in strings count, too.
 */
export function checkJsonValues(text: Uint8Array, offset: number): void {
  const most = DEFAULT_LIMITS.jsonValues;
  // Each value takes a byte, and all but one of them a comma or a bracket.
  if (text.length < 2 * most) return;
  let values = 1;
  for (let at = 0; at < text.length; at++) {
    const code = text[at];
    if (code !== COMMA && code !== BRACKET_OPEN && code !== BRACE_OPEN) continue;
    if (++values <= most) continue;
    throw new FormatError("limit-exceeded", "Cannot decode JSON: too many values", {
      offset: offset + at,
      expected: `at most ${most} (limit jsonValues)`,
    });
  }
}

const TAB = 0x09, LINE_FEED = 0x0a, CARRIAGE_RETURN = 0x0d, SPACE = 0x20;
const QUOTE = 0x22, COMMA = 0x2c, MINUS = 0x2d, DIGIT_0 = 0x30, DIGIT_9 = 0x39, COLON = 0x3a;
const BRACKET_OPEN = 0x5b, BACKSLASH = 0x5c, BRACKET_CLOSE = 0x5d;
const BRACE_OPEN = 0x7b, BRACE_CLOSE = 0x7d;

const WORDS: readonly (readonly [string, JsonValue])[] = [
  ["true", true],
  ["false", false],
  ["null", null],
  ["NaN", new JsonNumber("NaN")],
  ["Infinity", new JsonNumber("Infinity")],
  ["-Infinity", new JsonNumber("-Infinity")],
];

/** The letters behind a backslash, and at the same index what they stand for. */
/** Characters with an escape of their own, by the letters of those escapes. */
export const JSON_ESCAPES = { letters: '"\\/bfnrt', meanings: '"\\/\b\f\n\r\t' } as const;

/** An array or object that is not complete yet; exactly one of `members` and `items` is there. */
interface JsonFrame {
  readonly members: JsonMember[] | undefined;
  readonly items: JsonValue[] | undefined;
  readonly outer: JsonFrame | undefined;
  readonly depth: number;
  /** Name of the member whose value comes next. */
  name: string;
}

class JsonParser {
  readonly text: string;
  readonly maxDepth: number;
  readonly offset: number;
  readonly number = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?/y;
  // deno-lint-ignore no-control-regex -- a string must not contain them
  readonly plain = /[^"\\\u0000-\u001f]*/y;
  readonly maxValues: number;
  at = 0;
  values = 0;

  constructor(text: string, options: ParseJsonOptions) {
    this.text = text;
    this.maxDepth = options.maxDepth ?? JSON_MAX_DEPTH;
    this.maxValues = options.maxValues ?? DEFAULT_LIMITS.jsonValues;
    this.offset = options.offset ?? 0;
  }

  parse(): JsonValue {
    let frame: JsonFrame | undefined;
    let code = this.skipSpace();
    for (;;) {
      let value: JsonValue;
      if (++this.values > this.maxValues) {
        throw this.error(`at most ${this.maxValues} values`, "limit-exceeded", "too many values");
      }
      if (code === BRACE_OPEN || code === BRACKET_OPEN) {
        frame = this.open(code, frame);
        code = this.skipSpace();
        if (code !== (frame.members === undefined ? BRACKET_CLOSE : BRACE_CLOSE)) {
          if (frame.members !== undefined) code = this.memberName(frame);
          continue;
        }
        this.at++;
        value = frame.items ?? new JsonObject(frame.members ?? []);
        frame = frame.outer;
      } else {
        value = this.scalar(code);
      }
      // The value is complete, and with it perhaps what is around it.
      for (;;) {
        code = this.skipSpace();
        if (frame === undefined) return this.finish(value);
        if (frame.items !== undefined) frame.items.push(value);
        else frame.members!.push([frame.name, value]);
        if (code === COMMA) break;
        const close: number = frame.items === undefined ? BRACE_CLOSE : BRACKET_CLOSE;
        if (code !== close) throw this.error(`"," or "${String.fromCharCode(close)}"`);
        this.at++;
        value = frame.items ?? new JsonObject(frame.members!);
        frame = frame.outer;
      }
      this.at++;
      code = this.skipSpace();
      if (frame.members !== undefined) code = this.memberName(frame);
    }
  }

  /** Moves to the next character that is not white space and returns its code; NaN at the end. */
  skipSpace(): number {
    for (;; this.at++) {
      const code = this.text.charCodeAt(this.at);
      if (
        code !== SPACE && code !== LINE_FEED && code !== CARRIAGE_RETURN && code !== TAB
      ) return code;
    }
  }

  open(code: number, outer: JsonFrame | undefined): JsonFrame {
    const depth = (outer?.depth ?? 0) + 1;
    if (depth > this.maxDepth) {
      throw this.error(`at most ${this.maxDepth} levels`, "limit-exceeded", "nested too deeply");
    }
    this.at++;
    return code === BRACE_OPEN
      ? { members: [], items: undefined, outer, depth, name: "" }
      : { members: undefined, items: [], outer, depth, name: "" };
  }

  /** Reads a member's name and the colon behind it, and returns the code of the value's first character. */
  memberName(frame: JsonFrame): number {
    if (this.text.charCodeAt(this.at) !== QUOTE) throw this.error("a member name in quotes");
    frame.name = this.string();
    if (this.skipSpace() !== COLON) throw this.error('":"');
    this.at++;
    return this.skipSpace();
  }

  scalar(code: number): JsonValue {
    if (code === QUOTE) return this.string();
    if (code === MINUS || (code >= DIGIT_0 && code <= DIGIT_9)) {
      this.number.lastIndex = this.at;
      if (this.number.test(this.text)) {
        const start = this.at;
        this.at = this.number.lastIndex;
        return new JsonNumber(this.text.slice(start, this.at));
      }
    }
    for (const [word, value] of WORDS) {
      if (this.text.startsWith(word, this.at)) {
        this.at += word.length;
        return value;
      }
    }
    throw this.error("a value");
  }

  string(): string {
    // Long runs of plain characters are left to the regular expression, which is fast from the first call on.
    const start = this.at + 1;
    this.plain.lastIndex = start;
    this.plain.test(this.text);
    this.at = this.plain.lastIndex;
    if (this.text.charCodeAt(this.at) !== QUOTE) return this.stringWithEscapes(start);
    return this.text.slice(start, this.at++);
  }

  /** The rest of a string that began at `start`, from the first character on that is not plain. */
  stringWithEscapes(start: number): string {
    const text = this.text;
    const parts: string[] = [];
    let from = start;
    for (;;) {
      const code = text.charCodeAt(this.at);
      if (code === QUOTE || code === BACKSLASH) {
        parts.push(text.slice(from, this.at));
        if (code === QUOTE) break;
        parts.push(this.escape());
        from = this.at;
      } else if (code >= SPACE) {
        this.at++;
      } else {
        throw this.error("a character of a string or its closing quote");
      }
    }
    this.at++;
    return parts.join("");
  }

  escape(): string {
    const letter = this.text.charAt(this.at + 1);
    if (letter === "u") {
      const digits = this.text.slice(this.at + 2, this.at + 6);
      if (!/^[0-9a-fA-F]{4}$/.test(digits)) throw this.error("four hexadecimal digits behind \\u");
      this.at += 6;
      return String.fromCharCode(parseInt(digits, 16));
    }
    const index = letter === "" ? -1 : JSON_ESCAPES.letters.indexOf(letter);
    if (index < 0) throw this.error('one of "\\/bfnrtu behind the backslash');
    this.at += 2;
    return JSON_ESCAPES.meanings.charAt(index);
  }

  finish(value: JsonValue): JsonValue {
    if (this.at < this.text.length) throw this.error("the end");
    return value;
  }

  error(
    expected: string,
    code: FormatErrorCode = "bad-json",
    reason = "wrong character",
  ): FormatError {
    // The offset counts bytes, and the text's characters may be longer than one.
    const offset = this.offset + encodeText(this.text.slice(0, this.at)).length;
    const rest = this.text.slice(this.at, this.at + 12);
    if (rest === "" && code === "bad-json") reason = "it ends too early";
    const found = rest === "" ? "the end" : quoteText(rest);
    return new FormatError(code, `Cannot decode JSON: ${reason}`, { offset, expected, found });
  }
}
