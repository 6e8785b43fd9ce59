/**
 * The rule that an error breaks where its surroundings tell more than the place where the decoder stopped.
 *
 * @module
 */

import { ELEMENT_HEAD_BYTES, judgeElement } from "../../format/boundary.ts";
import type { FormatError } from "../../format/error.ts";
import { SECTION_TYPE } from "../../format/section.ts";
import type { ByteSource } from "../../format/source.ts";
import { readFully } from "./resync.ts";
import type { RuleId } from "./rule.ts";

/** Where an error happened. */
export interface ErrorPlace {
  /** The input. */
  readonly source: ByteSource;
  /** Absolute offset of the stream. */
  readonly streamOffset: number;
  /** Absolute offset behind a configuration that lists capabilities, if that was the last item. */
  readonly capabilitiesEnd: number | undefined;
  /** Ids that PART and END sections may refer to. */
  readonly iterableIds: ReadonlySet<number>;
}

/** Bytes of the shortest stream: header and EOF. */
const SHORTEST_STREAM_BYTES = 9;

/** The rule that the surroundings of an error point to; `undefined` where the error says all. */
export function blame(error: FormatError, place: ErrorPlace): RuleId | undefined {
  const { code, offset, path } = error;
  const { sizeBytes } = place.source;
  const isBefore = sizeBytes === undefined || offset < sizeBytes;
  if (code === "truncated") {
    if (!isBefore && offset - place.streamOffset < SHORTEST_STREAM_BYTES) return "STR-003";
    if (path.includes("vmdescription")) return "END-005";
    // What ends inside of the input is the package, not the input.
    if (isBefore && path.includes("package") && error.rule === undefined) return "CMD-010";
  }
  if (code === "bad-json" && error.found === "the end") return shortDescription(place, offset);
  if (error.rule === "SEC-016" && isElement(place, offset)) return "SEC-015";
  if (code === "bad-section" && offset === place.capabilitiesEnd) {
    return isName(place, offset) ? "CFG-013" : undefined;
  }
  return undefined;
}

/** A text that ends too early: its length is wrong if something follows it. */
function shortDescription({ source }: ErrorPlace, end: number): RuleId | undefined {
  const head = bytesAt(source, Math.max(0, end - 5), 5);
  if (head[0] === SECTION_TYPE.VMDESCRIPTION && head.subarray(1).every((byte) => byte === 0)) {
    return "END-008";
  }
  return bytesAt(source, end, 1).length > 0 ? "END-005" : undefined;
}

function isElement({ source, iterableIds }: ErrorPlace, offset: number): boolean {
  const bytes = bytesAt(source, offset, ELEMENT_HEAD_BYTES);
  const isWhole = bytes.length < ELEMENT_HEAD_BYTES;
  return judgeElement(bytes, 0, isWhole, { id: -1, iterableIds }) === "strong";
}

/** Whether a counted name stands there, of at least two letters. */
function isName({ source }: ErrorPlace, offset: number): boolean {
  const bytes = bytesAt(source, offset, 256);
  const name = bytes.subarray(1, 1 + (bytes[0] ?? 0));
  return name.length >= 2 && name.length === bytes[0] && isPrintable(name);
}

function isPrintable(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte >= 0x20 && byte <= 0x7e);
}

function bytesAt(source: ByteSource, offset: number, count: number): Uint8Array {
  if (!source.seekable) return new Uint8Array(0);
  const bytes = new Uint8Array(count);
  return bytes.subarray(0, readFully(source, offset, bytes));
}
