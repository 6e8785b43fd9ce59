/**
 * Pages that were compressed one by one: each has to become one page again.
 *
 * @module
 */

import { inflate } from "../../../container/inflate.ts";
import type { RamRun } from "../../../format/ram_scanner.ts";
import { hex, quoteText } from "../../../format/text.ts";
import type { Check, CheckContext } from "../check.ts";

/** Checks RAM-050. */
export function ramCompressedCheck(context: CheckContext): Check {
  let path: readonly string[] = [];
  const problemOf = (run: RamRun, pageBytes: number): string | undefined => {
    const { buffer, dataStart, dataBytes } = run;
    try {
      const page = inflate(buffer.subarray(dataStart, dataStart + dataBytes), pageBytes);
      return page.length === pageBytes ? undefined : `${page.length} bytes`;
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  };
  return {
    visitor: {
      section: (_type, _offset, { id, idstr }) => {
        path = [`section ${id} ${quoteText(idstr)}`];
      },
      run: (run, pageBytes) => {
        if (run.kind !== "compressed") return;
        const found = problemOf(run, pageBytes);
        if (found === undefined) return;
        context.report("RAM-050", {
          offset: run.dataOffset,
          path: [...path, `${quoteText(run.block!.name)} ${hex(run.address)}`],
          message: "A compressed page does not become one page again",
          expected: `a zlib stream of ${pageBytes} bytes`,
          found,
        });
      },
    },
  };
}
