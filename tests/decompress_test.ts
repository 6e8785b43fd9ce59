/**
 * Data compressed by the real programs is read as what it was, however it is cut.
 */
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import fc from "fast-check";
import { type Compression, recogniseCompression } from "../container/decompress/compression.ts";
import { openDecompressor } from "../container/decompress/open.ts";
import { PipeSource } from "../container/pipe.ts";
import { FormatError } from "../format/error.ts";
import { type ByteSource, BytesSource } from "../format/source.ts";
import {
  compressedBytes,
  concat,
  CutSource,
  FIXTURES,
  originalBytes,
  readAll,
  UNSUPPORTED,
} from "./compressed.ts";
import { ChunkedInput, CountingSource } from "./reading.ts";

const text = (value: string) => new TextEncoder().encode(value);

async function read(
  compression: Compression,
  source: ByteSource,
  options: { offset?: number; intoBytes?: number } = {},
): Promise<{ bytes: Uint8Array; notes: readonly string[]; consumedBytes: number }> {
  using opened = await openDecompressor(compression, source, options.offset ?? 0);
  const bytes = readAll(opened, options.intoBytes);
  assertEquals(opened.readSync(new Uint8Array(1)), null, "the end is no longer the end");
  return { bytes, notes: opened.notes, consumedBytes: opened.consumedBytes };
}

Deno.test("decompress: what the real programs wrote is what it was", async () => {
  for (const { file, compression, original } of FIXTURES) {
    const packed = compressedBytes(file);
    const { bytes, notes, consumedBytes } = await read(compression, new BytesSource(packed));
    assertEquals(bytes, originalBytes(original), file);
    assertEquals(notes, [], file);
    assertEquals(consumedBytes, packed.length, file);
    assertEquals(recogniseCompression(packed), compression, file);
  }
});

Deno.test("decompress: the data may begin anywhere, and the output be of any size", async () => {
  for (const { file, compression, original } of FIXTURES) {
    if (original === "zeros") continue;
    const whole = concat(new Uint8Array(1234).fill(0x1f), compressedBytes(file));
    for (const intoBytes of original === "small" ? [1, 2, 3, 5, 64] : [7, 1000]) {
      const { bytes, consumedBytes } = await read(compression, new BytesSource(whole), {
        offset: 1234,
        intoBytes,
      });
      assertEquals(bytes, originalBytes(original), `${file} into ${intoBytes}`);
      assertEquals(consumedBytes, whole.length - 1234);
    }
  }
});

Deno.test("decompress: short reads make no difference, from a file or from a pipe", async () => {
  for (const { file, compression, original } of FIXTURES) {
    const packed = compressedBytes(file);
    for (const atOnce of original === "small" ? [1, 2, 3, 7] : [1, 100]) {
      const label = `${file}, ${atOnce} at once`;
      const fromFile = await read(compression, new CountingSource(packed, atOnce));
      assertEquals(fromFile.bytes, originalBytes(original), label);
      using pipe = new PipeSource(new ChunkedInput(packed, atOnce));
      const fromPipe = await read(compression, pipe);
      assertEquals(fromPipe.bytes, originalBytes(original), label);
      assertEquals(fromPipe.consumedBytes, packed.length, label);
    }
  }
});

Deno.test("decompress: a pipe whose beginning was looked at is read from there", async () => {
  const packed = compressedBytes("small.gz");
  using pipe = new PipeSource(new ChunkedInput(concat(text("head"), packed), 5));
  const head = new Uint8Array(4);
  assertEquals(pipe.readAt(0, head), 4);
  const { bytes } = await read("gzip", pipe, { offset: 4 });
  assertEquals(bytes, originalBytes("small"));
});

Deno.test("decompress: the input may be cut at every byte", async () => {
  for (const { file, compression, original } of FIXTURES) {
    if (original !== "small" && original !== "mixed") continue;
    const packed = compressedBytes(file);
    const expected = originalBytes(original);
    const step = original === "small" ? 1 : compression === "xz" ? 97 : 11;
    for (let cut = 1; cut < packed.length; cut += step) {
      const { bytes } = await read(compression, new CutSource(packed, cut));
      // assertEquals compares element by element.
      assertEquals(bytes.length, expected.length, `${file} cut at ${cut}`);
      assert(bytes.every((byte, at) => byte === expected[at]), `${file} cut at ${cut}`);
    }
  }
});

Deno.test("decompress: any sizes of reads on both sides give the same", async () => {
  const some = FIXTURES.filter(({ original }) => original === "mixed" || original === "small");
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...some),
      fc.integer({ min: 1, max: 3000 }),
      fc.array(fc.integer({ min: 1, max: 9000 }), { minLength: 1, maxLength: 9 }),
      async ({ file, compression, original }, atOnce, sizes) => {
        const source = new CountingSource(compressedBytes(file), atOnce);
        using opened = await openDecompressor(compression, source, 0);
        const parts: Uint8Array[] = [];
        for (let turn = 0;; turn++) {
          const into = new Uint8Array(sizes[turn % sizes.length]!);
          const got = opened.readSync(into);
          if (got === null) break;
          parts.push(into.subarray(0, got));
        }
        assertEquals(concat(...parts), originalBytes(original), file);
      },
    ),
    { seed: 20261121, numRuns: 150 },
  );
});

Deno.test("decompress: several members are read as one, with zeros between them and behind", async () => {
  const expected = concat(originalBytes("small"), originalBytes("noise"), originalBytes("small"));
  for (const [compression, end] of ENDS) {
    const [small, noise] = [compressedBytes(`small.${end}`), compressedBytes(`noise.${end}`)];
    const zeros = new Uint8Array(512);
    for (
      const packed of [
        concat(small, noise, small),
        concat(small, zeros, noise, zeros.subarray(0, 4), small, zeros),
      ]
    ) {
      for (const atOnce of [1, 9, 100_000]) {
        const { bytes, notes } = await read(compression, new CountingSource(packed, atOnce));
        assertEquals(bytes, expected, end);
        assertEquals(notes, [], end);
      }
    }
  }
});

const ENDS: readonly (readonly [Compression, string])[] = [
  ["gzip", "gz"],
  ["bzip2", "bz2"],
  ["xz", "xz"],
  ["lzop", "lzo"],
  ["zstd", "zst"],
];

Deno.test("decompress: bytes behind the data are a note; behind xz data an error", async () => {
  const garbage = text("bytes of somebody else, that begin like nothing");
  for (const [compression, end] of ENDS) {
    const packed = concat(compressedBytes(`small.${end}`), new Uint8Array(4), garbage);
    if (compression === "xz") {
      const error = await assertRejects(
        () => read(compression, new BytesSource(packed)),
        FormatError,
        "no xz stream",
      );
      assertEquals(error.code, "bad-compression");
      continue;
    }
    const { bytes, notes } = await read(compression, new BytesSource(packed));
    assertEquals(bytes, originalBytes("small"), end);
    assertEquals(notes.length, 1);
    assert(
      notes[0]!.startsWith(`${garbage.length} byte(s) behind the ${compression} data`),
      notes[0],
    );
    using pipe = new PipeSource(new ChunkedInput(packed, 7));
    assert((await read(compression, pipe)).notes[0]!.includes("behind"));
  }
});

Deno.test("decompress: gzip headers may have all that they can have", async () => {
  const plain = compressedBytes("small.gz");
  assertEquals(plain[3], 0x08, "a file name");
  const body = plain.subarray(10 + "small\0".length);
  const header = plain.slice(0, 10);
  header[3] = 0x02 | 0x04 | 0x08 | 0x10;
  const full = concat(
    header,
    Uint8Array.of(3, 1),
    new Uint8Array(259),
    text("name\0note\0xx"),
    body,
  );
  assertEquals((await read("gzip", new BytesSource(full))).bytes, originalBytes("small"));
});

Deno.test("decompress: zstd frames that hold no data are skipped", async () => {
  const small = compressedBytes("small.zst");
  const skipped = (size: number, last: number) =>
    concat(Uint8Array.of(0x50 + last, 0x2a, 0x4d, 0x18, size, 0, 0, 0), new Uint8Array(size));
  const packed = concat(
    skipped(9, 0),
    small,
    skipped(0, 15),
    skipped(200, 7),
    small,
    skipped(1, 1),
  );
  const twice = concat(originalBytes("small"), originalBytes("small"));
  for (const atOnce of [1, 10_000]) {
    const { bytes, notes } = await read("zstd", new CountingSource(packed, atOnce));
    assertEquals(bytes, twice);
    assertEquals(notes, []);
  }
});

Deno.test("decompress: what is not supported says so", async () => {
  const expected: Readonly<Record<string, readonly [code: string, message: RegExp]>> = {
    "small.sha256.xz": ["bad-compression", /not supported: decompress it/],
    "small.x86.xz": ["bad-compression", /not supported: decompress it/],
    "small.dictionary.xz": ["limit-exceeded", /dictionary is too large/],
    "small.window.zst": ["limit-exceeded", /window is too large/],
    "small.filter.lzo": ["bad-compression", /not supported/],
  };
  for (const { file, compression } of UNSUPPORTED) {
    const source = new BytesSource(compressedBytes(file));
    const error = await assertRejects(() => read(compression, source), FormatError);
    const [code, message] = expected[file]!;
    assertEquals(error.code, code, file);
    assert(message.test(error.message), error.describe());
  }
});

Deno.test("decompress: no data at all is no compressed data", async () => {
  for (const [compression] of ENDS) {
    const nothing = () => read(compression, new BytesSource(new Uint8Array(0)));
    assertEquals((await assertRejects(nothing, FormatError)).code, "truncated", compression);
    const other = () => read(compression, new BytesSource(text("QEVM and so on, not compressed")));
    const error = await assertRejects(other, FormatError);
    assertEquals([error.code, error.offset < 20], ["bad-compression", true], compression);
  }
});

Deno.test("decompress: an error stays, and nothing is read after disposal", async () => {
  const cut = compressedBytes("small.gz").subarray(0, 60);
  const opened = await openDecompressor("gzip", new BytesSource(cut), 0);
  const first = assertThrows(() => readAll(opened), FormatError);
  assert(assertThrows(() => opened.readSync(new Uint8Array(1))) === first);
  opened[Symbol.dispose]();
  opened[Symbol.dispose]();
  assertThrows(() => opened.readSync(new Uint8Array(1)), TypeError);
});

Deno.test("decompress: compressions are recognised by all of their magic numbers", () => {
  for (const [compression, end] of ENDS) {
    const packed = compressedBytes(`small.${end}`);
    const magicBytes = { gzip: 2, bzip2: 3, xz: 6, lzop: 9, zstd: 4 }[compression];
    assertEquals(recogniseCompression(packed.subarray(0, magicBytes)), compression);
    assertEquals(recogniseCompression(packed.subarray(0, magicBytes - 1)), undefined);
  }
  assertEquals(recogniseCompression(text("QEVM")), undefined);
});
