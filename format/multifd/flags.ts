/**
 * What the flags of a multifd packet say.
 *
 * | bits | value | meaning                                     | since |
 * |------|-------|---------------------------------------------|-------|
 * | 0    | 0x01  | SYNC                                        | 4.0   |
 * | 1-5  | 0x00  | pages as they are                           | 4.0   |
 * |      | 0x02  | zlib: one stream for the whole channel      | 5.0   |
 * |      | 0x04  | zstd: one frame for the whole channel       | 5.0   |
 * |      | 0x08  | QPL: raw deflate, page by page              | 9.1   |
 * |      | 0x10  | UADK: zlib, page by page                    | 9.1   |
 * |      | 0x20  | QATzip: gzip, packet by packet              | 9.2   |
 * | 6    | 0x40  | DEVICE_STATE: another packet, of a device   | 10.0  |
 *
 * @module
 */

import type { ByteReader } from "../reader.ts";
import { hex } from "../text.ts";
import { badMultifd } from "./error.ts";

/** Flags of a packet that are no compression (`MULTIFD_FLAG_*`). */
export const MULTIFD_FLAG = {
  SYNC: 0x01,
  DEVICE_STATE: 0x40,
} as const;

/** The bits of the compression method (`MULTIFD_FLAG_COMPRESSION_MASK`). */
export const MULTIFD_METHOD_MASK = 0x3e;

/** The compression methods with their flags. */
export const MULTIFD_METHOD_FLAGS = {
  none: 0x00,
  zlib: 0x02,
  zstd: 0x04,
  qpl: 0x08,
  uadk: 0x10,
  qatzip: 0x20,
} as const;

/** How the pages of a packet are compressed. */
export type MultifdMethod = keyof typeof MULTIFD_METHOD_FLAGS;

const METHODS: ReadonlyMap<number, MultifdMethod> = new Map(
  (Object.keys(MULTIFD_METHOD_FLAGS) as MultifdMethod[])
    .map((method) => [MULTIFD_METHOD_FLAGS[method], method]),
);

const KNOWN_FLAGS = MULTIFD_FLAG.SYNC | MULTIFD_METHOD_MASK | MULTIFD_FLAG.DEVICE_STATE;

/** The method that legal flags name. */
export function multifdMethod(flags: number): MultifdMethod {
  return METHODS.get(flags & MULTIFD_METHOD_MASK) ?? "none";
}

/** Fails if flags that stand at `offset` have unknown bits, or bits that exclude each other. */
export function checkMultifdFlags(reader: ByteReader, flags: number, offset: number): void {
  const found = hex(flags);
  const unknown = (flags & ~KNOWN_FLAGS) >>> 0;
  if (unknown !== 0) {
    throw badMultifd(reader, "flags of a multifd packet: unknown bits", {
      offset,
      expected: `no bits but those of ${hex(KNOWN_FLAGS)}`,
      found,
      rule: "MFD-007",
    });
  }
  if (!METHODS.has(flags & MULTIFD_METHOD_MASK)) {
    const message = "flags of a multifd packet: more than one compression method";
    throw badMultifd(reader, message, {
      offset,
      expected: `at most one bit of ${hex(MULTIFD_METHOD_MASK)}`,
      found,
      rule: "MFD-007",
    });
  }
  if ((flags & MULTIFD_FLAG.DEVICE_STATE) !== 0 && flags !== MULTIFD_FLAG.DEVICE_STATE) {
    const message = "flags of a multifd packet: DEVICE_STATE together with other flags";
    throw badMultifd(reader, message, {
      offset,
      expected: hex(MULTIFD_FLAG.DEVICE_STATE),
      found,
      rule: "MFD-023",
    });
  }
}
