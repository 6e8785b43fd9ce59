/**
 * What `migstream convert` can write; apart, so that the help needs nothing else.
 *
 * @module
 */

/** A classic stream, a mapped-ram file, a folder with the channels of a multifd migration. */
export const CONVERT_TARGETS = ["stream", "mapped-ram", "capture"] as const;
