/**
 * The JSON of `migstream diff`, in pieces: a large memory has many ranges. docs/diff.md tells its shape.
 *
 * @module
 */

import type { ByteRange } from "../analyze/diff/byte_ranges.ts";
import { guestRanges } from "../analyze/diff/guest_ranges.ts";
import { diffHunks, type Hunk } from "../analyze/diff/hunks.ts";
import type { BlockDiff } from "../analyze/diff/memory.ts";
import type { Change, DiffValue } from "../analyze/diff/values.ts";
import { quoteJsonAscii } from "../format/json_print.ts";
import type { ShownDiff } from "./diff_text.ts";
import type { Output } from "./output.ts";

/** Prints a comparison as JSON. */
export function printDiffJson(shown: ShownDiff, out: Output): void {
  const { same, configuration, sections, state, ram, ignored } = shown.diff;
  out.text(`{\n  "same": ${same}`);
  for (const [name, changes] of Object.entries({ configuration, sections, state })) {
    printList(out, name, changes, (change) => out.text(changeJson(change)));
  }
  printList(out, "ram", ram, (block) => printBlock(shown, block, out));
  printList(out, "ignored", ignored, ({ glob, count }) => {
    out.text(`{"glob": ${quoteJsonAscii(glob)}, "count": ${count}}`);
  });
  out.text("\n}\n");
}

function printList<Item>(
  out: Output,
  name: string,
  items: readonly Item[],
  print: (item: Item) => void,
): void {
  out.text(`,\n  "${name}": [`);
  for (const [index, item] of items.entries()) {
    out.text(`${index === 0 ? "" : ","}\n    `);
    print(item);
  }
  out.text(items.length === 0 ? "]" : "\n  ]");
}

function changeJson({ path, left, right }: Change): string {
  return `{"path": ${quoteJsonAscii(path)}, "left": ${valueJson(left)}, ` +
    `"right": ${valueJson(right)}}`;
}

/** Numbers of 64 bits are decimal strings: not every reader of JSON keeps them whole. */
function valueJson(value: DiffValue): string {
  switch (typeof value) {
    case "bigint":
      return `"${value}"`;
    case "string":
      return quoteJsonAscii(value);
    default:
      return String(value);
  }
}

function printBlock({ left, right, map, context }: ShownDiff, diff: BlockDiff, out: Output): void {
  const { name, changedPages, addedPages, gonePages, pageBytes, ranges } = diff;
  const counts = { changedPages, addedPages, gonePages, pageBytes };
  const sizes = {
    leftBytes: diff.left?.usedLengthBytes ?? null,
    rightBytes: diff.right?.usedLengthBytes ?? null,
  };
  out.text(`{"block": ${quoteJsonAscii(name)}`);
  for (const [key, value] of Object.entries({ ...counts, ...sizes })) {
    out.text(`, "${key}": ${value}`);
  }
  out.text(', "ranges": [');
  printRanges(ranges, out);
  out.text("]");
  if (map === undefined) out.text(', "guestRanges": null');
  else {
    out.text(', "guestRanges": [');
    printRanges(ranges[Symbol.iterator]().flatMap((range) => guestRanges(map, name, range)), out);
    out.text("]");
  }
  if (context !== undefined) {
    out.text(', "bytes": [');
    let separator = "";
    for (const hunk of diffHunks(left, right, diff, context)) {
      out.text(separator + hunkJson(hunk));
      separator = ", ";
    }
    out.text("]");
  }
  out.text("}");
}

function printRanges(ranges: Iterable<ByteRange>, out: Output): void {
  let separator = "";
  for (const [start, end] of ranges) {
    out.text(`${separator}[${start}, ${end}]`);
    separator = ", ";
  }
}

function hunkJson({ start, left, right, ranges }: Hunk): string {
  return JSON.stringify({ start, left: left.toHex(), right: right.toHex(), ranges });
}
