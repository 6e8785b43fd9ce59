/**
 * Decodes all channels of a captured migration and merges their pages, and does nothing with them. What stands in a channel as it is stays
 * there, unless a second argument asks for all contents.
 *
 * @module
 */

import { readInput } from "../analyze/channels/read_input.ts";
import { openInput } from "../container/open.ts";
import type { RamRun } from "../format/ram_scanner.ts";

if (import.meta.main) {
  using input = await openInput(Deno.args[0]!);
  let pages = 0;
  const visitor = {
    run: (run: RamRun) => {
      if (run.block !== undefined) pages += run.count;
    },
  };
  readInput(input, { visitor, pages: { content: Deno.args.length > 1 || "if-compressed" } });
  console.log(`${pages} pages`);
}
