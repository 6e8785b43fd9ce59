/**
 * How PCI devices save their interrupts: fields of the vmstate types `pci irq state` and `msix state`.
 *
 * The levels of the pins are big-endian like all of vmstate. The MSI-X table is the device's memory as it is, so numbers in it are
 * little-endian. The number of vectors follows from the field's size.
 *
 * ```text
 * pci irq state
 *    0     16       4 x be32  level of INTA..INTD: 0 or 1
 * msix state of n vectors
 *    0     16 n     n x (le64 address, le32 data, le32 control: bit 0 masked)
 * 16 n     (n+7)/8  pending bits: vector v is bit v % 8 of byte v / 8
 * ```
 *
 * @example
 * ```ts
 * import { decodeMsixState } from "./pci_interrupts.ts";
 *
 * console.log(decodeMsixState(new Uint8Array(17)).vectors.length); // 1
 * ```
 *
 * @module
 */

import { notEncodable, wrongSize } from "./field_errors.ts";

/** Bytes of a `pci irq state`. */
export const PCI_IRQ_STATE_BYTES = 16;
/** Most vectors that MSI-X allows. */
export const MSIX_MAX_VECTORS = 2048;

/** Levels of the interrupt pins INTA..INTD, each 0 or 1. */
export type PciIrqState = readonly [intA: number, intB: number, intC: number, intD: number];

/** Decodes a `pci irq state`. Fails with `device-mismatch` if it is of another size. */
export function decodePciIrqState(bytes: Uint8Array): PciIrqState {
  if (bytes.length !== PCI_IRQ_STATE_BYTES) {
    throw wrongSize("pci irq state", String(PCI_IRQ_STATE_BYTES), bytes.length);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return [view.getUint32(0), view.getUint32(4), view.getUint32(8), view.getUint32(12)];
}

/** Encodes a `pci irq state`. */
export function encodePciIrqState(state: PciIrqState): Uint8Array {
  const bytes = new Uint8Array(PCI_IRQ_STATE_BYTES);
  const view = new DataView(bytes.buffer);
  state.forEach((level, pin) => {
    if (!isU32(level)) throw notEncodable("pci irq state", "0..4294967295", level);
    view.setUint32(4 * pin, level);
  });
  return bytes;
}

/** An MSI-X vector: the message that the device writes to raise it. */
export interface MsixVector {
  /** Where the message is written to. */
  readonly address: bigint;
  /** What is written. */
  readonly data: number;
  /** Vector control; bit 0: masked. */
  readonly control: number;
  /** Whether the vector was raised while it was masked. */
  readonly pending: boolean;
}

/** The MSI-X state of a device. */
export interface MsixState {
  /** The vectors. */
  readonly vectors: readonly MsixVector[];
  /** The bits of the last byte of pending bits that belong to no vector; 0 in real streams. */
  readonly unusedPendingBits: number;
}

/** Bytes of a `msix state` of `vectorCount` vectors. */
export function msixStateBytes(vectorCount: number): number {
  return 16 * vectorCount + Math.ceil(vectorCount / 8);
}

/** Decodes a `msix state`. Fails with `device-mismatch` if no number of vectors has that size. */
export function decodeMsixState(bytes: Uint8Array): MsixState {
  const count = Math.floor(bytes.length * 8 / 129);
  if (count > MSIX_MAX_VECTORS || msixStateBytes(count) !== bytes.length) {
    throw wrongSize("msix state", "16 n + n / 8 (n up to 2048)", bytes.length);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const vectors: MsixVector[] = [];
  for (let vector = 0; vector < count; vector++) {
    vectors.push({
      address: view.getBigUint64(16 * vector, true),
      data: view.getUint32(16 * vector + 8, true),
      control: view.getUint32(16 * vector + 12, true),
      pending: (bytes[16 * count + (vector >> 3)]! >> (vector & 7) & 1) === 1,
    });
  }
  const unused = count % 8 === 0 ? 0 : bytes[bytes.length - 1]! & (0xff << (count % 8));
  return { vectors, unusedPendingBits: unused };
}

/** Encodes a `msix state`. */
export function encodeMsixState(state: MsixState): Uint8Array {
  const count = state.vectors.length;
  if (count > MSIX_MAX_VECTORS) {
    throw notEncodable("msix state", `at most ${MSIX_MAX_VECTORS} vectors`, count);
  }
  const bytes = new Uint8Array(msixStateBytes(count));
  const view = new DataView(bytes.buffer);
  if (count > 0) bytes[bytes.length - 1] = state.unusedPendingBits;
  for (const [vector, { address, data, control, pending }] of state.vectors.entries()) {
    if (BigInt.asUintN(64, address) !== address) {
      throw notEncodable("msix state", "an address below 2^64", address);
    }
    if (!isU32(data)) throw notEncodable("msix state", "0..4294967295", data);
    if (!isU32(control)) throw notEncodable("msix state", "0..4294967295", control);
    view.setBigUint64(16 * vector, address, true);
    view.setUint32(16 * vector + 8, data, true);
    view.setUint32(16 * vector + 12, control, true);
    if (pending) bytes[16 * count + (vector >> 3)]! |= 1 << (vector & 7);
  }
  return bytes;
}

function isU32(value: number): boolean {
  return Number.isInteger(value) && value >= 0 && value <= 0xffffffff;
}
