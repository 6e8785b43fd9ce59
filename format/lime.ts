/**
 * LiME memory images: ranges of physical memory, each behind a header.
 *
 * ```text
 *  0  4  le32  magic 0x4c694d45
 *  4  4  le32  version 1
 *  8  8  le64  first address
 * 16  8  le64  last address
 * 24  8        reserved, zero
 * ```
 *
 * @module
 */

/** `EMiL`, as the first bytes spell. */
export const LIME_MAGIC = 0x4c694d45;
/** The only version. */
export const LIME_VERSION = 1;
/** Bytes of a header. */
export const LIME_HEADER_BYTES = 32;

/** A range of memory. */
export interface LimeRange {
  /** First guest-physical address. */
  readonly guestAddress: number;
  /** Bytes; at least 1. */
  readonly lengthBytes: number;
}

/** Encodes the header of a range. */
export function encodeLimeHeader({ guestAddress, lengthBytes }: LimeRange): Uint8Array {
  const bytes = new Uint8Array(LIME_HEADER_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, LIME_MAGIC, true);
  view.setUint32(4, LIME_VERSION, true);
  view.setBigUint64(8, BigInt(guestAddress), true);
  view.setBigUint64(16, BigInt(guestAddress + lengthBytes - 1), true);
  return bytes;
}
