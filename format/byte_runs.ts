/**
 * Long runs of bytes that only pass: from a reader, block by block, without a copy.
 *
 * @module
 */

import type { ByteReader } from "./reader.ts";
import type { ByteSink } from "./sink.ts";

/** Bytes of zeros that are worth being told apart: what file systems allocate. */
const ZERO_BLOCK_BYTES = 4096;

/**
 * Shows the next `count` bytes to `visit`, run by run, each a view of the reader's buffer that is valid during the call; the cursor stands
 * behind them afterwards. `what` names them in errors.
 */
export function passBytes(
  reader: ByteReader,
  count: number,
  what: string,
  visit: (bytes: Uint8Array) => void,
): void {
  for (let left = count; left > 0;) {
    const there = Math.min(left, reader.fill(1));
    if (there === 0) throw reader.truncated(left, 0, what);
    visit(reader.buffer.subarray(reader.head, reader.head + there));
    reader.head += there;
    left -= there;
  }
}

/** As {@link passBytes} for all bytes up to the end of an input that doesn't know its size: at most about `limitBytes`. */
export function passToEnd(
  reader: ByteReader,
  limitBytes: number,
  visit?: (bytes: Uint8Array) => void,
): void {
  const limit = reader.offset + limitBytes;
  while (reader.fill(1) > 0) {
    visit?.(reader.buffer.subarray(reader.head, reader.tail));
    reader.head = reader.tail;
    if (reader.offset <= limit) continue;
    throw reader.error("limit-exceeded", "Too many bytes behind the end of the stream", {
      expected: `at most ${limitBytes}`,
    });
  }
}

/** Writes bytes, whole blocks of zeros among them as holes. */
export function writeSparse(sink: ByteSink, bytes: Uint8Array): void {
  let start = 0;
  for (let at = 0; at < bytes.length;) {
    const zeroEnd = zerosEnd(bytes, at);
    if (zeroEnd - at >= ZERO_BLOCK_BYTES) {
      if (at > start) sink.write(bytes.subarray(start, at));
      sink.hole(zeroEnd - at);
      start = at = zeroEnd;
    } else at += ZERO_BLOCK_BYTES;
  }
  if (start < bytes.length) sink.write(bytes.subarray(start));
}

/** Index behind the zeros that begin at `at`. */
function zerosEnd(bytes: Uint8Array, at: number): number {
  let end = at;
  if (((bytes.byteOffset + at) & 3) === 0) {
    const words = new Uint32Array(bytes.buffer, bytes.byteOffset + at, (bytes.length - at) >> 2);
    let count = 0;
    while (count < words.length && words[count] === 0) count += 1;
    end += count * 4;
  }
  while (end < bytes.length && bytes[end] === 0) end += 1;
  return end;
}
