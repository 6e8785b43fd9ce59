/**
 * Pages that are nearly zero, as differences to a zero page: a ZERO record makes the page zero, an XBZRLE record then writes what is not.
 *
 * @module
 */

import { encodeXbzrlePage, type RamPageTarget } from "../../format/ram.ts";
import type { ByteWriter } from "../../format/writer.ts";
import { encodeXbzrle } from "../../format/xbzrle.ts";

/** Bytes of the ZERO record, and of the XBZRLE record before its delta. */
const RECORDS_BYTES = 9 + 11;

const ZERO_PAGES = new Map<number, Uint8Array>();

function zeroPage(pageBytes: number): Uint8Array {
  let page = ZERO_PAGES.get(pageBytes);
  if (page === undefined) ZERO_PAGES.set(pageBytes, page = new Uint8Array(pageBytes));
  return page;
}

/** The delta, unless a PAGE record is as short. */
function smallDelta(page: Uint8Array): Uint8Array | undefined {
  const delta = encodeXbzrle(zeroPage(page.length), page, page.length - RECORDS_BYTES);
  return typeof delta === "string" ? undefined : delta;
}

/** Whether the two records are shorter than a PAGE record. */
export function isSmallDelta(page: Uint8Array): boolean {
  return smallDelta(page) !== undefined;
}

/** Encodes the XBZRLE record of a page for which {@link isSmallDelta} holds, on a zero page. */
export function encodeSmallDelta(
  writer: ByteWriter,
  target: RamPageTarget,
  page: Uint8Array,
): void {
  encodeXbzrlePage(writer, target, smallDelta(page)!);
}
