/**
 * Ways in which a file can be compressed while it is written; apart, so that who only names them needs nothing else.
 *
 * @module
 */

/** Ways in which a file can be compressed. */
export const FILE_COMPRESSIONS = ["gzip", "zstd"] as const;
/** A way in which a file can be compressed. */
export type FileCompression = typeof FILE_COMPRESSIONS[number];
