/**
 * Cuts a section item of a mapped-ram stream into items that tile it.
 *
 * ```text
 * header, MEM_SIZE word, entry 0 | bitmap 0 | hole | pages 0 | entry 1 | bitmap 1 | hole | pages 1 | ... | EOS
 * section                          bitmap     hole   pages     section-continued    ...             section-continued
 * ```
 *
 * @module
 */

import type { SectionItem, StreamItem } from "./items.ts";
import { mappedRamAreas } from "./ram_blocks.ts";

/** The section as one item; where bitmaps, holes and pages stand inside its payload, as several. */
export function* sectionPieces(item: SectionItem): Generator<StreamItem, void, undefined> {
  const blocks = item.payload?.kind === "ram" ? item.payload.summary.blocks ?? [] : [];
  const areas = blocks.flatMap(mappedRamAreas);
  let at = areas[0]?.offset ?? item.payloadEnd;
  // The item itself where it is whole: a device's state may be put into it later.
  yield areas.length === 0 ? item : { ...item, lengthBytes: at - item.offset };
  const { section, depth } = item;
  for (const area of areas) {
    if (area.offset > at) {
      const lengthBytes = area.offset - at;
      yield { kind: "section-continued", section, offset: at, lengthBytes, depth };
    }
    yield { ...area, depth };
    at = area.offset + area.lengthBytes;
  }
  if (item.payloadEnd > at) {
    const lengthBytes = item.payloadEnd - at;
    yield { kind: "section-continued", section, offset: at, lengthBytes, depth };
  }
}
