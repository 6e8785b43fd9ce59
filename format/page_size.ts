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
import { decodeText } from "./text.ts";

/** What most targets have, and what is taken where the records allow several sizes. */
const USUAL_PAGE_BYTES = 4096;

/**
 * Finds the target page size from the first page records of a stream.
 *
 * @param window Bytes from a RAM word on, as many as are at hand.
 * @param blocks The block list, which all lengths are multiples of the page size in.
 * @returns The size in bytes, or `undefined` if no size makes sense of the first bytes. Where the records are damaged further on, it is the
 * size that makes sense of most: the damage is then met, and reported, at its place.
 */
export function inferPageBytes(
  window: Uint8Array,
  blocks: ReadonlyMap<string, RamBlock>,
): number | undefined {
  const lengths = [...blocks.values()].map((block) => block.usedLengthBytes);
  let largest: { pageBytes: number; records: number } | undefined;
  let usual = false;
  let farthest: { pageBytes: number; bytes: number; records: number } | undefined;
  for (let size: number = PAGE_BYTES_RANGE.max; size >= PAGE_BYTES_RANGE.min; size /= 2) {
    if (lengths.some((length) => length % size !== 0)) continue;
    const { records, bytes, possible } = countRecords(window, size, blocks);
    if (!possible) {
      const isBetter = bytes > (farthest?.bytes ?? 0) ||
        (bytes === farthest?.bytes && size === USUAL_PAGE_BYTES);
      if (isBetter) farthest = { pageBytes: size, bytes, records };
      continue;
    }
    largest ??= { pageBytes: size, records };
    if (size === USUAL_PAGE_BYTES) usual = true;
  }
  const isFarther = (farthest?.records ?? 0) >= 2 && (largest?.records ?? 0) < 2;
  if (largest === undefined || (isFarther && !usual)) return farthest?.pageBytes;
  // One record alone fits many sizes; a sequence of pages fits the largest only if it is the real one.
  return largest.records < 2 && usual ? USUAL_PAGE_BYTES : largest.pageBytes;
}

/** Records that were parsed, and the bytes that they take. */
interface Parsed {
  readonly records: number;
  readonly bytes: number;
  /** Whether none was impossible up to the window's end or an EOS word. */
  readonly possible: boolean;
}

/** Parses records up to the window's end or an EOS word, or up to an impossible one. */
function countRecords(
  window: Uint8Array,
  pageBytes: number,
  blocks: ReadonlyMap<string, RamBlock>,
): Parsed {
  const view = new DataView(window.buffer, window.byteOffset, window.byteLength);
  let block: RamBlock | undefined;
  let at = 0;
  let records = 0;
  let bytes = 0;
  const parsed = (possible: boolean): Parsed => ({ records, bytes, possible });
  while (at + 8 <= window.length) {
    const low = view.getUint32(at + 4);
    const flags = low & (pageBytes - 1);
    const address = view.getUint32(at) * 0x100000000 + (low - flags);
    const kind = RAM_RECORD_KINDS.get(flags & ~RAM_SAVE_FLAG.CONTINUE);
    at += 8;
    if (kind === "eos") return parsed(true);
    if (kind === "flush") continue;
    if (kind === undefined || kind === "block-list" || kind === "hook") return parsed(false);
    if ((flags & RAM_SAVE_FLAG.CONTINUE) === 0) {
      if (at >= window.length) return parsed(true);
      const end = at + 1 + window[at]!;
      if (end > window.length) return parsed(true);
      block = blocks.get(decodeText(window.subarray(at + 1, end)));
      if (block === undefined) return parsed(false);
      at = end;
    }
    if (block !== undefined && address + pageBytes > block.usedLengthBytes) return parsed(false);
    const body = bodyBytes(window, view, at, kind, pageBytes);
    if (body === "impossible") return parsed(false);
    if (body === "beyond") return parsed(true);
    at += body;
    if (at > window.length) break;
    records += 1;
    bytes = at;
  }
  return parsed(true);
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
