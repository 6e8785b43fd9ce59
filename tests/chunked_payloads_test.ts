/**
 * What holds for every payload made of chunks, whatever its format: encode(decode) gives the same bytes, cuts are noticed at every
 * byte, hostile bytes cause nothing but a FormatError, and the way in which the input arrives does not matter.
 */
import { assert, assertEquals, assertInstanceOf, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  type BlockMigrationChunk,
  type BlockMigrationSummary,
  encodeBlockMigrationSection,
  readBlockMigration,
} from "../format/block_migration.ts";
import type { ChunkData, ChunkPlace } from "../format/chunk.ts";
import {
  type DirtyBitmapSummary,
  encodeDirtyBitmapSection,
  readDirtyBitmap,
} from "../format/dirty_bitmap.ts";
import { type DirtyBitmapChunk, DirtyBitmapState } from "../format/dirty_bitmap_chunk.ts";
import { FormatError } from "../format/error.ts";
import { ByteReader } from "../format/reader.ts";
import {
  encodeStorageKeysSection,
  readStorageKeys,
  type StorageKeysChunk,
  type StorageKeysSummary,
} from "../format/s390_skeys.ts";
import {
  encodeStorageAttributesSection,
  readStorageAttributes,
  type StorageAttributesChunk,
  type StorageAttributesSummary,
} from "../format/s390_storage_attributes.ts";
import { BytesSource } from "../format/source.ts";
import {
  encodeSpaprHtabSection,
  readSpaprHtab,
  type SpaprHtabChunk,
  type SpaprHtabSummary,
} from "../format/spapr_htab.ts";
import { encodeVfioSection, readVfio, type VfioChunk, type VfioSummary } from "../format/vfio.ts";
import type { ByteWriter } from "../format/writer.ts";
import { annotated, PipeSource, readerOf, written } from "./annotated.ts";

type Visitor = (chunk: ChunkPlace) => void;

interface Codec {
  readonly name: string;
  readonly sample: Uint8Array;
  read(reader: ByteReader, visitor?: Visitor): unknown;
  encode(writer: ByteWriter, chunks: readonly never[], summary: never): void;
}

/** What {@link Codec} says, with the types of one codec. */
function codec<Chunk, Summary>(
  name: string,
  sample: string,
  read: (reader: ByteReader, visitor?: (chunk: Chunk & ChunkPlace) => void) => Summary,
  encode: (writer: ByteWriter, chunks: readonly (Chunk & ChunkData)[], summary: Summary) => void,
): Codec {
  return { name, sample: annotated(sample), read: read as Codec["read"], encode };
}

const CODECS: readonly Codec[] = [
  codec<DirtyBitmapChunk, DirtyBitmapSummary>(
    "dirty-bitmap",
    `1c 05 "disk0" 03 "bm1" 00 01 00 00 02     # START, both names, granularity 64 KiB, persistent
     14 03 "bm0" 00 01 00 00 01                # START, enabled
     46 03 "bm1" 00*8 00 02 00 00              # BITS, ZEROES
     4c 05 "disk0" 03 "bm0" 00*8 00 00 40 00   # BITS of 128 granules
     00 00 00 00 00 00 00 20 01 00 00 00 00 00 03 00 00*24
     80 24 03 "bm1"                            # COMPLETE, with two bytes of flags
     80 80 00 24 03 "bm0"                      # COMPLETE, with four
     01                                        # EOS`,
    (reader, visitor) => readDirtyBitmap(reader, { state: new DirtyBitmapState() }, visitor),
    (writer, chunks) => encodeDirtyBitmapSection(writer, chunks),
  ),
  codec<SpaprHtabChunk, SpaprHtabSummary>(
    "spapr/htab",
    `00 00 00 00                               # chunks follow
     00 00 00 08 00 01 00 00 00 00 00 00 00 2a b0 01 00 00 00 00 00 2a b1 92
     00 00 00 18 00 00 00 05                   # five entries cleared
     00 00 00 20 00 02 00 01 00*32
     00*8                                      # end marker`,
    (reader, visitor) =>
      readSpaprHtab(reader, { type: "part", state: { tableEntries: undefined } }, visitor),
    (writer, chunks, summary) => encodeSpaprHtabSection(writer, summary.header, chunks),
  ),
  codec<StorageAttributesChunk, StorageAttributesSummary>(
    "s390-storage_attributes",
    `00 00 00 00 00 00 10 02 00*7 03 11 22 33  # MORE, three pages from 0x1000 on
     00 00 00 00 00 01 00 02 00*8              # MORE, none
     00 00 00 00 00 00 00 08                   # DONE
     00 00 00 00 00 00 00 01                   # EOS`,
    (reader, visitor) => readStorageAttributes(reader, {}, visitor),
    (writer, chunks) => encodeStorageAttributesSection(writer, chunks),
  ),
  codec<StorageKeysChunk, StorageKeysSummary>(
    "s390-skeys",
    `00 00 00 00 00 00 00 02 00*7 05 00 04 06 00 10
     00 00 00 00 00 00 00 01`,
    (reader, visitor) => readStorageKeys(reader, {}, visitor),
    (writer, chunks) => encodeStorageKeysSection(writer, chunks),
  ),
  codec<BlockMigrationChunk, BlockMigrationSummary>(
    "block",
    `00 00 00 00 00 00 00 04                   # PROGRESS 0
     00 00 00 00 00 00 00 09 02 "v0"           # DEVICE_BLOCK, ZERO_BLOCK
     00 00 00 00 00 10 00 09 02 "v1"
     00 00 00 00 00 00 c8 06                   # PROGRESS 100 and EOS in one word`,
    readBlockMigration,
    (writer, chunks) => encodeBlockMigrationSection(writer, chunks),
  ),
  codec<VfioChunk, VfioSummary>(
    "vfio",
    `ff ff ff ff ef 10 00 04 00*7 03 aa bb cc  # DEV_DATA_STATE
     ff ff ff ff ef 10 00 04 00*8
     ff ff ff ff ef 10 00 06                   # DEV_CONFIG_LOAD_READY
     ff ff ff ff ef 10 00 05                   # DEV_INIT_DATA_SENT`,
    (reader, visitor) => readVfio(reader, { type: "part" }, visitor),
    (writer, chunks) => encodeVfioSection(writer, chunks),
  ),
];

/** Decodes a payload that may have bytes behind it, encodes it again, and gives what was encoded. */
function again(codec: Codec, bytes: Uint8Array): { bytes: Uint8Array; endOffset: number } {
  const chunks: unknown[] = [];
  const reader = readerOf(bytes);
  const summary = codec.read(reader, (chunk) => {
    const data = bytes.slice(chunk.dataOffset, chunk.dataOffset + chunk.dataBytes);
    chunks.push({ ...chunk, data });
  });
  const encoded = written((writer) => codec.encode(writer, chunks as never[], summary as never));
  return { bytes: encoded, endOffset: reader.offset };
}

for (const codec of CODECS) {
  const { name, sample } = codec;

  Deno.test(`${name}: what was decoded encodes to the same bytes, whatever follows`, () => {
    for (const rest of [[], [0x7e, 0, 0, 0, 1], new Array<number>(64).fill(0)]) {
      const result = again(codec, Uint8Array.from([...sample, ...rest]));
      assertEquals(result, { bytes: sample, endOffset: sample.length });
    }
  });

  Deno.test(`${name}: a cut at any byte is noticed`, () => {
    for (let length = 0; length < sample.length; length++) {
      const cut = sample.slice(0, length);
      const sources = [new BytesSource(cut), new PipeSource(cut, 7)];
      for (const source of sources) {
        const error = assertThrows(() => codec.read(new ByteReader(source)), FormatError);
        assertEquals(error.code, "truncated", `${length} bytes`);
        assertEquals(error.offset, length);
      }
      // The limit of a nested stream counts as the end.
      const limited = new ByteReader(new BytesSource(sample), { end: length });
      assertEquals(assertThrows(() => codec.read(limited), FormatError).code, "truncated");
    }
  });

  Deno.test(`${name}: a pipe's chunks and data are those of a file`, () => {
    const seen = (reader: ByteReader, atOnce: boolean) => {
      const chunks: unknown[] = [];
      const summary = codec.read(reader, (chunk) => {
        const half = chunk.dataBytes >> 1;
        const bytes = atOnce ? reader.bytes(chunk.dataBytes, "data") : reader.bytes(half, "data");
        chunks.push({ ...chunk }, bytes.slice(0, half));
      });
      return { chunks, summary };
    };
    const expected = seen(readerOf(sample), true);
    for (const atOnce of [1, 2, 3, 5, 8, 13]) {
      const pipe = new ByteReader(new PipeSource(sample, atOnce), { blockBytes: 16 });
      assertEquals(seen(pipe, atOnce % 2 === 0), expected);
    }
  });

  Deno.test(`${name}: an error names its chunk, and the way to it`, () => {
    const reader = new ByteReader(new BytesSource(sample.slice(0, -1)), { path: ["section 7"] });
    const error = assertThrows(() => codec.read(reader), FormatError);
    assertEquals(error.path[0], "section 7");
    assert(/^chunk \d+$/.test(error.path[1] ?? ""), error.describe());
    assertEquals(error.path.length, 2);
  });

  Deno.test(`${name}: a visitor's own error passes as it is; reading past the data is one`, () => {
    const own = new Error("enough");
    const thrown = assertThrows(() =>
      codec.read(readerOf(sample), () => {
        throw own;
      })
    );
    assertEquals(thrown, own);
    const greedy = readerOf(sample);
    assertThrows(
      () => codec.read(greedy, ({ dataBytes }) => greedy.skip(dataBytes + 1, "too much")),
      RangeError,
    );
  });

  Deno.test(`${name}: hostile bytes cause nothing but a FormatError, or encode to themselves`, () => {
    const changes = fc.array(
      fc.tuple(fc.nat(sample.length - 1), fc.integer({ min: 0, max: 255 })),
      { minLength: 1, maxLength: 6 },
    );
    fc.assert(
      fc.property(changes, (list) => {
        const bytes = sample.slice();
        for (const [at, value] of list) bytes[at] = value;
        try {
          const result = again(codec, bytes);
          assertEquals(result.bytes, bytes.slice(0, result.endOffset));
        } catch (error) {
          assertInstanceOf(error, FormatError);
        }
      }),
      { numRuns: 2000 },
    );
  });
}
