/**
 * A little compressed data that becomes endless: it ends in bounded time, memory and disk.
 */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { concat } from "@std/bytes/concat";
import { readInfo } from "../../analyze/info.ts";
import { validateInput } from "../../analyze/validate/validate_input.ts";
import { type OpenInput, openInput } from "../../container/open.ts";
import { FormatError } from "../../format/error.ts";
import { DEFAULT_LIMITS, setDefaultLimits } from "../../format/limits.ts";
import { Workplace } from "../../fuzz/commands.ts";
import { compressedBytes } from "../compressed.ts";
import { HANG_MS } from "../patience.ts";
import { compressedStream, gzip, WRAPPED_STREAM, zstd } from "../wrapped.ts";

const MIB = 1024 * 1024;

/** 64 MiB of zeros, compressed; several of them, one behind the other, are more. */
const ZEROS = { gzip: gzip(new Uint8Array(64 * MIB)), zstd: zstd(new Uint8Array(64 * MIB)) };

function times(bytes: Uint8Array, count: number): Uint8Array {
  return concat(new Array<Uint8Array>(count).fill(bytes));
}

/** A stream with zeros behind it, MiB by MiB, in each compression that can have several parts. */
const TAILS: Readonly<Record<string, (mib: number) => Uint8Array>> = {
  gzip: (mib) => concat([compressedStream("gzip"), times(ZEROS.gzip, mib / 64)]),
  zstd: (mib) => concat([compressedStream("zstd"), times(ZEROS.zstd, mib / 64)]),
  xz: (mib) => concat([compressedStream("xz"), times(compressedBytes("zeros.xz"), mib)]),
  bzip2: (mib) => concat([compressedStream("bzip2"), times(compressedBytes("zeros.bz2"), mib)]),
};

async function opened<Result>(
  bytes: Uint8Array,
  use: (input: OpenInput, place: Workplace) => Result,
  seekable = false,
): Promise<Result> {
  using place = new Workplace();
  const path = `${place.folder}/input`;
  Deno.writeFileSync(path, bytes);
  using input = await openInput(path, { seekable });
  return use(input, place);
}

for (const compression of ["gzip", "zstd"] as const) {
  Deno.test(`bombs: 16 GiB of zeros in ${compression} are no stream at once`, async () => {
    const bytes = times(ZEROS[compression], 256);
    const start = performance.now();
    const error = await assertRejects(() => opened(bytes, () => {}), FormatError);
    assertEquals(error.code, "bad-magic", error.describe());
    // Where a stream is looked for ends, too.
    assert(performance.now() - start < HANG_MS);
  });
}

for (const [compression, make] of Object.entries(TAILS)) {
  Deno.test(`bombs: zeros behind a stream in ${compression} end at the limit`, async () => {
    const before = { ...DEFAULT_LIMITS };
    setDefaultLimits({ trailingBytes: 70 * MIB });
    try {
      const fine = await opened(make(64), (input) => readInfo(input));
      assertEquals(fine.info.sizes.trailing, 64 * MIB);
      const error = await opened(make(128), (input) => readInfo(input, { keepGoing: true }).error);
      assertEquals(error?.code, "limit-exceeded", error?.describe());
    } finally {
      setDefaultLimits(before);
    }
  });
}

Deno.test("bombs: 64 GiB of zeros behind a stream end at 1 GiB unless more is asked for", async () => {
  const bytes = TAILS.zstd!(64 * 1024);
  assert(bytes.length < 16 * MIB);
  const error = await opened(bytes, (input) => readInfo(input, { keepGoing: true }).error);
  assertEquals(error?.code, "limit-exceeded");
  assert(error!.offset < WRAPPED_STREAM.length + 1.1 * 1024 * MIB);
});

Deno.test("bombs: what has to be kept takes no room for zeros, and has an end", async () => {
  const bytes = TAILS.zstd!(512);
  const blocks = await opened(bytes, (input, place) => {
    assertEquals(input.source.sizeBytes, WRAPPED_STREAM.length + 512 * MIB);
    const folder = `${place.folder}/temporary`;
    const files = [...Deno.readDirSync(folder)].map(({ name }) =>
      Deno.statSync(`${folder}/${name}`)
    );
    validateInput(input);
    return files.map(({ size, blocks }) => blocks === null ? size : blocks * 512);
  }, true);
  assertEquals(blocks.length, 1);
  assert(blocks[0]! < 64 * MIB, `${blocks[0]} bytes on the disk`);
  const before = { ...DEFAULT_LIMITS };
  setDefaultLimits({ temporaryBytes: 256 * MIB });
  try {
    const error = await assertRejects(() => opened(bytes, () => {}, true), FormatError);
    assertEquals(error.code, "limit-exceeded", error.describe());
  } finally {
    setDefaultLimits(before);
  }
});
