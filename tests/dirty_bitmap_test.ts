import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import fc from "fast-check";
import type { ChunkData, ChunkPlace } from "../format/chunk.ts";
import { encodeDirtyBitmapSection, readDirtyBitmap } from "../format/dirty_bitmap.ts";
import {
  decodeDirtyBitmapChunk,
  DIRTY_BITMAP_FLAG,
  DIRTY_BITMAP_MAX_BITMAPS,
  type DirtyBitmapChunk,
  DirtyBitmapState,
  encodeDirtyBitmapChunk,
} from "../format/dirty_bitmap_chunk.ts";
import { DirtyBitmapCollector } from "../format/dirty_bits.ts";
import { dirtyBitsSize, granuleRange } from "../format/dirty_granules.ts";
import { annotated, failureOf, readerOf, written } from "./annotated.ts";

const { EOS, ZEROES, BITMAP_NAME, DEVICE_NAME, START, COMPLETE, BITS } = DIRTY_BITMAP_FLAG;

/** START section of a QEMU 10.0.2: a persistent and an enabled bitmap of one node. */
const REAL_START = annotated(`
  1c                    # START, DEVICE_NAME, BITMAP_NAME
  05 "disk0" 03 "bm1"
  00 01 00 00           # granularity 65536
  02                    # persistent
  14 03 "bm0" 00 01 00 00 01
  01                    # EOS
`);

/** END section of the same stream; the disk has 64 MiB. */
const REAL_END = annotated(`
  46 03 "bm1"           # BITS, ZEROES, BITMAP_NAME: the node is that of the START section
  00*8 00 02 00 00      # sectors 0..0x20000
  44 03 "bm0" 00*8 00 02 00 00
  00 00 00 00 00 00 00 80
  01 00 00 00 00 00 03 00 00*120
  24 03 "bm1"           # COMPLETE
  24 03 "bm0"
  01
`);

interface Decoded {
  readonly summary: object;
  readonly chunks: readonly (DirtyBitmapChunk & ChunkPlace & ChunkData)[];
}

function decode(bytes: Uint8Array, state = new DirtyBitmapState()): Decoded {
  const chunks: (DirtyBitmapChunk & ChunkPlace & ChunkData)[] = [];
  const reader = readerOf(bytes);
  const summary = readDirtyBitmap(reader, { state }, (chunk) => {
    chunks.push({ ...chunk, data: reader.bytes(chunk.dataBytes, "bits") });
  });
  assertEquals(reader.offset, bytes.length);
  return { summary, chunks };
}

const failure = (hex: string) => failureOf(() => decode(annotated(hex)));
/** A bitmap of granularity 512 for errors in what follows it. */
const STARTED = `1c 01 "n" 01 "b" 00 00 02 00 01 `;

Deno.test("dirty-bitmap: a real START section", () => {
  const { summary, chunks } = decode(REAL_START);
  const counters = { zeroChunks: 0, bitsChunks: 0, completeChunks: 0, dataBytes: 0 };
  assertEquals(summary, { chunks: 3, startChunks: 2, ...counters });
  const data = new Uint8Array(0);
  const granularityBytes = 65536;
  assertEquals(chunks, [
    {
      ...{ kind: "start", flags: START | DEVICE_NAME | BITMAP_NAME, node: "disk0", bitmap: "bm1" },
      ...{ granularityBytes, bitmapFlags: 2, offset: 0, dataOffset: 16, dataBytes: 0, data },
    },
    {
      ...{ kind: "start", flags: START | BITMAP_NAME, node: "disk0", bitmap: "bm0" },
      ...{ granularityBytes, bitmapFlags: 1, offset: 16, dataOffset: 26, dataBytes: 0, data },
    },
    {
      ...{ kind: "end", flags: EOS, node: "disk0", bitmap: "bm0" },
      ...{ offset: 26, dataOffset: 27, dataBytes: 0, data },
    },
  ]);
});

Deno.test("dirty-bitmap: names outlive sections, and sections encode to the same bytes", () => {
  const state = new DirtyBitmapState();
  const start = decode(REAL_START, state);
  assertEquals(decode(annotated("01"), state).chunks[0]?.node, "disk0");
  const end = decode(REAL_END, state);
  assertEquals(end.chunks.map(({ kind, node, bitmap }) => `${kind} ${node} ${bitmap}`), [
    "bits disk0 bm1",
    "bits disk0 bm0",
    "complete disk0 bm1",
    "complete disk0 bm0",
    "end disk0 bm0",
  ]);
  assertEquals(written((writer) => encodeDirtyBitmapSection(writer, start.chunks)), REAL_START);
  assertEquals(written((writer) => encodeDirtyBitmapSection(writer, end.chunks)), REAL_END);
  // Without the START section nobody knows the node.
  assertStringIncludes(failureOf(() => decode(REAL_END)), "nothing names its bitmap at offset 0");
});

Deno.test("dirty-bitmap: whole bitmaps from chunks", () => {
  const state = new DirtyBitmapState();
  const collector = new DirtyBitmapCollector();
  for (const bytes of [REAL_START, REAL_END]) {
    for (const chunk of decode(bytes, state).chunks) {
      collector.add(chunk, chunk.data ?? new Uint8Array(0));
    }
  }
  const common = { node: "disk0", granularityBytes: 65536, complete: true, endSector: 0x20000 };
  assertEquals(collector.bitmaps(), [
    { ...common, bitmap: "bm1", bitmapFlags: 2, dirtyGranules: 0, dirtyBytes: 0 },
    { ...common, bitmap: "bm0", bitmapFlags: 1, dirtyGranules: 3, dirtyBytes: 3 * 65536 },
  ]);
  assertEquals(collector.bits("disk0", "bm0"), annotated("01 00 00 00 00 00 03 00 00*120"));
  assertEquals(collector.bits("disk0", "bm1"), annotated("00*128"));
  assertEquals(collector.bits("disk0", "bm2"), undefined);
});

Deno.test("dirty-bitmap: the longer forms of the flags mean what their low byte means", () => {
  const chunks = ["1c", "80 1c", "ff 1c", "80 80 00 1c", "ff ff ff 9c"].map((flags) => {
    const bytes = annotated(`${flags} 01 "n" 01 "b" 00 00 10 00 07`);
    const chunk = decodeDirtyBitmapChunk(readerOf(bytes), new DirtyBitmapState());
    assertEquals(written((writer) => encodeDirtyBitmapChunk(writer, chunk)), bytes);
    return chunk;
  });
  assertEquals(chunks.map(({ kind }) => kind), new Array(5).fill("start"));
  assertEquals(chunks.map(({ flags }) => flags), [0x1c, 0x801c, 0xff1c, 0x8080001c, 0xffffff9c]);
});

Deno.test("dirty-bitmap: names that are not UTF-8, empty or long survive", () => {
  const bytes = annotated(
    `1c 02 ff fe 00 00 00 02 00 00  14 ff ${"61".repeat(255)} 00 00 02 00 00 01`,
  );
  const { chunks } = decode(bytes);
  assertEquals(chunks.map(({ bitmap }) => bitmap.length), [0, 255, 255]);
  assertEquals(written((writer) => encodeDirtyBitmapSection(writer, chunks)), bytes);
});

Deno.test("dirty-bitmap: what the format forbids is an error at its offset", () => {
  const cases: readonly [hex: string, offset: number, text: string][] = [
    ["00", 0, "impossible flags"],
    ["02", 0, "expected one of START, COMPLETE and BITS, or only EOS; found 2"],
    [`05 01 "b"`, 0, "impossible flags"],
    [`3c 01 "n" 01 "b"`, 0, "found 0x3c"],
    [`70`, 0, "impossible flags"],
    ["80 00", 0, "found 0x8000"],
    [`14 01 "b" 00 00 02 00 00`, 0, "nothing names its bitmap"],
    [`18 01 "n" 00 00 02 00 00`, 0, "nothing names its bitmap"],
    [`1c 01 "n" 01 "b" 00 00 01 00 00`, 5, "a power of two of at least 512; found 256"],
    [`1c 01 "n" 01 "b" 00 00 00 00 00`, 5, "found 0"],
    [`1c 01 "n" 01 "b" 00 00 03 00 00`, 5, "found 768"],
    [`1c 01 "n" 01 "b" 00 00 02 00 08`, 9, "expected 0..7; found 8"],
    [`1c 01 "n" 01 "b" 00 00 02 00 ff`, 9, "found 0xff"],
    [`4c 01 "n" 01 "b" 00*12 00*6 28 01`, 17, "at most 10240 bytes; found 10241"],
    [`${STARTED} 40 00*11 40 00*8`, 23, "8..32 bytes for 64 sectors; found 0"],
    [`${STARTED} 40 00*11 40 00*7 07`, 23, "found 7"],
    [`${STARTED} 40 00*11 40 00*7 21`, 23, "found 33"],
    [`${STARTED} 40 00*11 00 00*7 01`, 23, "0..0 bytes for 0 sectors; found 1"],
    [`${STARTED} 40 ff*4 00*8`, 11, "[out-of-range]"],
  ];
  for (const [hex, offset, text] of cases) {
    const found = failure(hex);
    assertStringIncludes(found, text, hex);
    assertStringIncludes(found, `at offset ${offset} `, hex);
    assert(found.endsWith("[bad-payload]") || text.includes("range"), found);
  }
  assertStringIncludes(failure(`${STARTED} 00`), "in chunk 1;");
});

Deno.test("dirty-bitmap: all granularities from 512 to 2^31 are taken", () => {
  for (let shift = 9; shift < 32; shift++) {
    const granularity = (2 ** shift).toString(16).padStart(8, "0");
    const { chunks } = decode(annotated(`1c 01 "n" 01 "b" ${granularity} 00 01`));
    assertEquals(chunks[0]?.kind === "start" && chunks[0].granularityBytes, 2 ** shift);
  }
});

Deno.test("dirty-bitmap: sizes of bits by hosts of 32 and 64 bits", () => {
  assertEquals(granuleRange(65536, 128, 129), { first: 1, end: 3 });
  assertEquals(dirtyBitsSize(512, 0, 1), { minBytes: 4, maxBytes: 32 });
  assertEquals(dirtyBitsSize(512, 0, 256), { minBytes: 32, maxBytes: 32 });
  assertEquals(dirtyBitsSize(512, 0, 257), { minBytes: 36, maxBytes: 64 });
  assertEquals(dirtyBitsSize(65536, 0, 8192 * 128), { minBytes: 1024, maxBytes: 1024 });
});

Deno.test("dirty-bitmap: the number of announced bitmaps is bounded", () => {
  const head = { kind: "start", flags: START | DEVICE_NAME | BITMAP_NAME, node: "n" } as const;
  const names = Array.from({ length: DIRTY_BITMAP_MAX_BITMAPS }, (_, index) => `b${index}`);
  const bytes = written((writer) => {
    for (const bitmap of [...names, "b0", "one too many"]) {
      const body = { granularityBytes: 512, bitmapFlags: 0 };
      encodeDirtyBitmapChunk(writer, { ...head, ...body, bitmap });
    }
  });
  const state = new DirtyBitmapState();
  const error = failureOf(() => readDirtyBitmap(readerOf(bytes), { state }));
  assertStringIncludes(error, `in chunk ${DIRTY_BITMAP_MAX_BITMAPS + 1};`);
  assertStringIncludes(error, "[limit-exceeded]");
  assertEquals(state.bitmapCount, DIRTY_BITMAP_MAX_BITMAPS);
});

Deno.test("dirty-bitmap: the collector bounds its memory and refuses bits inside a byte", () => {
  const place = { offset: 40, dataOffset: 60 };
  const head = { node: "n", bitmap: "b", ...place };
  const started = (limitBytes: number) => {
    const collector = new DirtyBitmapCollector(limitBytes);
    const chunk = { ...head, kind: "start", flags: START, dataBytes: 0 } as const;
    collector.add({ ...chunk, granularityBytes: 1024, bitmapFlags: 0 }, new Uint8Array(0));
    return collector;
  };
  const bits = (startSector: number, data: Uint8Array, sectorCount = 64) =>
    ({
      ...head,
      kind: "bits",
      flags: BITS,
      startSector,
      sectorCount,
      dataBytes: data.length,
    }) as const;
  const ones = new Uint8Array(8).fill(0xff);
  const none = new Uint8Array(0);

  const collector = started(100);
  collector.add(bits(0, ones), ones);
  assertEquals(collector.bitmaps()[0]?.dirtyGranules, 32);
  collector.add(bits(64, ones, 10), ones);
  assertEquals(collector.bitmaps()[0]?.dirtyGranules, 37, "padding does not count");
  collector.add(bits(0, none), none);
  assertEquals(collector.bitmaps()[0]?.dirtyBytes, 5 * 1024);
  assertEquals(collector.bits("n", "b"), annotated("00*4 1f 00*3"));
  // Zeroes far away cost nothing until all bits are asked for; data there do.
  collector.add(bits(2 ** 40, none), none);
  assertEquals(collector.bitmaps()[0]?.endSector, 2 ** 40 + 64);
  assertStringIncludes(failureOf(() => collector.bits("n", "b")), "[limit-exceeded]");
  const far = bits(2 ** 40, ones);
  assertStringIncludes(failureOf(() => collector.add(far, ones)), "at offset 40 ");
  for (const sector of [1, 2, 8]) {
    assertStringIncludes(
      failureOf(() => started(100).add(bits(sector, ones), ones)),
      "inside a byte",
    );
  }
  started(100).add(bits(16, ones), ones);
  // A bitmap that nobody announced is passed over; one announced again starts anew.
  collector.add({ ...bits(0, ones), bitmap: "other" }, ones);
  const again = { ...head, kind: "start", flags: START, granularityBytes: 512 } as const;
  collector.add({ ...again, bitmapFlags: 1, dataBytes: 0 }, none);
  assertEquals(collector.bitmaps().map(({ dirtyBytes }) => dirtyBytes), [0]);
});

Deno.test("dirty-bitmap: what has no form is not encoded", () => {
  const names = { node: "n", bitmap: "b" };
  const bits = { ...names, kind: "bits", startSector: 0, sectorCount: 1 } as const;
  const start = { ...names, kind: "start", granularityBytes: 512, bitmapFlags: 0 } as const;
  const chunks: (DirtyBitmapChunk & ChunkData)[] = [
    { ...names, kind: "end", flags: START },
    { ...names, kind: "complete", flags: BITS },
    { ...names, kind: "complete", flags: 0x80 | COMPLETE },
    { ...names, kind: "complete", flags: 0x8080 | COMPLETE },
    { ...names, kind: "complete", flags: 0x80000000 | COMPLETE },
    { ...names, kind: "complete", flags: COMPLETE | BITMAP_NAME, bitmap: "b".repeat(256) },
    { ...start, flags: START, granularityBytes: 2 ** 32 },
    { ...start, flags: START, bitmapFlags: 256 },
    { ...bits, flags: BITS, data: new Uint8Array(10241) },
    { ...bits, flags: BITS | ZEROES, data: new Uint8Array(1) },
  ];
  for (const chunk of chunks) {
    const found = failureOf(() => written((writer) => encodeDirtyBitmapChunk(writer, chunk)));
    assertStringIncludes(found, "[not-encodable]");
  }
  const end = { ...names, kind: "end", flags: EOS } as const;
  const complete = { ...names, kind: "complete", flags: COMPLETE } as const;
  for (const list of [[], [complete], [end, complete], [end, end]]) {
    const found = failureOf(() => written((writer) => encodeDirtyBitmapSection(writer, list)));
    assertStringIncludes(found, "it must end with its first EOS");
  }
  assertThrows(() => written((writer) => encodeDirtyBitmapChunk(writer, { ...end, flags: -1 })));
});

Deno.test("dirty-bitmap: any list of chunks survives encoding and decoding", () => {
  const name = fc.string({ unit: "binary", maxLength: 40 });
  const head = fc.record({
    node: name,
    bitmap: name,
    extra: fc.constantFrom(0, 0x8000, 0x80a00000),
  });
  const shape = fc.oneof(
    fc.record({
      kind: fc.constant("start" as const),
      granularityBytes: fc.integer({ min: 9, max: 31 }).map((shift) => 2 ** shift),
      bitmapFlags: fc.integer({ min: 0, max: 7 }),
    }),
    fc.record({ kind: fc.constant("complete" as const) }),
    fc.record({
      kind: fc.constant("bits" as const),
      startSector: fc.maxSafeNat(),
      sectorCount: fc.integer({ min: 1, max: 4096 }),
    }),
  );
  const flagsOf = { start: START, complete: COMPLETE, bits: BITS | ZEROES };
  fc.assert(fc.property(fc.array(fc.tuple(head, shape), { minLength: 1 }), (list) => {
    const chunks = list.map(([{ node, bitmap, extra }, body], index) => {
      const last = index === list.length - 1 ? EOS : 0;
      const flags = flagsOf[body.kind] + DEVICE_NAME + BITMAP_NAME + last + extra;
      return { ...body, node, bitmap, flags };
    });
    const bytes = written((writer) => encodeDirtyBitmapSection(writer, chunks));
    const back = decode(bytes).chunks;
    assertEquals(
      back.map(({ offset: _o, dataOffset: _d, dataBytes: _b, data: _, ...chunk }) => chunk),
      chunks,
    );
  }));
});
