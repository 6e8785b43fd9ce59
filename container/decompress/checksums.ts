/**
 * Checksums that the runtime does not have.
 *
 * @module
 */

const ADLER_BASE = 65521;
/** As many bytes as can be added before a 32-bit sum could overflow. */
const ADLER_RUN_BYTES = 5552;

/** Adler-32 (RFC 1950); `start` is the checksum of what comes before. */
export function adler32(bytes: Uint8Array, start = 1): number {
  let low = start & 0xffff;
  let high = start >>> 16;
  for (let at = 0; at < bytes.length;) {
    const end = Math.min(bytes.length, at + ADLER_RUN_BYTES);
    for (; at < end; at++) {
      low += bytes[at]!;
      high += low;
    }
    low %= ADLER_BASE;
    high %= ADLER_BASE;
  }
  return ((high << 16) | low) >>> 0;
}

const BZIP2_CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 24;
  for (let bit = 0; bit < 8; bit++) crc = crc < 0 ? (crc << 1) ^ 0x04c11db7 : crc << 1;
  return crc;
});

/** The CRC-32 of bzip2, which takes the highest bit first; without the inversion before the first byte and behind the last. */
export function bzip2Crc(bytes: Uint8Array, start: number): number {
  let crc = start | 0;
  for (let at = 0; at < bytes.length; at++) {
    crc = (crc << 8) ^ BZIP2_CRC_TABLE[(crc >>> 24) ^ bytes[at]!]!;
  }
  return crc;
}
