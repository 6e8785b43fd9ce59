/**
 * Slack: what stands in a mapped-ram file at places of pages that are not part of the memory, because they became zero during a live save.
 *
 * @module
 */

import { bitmapHas, bitmapRunEnd, guessBitmapByteOrder } from "../../format/mapped_ram.ts";
import type { RamBlock } from "../../format/ram.ts";
import type { ByteReader } from "../../format/reader.ts";

/** Bytes read at once. */
const CHUNK_BYTES = 256 * 1024;

/** Bytes of a block whose pages' bits are clear: what a search for slack has to read. */
export function clearBytes(block: RamBlock, normalPages: number): number {
  return block.usedLengthBytes - normalPages * block.mapped!.pageBytes;
}

/**
 * Counts the pages with slack of a mapped-ram block at whose pages the reader stands.
 *
 * @param onPage Called with the number of each of them.
 */
export function countSlackPages(
  block: RamBlock,
  bitmap: Uint8Array,
  reader: ByteReader,
  onPage: (page: number) => void = () => {},
): number {
  const { pageBytes, pagesOffset } = block.mapped!;
  const pages = block.usedLengthBytes / pageBytes;
  const order = guessBitmapByteOrder(bitmap, pages);
  const atOnce = Math.max(1, Math.floor(CHUNK_BYTES / pageBytes));
  const buffer = new Uint8Array(Math.min(atOnce, pages) * pageBytes);
  let count = 0;
  for (let first = 0, end = 0; first < pages; first = end) {
    end = bitmapRunEnd(bitmap, first, pages, order);
    if (bitmapHas(bitmap, first, order)) continue;
    reader.seek(pagesOffset + first * pageBytes);
    for (let page = first; page < end; page += atOnce) {
      const part = buffer.subarray(0, Math.min(atOnce, end - page) * pageBytes);
      reader.readInto(part, "pages");
      count += countNonZero(part, pageBytes, (index) => onPage(page + index));
    }
  }
  return count;
}

function countNonZero(
  bytes: Uint8Array,
  pageBytes: number,
  onPage: (index: number) => void,
): number {
  const words = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
  const wordsPerPage = pageBytes / 4;
  let count = 0;
  for (let start = 0; start < words.length; start += wordsPerPage) {
    for (let at = start; at < start + wordsPerPage; at++) {
      if (words[at] === 0) continue;
      count += 1;
      onPage(start / wordsPerPage);
      break;
    }
  }
  return count;
}
