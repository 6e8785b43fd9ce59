/**
 * Follows the zstd frame of a multifd channel (RFC 8878): each payload has to consist of whole blocks.
 *
 * ```text
 * channel    frame header | blocks of the first packet | blocks of the second ...       the frame never ends
 * header     28 b5 2f fd | descriptor 1 | [window 1] | [dictionary id 1, 2, 4] | [content size 1, 2, 4, 8]
 * block      header 3, little-endian: bit 0 last, bits 1..2 type (0 raw, 1 RLE, 2 compressed), bits 3.. size | content
 * ```
 *
 * The runtime would keep a part of a block for later, and would not tell.
 *
 * @module
 */

const MAGIC = [0x28, 0xb5, 0x2f, 0xfd] as const;
const DICTIONARY_ID_BYTES = [0, 1, 2, 4] as const;
const CONTENT_SIZE_BYTES = [0, 2, 4, 8] as const;
const BLOCK_HEADER_BYTES = 3;
const BLOCK_RLE = 1;
const SINGLE_SEGMENT = 0x20;

/** Where in its frame a channel is. */
export class ZstdBlocks {
  #isInFrame = false;

  /** Fails unless `payload` continues the channel's frame with whole blocks, or begins it. */
  check(payload: Uint8Array): void {
    let at = 0;
    if (!this.#isInFrame) {
      at = frameHeaderBytes(payload);
      this.#isInFrame = true;
    }
    while (at < payload.length) {
      if (at + BLOCK_HEADER_BYTES > payload.length) throw cutBlock(at);
      const header = payload[at]! | payload[at + 1]! << 8 | payload[at + 2]! << 16;
      if ((header & 1) !== 0) throw new Error(`the zstd frame ends, with the block at byte ${at}`);
      const contentBytes = (header >> 1 & 3) === BLOCK_RLE ? 1 : header >> 3;
      const end = at + BLOCK_HEADER_BYTES + contentBytes;
      if (end > payload.length) throw cutBlock(at);
      at = end;
    }
  }
}

function cutBlock(at: number): Error {
  return new Error(`the zstd block at byte ${at} does not end in the payload`);
}

function frameHeaderBytes(payload: Uint8Array): number {
  if (!MAGIC.every((byte, index) => byte === payload[index])) {
    throw new Error("the first payload of the channel does not begin a zstd frame");
  }
  const descriptor = payload[MAGIC.length] ?? 0;
  const isSingle = (descriptor & SINGLE_SEGMENT) !== 0;
  const sizeFlag = descriptor >> 6;
  const sizeBytes = isSingle && sizeFlag === 0 ? 1 : CONTENT_SIZE_BYTES[sizeFlag]!;
  const windowBytes = isSingle ? 0 : 1;
  return MAGIC.length + 1 + windowBytes + DICTIONARY_ID_BYTES[descriptor & 3]! + sizeBytes;
}
