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

import { quoteJsonAscii } from "../../format/json_print.ts";
import type { MemoryPrinter } from "./compat.ts";
import type { OrderedGuestMemory } from "../memory/ordered_memory.ts";
import { PAGE_KIND } from "../memory/page_table.ts";

/** Writes all pages that the stream sent, each once with its last content, in the order in which they came first. */
export function compatMemory(memory: OrderedGuestMemory, pageBytes: number): MemoryPrinter {
  return (indent, out) => {
    const inner = `${indent}    `;
    const page = new Uint8Array(pageBytes);
    let separator = "{\n";
    for (const { block, first, count } of memory.order) {
      for (let number = first; number < first + count; number++) {
        const kind = memory.kindAt(block, number);
        if (kind === PAGE_KIND.ABSENT) continue;
        const address = (number * pageBytes).toString(16).padStart(16, "0");
        const key = quoteJsonAscii(`${block.name} (0x${address})`);
        out.text(`${separator}${inner}${key}: "`);
        if (kind === PAGE_KIND.ZERO || kind === PAGE_KIND.FILLED) {
          const fill = memory.fillAt(block, number).toString(16).padStart(2, "0");
          out.text(`Filled with 0x${fill}`);
        } else {
          memory.read(block, number * pageBytes, page);
          out.spacedHex(page, 0, pageBytes);
        }
        out.text('"');
        separator = ",\n";
      }
    }
    out.text(separator === "{\n" ? "{}" : `\n${indent}}`);
  };
}
