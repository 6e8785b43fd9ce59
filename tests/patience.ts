/**
 * How long tests wait before they say that something hangs.
 *
 * @module
 */

/**
 * Milliseconds that no step of a test takes, on whatever machine: inputs are so large that work which grows faster than they do takes
 * longer, while the usual work takes a second at most.
 */
export const HANG_MS = 120_000;
