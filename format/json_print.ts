/**
 * Prints JSON values as Python does, in which QEMU's script is written; the other half of json.ts.
 *
 * @module
 */

import { JSON_ESCAPES, JsonNumber, JsonObject, type JsonValue } from "./json.ts";

/**
 * Prints a value character for character as Python's `json.dumps(value, indent=indent)` does: ASCII only, and one member a name:
 * the last value at the first one's place. An `indent` of `null` prints all in one line, which is how QEMU writes its
 * descriptions.
 */
export function printPythonJson(value: JsonValue, indent: number | null = 4): string {
  return new JsonPrinter(indent).print(value);
}

/** An array (without names) or object that is being printed. */
interface PrintFrame {
  readonly names: readonly string[] | undefined;
  readonly values: readonly JsonValue[];
  next: number;
}

class JsonPrinter {
  readonly indent: number | null;
  readonly comma: string;
  readonly stack: PrintFrame[] = [];
  readonly lineBreaks: string[] = [];
  readonly names: Map<string, string> = new Map();
  text = "";

  constructor(indent: number | null) {
    this.indent = indent;
    this.comma = indent === null ? ", " : ",";
  }

  print(value: JsonValue): string {
    this.value(value);
    for (let frame = this.stack.at(-1); frame !== undefined; frame = this.stack.at(-1)) {
      const at = frame.next++;
      if (at === frame.values.length) {
        this.stack.pop();
        this.text += this.lineBreak() + (frame.names === undefined ? "]" : "}");
        continue;
      }
      if (at > 0) this.text += this.comma;
      this.text += this.lineBreak();
      if (frame.names !== undefined) this.text += this.name(frame.names[at]!);
      this.value(frame.values[at]!);
    }
    return this.text;
  }

  /** A line break and the indentation of what is directly inside the arrays and objects on the stack. */
  lineBreak(): string {
    if (this.indent === null) return "";
    return this.lineBreaks[this.stack.length] ??= "\n" +
      " ".repeat(this.indent * this.stack.length);
  }

  name(name: string): string {
    let quoted = this.names.get(name);
    if (quoted === undefined) this.names.set(name, quoted = `${quoteJsonAscii(name)}: `);
    return quoted;
  }

  /** Prints a scalar or an empty array or object; puts others on the stack. */
  value(value: JsonValue): void {
    if (value === null || typeof value === "boolean") {
      this.text += String(value);
    } else if (typeof value === "string") {
      this.text += quoteJsonAscii(value);
    } else if (value instanceof JsonNumber) {
      this.text += pythonNumber(value.text);
    } else if (value instanceof JsonObject) {
      const unique = new Map(value.members);
      const frame = { names: [...unique.keys()], values: [...unique.values()], next: 0 };
      this.open(frame, "{", "{}");
    } else {
      this.open({ names: undefined, values: value, next: 0 }, "[", "[]");
    }
  }

  open(frame: PrintFrame, bracket: string, empty: string): void {
    this.text += frame.values.length === 0 ? empty : bracket;
    if (frame.values.length > 0) this.stack.push(frame);
  }
}

/** The text that Python prints for a number that it read from `text`. */
function pythonNumber(text: string): string {
  if (/^-?[0-9]+$/.test(text)) return text === "-0" ? "0" : text;
  const value = Number(text);
  if (!Number.isFinite(value)) return String(value);
  // Both languages print the shortest digits that give the number back, but change to exponents at different sizes:
  // JavaScript prints 1e-6..1e21 without, Python 1e-4..1e16.
  const [digits = "", power = ""] = value.toExponential().split("e");
  const exponent = Number(power);
  if (exponent < -4 || exponent >= 16) {
    const size = Math.abs(exponent).toString().padStart(2, "0");
    return `${digits}e${exponent < 0 ? "-" : "+"}${size}`;
  }
  if (Object.is(value, -0)) return "-0.0";
  return Number.isInteger(value) ? `${value}.0` : String(value);
}

/** A string as a JSON literal of ASCII characters only, as Python prints it: also U+007F is escaped. */
export function quoteJsonAscii(text: string): string {
  if (/^[ !#-[\]-~]*$/.test(text)) return `"${text}"`;
  return `"${text.replace(/[^ !#-[\]-~]/g, escapeAscii)}"`;
}

function escapeAscii(unit: string): string {
  const index = JSON_ESCAPES.meanings.indexOf(unit);
  if (index >= 0) return `\\${JSON_ESCAPES.letters.charAt(index)}`;
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;
}
