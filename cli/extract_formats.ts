/**
 * What `extract` writes.
 *
 * @module
 */

/** The forms: a file for each RAM block, or one file of physical memory. */
export const EXTRACT_FORMATS = ["blocks", "elf", "lime", "raw-physical"] as const;
