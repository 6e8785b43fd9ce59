/**
 * The target page size where nothing in the stream says it: found by trying.
 *
 * A RAM word is an address plus flags below the page size, and a PAGE record carries one page: with a wrong page size the words
 * soon stop making sense.
 *
 * @module
 */

import {
  compressedPageMaxBytes,
  PAGE_BYTES_RANGE,
  RAM_RECORD_KINDS,
  RAM_SAVE_FLAG,
  type RamBlock,
} from "./ram.ts";

/** What most targets have, and what is taken where the records allow several sizes. */
const USUAL_PAGE_BYTES = 4096;

/**
 * Finds the target page size from the first page records of a stream.
 *
 * @param window Bytes from a RAM word on, as many as are at hand.
 * @param blocks The block list, which all lengths are multiples of the page size in.
 * @returns The size in bytes, or `undefined` if no size makes sense of the bytes.
 */
export function inferPageBytes(
  window: Uint8Array,
  blocks: ReadonlyMap<string, RamBlock>,
): number | undefined {
  const lengths = [...blocks.values()].map((block) => block.usedLengthBytes);
  let largest: { pageBytes: number; records: number } | undefined;
  let usual = false;
  for (let size: number = PAGE_BYTES_RANGE.max; size >= PAGE_BYTES_RANGE.min; size /= 2) {
    if (lengths.some((length) => length % size !== 0)) continue;
    const records = countRecords(window, size, blocks);
    if (records === undefined) continue;
    largest ??= { pageBytes: size, records };
    if (size === USUAL_PAGE_BYTES) usual = true;
  }
  if (largest === undefined) return undefined;
  // One record alone fits many sizes; a sequence of pages fits the largest only if it is the real one.
  return largest.records < 2 && usual ? USUAL_PAGE_BYTES : largest.pageBytes;
}

/** Parses records up to the window's end or an EOS word; `undefined` if one is impossible. */
function countRecords(
  window: Uint8Array,
  pageBytes: number,
  blocks: ReadonlyMap<string, RamBlock>,
): number | undefined {
  const view = new DataView(window.buffer, window.byteOffset, window.byteLength);
  const decoder = new TextDecoder("latin1");
  let block: RamBlock | undefined;
  let at = 0;
  let records = 0;
  while (at + 8 <= window.length) {
    const low = view.getUint32(at + 4);
    const flags = low & (pageBytes - 1);
    const address = view.getUint32(at) * 0x100000000 + (low - flags);
    const kind = RAM_RECORD_KINDS.get(flags & ~RAM_SAVE_FLAG.CONTINUE);
    at += 8;
    if (kind === "eos") return records;
    if (kind === "flush") continue;
    if (kind === undefined || kind === "block-list" || kind === "hook") return undefined;
    if ((flags & RAM_SAVE_FLAG.CONTINUE) === 0) {
      if (at >= window.length) return records;
      const end = at + 1 + window[at]!;
      if (end > window.length) return records;
      block = blocks.get(decoder.decode(window.subarray(at + 1, end)));
      if (block === undefined) return undefined;
      at = end;
    }
    if (block !== undefined && address + pageBytes > block.usedLengthBytes) return undefined;
    const body = bodyBytes(window, view, at, kind, pageBytes);
    if (body === "impossible") return undefined;
    if (body === "beyond") return records;
    at += body;
    if (at <= window.length) records += 1;
  }
  return records;
}

function bodyBytes(
  window: Uint8Array,
  view: DataView,
  at: number,
  kind: "zero" | "page" | "xbzrle" | "compressed",
  pageBytes: number,
): number | "impossible" | "beyond" {
  if (kind === "zero") return 1;
  if (kind === "page") return pageBytes;
  if (at + 4 > window.length) return "beyond";
  if (kind === "xbzrle") {
    const length = view.getUint16(at + 1);
    return window[at] === 1 && length <= pageBytes ? 3 + length : "impossible";
  }
  const length = view.getUint32(at);
  return length <= compressedPageMaxBytes(pageBytes) ? 4 + length : "impossible";
}
