/**
 * The compressions that a stream may be wrapped in, by `virsh save` or by `exec:gzip -c > FILE`, told apart by their first bytes.
 *
 * @module
 */

/** A compression that a whole stream may be wrapped in. */
export type Compression = "gzip" | "bzip2" | "xz" | "lzop" | "zstd";

/** First bytes, as text of one character a byte. */
const MAGIC: readonly (readonly [magic: string, compression: Compression])[] = [
  ["\x1f\x8b", "gzip"],
  ["BZh", "bzip2"],
  ["\xfd7zXZ\0", "xz"],
  ["\x89LZO\0\r\n\x1a\n", "lzop"],
  ["\x28\xb5\x2f\xfd", "zstd"],
];

/** The number of bytes that {@link recogniseCompression} looks at. */
export const COMPRESSION_MAGIC_BYTES = 9;

/**
 * Says what the bytes are compressed with, by their first ones; `undefined` if none of the magic numbers is there.
 *
 * A zstd file may also begin with a skippable frame. None of the programs that write streams puts one there, and its magic
 * number is too weak to recognise a file by.
 */
export function recogniseCompression(head: Uint8Array): Compression | undefined {
  const text = String.fromCharCode(...head.subarray(0, COMPRESSION_MAGIC_BYTES));
  return MAGIC.find(([magic]) => text.startsWith(magic))?.[1];
}
