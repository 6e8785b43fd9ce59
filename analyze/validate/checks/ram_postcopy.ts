/**
 * The postcopy phase: the pages of a host page come together.
 *
 * @module
 */

import type { StreamItem } from "../../../format/items.ts";
import type { RamBlock } from "../../../format/ram.ts";
import type { RamRun } from "../../../format/ram_scanner.ts";
import { hex, quoteText } from "../../../format/text.ts";
import type { Check, CheckContext } from "../check.ts";

/** Checks RAM-061. */
export function ramPostcopyCheck(context: CheckContext): Check {
  let isPostcopy = false;
  let usualBytes = 0;
  let path: readonly string[] = [];
  /** The block of the host page that is not complete, and the address that has to follow. */
  let open: RamBlock | undefined;
  let next = 0;
  const breakAt = (offset: number, found: string) => {
    context.report("RAM-061", {
      offset,
      path,
      message: "A host page is not sent in one piece in the postcopy phase",
      expected: open === undefined
        ? "the first target page of a host page"
        : `${quoteText(open.name)} ${hex(next)}`,
      found,
    });
  };
  return {
    item: ({ kind, ...item }: StreamItem) => {
      if (kind !== "command" || !("command" in item)) return;
      const { command } = item;
      if (command.name === "POSTCOPY_RUN") isPostcopy = true;
      else if (command.name === "POSTCOPY_ADVISE" && command.pages !== undefined) {
        // A block on larger pages says so in the list; all others have the smallest ones.
        usualBytes = lowestBit(command.pages.pageSizeSummary);
      }
    },
    visitor: {
      section: (_type, _offset, { id, idstr }) => {
        path = [`section ${id} ${quoteText(idstr)}`];
      },
      run: (run: RamRun, pageBytes: number) => {
        if (!isPostcopy) return;
        const { block, address, count } = run;
        if (block === undefined) {
          if (run.kind === "eos" && open !== undefined) breakAt(run.offset, "EOS");
          if (run.kind === "eos") open = undefined;
          return;
        }
        const hostBytes = Math.max(block.hostPageBytes ?? usualBytes, pageBytes);
        if (hostBytes === pageBytes) return;
        const fits = open === undefined
          ? address % hostBytes === 0
          : open === block && address === next;
        if (!fits) breakAt(run.offset, `${quoteText(block.name)} ${hex(address)}`);
        next = address + count * pageBytes;
        open = next % hostBytes === 0 ? undefined : block;
      },
    },
  };
}

/** The lowest power of two that a number contains. */
function lowestBit(value: number): number {
  if (value === 0) return 0;
  let bit = 1;
  while (Math.floor(value / bit) % 2 === 0) bit *= 2;
  return bit;
}
