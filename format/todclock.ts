/**
 * The payload of the `todclock` section: an s390x guest's clock. A FULL section of the old style.
 *
 * ```text
 *   0  1 u8    1 = a clock follows (S390_TOD_CLOCK_VALUE_PRESENT), 0 = none (S390_TOD_CLOCK_VALUE_MISSING)
 *   1  1 u8    high:  epoch index
 *   2  8 be64  low:   the clock's 64 bits; bit 51 (from the left) is one microsecond
 * ```
 *
 * @module
 */

import { badPayload, shown } from "./chunk.ts";
import type { ByteReader } from "./reader.ts";
import type { ByteWriter } from "./writer.ts";

/** Name of the section's entry. */
export const TODCLOCK_IDSTR = "todclock";
/** The only version of the section. */
export const TODCLOCK_VERSION = 1;

/** Values of the first byte. */
export const TODCLOCK_VALUE = { MISSING: 0, PRESENT: 1 } as const;

/** A guest's clock. */
export interface TodClock {
  /** Epoch index. */
  readonly high: number;
  /** The clock's 64 bits. */
  readonly low: bigint;
}

/** Decodes the payload; `undefined` if the source could not tell the clock. */
export function decodeTodClock(reader: ByteReader): TodClock | undefined {
  const offset = reader.offset;
  const present = reader.u8("TOD clock presence");
  if (present === TODCLOCK_VALUE.MISSING) return undefined;
  if (present !== TODCLOCK_VALUE.PRESENT) {
    throw badPayload(reader, "Cannot decode todclock: wrong first byte", {
      offset,
      expected: "0 or 1",
      found: shown(present),
    });
  }
  return { high: reader.u8("TOD clock high"), low: reader.bigU64("TOD clock low") };
}

/** Encodes the payload; `undefined` says that the clock is not known. */
export function encodeTodClock(writer: ByteWriter, clock: TodClock | undefined): void {
  writer.u8(
    clock === undefined ? TODCLOCK_VALUE.MISSING : TODCLOCK_VALUE.PRESENT,
    "TOD clock presence",
  );
  if (clock === undefined) return;
  writer.u8(clock.high, "TOD clock high");
  writer.bigU64(clock.low, "TOD clock low");
}
