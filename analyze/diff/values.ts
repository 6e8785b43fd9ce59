/**
 * Values of fields as a comparison shows them, such that `convert --set` takes them where it can.
 *
 * ```text
 * integer             number; bigint where the field has 8 bytes
 * bool                boolean; number for a byte that is neither 0 nor 1
 * timer               bigint, ns; "off" if it is not armed
 * float64             number; text for what is no number
 * words               text, a list of hexadecimal numbers
 * text                text
 * buffers, bitmaps    text: what they hold if that is a text, hexadecimal digits if they are short, else the ranges that differ
 * ```
 *
 * @module
 */

import { hex } from "../../format/text.ts";
import { decodePrimitive, type VmstatePrimitive } from "../../format/vmstate_types.ts";
import { printableText } from "../rich/values.ts";
import { changedRanges, firstRanges, rangesText } from "./byte_ranges.ts";

/** A value; `null` for what is not there. */
export type DiffValue = string | number | bigint | boolean | null;

/** Something that is different. */
export interface Change {
  /** What: `cpu/0/env.eip`. */
  readonly path: string;
  /** The left side's value; `null` if it has none. */
  readonly left: DiffValue;
  /** The right side's value; `null` if it has none. */
  readonly right: DiffValue;
}

/** Bytes of a buffer that are shown whole. */
const WHOLE_BYTES = 16;

/** The values of both sides. */
export type ValuePair = Pick<Change, "left" | "right">;

/** The bytes of a primitive that has no other value than bytes. */
function bytesOf(primitive: VmstatePrimitive): Uint8Array | undefined {
  const isBytes = primitive.kind === "bytes" || primitive.kind === "bitmap" ||
    primitive.kind === "counted";
  return isBytes ? primitive.value : undefined;
}

/** The value of a field alone. */
export function fieldValue(type: string, bytes: Uint8Array): DiffValue {
  const primitive = decodePrimitive(type, bytes);
  switch (primitive.kind) {
    case "unsigned":
    case "signed":
      return primitive.value;
    case "bool":
      return primitive.byte ?? primitive.value;
    case "timer":
      return primitive.value ?? "off";
    case "float64":
      if (primitive.bits !== undefined) return `nan (${hex(primitive.bits)})`;
      // JSON has none of these.
      if (Object.is(primitive.value, -0)) return "-0";
      return Number.isFinite(primitive.value) ? primitive.value : String(primitive.value);
    case "words":
      return `[${primitive.value.map((word) => hex(word)).join(", ")}]`;
    case "marker":
    case "text":
      return primitive.value;
    default:
      return bufferValue(primitive.value);
  }
}

function bufferValue(bytes: Uint8Array): string {
  if (bytes.length <= WHOLE_BYTES) return bytes.toHex();
  return printableText(bytes) ?? rangesText(bytes, firstRanges([[0, bytes.length]]));
}

/**
 * The values of a field on both sides; `undefined` if they are the same.
 *
 * @param ignores Which bytes are passed over, if it is a buffer.
 */
export function changedField(
  left: { readonly type: string; readonly bytes: Uint8Array },
  right: { readonly type: string; readonly bytes: Uint8Array },
  ignores: ((index: number) => boolean) | undefined,
): ValuePair | undefined {
  const leftBytes = bytesOf(decodePrimitive(left.type, left.bytes));
  const rightBytes = bytesOf(decodePrimitive(right.type, right.bytes));
  if (leftBytes !== undefined && rightBytes !== undefined) {
    return changedBuffer(leftBytes, rightBytes, ignores);
  }
  const both = {
    left: fieldValue(left.type, left.bytes),
    right: fieldValue(right.type, right.bytes),
  };
  return both.left === both.right ? undefined : both;
}

/** What two buffers hold where they differ; `undefined` if they do nowhere, or only where that is passed over. */
export function changedBuffer(
  left: Uint8Array,
  right: Uint8Array,
  ignores: ((index: number) => boolean) | undefined,
): ValuePair | undefined {
  const ranges = firstRanges(changedRanges(left, right, ignores));
  if (ranges.shown.length === 0) return undefined;
  const [leftText, rightText] = [printableText(left), printableText(right)];
  if (leftText !== undefined && rightText !== undefined && leftText !== rightText) {
    return { left: leftText, right: rightText };
  }
  if (left.length === right.length && left.length <= WHOLE_BYTES) {
    return { left: left.toHex(), right: right.toHex() };
  }
  const size = (bytes: Uint8Array) => left.length === right.length ? "" : `${bytes.length} bytes; `;
  return {
    left: size(left) + rangesText(left, ranges),
    right: size(right) + rangesText(right, ranges),
  };
}
