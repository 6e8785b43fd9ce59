/**
 * The items of a stream tile it, and what is read does not depend on how the input is cut: file, memory, pipe, block borders.
 */
import { assert, assertEquals } from "@std/assert";
import { openInput } from "../container/open.ts";
import { PipeSource } from "../container/pipe.ts";
import type { StreamItem } from "../format/items.ts";
import { type ByteSource, BytesSource } from "../format/source.ts";
import type { StreamReaderOptions } from "../format/stream.ts";
import {
  assertSameLines,
  assertTiles,
  ChunkedInput,
  CountingSource,
  itemLines,
  readItems,
  RecordLog,
} from "./reading.ts";
import { caseNames, loadCase, loadStream, withTempFile } from "./testdata.ts";

/** Everything that a reading shows. */
interface Seen {
  readonly items: readonly StreamItem[];
  readonly lines: readonly string[];
  readonly records: readonly string[];
}

function see(bytes: Uint8Array, source: ByteSource, options: StreamReaderOptions): Seen {
  const log = new RecordLog(bytes);
  const { items, error } = readItems(source, { ...options, visitor: log });
  if (error !== undefined) throw error;
  return { items, lines: itemLines(items), records: log.lines };
}

function fromMemory(name: string): { bytes: Uint8Array; offset: number; memory: Seen } {
  const bytes = loadStream(name);
  const offset = loadCase(name).streamOffset;
  return { bytes, offset, memory: see(bytes, new BytesSource(bytes), { offset }) };
}

/** On a pipe the end of a section before the RAM is found by its footer; its description comes later. */
function withoutBoundary(line: string): string {
  return line.replace(/"boundary":"\w+",/, "").replace(/"bytes":"[^"]*",?/, "");
}

function isEarly(item: StreamItem | undefined): boolean {
  return item?.kind === "section" && item.section.idstr.endsWith("-early");
}

function assertSame(seen: Seen, memory: Seen, label: string): void {
  assertSameLines(seen.records, memory.records, `${label}, records`);
  assertSameLines(seen.lines, memory.lines, label);
}

const LARGEST = { at1: 60_000, at7: 300_000 } as const;

for (const name of caseNames()) {
  Deno.test(`tiling: ${name}`, async () => {
    const { bytes, offset, memory } = fromMemory(name);
    assertTiles(memory.items, offset, bytes.length, "memory");
    assertEquals(memory.records.filter((line) => line.includes("OTHER")), []);

    await withTempFile(bytes, async (path) => {
      using input = await openInput(path, { offset });
      assertSame(see(bytes, input.source, { offset }), memory, "file");
    });

    for (const chunk of [1, 7, 4097]) {
      if (chunk === 1 && bytes.length > LARGEST.at1) continue;
      if (chunk === 7 && bytes.length > LARGEST.at7) continue;
      using pipe = new PipeSource(new ChunkedInput(bytes, chunk));
      const seen = see(bytes, pipe, { offset });
      assertTiles(seen.items, offset, bytes.length, `pipe of ${chunk}`);
      assertSameLines(seen.records, memory.records, `pipe of ${chunk}, records`);
      const comparable = (each: Seen) =>
        each.lines.map((line, index) => isEarly(each.items[index]) ? withoutBoundary(line) : line);
      assertSameLines(comparable(seen), comparable(memory), `pipe of ${chunk}`);
    }
  });
}

Deno.test("tiling: small blocks and short reads change nothing", () => {
  let crossed = 0;
  for (const name of caseNames()) {
    const { bytes, offset, memory } = fromMemory(name);
    if (bytes.length > LARGEST.at7) continue;
    for (const [blockBytes, atOnce] of [[16, 1], [16, 300], [4099, 4099], [5000, 13]] as const) {
      if (atOnce === 1 && bytes.length > LARGEST.at1) continue;
      const source = new CountingSource(bytes, atOnce);
      const seen = see(bytes, source, { offset, blockBytes });
      assertSame(seen, memory, `${name}, blocks of ${blockBytes}, reads of ${atOnce}`);
      crossed += source.reads;
    }
  }
  assert(crossed > 100_000, `only ${crossed} reads`);
});

Deno.test("tiling: an early section on a pipe is described in the end", () => {
  for (const name of ["q35-virtio-mem"]) {
    const bytes = loadStream(name);
    using pipe = new PipeSource(new ChunkedInput(bytes, 4097));
    const early = readItems(pipe).items.filter(isEarly);
    assert(early.length > 0, "the case has no early section any more");
    for (const item of early) {
      assert(item.kind === "section");
      assertEquals(item.boundary, "footer");
      assert(item.device !== undefined);
    }
  }
});
