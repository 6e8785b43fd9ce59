/**
 * The primitive types of vmstate fields: what the `type` strings of a vmdescription mean in bytes.
 *
 * All numbers are big-endian, on targets of any endianness. The `size` in the description decides how many bytes a field has; the
 * type only says what they mean:
 *
 * ```text
 * kind       sizes         bytes
 * unsigned   1 2 4 8       unsigned integer
 * signed     1 2 4 8       two's complement
 * bool       1             0 false, 1 (when loading: anything else) true
 * timer      8             be64 expiry time in ns of the timer's clock; all ones: not armed
 * float64    8             IEEE 754 double
 * words      8k            be64 each
 * bitmap     8k            be64 words; bit 64*k is the lowest bit of word k
 * marker     1             element of an array of pointers: "0" NULL, "1" its content follows
 * text       1+L           u8 L, then L bytes
 * counted    4+L           be32 L, then L bytes
 * bytes      any           as they are
 * ```
 *
 * A string may mean different things on different targets (`fpr` has 8 bytes on PowerPC, 16 on MIPS), so a field whose size is
 * not one of its type's sizes, or whose bytes do not fit its kind, decodes as `bytes`: decoding is total and loses nothing.
 * Types that hold other fields (`struct`, `vstruct`, `tmp`, `qtailq`, `qlist`, `gtree`) are not primitive and not in the table.
 *
 * @example
 * ```ts
 * import { decodePrimitive, encodePrimitive } from "./vmstate_types.ts";
 *
 * const primitive = decodePrimitive("int32 equal", new Uint8Array([0xff, 0xff, 0xff, 0xfe]));
 * if (primitive.kind === "signed") console.log(primitive.value); // -2
 * console.log(encodePrimitive("int32 equal", 4, primitive).length); // 4
 * ```
 *
 * @module
 */

import { FormatError } from "./error.ts";
import { decodeText, encodeText, quoteText } from "./text.ts";

/** A decoded primitive field; `kind` tells how the field was stored and what `value` is. */
export type VmstatePrimitive =
  /** An integer: a `bigint` where the field has 8 bytes, else a `number`. */
  | { readonly kind: "unsigned" | "signed"; readonly value: number | bigint }
  /** A truth value as QEMU loads it, and the byte where it is neither 0 nor 1. */
  | { readonly kind: "bool"; readonly value: boolean; readonly byte?: number }
  /** When the timer expires, in ns of its clock; `null` if it is not armed. */
  | { readonly kind: "timer"; readonly value: bigint | null }
  /** A double, and its bits where it is NaN, of which there are many. */
  | { readonly kind: "float64"; readonly value: number; readonly bits?: bigint }
  /** Words in stream order, e.g. the halves of a register of 128 bits. */
  | { readonly kind: "words"; readonly value: readonly bigint[] }
  /** Whether an array element is NULL, or present behind the marker. */
  | { readonly kind: "marker"; readonly value: "null" | "present" }
  /** A counted string without its length byte. */
  | { readonly kind: "text"; readonly value: string }
  /** The bytes behind a length (`counted`), items as {@link decodeBitmapWords} orders them (`bitmap`), or all of the field. */
  | { readonly kind: "bytes" | "counted" | "bitmap"; readonly value: Uint8Array };

/** The kinds of {@link VmstatePrimitive}. */
export type VmstateKind = VmstatePrimitive["kind"];

/** What a type string means. */
export interface VmstateType {
  /** The kind of its fields. */
  readonly kind: VmstateKind;
  /** Sizes in bytes with which a field is of that kind; without them, any that the kind can have. */
  readonly sizes?: readonly number[];
}

const BYTES: VmstateType = { kind: "bytes" };
const BOOL: VmstateType = { kind: "bool" };
const MARKER: VmstateType = { kind: "marker" };
const FLOAT64: VmstateType = { kind: "float64" };
const U8: VmstateType = { kind: "unsigned", sizes: [1] };
const U16: VmstateType = { kind: "unsigned", sizes: [2] };
const U32: VmstateType = { kind: "unsigned", sizes: [4] };
const U64: VmstateType = { kind: "unsigned", sizes: [8] };
const S8: VmstateType = { kind: "signed", sizes: [1] };
const S16: VmstateType = { kind: "signed", sizes: [2] };
const S32: VmstateType = { kind: "signed", sizes: [4] };
const S64: VmstateType = { kind: "signed", sizes: [8] };
/** A register that is 4 bytes wide on one target and 8 on another. */
const REGISTER: VmstateType = { kind: "unsigned", sizes: [4, 8] };
const WORD_PAIR: VmstateType = { kind: "words", sizes: [16] };

/** The primitive type strings (`VMStateInfo.name`) and what they mean. */
export const VMSTATE_TYPES: Readonly<Record<string, VmstateType>> = {
  "bool": BOOL,
  "int8": S8,
  "int16": S16,
  "int32": S32,
  "int64": S64,
  "uint8": U8,
  "uint16": U16,
  "uint32": U32,
  "uint64": U64,
  "int32 equal": S32,
  "uint8 equal": U8,
  "uint16 equal": U16,
  "uint32 equal": U32,
  "int64 equal": U64, // QEMU's name for equality of *unsigned* numbers
  "int32 le": S32, // "less or equal", not little-endian
  "int32_as_uint16": U16, // load-only
  "uint16_from_uint8": U8, // load-only
  "float64": FLOAT64,
  "CPU_Double_U": FLOAT64,
  "timer": { kind: "timer" },
  "buffer": BYTES,
  "unused_buffer": BYTES,
  "bitmap": { kind: "bitmap" },
  "capability": { kind: "text" },
  "nullptr": MARKER, // QEMU 10.0
  "ptr-marker": MARKER, // QEMU 11
  "fd": { kind: "unsigned", sizes: [1, 4] },
  "GByteArray": { kind: "counted" },
  "unknown": BYTES,
  // Opaque here; pci.ts and virtio.ts decode the first four.
  "pci config": BYTES,
  "pci irq state": BYTES,
  "msix state": BYTES,
  "virtio": BYTES,
  "shpc": BYTES,
  "virtqueue_extra_state": BYTES,
  "virtio-gpu": BYTES,
  "scsi-requests": BYTES,
  "usb-redir-parser": BYTES,
  "usb-redir-bufpq": BYTES,
  "usb-redir-packet-id-q": BYTES,
  // Registers
  "cpsr": U32, // arm
  "fpscr": REGISTER, // arm
  "fpsr": REGISTER, // arm
  "fpcr": REGISTER, // arm, alpha
  "powered_off": BOOL, // arm
  "fpr": U64, // ppc; pairs of 16 raw bytes on mips
  "vsr": U64, // ppc
  "avr": WORD_PAIR, // ppc
  "slbe": WORD_PAIR, // ppc: ESID, VSID
  "cpu/altivec/vscr": U32, // ppc
  "psr": REGISTER, // sparc
  "fsr": REGISTER, // sparc
  "xcc": REGISTER, // sparc
  "psw": REGISTER, // hppa
  "tlb entry": BYTES, // hppa
  "tlb_entry": BYTES, // mips
  "sr": REGISTER, // or1k
  "msr": REGISTER, // microblaze
  "sreg": U8, // avr
  "eind": U8, // avr
  "rampD": U8, // avr
  "rampX": U8, // avr
  "rampY": U8, // avr
  "rampZ": U8, // avr
};

/** Whether `name` is a primitive type string of {@link VMSTATE_TYPES}. */
export function isKnownVmstateType(name: string): boolean {
  return Object.hasOwn(VMSTATE_TYPES, name);
}

/** The kind that a field of that type and size has: `bytes` for everything unexpected. */
export function vmstateKind(type: string, sizeBytes: number): VmstateKind {
  const entry = Object.hasOwn(VMSTATE_TYPES, type) ? VMSTATE_TYPES[type]! : BYTES;
  const fits = entry.sizes?.includes(sizeBytes) ?? SIZE_FITS[entry.kind](sizeBytes);
  return fits ? entry.kind : "bytes";
}

const SIZE_FITS: Readonly<Record<VmstateKind, (sizeBytes: number) => boolean>> = {
  unsigned: (size) => size === 1 || size === 2 || size === 4 || size === 8,
  signed: (size) => size === 1 || size === 2 || size === 4 || size === 8,
  bool: (size) => size === 1,
  timer: (size) => size === 8,
  float64: (size) => size === 8,
  words: (size) => size % 8 === 0,
  bitmap: (size) => size % 8 === 0,
  marker: (size) => size === 1,
  text: (size) => size >= 1 && size <= 256,
  counted: (size) => size >= 4,
  bytes: () => true,
};

const MARKER_NULL = 0x30;
const MARKER_PRESENT = 0x31;
const NOT_ARMED = 0xffff_ffff_ffff_ffffn;

/** Decodes a field of type `type` that has exactly these bytes, which are not copied. Never fails. */
export function decodePrimitive(type: string, bytes: Uint8Array): VmstatePrimitive {
  const kind = vmstateKind(type, bytes.length);
  const primitive = kind === "unsigned" || kind === "signed"
    ? decodeInteger(kind, bytes)
    : decodeOther(kind, bytes);
  return primitive ?? { kind: "bytes", value: bytes };
}

function decodeInteger(kind: "unsigned" | "signed", bytes: Uint8Array): VmstatePrimitive {
  const view = viewOf(bytes);
  const signed = kind === "signed";
  switch (bytes.length) {
    case 1:
      return { kind, value: signed ? view.getInt8(0) : view.getUint8(0) };
    case 2:
      return { kind, value: signed ? view.getInt16(0) : view.getUint16(0) };
    case 4:
      return { kind, value: signed ? view.getInt32(0) : view.getUint32(0) };
    default:
      return { kind, value: signed ? view.getBigInt64(0) : view.getBigUint64(0) };
  }
}

/** Decodes what is not an integer; `undefined` where the bytes do not fit the kind. */
function decodeOther(kind: VmstateKind, bytes: Uint8Array): VmstatePrimitive | undefined {
  const view = viewOf(bytes);
  switch (kind) {
    case "bool": {
      const byte = bytes[0]!;
      return byte <= 1 ? { kind, value: byte === 1 } : { kind, value: true, byte };
    }
    case "timer": {
      const value = view.getBigUint64(0);
      return { kind, value: value === NOT_ARMED ? null : value };
    }
    case "float64": {
      const value = view.getFloat64(0);
      return Number.isNaN(value) ? { kind, value, bits: view.getBigUint64(0) } : { kind, value };
    }
    case "words":
      return {
        kind,
        value: Array.from({ length: bytes.length / 8 }, (_, k) => view.getBigUint64(8 * k)),
      };
    case "bitmap":
      return { kind, value: decodeBitmapWords(bytes) };
    case "marker":
      if (bytes[0] === MARKER_NULL) return { kind, value: "null" };
      return bytes[0] === MARKER_PRESENT ? { kind, value: "present" } : undefined;
    case "text":
      if (bytes[0] !== bytes.length - 1) return undefined;
      return { kind, value: decodeText(bytes.subarray(1)) };
    case "counted":
      if (view.getUint32(0) !== bytes.length - 4) return undefined;
      return { kind, value: bytes.subarray(4) };
    default:
      return undefined;
  }
}

/**
 * Encodes a field of type `type` and of `sizeBytes` bytes. `bytes` of the right length fit every type; other kinds only the
 * types and sizes that decode to them. Fails with `not-encodable`.
 */
export function encodePrimitive(
  type: string,
  sizeBytes: number,
  primitive: VmstatePrimitive,
): Uint8Array {
  if (primitive.kind !== "bytes" && primitive.kind !== vmstateKind(type, sizeBytes)) {
    const expected = `${vmstateKind(type, sizeBytes)} of ${sizeBytes} byte(s)`;
    throw notEncodable(type, "wrong kind of value", expected, primitive.kind);
  }
  const bytes = primitiveBytes(type, sizeBytes, primitive);
  if (bytes.length !== sizeBytes) {
    throw notEncodable(type, "wrong size", `${sizeBytes} byte(s)`, `${bytes.length} byte(s)`);
  }
  return bytes;
}

function primitiveBytes(type: string, sizeBytes: number, primitive: VmstatePrimitive): Uint8Array {
  switch (primitive.kind) {
    case "unsigned":
    case "signed":
      return integerBytes(type, sizeBytes, primitive.kind === "signed", primitive.value);
    case "bool":
      return integerBytes(type, 1, false, primitive.byte ?? (primitive.value ? 1 : 0));
    case "timer":
      return integerBytes(type, 8, false, primitive.value ?? NOT_ARMED);
    case "float64": {
      if (primitive.bits !== undefined) return integerBytes(type, 8, false, primitive.bits);
      const bytes = new Uint8Array(8);
      viewOf(bytes).setFloat64(0, primitive.value);
      return bytes;
    }
    case "words": {
      const bytes = new Uint8Array(8 * primitive.value.length);
      primitive.value.forEach((word, k) => bytes.set(integerBytes(type, 8, false, word), 8 * k));
      return bytes;
    }
    case "bitmap":
      return encodeBitmapWords(primitive.value);
    case "marker":
      return Uint8Array.of(primitive.value === "null" ? MARKER_NULL : MARKER_PRESENT);
    case "text":
      return lengthAndBytes(type, 1, encodeText(primitive.value));
    case "counted":
      return lengthAndBytes(type, 4, primitive.value);
    case "bytes":
      return primitive.value;
  }
}

function lengthAndBytes(type: string, lengthBytes: number, content: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(lengthBytes + content.length);
  bytes.set(integerBytes(type, lengthBytes, false, content.length));
  bytes.set(content, lengthBytes);
  return bytes;
}

function integerBytes(
  type: string,
  sizeBytes: number,
  signed: boolean,
  value: number | bigint,
): Uint8Array {
  const bits = BigInt(8 * sizeBytes);
  const low = signed ? -(1n << (bits - 1n)) : 0n;
  const high = low + (1n << bits) - 1n;
  if (!Number.isInteger(value) && typeof value !== "bigint" || value < low || value > high) {
    throw notEncodable(type, "the number does not fit", `${low}..${high}`, String(value));
  }
  const whole = new Uint8Array(8);
  viewOf(whole).setBigUint64(0, BigInt.asUintN(64, BigInt(value)));
  return whole.subarray(8 - sizeBytes);
}

/**
 * Reorders the words of a `bitmap` field to bytes in which item n is bit n % 8 of byte n / 8, for `bits` items (default: all
 * that the words hold). Fails with `device-mismatch` where the field is too short for them, or ends inside a word.
 */
export function decodeBitmapWords(bytes: Uint8Array, bits: number = 8 * bytes.length): Uint8Array {
  if (bytes.length % 8 !== 0 || bits > 8 * bytes.length) {
    throw new FormatError("device-mismatch", "Cannot decode bitmap: it has another size", {
      offset: 0,
      expected: `words of 8 bytes for ${bits} bits`,
      found: `${bytes.length} byte(s)`,
    });
  }
  const bitmap = reverseWords(bytes).subarray(0, Math.ceil(bits / 8));
  if (bits % 8 !== 0) bitmap[bitmap.length - 1]! &= (1 << (bits % 8)) - 1;
  return bitmap;
}

/** Reorders bytes of items as {@link decodeBitmapWords} makes them to big-endian words; the last word is filled with zeros. */
export function encodeBitmapWords(bitmap: Uint8Array): Uint8Array {
  const whole = new Uint8Array(8 * Math.ceil(bitmap.length / 8));
  whole.set(bitmap);
  return reverseWords(whole);
}

function reverseWords(bytes: Uint8Array): Uint8Array {
  const reversed = new Uint8Array(bytes.length);
  for (let at = 0; at < bytes.length; at++) reversed[at] = bytes[at ^ 7]!;
  return reversed;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

function notEncodable(type: string, reason: string, expected: string, found: string): FormatError {
  const message = `Cannot encode field of type ${quoteText(type)}: ${reason}`;
  return new FormatError("not-encodable", message, { offset: 0, expected, found });
}
