/**
 * Damaged, truncated and hostile compressed data is refused, or read as what it is; it never takes the memory or the time that it asks for.
 */
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import type { Compression } from "../container/decompress/compression.ts";
import { decodeLzo1x } from "../container/decompress/lzo1x.ts";
import { openDecompressor } from "../container/decompress/open.ts";
import { FormatError, isFormatError } from "../format/error.ts";
import { BytesSource } from "../format/source.ts";
import { annotated } from "./annotated.ts";
import { compressedBytes, concat, FIXTURES, originalBytes, readAll } from "./compressed.ts";
import { CountingSource, Random } from "./reading.ts";

const MIB = 1 << 20;

interface Outcome {
  readonly bytes: Uint8Array;
  readonly notes: readonly string[];
  readonly error: FormatError | undefined;
}

/** Reads what can be read, up to a few MiB. What is no `FormatError` is passed on. */
async function attempt(compression: Compression, packed: Uint8Array): Promise<Outcome> {
  const into = new Uint8Array(8192);
  let bytes: Uint8Array = new Uint8Array(0);
  using opened = await openDecompressor(compression, new BytesSource(packed), 0);
  try {
    while (bytes.length < 4 * MIB) {
      const got = opened.readSync(into);
      if (got === null) break;
      bytes = concat(bytes, into.subarray(0, got));
    }
  } catch (error) {
    if (!isFormatError(error)) throw error;
    assert(error.offset >= 0 && error.offset <= packed.length, error.describe());
    return { bytes, notes: opened.notes, error };
  }
  return { bytes, notes: opened.notes, error: undefined };
}

async function failure(compression: Compression, packed: Uint8Array): Promise<FormatError> {
  return await assertRejects(async () => {
    const { error } = await attempt(compression, packed);
    if (error !== undefined) throw error;
  }, FormatError);
}

function same(left: Uint8Array, right: Uint8Array): boolean {
  return left.length === right.length && left.every((byte, at) => byte === right[at]);
}

function beginsWith(whole: Uint8Array, start: Uint8Array): boolean {
  return same(whole.subarray(0, start.length), start);
}

Deno.test("decompress: data that ends anywhere is truncated, and its beginning is right", async () => {
  for (const { file, compression, original } of FIXTURES) {
    if (original === "long" || original === "zeros") continue;
    const packed = compressedBytes(file);
    const whole = originalBytes(original);
    // A WebAssembly module for each takes its time.
    const step = original !== "mixed" ? 1 : compression === "xz" ? 61 : 7;
    for (let length = 0; length < packed.length; length += step) {
      const { bytes, error } = await attempt(compression, packed.subarray(0, length));
      assertEquals(error?.code, "truncated", `${file}, ${length} bytes: ${error?.describe()}`);
      assert(beginsWith(whole, bytes), `${file}, ${length} bytes: other data`);
    }
  }
});

Deno.test("decompress: a second member that ends anywhere is truncated too", async () => {
  for (const name of ["small.gz", "small.bz2", "small.lzo", "small.zst", "small.xz"]) {
    const { compression } = FIXTURES.find(({ file }) => file === name)!;
    const packed = compressedBytes(name);
    for (let length = 1; length < packed.length; length++) {
      const { error } = await attempt(compression, concat(packed, packed.subarray(0, length)));
      assertEquals(error?.code, "truncated", `${name}, ${length} bytes of the second`);
    }
  }
});

function damage(bytes: Uint8Array, random: Random): Uint8Array {
  let damaged: Uint8Array = bytes.slice();
  for (let count = 1 + random.below(3); count > 0 && damaged.length > 0; count--) {
    const at = random.below(damaged.length);
    const length = 1 + random.below(8);
    switch (random.below(5)) {
      case 0:
        damaged = concat(damaged.subarray(0, at), damaged.subarray(at + length));
        break;
      case 1:
        damaged = concat(damaged.subarray(0, at), random.bytes(length), damaged.subarray(at));
        break;
      case 2:
        damaged.set(random.bytes(Math.min(length, damaged.length - at)), at);
        break;
      default:
        damaged[at]! ^= 1 << random.below(8);
    }
  }
  return damaged;
}

for (const compression of ["gzip", "bzip2", "xz", "lzop", "zstd"] as const) {
  Deno.test(`decompress: damaged ${compression} data is refused, or gives what it was`, async () => {
    const random = new Random(20261121);
    const count = { read: 0, refused: 0 };
    for (const { file, original } of FIXTURES.filter((each) => each.compression === compression)) {
      if (original === "long" || original === "zeros") continue;
      const packed = compressedBytes(file);
      const whole = originalBytes(original);
      const isChecked = !file.includes("unchecked") && !file.includes("none");
      for (let turn = compression === "xz" ? 60 : 1000; turn > 0; turn--) {
        const damaged = damage(packed, random);
        const { bytes, notes, error } = await attempt(compression, damaged);
        count[error === undefined ? "read" : "refused"] += 1;
        if (error !== undefined || !isChecked) continue;
        // A damaged block size of zero ends an lzop file, a damaged flag takes zstd's checksum: what is left is a note.
        assert(same(bytes, whole) || notes.length > 0, `${file}: wrong data, turn ${turn}`);
      }
    }
    assert(count.refused > 5 * count.read, JSON.stringify(count));
    // In xz data, every bit is under a checksum.
    if (compression !== "xz") assert(count.read > 0, JSON.stringify(count));
  });
}

Deno.test("decompress: wrong checksums and lengths are refused where they stand", async () => {
  const flip = (file: string, at: number) => {
    const bytes = compressedBytes(file);
    bytes[at < 0 ? bytes.length + at : at]! ^= 0x40;
    return bytes;
  };
  const cases: readonly (readonly [Compression, string, at: number, message: RegExp])[] = [
    ["gzip", "small.gz", -8, /checksum or the length/],
    ["gzip", "small.gz", -1, /checksum or the length/],
    ["gzip", "small.gz", 2, /header is impossible/],
    ["gzip", "small.gz", 3, /header is impossible/],
    ["bzip2", "small.bz2", 10, /checksum of a block/],
    ["bzip2", "small.bz2", -2, /checksum of a stream/],
    ["bzip2", "small.bz2", 5, /neither a block/],
    ["xz", "small.xz", 8, /it is damaged/],
    ["xz", "small.xz", -3, /it is damaged/],
    ["xz", "mixed.crc32.xz", 8, /it is damaged/],
    ["lzop", "small.lzo", 12, /checksum is wrong/],
    ["lzop", "small.lzo", -10, /checksum is wrong|it is damaged/],
    ["zstd", "small.zst", -1, /it is damaged/],
    ["zstd", "small.zst", 4, /it is damaged|window|impossible|ends/],
  ];
  for (const [compression, file, at, message] of cases) {
    const error = await failure(compression, flip(file, at));
    assert(["bad-compression", "truncated"].includes(error.code), error.describe());
    assert(message.test(error.message), `${file} at ${at}: ${error.describe()}`);
  }
});

Deno.test("decompress: each checksum of an lzop block is looked at", async () => {
  for (
    const [file, original] of [
      ["small.crcs.lzo", "small"],
      ["mixed.1.lzo", "mixed"],
    ] as const
  ) {
    const packed = compressedBytes(file);
    const sizes = findBlock(packed, originalBytes(original).length);
    // Behind the two sizes: the checksum of the block, then that of what is stored of it.
    for (const at of [sizes + 8, sizes + 12]) {
      const damaged = packed.slice();
      damaged[at]! ^= 1;
      const error = await failure("lzop", damaged);
      assert(error.message.includes("a checksum is wrong"), error.describe());
      assertEquals(error.offset, sizes);
    }
  }
});

Deno.test("decompress: an lzop block that claims too much is refused before it is made", async () => {
  const packed = compressedBytes("small.lzo");
  const sizes = findBlock(packed, originalBytes("small").length);
  const view = new DataView(packed.buffer);
  for (const [size, stored] of [[0x7fffffff, 0x7fffffff], [64 * MIB, 1000], [10, 11], [10, 0]]) {
    view.setUint32(sizes, size!);
    view.setUint32(sizes + 4, stored!);
    const error = await failure("lzop", packed);
    assert(error.message.includes("sizes are impossible"), error.describe());
    assertEquals(error.offset, sizes);
  }
  // Stored bytes that are not there cost nothing.
  view.setUint32(sizes, 64 * MIB);
  view.setUint32(sizes + 4, 64 * MIB);
  assertEquals((await failure("lzop", packed)).code, "truncated");
});

/** Where the block of `size` bytes begins in an lzop file. */
function findBlock(packed: Uint8Array, size: number): number {
  const view = new DataView(packed.buffer);
  for (let at = 30; at + 4 <= packed.length; at++) if (view.getUint32(at) === size) return at;
  throw new Error("no such block");
}

/** A bomb in zstd: as many MiB of zeros as asked for, in four bytes for each 128 KiB. */
function zstdBomb(mebibytes: number): Uint8Array {
  const blocks = 8 * mebibytes;
  const packed = new Uint8Array(6 + 4 * blocks);
  packed.set(annotated("28 b5 2f fd 00 38"));
  const view = new DataView(packed.buffer);
  for (let block = 0; block < blocks; block++) {
    const header = (128 * 1024 << 3) | (1 << 1) | (block === blocks - 1 ? 1 : 0);
    view.setUint32(6 + 4 * block, header, true);
  }
  return packed;
}

Deno.test("decompress: of a bomb, no more is read than is asked for", async () => {
  const gzip = new Array<Uint8Array>(1024).fill(compressedBytes("zeros.gz"));
  const xz = new Array<Uint8Array>(1024).fill(compressedBytes("zeros.xz"));
  const lzop = new Array<Uint8Array>(1024).fill(compressedBytes("mixed.lzo"));
  const bombs: readonly (readonly [Compression, Uint8Array])[] = [
    ["zstd", zstdBomb(1024)],
    ["gzip", concat(...gzip)],
    ["bzip2", concat(...new Array<Uint8Array>(1024).fill(compressedBytes("zeros.bz2")))],
    ["xz", concat(...xz)],
    ["lzop", concat(...lzop)],
  ];
  for (const [compression, packed] of bombs) {
    const source = new CountingSource(packed, 4096);
    using opened = await openDecompressor(compression, source, 0);
    assert(readAll(opened, 4096, MIB).length < MIB + 4096);
    assert(opened.consumedBytes < 40_000, `${compression}: ${opened.consumedBytes} used`);
    assert(source.bytesRead <= opened.consumedBytes + 64 * 1024 + 4096, `${source.bytesRead}`);
  }
});

Deno.test("decompress: a bomb of zstd is read to its end", async () => {
  using opened = await openDecompressor("zstd", new BytesSource(zstdBomb(256)), 0);
  const into = new Uint8Array(MIB);
  let total = 0;
  for (let got; (got = opened.readSync(into)) !== null;) total += got;
  assertEquals(total, 256 * MIB);
});

Deno.test("lzo: instructions that leave their buffers are refused", () => {
  const decode = (hex: string, bytes: number) => {
    const output = new Uint8Array(bytes);
    decodeLzo1x(annotated(hex), output);
    return output;
  };
  const END = "11 00 00";
  assertEquals(decode(`15 "abcd" ${END}`, 4), annotated('"abcd"'));
  // Three literals, then two bytes of a distance of three with one literal; the overlap of a long match repeats.
  assertEquals(decode(`14 "abc" 09 00 "z" ${END}`, 6), annotated('"abcabz"'));
  assertEquals(
    decode(`15 "abcd" 20 00 00 7d 00 00 ${END}`, 4 + 2 + 31 + 2 * 255 + 125).at(-1),
    0x64,
  );
  const refused: readonly (readonly [string, number, string])[] = [
    ["", 0, "no end"],
    ["11 00", 0, "no end"],
    [`15 "abcd"`, 4, "no end"],
    [`ff "abcd" ${END}`, 238, "no end"],
    [`15 "abcd" ${END} 00`, 4, "bytes follow"],
    [`15 "abcd" ${END}`, 5, "shorter"],
    [`15 "abcd" ${END}`, 3, "longer"],
    [`15 "abcd" 2d 00 00 ${END}`, 6, "longer"],
    [`15 "abcd" 21 10 00 ${END}`, 7, "before its block"],
    [`15 "abcd" 20 00 00 00 00 00 00`, 400, "no end"],
    [`00 00 00 00 00 00`, 400, "no end"],
  ];
  for (const [hex, bytes, message] of refused) {
    assertThrows(() => decode(hex, bytes), Error, message, hex);
  }
});
