/**
 * The one error that damaged, truncated or hostile input causes.
 *
 * @module
 */

/**
 * The stable codes of {@link FormatError}, each with what it means. Codes are an interface: scripts may
 * compare them; messages may change.
 */
export const FORMAT_ERROR_CODES = {
  "truncated": "The input ends inside a structure.",
  "bad-magic": "The first bytes are not those of a migration stream.",
  "bad-container": "The wrapper around the stream is damaged or of an unknown form.",
  "bad-compression": "Compressed data is damaged.",
  "unsupported-version": "A version number that no decoder here knows.",
  "bad-configuration": "The configuration section is not as QEMU writes it.",
  "bad-section": "A section header, type byte or section id is impossible.",
  "bad-footer": "A section footer is missing or names another section.",
  "bad-command": "A command has an unknown number or a wrong length.",
  "bad-return-path": "A message of the return path has an unknown type or a wrong length.",
  "bad-package": "The nested stream of a PACKAGED command does not end at its length.",
  "bad-ram-record": "A RAM record has an impossible combination of flags or a wrong length.",
  "bad-ram-address": "A page lies outside its RAM block.",
  "bad-ram-block": "The RAM block list is inconsistent, or a record names an unknown block.",
  "bad-page-size": "The target page size is impossible, or two places disagree on it.",
  "bad-mapped-ram": "A mapped-ram header has impossible offsets or sizes.",
  "bad-multifd": "A multifd channel is not as QEMU writes it.",
  "bad-xbzrle": "An XBZRLE delta is malformed or leaves its page.",
  "bad-compressed-page": "A compressed page does not inflate to exactly one page.",
  "bad-payload": "The payload of a section that is not vmstate is malformed.",
  "bad-json": "The vmdescription is not the JSON text that it should be.",
  "bad-vmdescription": "The vmdescription is JSON, but does not describe devices as QEMU does.",
  "device-mismatch": "A device section's bytes do not fit its description.",
  "out-of-range": "A number is larger than this program can represent exactly (2^53 - 1).",
  "limit-exceeded": "A documented limit was reached.",
  "not-seekable": "The question needs a file that can be read at any position.",
  "not-encodable": "A value does not fit the field that it should be written to.",
} as const;

/** One of the stable codes of {@link FORMAT_ERROR_CODES}. */
export type FormatErrorCode = keyof typeof FORMAT_ERROR_CODES;

/** The facts of a {@link FormatError}. */
export interface FormatErrorDetails {
  /** Absolute offset in the input, in bytes, of the first byte that is wrong or missing. */
  readonly offset: number;
  /** Where in the stream's structure, from the outside in, e.g. `["section 3 \"ram\"", "block list"]`. */
  readonly path?: readonly string[];
  /** What a correct stream has there. */
  readonly expected?: string;
  /** What the input has there. */
  readonly found?: string;
  /** The rule of docs/rules.md that is broken: `RAM-028`. */
  readonly rule?: string | undefined;
  /** The error that led to this one. */
  readonly cause?: unknown;
}

/**
 * Thrown whenever input (or a value to be written) is not what the format allows.
 *
 * @example
 * ```ts
 * import { FormatError, isFormatError } from "./error.ts";
 *
 * try {
 *   throw new FormatError("bad-magic", "Cannot decode file header: wrong magic", {
 *     offset: 0,
 *     expected: "51 45 56 4d",
 *     found: "7f 45 4c 46",
 *   });
 * } catch (error) {
 *   if (!isFormatError(error) || error.code !== "bad-magic") throw error;
 * }
 * ```
 */
export class FormatError extends Error {
  /** Stable code. */
  readonly code: FormatErrorCode;
  /** Absolute offset in the input, in bytes. */
  readonly offset: number;
  /** Where in the stream's structure, from the outside in. */
  readonly path: readonly string[];
  /** What a correct stream has there, if that can be said briefly. */
  readonly expected: string | undefined;
  /** What the input has there, if that can be said briefly. */
  readonly found: string | undefined;
  /** The rule that is broken, where one alone says it; `migstream validate --explain` tells more. */
  readonly rule: string | undefined;

  /** Makes an error; `message` is one sentence without the offset, which {@link describe} adds. */
  constructor(code: FormatErrorCode, message: string, details: FormatErrorDetails) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = "FormatError";
    this.code = code;
    this.offset = details.offset;
    this.path = details.path ?? [];
    this.expected = details.expected;
    this.found = details.found;
    this.rule = details.rule;
  }

  /** The whole error in one line: message, offset, path, what was expected and what was found. */
  describe(): string {
    const parts = [`${this.message} at offset ${this.offset} (0x${this.offset.toString(16)})`];
    if (this.path.length > 0) parts.push(`in ${this.path.join(" > ")}`);
    if (this.expected !== undefined) parts.push(`expected ${this.expected}`);
    if (this.found !== undefined) parts.push(`found ${this.found}`);
    return `${parts.join("; ")} [${this.code}]`;
  }
}

/**
 * Whether `error` is a {@link FormatError}, also one from another copy of this module.
 *
 * @example
 * ```ts
 * import { BytesSource, isFormatError, StreamReader } from "@migstream/migstream";
 *
 * try {
 *   for (const item of new StreamReader(new BytesSource(new Uint8Array(4))).items()) console.log(item);
 * } catch (error) {
 *   if (!isFormatError(error)) throw error;
 *   console.log(error.code, error.offset); // bad-magic 0
 * }
 * ```
 */
export function isFormatError(error: unknown): error is FormatError {
  return error instanceof Error && error.name === "FormatError" && "offset" in error &&
    "code" in error;
}
