/**
 * The values of primitive fields in the rich dump.
 *
 * ```text
 * integer up to 32 bits   number
 * integer of 64 bits      decimal string; unsigned ones have a hexadecimal string beside it
 * bool                    true, false
 * timer                   decimal string of ns, null where it is not armed
 * float64                 number, or "NaN", "Infinity", "-Infinity"; the bits as hexadecimal string beside it
 * words                   list of hexadecimal strings
 * bitmap                  list of [first, last] set bits; hexadecimal digits if that were too long a list
 * marker                  null for a null pointer, else "present"
 * text                    string
 * bytes                   hexadecimal digits; printable text beside it
 * pci config, pci irq state, msix state, virtio           decoded
 * ```
 *
 * @module
 */

import { hex } from "../../format/text.ts";
import { decodePrimitive, vmstateKind, type VmstatePrimitive } from "../../format/vmstate_types.ts";
import { inlineJson, prettyJson, type RichValue, type RichWriter } from "./json.ts";
import { richPayload } from "./payloads.ts";

/** Fewest characters that are taken for a text, as strings(1) does. */
const MIN_TEXT = 4;

/** Most ranges that a bitmap is shown as; one that has more is no set of ranges, and would become a text a hundred times as long. */
const MAX_RANGES = 1 << 18;

/** Where a field's bytes are, and what they are taken for. */
export interface PrimitiveField {
  /** Type string. */
  readonly type: string;
  /** Offset of the first element in the device's bytes. */
  readonly offset: number;
  /** Bytes of one element. */
  readonly sizeBytes: number;
  /** Number of elements. */
  readonly count: number;
}

/** Writes the values of one device's primitive fields. */
export class ValueWriter {
  readonly #out: RichWriter;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #idstr: string;
  readonly #payloadOffset: number;

  /** Writes to `out` from the payload `bytes` of the section `idstr`, which stand at an absolute offset. */
  constructor(out: RichWriter, bytes: Uint8Array, idstr: string, payloadOffset: number) {
    this.#out = out;
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#idstr = idstr;
    this.#payloadOffset = payloadOffset;
  }

  /** Writes the member `value` of a lone field, and what stands beside it. */
  single(field: PrimitiveField, depth: number): void {
    const { type, offset, sizeBytes } = field;
    const out = this.#out;
    out.text(', "value": ');
    this.element(type, offset, sizeBytes, depth);
    const kind = vmstateKind(type, sizeBytes);
    if (kind === "bytes") {
      const text = printableText(this.#bytes.subarray(offset, offset + sizeBytes));
      if (text !== undefined) out.text(`, "text": ${inlineJson(text)}`);
    } else if (kind === "bitmap") {
      out.text(`, "bits": ${sizeBytes * 8}`);
    } else if (kind === "bool" && this.#bytes[offset]! > 1) {
      out.text(`, "byte": ${this.#bytes[offset]}`);
    } else if (hasHex(type, sizeBytes)) {
      out.text(`, "hex": ${this.#hex(offset)}`);
    }
  }

  /** Writes the member `value` of an array, given in runs of elements, and what stands beside it. */
  list(runs: readonly PrimitiveField[], depth: number): void {
    const out = this.#out;
    out.text(', "value": [');
    let separator = "";
    for (const { type, offset, sizeBytes, count } of runs) {
      if (sizeBytes === 0) continue; // the count of elements without bytes is anybody's claim
      for (let index = 0; index < count; index++) {
        out.text(separator);
        this.element(type, offset + index * sizeBytes, sizeBytes, depth);
        separator = ", ";
      }
    }
    out.text("]");
    if (!runs.every(({ type, sizeBytes }) => hasHex(type, sizeBytes))) return;
    separator = ', "hex": [';
    for (const { offset, count } of runs) {
      for (let index = 0; index < count; index++) {
        out.text(separator + this.#hex(offset + index * 8));
        separator = ", ";
      }
    }
    out.text("]");
  }

  #hex(offset: number): string {
    return `"${hex(this.#view.getBigUint64(offset))}"`;
  }

  /** Writes one value alone. */
  element(type: string, offset: number, size: number, depth: number): void {
    const out = this.#out;
    const kind = vmstateKind(type, size);
    if (kind === "unsigned" || kind === "signed") {
      return out.text(this.#integer(kind, offset, size));
    }
    const bytes = this.#bytes.subarray(offset, offset + size);
    if (kind === "bytes") {
      const place = { idstr: this.#idstr, offset: this.#payloadOffset + offset };
      const payload = richPayload(type, bytes, place);
      return payload === undefined ? out.hex(bytes) : out.text(prettyJson(payload, depth));
    }
    const primitive = decodePrimitive(type, bytes);
    if (primitive.kind === "bytes" || primitive.kind === "counted") out.hex(primitive.value);
    else out.text(inlineJson(primitiveValue(primitive)));
  }

  #integer(kind: "unsigned" | "signed", offset: number, size: number): string {
    const view = this.#view;
    const signed = kind === "signed";
    switch (size) {
      case 1:
        return String(signed ? view.getInt8(offset) : view.getUint8(offset));
      case 2:
        return String(signed ? view.getInt16(offset) : view.getUint16(offset));
      case 4:
        return String(signed ? view.getInt32(offset) : view.getUint32(offset));
      default:
        return `"${signed ? view.getBigInt64(offset) : view.getBigUint64(offset)}"`;
    }
  }
}

/** Whether a value is shown in hexadecimal too: 64-bit numbers are mostly addresses and masks. */
function hasHex(type: string, sizeBytes: number): boolean {
  if (sizeBytes !== 8) return false;
  const kind = vmstateKind(type, sizeBytes);
  return kind === "unsigned" || kind === "float64";
}

function primitiveValue(primitive: VmstatePrimitive): RichValue {
  switch (primitive.kind) {
    case "timer":
      return primitive.value === null ? null : String(primitive.value);
    case "float64":
      if (Object.is(primitive.value, -0)) return 0;
      return Number.isFinite(primitive.value) ? primitive.value : String(primitive.value);
    case "words":
      return primitive.value.map((word) => hex(word));
    case "marker":
      return primitive.value === "null" ? null : "present";
    case "bitmap":
      return bitRanges(primitive.value) ?? primitive.value.toHex();
    case "bool":
    case "text":
      return primitive.value;
    case "bytes":
    case "counted":
      return primitive.value.toHex();
    case "unsigned":
    case "signed":
      return typeof primitive.value === "bigint" ? String(primitive.value) : primitive.value;
  }
}

/** The runs of set bits, each `[first, last]`; bit n is bit n % 8 of byte n / 8. `undefined` if there are more than `most`. */
export function bitRanges(
  bitmap: Uint8Array,
  most: number = MAX_RANGES,
): [number, number][] | undefined {
  const ranges: [number, number][] = [];
  let start = -1;
  for (let at = 0; at < bitmap.length; at++) {
    const byte = bitmap[at]!;
    // Whole bytes that change nothing are the most frequent ones.
    if (byte === 0 ? start < 0 : byte === 0xff && start >= 0) continue;
    if (ranges.length > most) return undefined;
    for (let bit = 0; bit < 8; bit++) {
      const isSet = (byte >> bit & 1) === 1;
      if (isSet && start < 0) start = at * 8 + bit;
      if (isSet || start < 0) continue;
      ranges.push([start, at * 8 + bit - 1]);
      start = -1;
    }
  }
  if (start >= 0) ranges.push([start, bitmap.length * 8 - 1]);
  return ranges.length > most ? undefined : ranges;
}

/** The text that a buffer holds, NULs at its end taken away; `undefined` unless all of it is printable ASCII. */
export function printableText(bytes: Uint8Array): string | undefined {
  let end = bytes.length;
  while (end > 0 && bytes[end - 1] === 0) end--;
  if (end < MIN_TEXT) return undefined;
  for (let at = 0; at < end; at++) {
    if (bytes[at]! < 0x20 || bytes[at]! > 0x7e) return undefined;
  }
  return new TextDecoder().decode(bytes.subarray(0, end));
}
