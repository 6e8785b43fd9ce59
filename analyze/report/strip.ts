/**
 * The items of an input side by side, joined where there are too many to show.
 *
 * @module
 */

import type { StreamItem } from "../../format/items.ts";
import { escapeText } from "../../format/text.ts";
import { clip } from "./field_text.ts";
import { STRIP_KINDS, type StripKind, type StripModel } from "./model.ts";

/** Rows that a page shows at once with ease. */
const MAX_ROWS = 8192;
/** Names are somebody's claim, and a byte of a row each. */
const MAX_NAMES = 4096;
/** Name of a row whose own one there is no room for, or that has several. */
const VARIOUS = "various items";

interface Row {
  kind: number;
  lengthBytes: number;
  name: number;
  items: number;
}

/** Builds the strip while items come. */
export class StripBuilder {
  #rows: Row[] = [];
  readonly #names: string[] = [VARIOUS];
  readonly #indexes = new Map<string, number>([[VARIOUS, 0]]);
  readonly #startOffset: number;
  #offset: number;
  #items = 0;
  /** Neighbours up to this length are joined whatever they are. */
  #joinBytes = 0;

  /** Begins at an absolute offset. */
  constructor(startOffset: number) {
    this.#startOffset = startOffset;
    this.#offset = startOffset;
  }

  /** Adds the next item; what lies between it and the one before was not read. */
  add(item: StreamItem): void {
    this.#unread(item.offset);
    this.#items += 1;
    this.#push(kindOf(item), item.lengthBytes, nameOf(item), 1);
  }

  #unread(endOffset: number): void {
    if (endOffset > this.#offset) {
      this.#push("unread", endOffset - this.#offset, "not read: behind damage", 0);
    }
  }

  #push(kind: StripKind, lengthBytes: number, name: string, items: number): void {
    this.#offset += lengthBytes;
    const row = { kind: STRIP_KINDS.indexOf(kind), lengthBytes, name: this.#name(name), items };
    const last = this.#rows.at(-1);
    if (last !== undefined && this.#joins(last, row)) return join(last, row);
    this.#rows.push(row);
    // Each time fewer differences are kept, until it is half as many rows.
    while (this.#rows.length > MAX_ROWS) this.#thin();
  }

  /** Once rows had to be joined, those that come after are, too. */
  #joins(last: Row, next: Row): boolean {
    if (this.#joinBytes === 0) return false;
    if (last.kind === next.kind && last.name === next.name) return true;
    return last.lengthBytes + next.lengthBytes <= this.#joinBytes;
  }

  #thin(): void {
    this.#joinBytes = this.#joinBytes === 0 ? 1 : this.#joinBytes * 4;
    const rows: Row[] = [];
    for (const row of this.#rows) {
      const last = rows.at(-1);
      if (last !== undefined && this.#joins(last, row)) join(last, row);
      else rows.push(row);
    }
    this.#rows = rows;
  }

  #name(name: string): number {
    let index = this.#indexes.get(name);
    if (index === undefined) {
      if (this.#names.length >= MAX_NAMES) return 0;
      index = this.#names.length;
      this.#names.push(name);
      this.#indexes.set(name, index);
    }
    return index;
  }

  /** The strip up to the end of the input, as far as that is known. */
  finish(endOffset: number | undefined): StripModel {
    if (endOffset !== undefined) this.#unread(endOffset);
    return {
      startOffset: this.#startOffset,
      names: this.#names,
      rows: this.#rows.map(({ kind, lengthBytes, name, items }) => [
        kind,
        lengthBytes,
        name,
        items,
      ]),
      items: this.#items,
    };
  }
}

/** Makes one row of two; the longer one says what it is. */
function join(row: Row, next: Row): void {
  if (next.name !== row.name) row.name = 0;
  if (next.lengthBytes > row.lengthBytes) row.kind = next.kind;
  row.lengthBytes += next.lengthBytes;
  row.items += next.items;
}

function kindOf(item: StreamItem): StripKind {
  switch (item.kind) {
    case "header":
    case "configuration":
      return "header";
    case "section":
    case "section-continued":
    case "footer":
      return item.section.idstr === "ram" ? "ram" : "device";
    case "compat-record":
      return item.record.idstr === "ram" ? "ram" : "device";
    case "eof":
      return "command";
    case "bitmap":
    case "hole":
    case "pages":
    case "command":
    case "vmdescription":
    case "trailing":
      return item.kind;
  }
}

function nameOf(item: StreamItem): string {
  switch (item.kind) {
    case "header":
      return "file header";
    case "section":
      return `section ${sectionName(item.section)}, ${item.type}`;
    case "section-continued":
      return `section ${sectionName(item.section)}, continued`;
    case "footer":
      return `footer of ${sectionName(item.section)}`;
    case "compat-record":
      return `record ${clip(escapeText(item.record.idstr))}`;
    case "eof":
      return "end of stream";
    case "bitmap":
      return `bitmap of ${clip(escapeText(item.block.name))}`;
    case "pages":
      return `pages of ${clip(escapeText(item.block.name))}`;
    case "hole":
      return `hole before the pages of ${clip(escapeText(item.block.name))}`;
    case "command":
      return `command ${item.command.name}`;
    case "trailing":
      return "bytes behind the stream";
    case "configuration":
    case "vmdescription":
      return item.kind;
  }
}

function sectionName(section: { id: number; idstr: string; instanceId: number }): string {
  return `${section.id} ${clip(escapeText(section.idstr))}/${section.instanceId}`;
}
