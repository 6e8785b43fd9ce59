/**
 * Finds where a stream goes on behind damage: behind the footer of the section that is damaged, or at the next thing that can only be a
 * section, a command or the end.
 *
 * @module
 */

import { judgeElement } from "../../format/boundary.ts";
import { FOOTER_BYTES, SECTION_TYPE } from "../../format/section.ts";
import type { ByteSource } from "../../format/source.ts";

/** What is known about the damaged place. */
export interface DamagedPlace {
  /** Absolute offset from which on elements may begin. */
  readonly from: number;
  /** Id of the section that is damaged, if one is. */
  readonly sectionId: number | undefined;
  /** Whether sections have footers. */
  readonly hasFooters: boolean;
  /** Ids that PART and END sections may refer to. */
  readonly iterableIds: ReadonlySet<number>;
}

/** Bytes that are looked at together. */
const WINDOW_BYTES = 1 << 20;
/** Bytes that have to follow a place so that it can be judged: the longest footer and element head. */
const JUDGED_BYTES = FOOTER_BYTES + 14 + 255;

/** The offset where the stream goes on; `undefined` if nothing more of it can be recognised. */
export function findResumption(source: ByteSource, place: DamagedPlace): number | undefined {
  const { sectionId, hasFooters } = place;
  if (sectionId !== undefined && hasFooters) {
    const behind = scan(
      source,
      place.from,
      (bytes, from, to, isWhole) => footerEnd(bytes, from, to, isWhole, sectionId, place),
    );
    if (behind !== undefined) return behind;
  }
  return scan(source, place.from, (bytes, from, to, isWhole) => {
    for (let at = from; at < to; at++) {
      if (bytes[at]! > SECTION_TYPE.COMMAND) continue;
      if (judgeElement(bytes, at, isWhole, { id: -1, ...place }) === "strong") return at;
    }
    return undefined;
  });
}

/** The offset in the bytes behind a footer of the section that is followed by something plausible. */
function footerEnd(
  bytes: Uint8Array,
  from: number,
  to: number,
  isWhole: boolean,
  sectionId: number,
  place: DamagedPlace,
): number | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = bytes.indexOf(SECTION_TYPE.FOOTER, from); at >= 0 && at < to;) {
    const end = at + FOOTER_BYTES;
    const fits = end <= bytes.length && view.getUint32(at + 1) === sectionId;
    if (fits && judgeElement(bytes, end, isWhole, { id: sectionId, ...place }) === "strong") {
      return end;
    }
    at = bytes.indexOf(SECTION_TYPE.FOOTER, at + 1);
  }
  return undefined;
}

/** Calls `search` with window after window; what it finds in one has to begin before `to`. */
function scan(
  source: ByteSource,
  start: number,
  search: (bytes: Uint8Array, from: number, to: number, isWhole: boolean) => number | undefined,
): number | undefined {
  const buffer = new Uint8Array(WINDOW_BYTES + JUDGED_BYTES);
  for (let offset = start;; offset += WINDOW_BYTES) {
    const count = readFully(source, offset, buffer);
    const isWhole = count < buffer.length;
    const bytes = buffer.subarray(0, count);
    const found = search(bytes, 0, isWhole ? count : WINDOW_BYTES, isWhole);
    if (found !== undefined) return offset + found;
    if (isWhole) return undefined;
  }
}

function readFully(source: ByteSource, offset: number, into: Uint8Array): number {
  let done = 0;
  while (done < into.length) {
    const count = source.readAt(offset + done, into.subarray(done));
    if (count === 0) break;
    done += count;
  }
  return done;
}
