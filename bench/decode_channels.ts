/**
 * Decodes all channels of a captured migration and merges their pages, and does nothing with them.
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
  readInput(input, { visitor, pages: { content: true } });
  console.log(`${pages} pages`);
}
