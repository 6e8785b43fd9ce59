/**
 * The error of a multifd channel that is not as QEMU writes it.
 *
 * @module
 */

import type { FormatError } from "../error.ts";
import type { ByteReader } from "../reader.ts";

/** A fact that is wrong: where, what a correct channel has there, and what was found. */
export interface MultifdFault {
  /** Absolute offset of the first wrong byte. */
  readonly offset: number;
  /** What a correct channel has there. */
  readonly expected: string;
  /** What was found. */
  readonly found: string;
  /** The rule of docs/rules.md that is broken. */
  readonly rule: string;
  /** The error that led to this one. */
  readonly cause?: unknown;
}

/** Why a payload can't be decompressed, where another rule is broken than the method's own. */
export class PayloadError extends Error {
  /** The rule of docs/rules.md that is broken. */
  readonly rule: string;

  /** Makes the error. */
  constructor(rule: string, message: string) {
    super(message);
    this.name = "PayloadError";
    this.rule = rule;
  }
}

/** Makes the error; `message` says what of the channel can't be decoded, and why. */
export function badMultifd(reader: ByteReader, message: string, fault: MultifdFault): FormatError {
  return reader.error("bad-multifd", `Cannot decode ${message}`, fault);
}

/** Whether all bytes are zero. */
export function isZero(bytes: Uint8Array): boolean {
  for (let at = 0; at < bytes.length; at++) if (bytes[at] !== 0) return false;
  return true;
}
