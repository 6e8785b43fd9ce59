/**
 * Items and block lists as parts of a layout: kind, path and description.
 *
 * @module
 */

import { describeCommand } from "../../format/command.ts";
import type { SectionItem, StreamItem } from "../../format/items.ts";
import type { RamBlock } from "../../format/ram.ts";
import { mappedRamAreas } from "../../format/ram_blocks.ts";
import { escapeText, hex, quoteText } from "../../format/text.ts";
import { sectionName } from "./head.ts";
import type { LayoutKind } from "./row.ts";

/** What a row says beside its range. */
export interface LayoutPart {
  /** What it is. */
  readonly kind: LayoutKind;
  /** Where in the stream's structure. */
  readonly path: string;
  /** What it is, for people. */
  readonly description: string;
}

/** An item as a row; of a section the payload. */
export function describeItem(item: StreamItem): LayoutPart {
  switch (item.kind) {
    case "header":
      return part(item.kind, `file header, version ${item.header.version}`, "file header");
    case "configuration": {
      const machine = quoteText(item.configuration.machine);
      return part(item.kind, `configuration, machine ${machine}`);
    }
    case "section":
      return describePayload(item);
    case "footer": {
      const name = sectionName(item.section);
      return { kind: item.kind, path: `${name} > footer`, description: `footer of ${name}` };
    }
    case "command":
      return part(item.kind, `command ${describeCommand(item.command)}`);
    case "eof":
      return part(item.kind, "end of the stream");
    case "vmdescription": {
      const { devices } = item.description;
      return part(item.kind, `vmdescription of ${devices.length} devices`);
    }
    case "compat-record":
      return part(item.kind, `record ${quoteText(item.record.idstr)}`);
    case "trailing":
      return part(item.kind, item.depth === 0 ? "behind the stream" : "rest of the package");
    default:
      // The areas of a mapped-ram section; the block list that comes before them has rows of its own for them.
      return { kind: "payload", path: item.kind, description: item.kind };
  }
}

function part(kind: LayoutKind, description: string, path: string = kind): LayoutPart {
  return { kind, path, description };
}

function describePayload(item: SectionItem): LayoutPart {
  const name = sectionName(item.section);
  const path = `${name} > payload`;
  if (item.device !== undefined) {
    return { kind: "device", path, description: `device state of ${name}` };
  }
  if (item.payload !== undefined || item.boundary === "known") {
    return { kind: "payload", path, description: `payload of ${name}` };
  }
  return { kind: "undescribed", path, description: `undescribed payload of ${name}` };
}

/** A part of a block list and where it ends. */
export interface BlockListPart extends LayoutPart {
  /** Absolute offset behind it. */
  readonly end: number;
}

/**
 * The parts of a block list behind each other: its word, and of each block the entry and with mapped-ram the areas behind it.
 *
 * @param total Bytes that the word announces, or `undefined` if the list is damaged.
 * @param present How many pages the file has of each block with a bitmap.
 */
export function* blockListParts(
  wordOffset: number,
  total: number | undefined,
  blocks: readonly RamBlock[],
  present: ReadonlyMap<RamBlock, number>,
): Generator<BlockListPart, void, undefined> {
  const size = total === undefined ? "" : ` of ${hex(total)} bytes`;
  const kind = "block-list";
  yield { kind, end: wordOffset + 8, path: "block list > word", description: `block list${size}` };
  for (const block of blocks) {
    const name = escapeText(block.name);
    const path = `block list > ${quoteText(block.name)}`;
    const description = `block ${name}, ${hex(block.usedLengthBytes)} bytes`;
    yield { kind: "block", end: block.entryOffset + block.entryBytes, path, description };
    for (const area of mappedRamAreas(block)) {
      yield {
        kind: area.kind,
        end: area.offset + area.lengthBytes,
        path: `${path} > ${area.kind}`,
        description: describeMapped(area.kind, block, present.get(block)),
      };
    }
  }
}

function describeMapped(
  kind: "bitmap" | "hole" | "pages",
  block: RamBlock,
  present: number | undefined,
): string {
  const name = escapeText(block.name);
  if (kind === "hole") return `hole of ${name}`;
  const pages = block.usedLengthBytes / (block.mapped?.pageBytes ?? block.usedLengthBytes);
  const count = present === undefined ? "" : `, ${present} of ${pages} pages are here`;
  return kind === "bitmap" ? `bitmap of ${name}` : `pages of ${name}${count}`;
}
