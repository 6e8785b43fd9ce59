/**
 * The rounds that a capture shows while a migration passes.
 */
import { assertEquals } from "@std/assert";
import { RoundCounter } from "../live/round_counter.ts";
import { readItems } from "./reading.ts";
import { BytesSource } from "../format/source.ts";
import { loadStream } from "./testdata.ts";

Deno.test("rounds: RAM sections are counted, however the bytes are cut", () => {
  for (const name of ["pc-live", "pc-multifd", "pc-postcopy", "pc-no-footer"]) {
    const bytes = loadStream(name);
    const { items } = readItems(new BytesSource(bytes));
    const expected = items.filter((item, index) =>
      item.kind === "section" && item.payload?.kind === "ram" && items[index + 1]?.kind === "footer"
    ).length;
    for (const chunk of [1, 3, 8, 9, 1000, bytes.length]) {
      const counter = new RoundCounter();
      for (let at = 0; at < bytes.length; at += chunk) {
        counter.take(bytes.subarray(at, at + chunk));
      }
      assertEquals(counter.sections, expected, `${name} in chunks of ${chunk}`);
    }
  }
});
