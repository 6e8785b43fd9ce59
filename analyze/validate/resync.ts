/**
 * Finds where a stream goes on behind damage: behind the footer of a section, or at the next thing that can only be a section's header
 * or the end.
 *
 * The search goes forward once, and the reader goes on where it ended: however often a stream is damaged, no byte is searched twice.
 *
 * @module
 */

import { ELEMENT_HEAD_BYTES, judgeElement } from "../../format/boundary.ts";
import { FOOTER_BYTES, SECTION_TYPE } from "../../format/section.ts";
import type { ByteSource } from "../../format/source.ts";

/** What is known about the damaged place. */
export interface DamagedPlace {
  /** Absolute offset from which on elements may begin. */
  readonly from: number;
  /** Whether sections have footers. */
  readonly hasFooters: boolean;
  /** Ids of the sections that were announced. */
  readonly sectionIds: Pick<ReadonlySet<number>, "has">;
  /** Ids that PART and END sections may refer to. */
  readonly iterableIds: ReadonlySet<number>;
}

/** Bytes that are looked at together. */
const WINDOW_BYTES = 1 << 18;
/** Bytes that have to follow a place so that it can be judged: the longest footer and element head. */
const JUDGED_BYTES = FOOTER_BYTES + ELEMENT_HEAD_BYTES;
/**
 * Bytes in which a command, a PART or an END is taken for one without a footer before it. Their heads are short: pages of a guest have
 * many of them.
 */
const NEAR_BYTES = 32;

/** The offset where the stream goes on; `undefined` if nothing more of it can be recognised. */
export function findResumption(source: ByteSource, place: DamagedPlace): number | undefined {
  const buffer = new Uint8Array(WINDOW_BYTES + JUDGED_BYTES);
  for (let offset = place.from;; offset += WINDOW_BYTES) {
    const count = readFully(source, offset, buffer);
    const isWhole = count < buffer.length;
    const bytes = buffer.subarray(0, count);
    const near = Math.max(0, place.from + NEAR_BYTES - offset);
    const found = search(bytes, isWhole ? count : WINDOW_BYTES, isWhole, near, place);
    if (found !== undefined) return offset + found;
    if (isWhole) return undefined;
  }
}

function search(
  bytes: Uint8Array,
  to: number,
  isWhole: boolean,
  near: number,
  place: DamagedPlace,
): number | undefined {
  const context = { id: -1, iterableIds: place.iterableIds };
  for (let at = 0; at < to; at++) {
    const type = bytes[at]!;
    if (type > SECTION_TYPE.COMMAND && type !== SECTION_TYPE.FOOTER) continue;
    if (type === SECTION_TYPE.FOOTER) {
      const end = at + FOOTER_BYTES;
      if (!isFooter(bytes, at, place)) continue;
      if (judgeElement(bytes, end, isWhole, context) === "strong") return end;
    } else if (at < near || mayBeLong(bytes, at)) {
      // A zero is an EOF only before a description: at the input's end it may be anything.
      if (judgeElement(bytes, at, false, context) === "strong") return at;
    }
  }
  return undefined;
}

/** A quick look at what may have a head long enough to be recognised anywhere: START, FULL, EOF and description. */
function mayBeLong(bytes: Uint8Array, at: number): boolean {
  switch (bytes[at]) {
    case SECTION_TYPE.START:
    case SECTION_TYPE.FULL:
      // Ids are small numbers.
      return bytes[at + 1] === 0 && bytes[at + 2] === 0;
    case SECTION_TYPE.EOF:
      return bytes[at + 1] === SECTION_TYPE.VMDESCRIPTION;
    default:
      return false;
  }
}

function isFooter(bytes: Uint8Array, at: number, place: DamagedPlace): boolean {
  if (!place.hasFooters || at + FOOTER_BYTES > bytes.length) return false;
  // There may be as many of these bytes as a page has, and no view is made for each.
  const high = bytes[at + 1]! * 0x1000000 + (bytes[at + 2]! << 16);
  return place.sectionIds.has(high + (bytes[at + 3]! << 8) + bytes[at + 4]!);
}

/** Reads so many bytes, fewer only where the source ends. */
export function readFully(source: ByteSource, offset: number, into: Uint8Array): number {
  let done = 0;
  while (done < into.length) {
    const count = source.readAt(offset + done, into.subarray(done));
    if (count === 0) break;
    done += count;
  }
  return done;
}
