/**
 * The pages of a stream as analyze-migration.py prints them with `-m`.
 *
 * ```text
 * "<block> (0x%016x)": "Filled with 0x00"        a page filled with one byte
 * "<block> (0x%016x)": "xx xx ... xx"            any other page
 * ```
 *
 * @module
 */

import { quoteJsonAscii } from "../format/json.ts";
import { type MemoryPrinter, spacedHex } from "./compat.ts";
import type { GuestMemory, PageSpan } from "./memory.ts";
import { PAGE_KIND } from "./page_table.ts";

/** Prints all pages that the stream sent, each once with its last content, in the order in which they came first. */
export function compatMemory(memory: GuestMemory, pageBytes: number): MemoryPrinter {
  return (indent, print) => {
    const inner = `${indent}    `;
    const page = new Uint8Array(pageBytes);
    let separator = "{\n";
    for (const span of memory.order) {
      for (let number = span.first; number < span.first + span.count; number++) {
        const value = pageText(memory, span, number, page);
        if (value === undefined) continue;
        const address = (number * pageBytes).toString(16).padStart(16, "0");
        const key = quoteJsonAscii(`${span.block.name} (0x${address})`);
        print(`${separator}${inner}${key}: "${value}"`);
        separator = ",\n";
      }
    }
    print(separator === "{\n" ? "{}" : `\n${indent}}`);
  };
}

function pageText(
  memory: GuestMemory,
  span: PageSpan,
  number: number,
  page: Uint8Array,
): string | undefined {
  const kind = memory.kindAt(span.block, number);
  if (kind === PAGE_KIND.ABSENT) return undefined;
  if (kind === PAGE_KIND.ZERO) {
    const fill = memory.fillAt(span.block, number);
    return `Filled with 0x${fill.toString(16).padStart(2, "0")}`;
  }
  memory.read(span.block, number, page);
  return spacedHex(page);
}
