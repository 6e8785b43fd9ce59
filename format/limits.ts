/**
 * Ceilings on what an input may ask for. Each is far above anything real; reaching one is a `limit-exceeded` error that
 * names it.
 *
 * @module
 */

/** Ceilings on what an input may ask for. */
export interface Limits {
  /** RAM blocks in one stream; real streams have at most some dozens. */
  readonly ramBlocks: number;
  /** Bytes of one mapped-ram bitmap, where it has to be read. */
  readonly bitmapBytes: number;
  /** Different sections (START and FULL) in one stream. */
  readonly sections: number;
  /** PACKAGED streams inside each other; real streams have one. */
  readonly packageDepth: number;
  /** Bytes of the vmdescription. */
  readonly vmdescriptionBytes: number;
  /** Values of one JSON text: a vmdescription. */
  readonly jsonValues: number;
  /** Bytes searched for a vmdescription from the first device section on, and bytes of one described device section. */
  readonly deviceStateBytes: number;
  /** Bytes of one section that nothing describes, searched for its footer. */
  readonly undescribedBytes: number;
  /** Bytes behind the end of a stream whose length is not known: what was compressed may never end. */
  readonly trailingBytes: number;
  /** Fields and array elements of all device sections that no byte of device state pays for. */
  readonly deviceElements: number;
  /** Bytes of one temporary file: a pipe that has to be kept, or pages. What was compressed may never end. */
  readonly temporaryBytes: number;
  /** Bytes of the window of zstd data, at most 2 GiB; so much memory is needed. */
  readonly zstdWindowBytes: number;
}

/** The ceilings in force where nothing else is asked for; {@link setDefaultLimits} changes them. */
export const DEFAULT_LIMITS: Limits = {
  ramBlocks: 65536,
  bitmapBytes: 512 * 1024 * 1024,
  sections: 1_000_000,
  packageDepth: 4,
  vmdescriptionBytes: 256 * 1024 * 1024,
  jsonValues: 4_000_000,
  deviceStateBytes: 1024 * 1024 * 1024,
  undescribedBytes: 64 * 1024 * 1024,
  trailingBytes: 1024 * 1024 * 1024,
  deviceElements: 1 << 20,
  temporaryBytes: 64 * 1024 * 1024 * 1024,
  zstdWindowBytes: 128 * 1024 * 1024,
};

/**
 * Changes the ceilings of {@link DEFAULT_LIMITS} for the whole process: for a program whose user said that its inputs may be this large.
 *
 * @throws {RangeError} for a value that is not a whole number from 1 to 2^53 - 1
 */
export function setDefaultLimits(changes: Partial<Limits>): void {
  for (const [name, value] of Object.entries(changes)) {
    if (name in DEFAULT_LIMITS && Number.isSafeInteger(value) && value > 0) continue;
    throw new RangeError(`Cannot set limit ${name} to ${value}`);
  }
  Object.assign(DEFAULT_LIMITS, changes);
}
