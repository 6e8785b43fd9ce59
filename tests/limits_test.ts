/**
 * Every limit of docs/errors.md is reached by an input, with its code, and those that can be raised are raised.
 */
import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { concat } from "@std/bytes/concat";
import { parseGivenMap } from "../analyze/memory/given_map.ts";
import { PageStore } from "../analyze/memory/page_store.ts";
import { hexMatcher, textMatcher } from "../analyze/search/literal.ts";
import { openDecompressor } from "../container/decompress/open.ts";
import { decodeLibvirtSave, LIBVIRT_HEADER_BYTES } from "../container/libvirt.ts";
import { PipeSource } from "../container/pipe.ts";
import { readQcow2 } from "../container/qcow2/open.ts";
import { findStreams, SEARCH_BYTES } from "../container/search.ts";
import { FormatError, type FormatErrorCode } from "../format/error.ts";
import { DEFAULT_LIMITS, type Limits, setDefaultLimits } from "../format/limits.ts";
import { ByteReader } from "../format/reader.ts";
import { type ByteSource, BytesSource } from "../format/source.ts";
import { StreamReader } from "../format/stream.ts";
import { parseVmdescription } from "../format/vmdescription.ts";
import type { StreamVisitor } from "../format/payload.ts";
import { compressedBytes, originalBytes, readAll } from "./compressed.ts";
import { HANG_MS } from "./patience.ts";
import { migstream } from "./process.ts";
import { buildImage } from "./qcow2_builder.ts";
import { ChunkedInput } from "./reading.ts";
import { mappedStream, StreamBuilder } from "./streams.ts";
import { libvirtImage } from "./wrapped.ts";

/** Calls `act` with other limits in force. */
async function withLimits(limits: Partial<Limits>, act: () => void | Promise<void>): Promise<void> {
  const before = { ...DEFAULT_LIMITS };
  setDefaultLimits(limits);
  try {
    await act();
  } finally {
    setDefaultLimits(before);
  }
}

function read(source: ByteSource, visitor: StreamVisitor = {}): void {
  for (const _ of new StreamReader(source, { visitor }).items());
}

const streamOf = (make: (builder: StreamBuilder) => StreamBuilder) => () =>
  read(new BytesSource(make(new StreamBuilder()).bytes()));

function nested(builder: StreamBuilder, depth: number): StreamBuilder {
  return depth === 0
    ? builder.eof()
    : builder.package((inner) => void nested(inner, depth - 1)).eof();
}

const FIELD = { name: "x", type: "uint8", size: 0, array_len: 5000 };
const describedAs = (size: number, field: Record<string, unknown>) =>
  streamOf((builder) =>
    builder.section("full", 1, "dev", new Uint8Array(size)).eof().description({
      devices: [{
        name: "dev",
        instance_id: 0,
        vmsd_name: "dev",
        version: 1,
        fields: [{ name: "b", type: "buffer", size }, field],
      }],
    })
  );

/** A stream on a pipe with bytes behind it. */
function piped(tailBytes: number): PipeSource {
  const bytes = concat([new StreamBuilder().eof().bytes(), new Uint8Array(tailBytes)]);
  return new PipeSource(new ChunkedInput(bytes, 100));
}

function keep(bytes: Uint8Array): void {
  using pipe = new PipeSource(new ChunkedInput(bytes, 100), 500);
  pipe.keepAll();
  const into = new Uint8Array(100);
  for (let at = 0; at < bytes.length; at += 100) pipe.readAt(at, into);
}

async function unzstd(): Promise<void> {
  const packed = new BytesSource(compressedBytes("small.window.zst"));
  using data = await openDecompressor("zstd", packed, 0);
  assertEquals(readAll(data), originalBytes("small"));
}

/** For each limit that has a name: a value that is too low, one that is enough, and an input. */
const NAMED: Readonly<
  Record<
    keyof Limits,
    readonly [low: number, enough: number, act: () => void | Promise<void>, code?: FormatErrorCode]
  >
> = {
  ramBlocks: [1, 2, () => read(new BytesSource(mappedStream()))],
  bitmapBytes: [7, 8, () => read(new BytesSource(mappedStream()), { bitmap: () => {} })],
  sections: [
    1,
    2,
    streamOf((builder) =>
      builder.section("full", 1, "aa", new Uint8Array(4)).section(
        "full",
        2,
        "bb",
        new Uint8Array(4),
      )
        .eof()
    ),
  ],
  packageDepth: [2, 3, streamOf((builder) => nested(builder, 3))],
  vmdescriptionBytes: [13, 14, streamOf((builder) => builder.eof().description('{"devices":[]}'))],
  jsonValues: [2, 4, streamOf((builder) => builder.eof().description('{"devices":[],"x":1}'))],
  deviceStateBytes: [200, 4000, describedAs(300, { name: "y", type: "buffer", size: 0 })],
  undescribedBytes: [
    1000,
    10_000,
    streamOf((builder) => builder.section("full", 1, "aa", new Uint8Array(5000)).eof()),
    "truncated",
  ],
  deviceElements: [1000, 10_000, describedAs(1, FIELD)],
  trailingBytes: [1000, 400_000, () => read(piped(300_000))],
  temporaryBytes: [1000, 2000, () => keep(new Uint8Array(2000).fill(7))],
  zstdWindowBytes: [128 << 20, 256 << 20, unzstd],
};

for (const [name, [low, enough, act, code = "limit-exceeded"]] of Object.entries(NAMED)) {
  Deno.test(`limits: ${name} is an error, and can be raised`, async () => {
    await withLimits({ [name]: low }, async () => {
      const error = await assertRejects(async () => await act(), FormatError);
      assertEquals(error.code, code, error.describe());
    });
    await withLimits({ [name]: enough }, act);
  });
}

Deno.test("limits: zeros in a temporary file count, too, and come back", async () => {
  const bytes = new Uint8Array(5000);
  bytes.set([1, 2, 3], 2000);
  using pipe = new PipeSource(new ChunkedInput(bytes, 100), 500);
  pipe.keepAll();
  const into = new Uint8Array(100);
  for (let at = 0; at < bytes.length; at += 100) pipe.readAt(at, into);
  const again = new Uint8Array(5000);
  for (let at = 0; at < bytes.length;) at += pipe.readAt(at, again.subarray(at));
  assertEquals(again, bytes);
  await withLimits({ temporaryBytes: 1000 }, () => {
    const error = assertThrows(() => keep(new Uint8Array(2000)), FormatError);
    assertStringIncludes(error.describe(), "temporaryBytes");
  });
});

Deno.test("limits: pages in a temporary file are limited as well", async () => {
  await withLimits({ temporaryBytes: 8192 }, () => {
    using store = new PageStore(4096, 4096);
    store.add(new Uint8Array(4096), 0);
    store.add(new Uint8Array(4096), 10);
    const error = assertThrows(() => store.add(new Uint8Array(4096), 20), FormatError);
    assertEquals([error.code, error.offset], ["limit-exceeded", 10]);
  });
});

Deno.test("limits: the documentation names each that can be raised, with its value", () => {
  const text = Deno.readTextFileSync(new URL("../docs/errors.md", import.meta.url));
  const rows = text.split("\n").filter((line) => line.startsWith("|"));
  for (const [name, value] of Object.entries(DEFAULT_LIMITS)) {
    const row = rows.find((line) => line.includes(`\`${name}\``)) ?? "";
    const shown = [value, value / 1024 ** 2, value / 1024 ** 3].filter(Number.isInteger)
      .map((number) => String(number).replace(/\B(?=(\d{3})+$)/g, " "));
    assert(shown.some((number) => row.includes(`| ${number}`)), `${name}: ${row}`);
  }
});

Deno.test("limits: a description of millions of empty objects is refused before it takes gigabytes", () => {
  const text = (count: number) =>
    new TextEncoder().encode(`{"devices":[],"x":[0${",{}".repeat(count)}]}`);
  assertEquals(parseVmdescription(text(1000), 0).devices, []);
  const start = performance.now();
  const error = assertThrows(() => parseVmdescription(text(20_000_000), 7), FormatError);
  assertEquals(error.code, "limit-exceeded");
  assertStringIncludes(error.describe(), "jsonValues");
  assert(performance.now() - start < HANG_MS);
});

Deno.test("limits: values that are none are refused", () => {
  for (const value of [0, -1, 0.5, NaN, Infinity, 2 ** 53]) {
    assertThrows(() => setDefaultLimits({ sections: value }), RangeError, "limit sections");
  }
  const unknown = { nothing: 1 } as unknown as Partial<Limits>;
  assertThrows(() => setDefaultLimits(unknown), RangeError, "limit nothing");
});

Deno.test("limits: a configuration has a name of 1024 bytes and 256 capabilities at most", () => {
  const withCapabilities = (count: number) =>
    streamOf((builder) =>
      builder.configuration({
        machine: "m".repeat(1024),
        subsections: [{
          name: "configuration/capabilities",
          capabilities: Array.from({ length: count }, (_, index) => `c${index}`),
        }],
      }).eof()
    );
  withCapabilities(256)();
  // The encoder refuses what the decoder does.
  assertThrows(withCapabilities(257), FormatError);
  const bytes = new StreamBuilder().configuration({
    subsections: [{ name: "configuration/capabilities", capabilities: ["x"] }],
  }).eof().bytes();
  const count = bytes.length - 1 - 2 - 4;
  new DataView(bytes.buffer).setUint32(count, 257);
  const error = assertThrows(() => read(new BytesSource(bytes)), FormatError);
  assertEquals(error.code, "bad-configuration");
});

/** Bytes that are made when they are read, with how many were. */
class MadeSource implements ByteSource {
  readonly seekable = true;
  readonly sizeBytes: number;
  bytesRead = 0;
  readonly #byteAt: (offset: number) => number;

  constructor(sizeBytes: number, byteAt: (offset: number) => number) {
    this.sizeBytes = sizeBytes;
    this.#byteAt = byteAt;
  }

  readAt(offset: number, into: Uint8Array): number {
    const count = Math.max(0, Math.min(into.length, this.sizeBytes - offset));
    for (let at = 0; at < count; at++) into[at] = this.#byteAt(offset + at);
    this.bytesRead += count;
    return count;
  }
}

const MIB = 1024 * 1024;

Deno.test("limits: the XML of a save image has 64 MiB at most", () => {
  const head = libvirtImage({ reserveBytes: 0 }, new Uint8Array(0)).slice(0, LIBVIRT_HEADER_BYTES);
  const view = new DataView(head.buffer);
  view.setUint32(20, 100 * MIB, true);
  view.setUint32(32, 0, true);
  const source = new MadeSource(120 * MIB, (at) => head[at] ?? 0x61);
  const error = assertThrows(() => decodeLibvirtSave(new ByteReader(source)), FormatError);
  assertEquals(error.code, "limit-exceeded", error.describe());
  assert(source.bytesRead < 66 * MIB);
});

Deno.test("limits: the table of snapshots has 64 MiB at most", () => {
  const { bytes, table } = buildImage({
    clusterBits: 18,
    snapshots: [{ id: "i".repeat(60_000), name: "n".repeat(60_000), state: new Uint8Array(9) }],
  });
  const view = new DataView(bytes.buffer);
  view.setUint32(60, 2000);
  const length = (40 + view.getUint32(table + 36) + 120_000 + 7) & ~7;
  const source = new MadeSource(
    table + 2000 * length,
    (at) => at < table ? bytes[at]! : bytes[table + (at - table) % length]!,
  );
  const error = assertThrows(() => readQcow2(source, 0), FormatError, "snapshot table too long");
  assertEquals(error.code, "limit-exceeded");
});

Deno.test("limits: a stream that is not at the beginning is looked for in 64 MiB", () => {
  const source = new MadeSource(2 ** 50, () => 0);
  assertEquals(findStreams(source, 0), []);
  assert(source.bytesRead < SEARCH_BYTES + 2 * MIB);
});

Deno.test("limits: physical maps and patterns", () => {
  const block = { name: "m", index: 0, usedLengthBytes: 1 << 30, entryOffset: 0, entryBytes: 0 };
  const ranges = Array.from({ length: 4097 }, (_, index) => ({
    block: "m",
    guestAddress: index * 4096,
    lengthBytes: 4096,
  }));
  parseGivenMap(JSON.stringify(ranges.slice(1)), [block]);
  assertThrows(() => parseGivenMap(JSON.stringify(ranges), [block]), SyntaxError, "1..4096");
  hexMatcher("00".repeat(4096));
  assertThrows(() => hexMatcher("00".repeat(4097)), SyntaxError, "at most 4096");
  const plain = { encoding: "utf-8", ignoreCase: false } as const;
  assertThrows(() => textMatcher("x".repeat(4097), plain), SyntaxError, "at most 4096");
});

Deno.test("limits: a pipe that has to be kept needs -W beyond 48 MiB", async () => {
  const input = concat([new StreamBuilder().eof().bytes(), new Uint8Array(49 * MIB)]);
  const { code, err } = await migstream(["layout", "-", "--at", "3"], { input });
  assertEquals(code, 2);
  assertStringIncludes(err, "[limit-exceeded]");
  assertStringIncludes(err, "-W");
});

Deno.test("limits: --limit sets them, and refuses what is no limit and no value", async () => {
  const ask = (...args: string[]) => migstream(["info", "testdata/pc.mig", ...args]);
  const low = await ask("--limit", "sections=2");
  assertEquals(low.code, 2);
  assertStringIncludes(low.err, "[limit-exceeded]");
  assertEquals((await ask("--limit", "sections=2", "--limit", "sections=1K")).code, 0);
  const refused = [
    ["sektions=2", "Is it sections?"],
    ["x=2", "The limits are ramBlocks"],
    ["sections", "NAME=VALUE"],
    ["sections=0", "at least 1"],
    ["sections=many", "a number"],
    ["__proto__=1", "The limits are"],
  ] as const;
  for (const [limit, said] of refused) {
    const { code, err } = await ask("--limit", limit);
    assertEquals(code, 2, limit);
    assertStringIncludes(err, said);
  }
  for (const command of ["validate", "roundtrip", "registers", "analyze", "layout", "extract"]) {
    const args = command === "extract" ? ["-o", "nothing", "--quiet"] : [];
    const made = await migstream([command, "testdata/pc.mig", "--limit", "ramBlocks=1", ...args], {
      permissions: ["-R", "-W"],
    });
    assert(made.code > 0, command);
    assertStringIncludes(made.out + made.err, "too many RAM blocks", command);
  }
});
