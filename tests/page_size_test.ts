/**
 * The target page size of a stream that doesn't say it.
 */
import { assertEquals } from "@std/assert";
import { readState } from "../analyze/state.ts";
import { PipeSource } from "../container/pipe.ts";
import { encodePage, encodeRamEos } from "../format/ram.ts";
import { ChunkedInput } from "./reading.ts";
import { StreamBuilder } from "./streams.ts";

Deno.test("page size: found by trying on a pipe, whatever the block is called", () => {
  for (const name of ["m", "é", "内存", "\xff\xfe"]) {
    const stream = new StreamBuilder().ram(name, 4, 8192)
      .section("part", 1, "ram", (writer) => {
        for (let page = 0; page < 4; page++) {
          const target = { block: page === 0 ? name : undefined, address: page * 8192 };
          encodePage(writer, target, new Uint8Array(8192).fill(page + 1));
        }
        encodeRamEos(writer);
      }).eof().bytes();
    const { pageBytes } = readState(new PipeSource(new ChunkedInput(stream, 1000)));
    assertEquals(pageBytes, 8192, name);
  }
});
