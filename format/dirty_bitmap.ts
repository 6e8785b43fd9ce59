/**
 * The payload of `dirty-bitmap` sections: block dirty bitmaps (capability `dirty-bitmaps`).
 *
 * ```text
 * payload = { chunk }        up to and including the first chunk with EOS
 *
 * START:  one START chunk a bitmap, EOS
 * PART:   EOS alone, tens of thousands of times before the guest is stopped; in postcopy BITS chunks
 * END:    BITS chunks of all bitmaps, one COMPLETE chunk a bitmap, EOS
 * ```
 *
 * @module
 */

import { type ChunkData, type ChunkPlace, inChunk, skipRest } from "./chunk.ts";
import {
  decodeDirtyBitmapChunk,
  DIRTY_BITMAP_FLAG,
  type DirtyBitmapChunk,
  type DirtyBitmapState,
  encodeDirtyBitmapChunk,
} from "./dirty_bitmap_chunk.ts";
import type { ByteReader } from "./reader.ts";
import type { ByteWriter } from "./writer.ts";

/** Name of the section's entry. */
export const DIRTY_BITMAP_IDSTR = "dirty-bitmap";
/** The only version of the section. */
export const DIRTY_BITMAP_VERSION = 1;

/** What to know for decoding a section. */
export interface DirtyBitmapOptions {
  /** What earlier sections of the stream said. */
  readonly state: DirtyBitmapState;
}

/** A section in numbers. */
export interface DirtyBitmapSummary {
  /** Chunks, the last one with EOS included. */
  chunks: number;
  /** START chunks. */
  startChunks: number;
  /** BITS chunks, those with ZEROES included. */
  bitsChunks: number;
  /** BITS chunks with ZEROES. */
  zeroChunks: number;
  /** COMPLETE chunks. */
  completeChunks: number;
  /** Bytes of bits. */
  dataBytes: number;
}

/** Decodes the payload of a section of any type. */
export function readDirtyBitmap(
  reader: ByteReader,
  options: DirtyBitmapOptions,
  onChunk?: (chunk: DirtyBitmapChunk & ChunkPlace) => void,
): DirtyBitmapSummary {
  const summary: DirtyBitmapSummary = {
    chunks: 0,
    startChunks: 0,
    bitsChunks: 0,
    zeroChunks: 0,
    completeChunks: 0,
    dataBytes: 0,
  };
  try {
    let last = false;
    while (!last) {
      const chunk = decodeDirtyBitmapChunk(reader, options.state);
      onChunk?.(chunk);
      skipRest(reader, chunk, "bits of a dirty bitmap");
      count(summary, chunk);
      last = (chunk.flags & DIRTY_BITMAP_FLAG.EOS) !== 0;
    }
  } catch (error) {
    throw inChunk(reader, summary.chunks, error);
  }
  return summary;
}

function count(summary: DirtyBitmapSummary, chunk: DirtyBitmapChunk & ChunkPlace): void {
  summary.chunks++;
  summary.dataBytes += chunk.dataBytes;
  if (chunk.kind === "start") summary.startChunks++;
  else if (chunk.kind === "complete") summary.completeChunks++;
  else if (chunk.kind === "bits") {
    summary.bitsChunks++;
    if ((chunk.flags & DIRTY_BITMAP_FLAG.ZEROES) !== 0) summary.zeroChunks++;
  }
}

/** Encodes a section's payload. Its last chunk, and no other one, has EOS. */
export function encodeDirtyBitmapSection(
  writer: ByteWriter,
  chunks: readonly (DirtyBitmapChunk & ChunkData)[],
): void {
  const end = chunks.findIndex((chunk) => (chunk.flags & DIRTY_BITMAP_FLAG.EOS) !== 0);
  if (end === -1 || end !== chunks.length - 1) {
    throw writer.error(
      "Cannot encode dirty-bitmap section: it must end with its first EOS",
      `EOS in chunk ${chunks.length - 1}`,
      end === -1 ? "none" : `EOS in chunk ${end}`,
    );
  }
  for (const chunk of chunks) encodeDirtyBitmapChunk(writer, chunk);
}
