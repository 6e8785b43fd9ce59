/**
 * Files compressed by the real programs, in `testdata/compressed/`, and what they were before. `testdata/compressed/generate.ts` makes
 * them from the list here.
 *
 * @module
 */

import type { Compression } from "../container/decompress/compression.ts";
import type { Decompressor } from "../container/decompress/decompressor.ts";
import type { ByteSource } from "../format/source.ts";
import { Random } from "./reading.ts";

/** A compressed file. */
export interface Fixture {
  /** Name in `testdata/compressed/`. */
  readonly file: string;
  readonly compression: Compression;
  /** What it was before: a name of {@link originalBytes}. */
  readonly original: OriginalName;
  /** The command line that made it, with the original as a file in the working directory. */
  readonly command: string;
}

const text = (value: string) => new TextEncoder().encode(value);

/** Text of made-up words, which every compression shortens, but not to nothing. */
function words(seed: number, bytes: number): Uint8Array {
  const random = new Random(seed);
  const list = ["ram", "block", "page", "section", "footer", "device", "\n", "0x1000", "QEMU"];
  let result = "";
  while (result.length < bytes) result += `${random.of(list)} `;
  return text(result).subarray(0, bytes);
}

function concat(...parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  const result = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    result.set(part, at);
    at += part.length;
  }
  return result;
}

/** What has short and long matches, near and far, runs of every length around the limits of the formats, and bytes that won't shrink. */
function mixed(): Uint8Array<ArrayBuffer> {
  const random = new Random(7);
  const noise = random.bytes(400);
  const runs = Array.from({ length: 40 }, (_, index) => new Uint8Array(index).fill(index % 3));
  const longRuns = [254, 255, 256, 259, 260, 600].map((size) => new Uint8Array(size).fill(65));
  return concat(
    words(1, 900),
    noise,
    ...runs,
    ...longRuns,
    new Uint8Array(20_000),
    noise,
    words(2, 300),
    new Uint8Array(40_000).fill(255),
    noise.subarray(50, 300),
    words(1, 500),
  );
}

/** Names of the originals. */
export const ORIGINAL_NAMES = ["empty", "small", "noise", "mixed", "long", "zeros"] as const;

/** Name of an original. */
export type OriginalName = typeof ORIGINAL_NAMES[number];

const ORIGINALS: Readonly<Record<OriginalName, () => Uint8Array<ArrayBuffer>>> = {
  empty: () => new Uint8Array(0),
  small: () => concat(words(3, 200), new Uint8Array(60), text("the end")),
  noise: () => concat(new Random(11).bytes(300)),
  mixed,
  /** More than one block of `bzip2 -1` and of lzop. */
  long: () => concat(...new Array<Uint8Array>(150).fill(words(4, 2000)), mixed()),
  zeros: () => new Uint8Array(1 << 20),
};

/** The bytes of an original. */
export function originalBytes(name: OriginalName): Uint8Array<ArrayBuffer> {
  return ORIGINALS[name]();
}

const COMMANDS: readonly (readonly [
  suffix: string,
  compression: Compression,
  command: string,
  originals: readonly OriginalName[],
])[] = [
  ["gz", "gzip", "gzip -c NAME", ["empty", "small", "noise", "mixed", "zeros"]],
  ["fast.gz", "gzip", "gzip -1 -c < NAME", ["mixed"]],
  ["bz2", "bzip2", "bzip2 -c NAME", ["empty", "small", "noise", "mixed", "zeros"]],
  ["1.bz2", "bzip2", "bzip2 -1 -c NAME", ["long"]],
  ["xz", "xz", "xz -c NAME", ["empty", "small", "noise", "mixed", "zeros"]],
  ["none.xz", "xz", "xz -9e --check=none -c NAME", ["mixed"]],
  ["crc32.xz", "xz", "xz -0 --check=crc32 -c NAME", ["mixed"]],
  ["blocks.xz", "xz", "xz -T2 --block-size=30000 -c NAME", ["mixed"]],
  ["lzo", "lzop", "lzop -c NAME", ["empty", "small", "noise", "mixed", "long"]],
  ["1.lzo", "lzop", "lzop -1 -CC -c NAME", ["mixed"]],
  ["9.lzo", "lzop", "lzop -9 --crc32 -c NAME", ["mixed"]],
  ["unchecked.lzo", "lzop", "lzop -7 -F -c < NAME", ["mixed"]],
  ["crcs.lzo", "lzop", "lzop --crc32 -CC -c NAME", ["small", "noise"]],
  ["zst", "zstd", "zstd -q -c NAME", ["empty", "small", "noise", "mixed", "zeros"]],
  ["pipe.zst", "zstd", "zstd -q -c < NAME", ["small", "mixed"]],
  ["unchecked.zst", "zstd", "zstd -q --no-check -c < NAME", ["small", "zeros"]],
  ["19.zst", "zstd", "zstd -q -19 --long=27 -c < NAME", ["mixed"]],
];

/** What the real programs accept and we refuse; no {@link FIXTURES}. */
export const UNSUPPORTED: readonly Fixture[] = [
  fixture("sha256.xz", "xz", "xz --check=sha256 -c NAME", "small"),
  fixture("x86.xz", "xz", "xz --x86 --lzma2 -c NAME", "small"),
  fixture("dictionary.xz", "xz", "xz --lzma2=dict=65MiB -c NAME", "small"),
  fixture("window.zst", "zstd", "zstd -q --ultra -22 --long=28 -c < NAME", "small"),
  fixture("filter.lzo", "lzop", "lzop --filter=1 -c NAME", "small"),
];

/** All compressed files that can be read. */
export const FIXTURES: readonly Fixture[] = COMMANDS.flatMap((
  [suffix, compression, command, originals],
) => originals.map((original) => fixture(suffix, compression, command, original)));

function fixture(
  suffix: string,
  compression: Compression,
  command: string,
  original: OriginalName,
): Fixture {
  return {
    file: `${original}.${suffix}`,
    compression,
    original,
    command: command.replace("NAME", original),
  };
}

const FOLDER = new URL("../testdata/compressed/", import.meta.url);

/** The bytes of a compressed file. */
export function compressedBytes(file: string): Uint8Array<ArrayBuffer> {
  return Deno.readFileSync(new URL(file, FOLDER));
}

/** Reads to the end in pieces of `intoBytes`, but not more than about `maxBytes`. */
export function readAll(
  decompressor: Decompressor,
  intoBytes: number = 65536,
  maxBytes: number = Infinity,
): Uint8Array<ArrayBuffer> {
  const parts: Uint8Array[] = [];
  let total = 0;
  while (total < maxBytes) {
    const into = new Uint8Array(intoBytes);
    const got = decompressor.readSync(into);
    if (got === null) break;
    if (got === 0) throw new Error("a read that gave nothing");
    parts.push(into.subarray(0, got));
    total += got;
  }
  return concat(...parts);
}

export { concat };

/** Bytes that come in two reads, of which the first ends at `cut`. */
export class CutSource implements ByteSource {
  /** Size in bytes. */
  readonly sizeBytes: number;
  /** Always true. */
  readonly seekable = true;
  readonly #bytes: Uint8Array;
  readonly #cut: number;

  /** Cuts `bytes` at `cut`. */
  constructor(bytes: Uint8Array, cut: number) {
    this.#bytes = bytes;
    this.#cut = cut;
    this.sizeBytes = bytes.length;
  }

  /** Reads up to the cut, or behind it. */
  readAt(offset: number, into: Uint8Array): number {
    const end = offset < this.#cut ? this.#cut : this.#bytes.length;
    const part = this.#bytes.subarray(offset, Math.min(end, offset + into.length));
    into.set(part);
    return part.length;
  }
}
