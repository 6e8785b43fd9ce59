/**
 * What compresses and decompresses the payloads of multifd channels, by the runtime's zlib and zstd.
 *
 * | method | payload                                            | decoder           |
 * |--------|----------------------------------------------------|-------------------|
 * | zlib   | the next part of one zlib stream, up to a flush    | one for a channel |
 * | zstd   | the next whole blocks of one zstd frame            | one for a channel |
 * | qpl    | lengths, raw deflate data of each page             | anew for a page   |
 * | uadk   | lengths, zlib data of each page                    | anew for a page   |
 * | qatzip | gzip members with all pages                        | anew for a member |
 *
 * @module
 */

import type { MultifdCompressor, MultifdDecompressor } from "../format/multifd/compression.ts";
import { PayloadError } from "../format/multifd/error.ts";
import type { MultifdMethod } from "../format/multifd/flags.ts";
import { MULTIFD_PACKET_BYTES } from "../format/multifd/offsets.ts";
import { MULTIFD_COMPRESSED_MAX_BYTES } from "../format/multifd/packet.ts";
import { walkPageParts } from "../format/multifd/page_payload.ts";
import { decodeQatzipMember } from "../format/multifd/qatzip.ts";
import { builtinZlib, type Zlib } from "./builtin_zlib.ts";
import { RuntimeStream } from "./decompress/runtime_stream.ts";
import { ZstdBlocks } from "./multifd_zstd.ts";

/** What a flush of deflate data ends with: an empty stored block's lengths. */
const FLUSH_MARK = 0x0000ffff;

/** Makes a decompressor for one channel, with the runtime's zlib and zstd. */
export function newMultifdDecompressor(): MultifdDecompressor {
  return new RuntimeDecompressor(builtinZlib());
}

class RuntimeDecompressor implements MultifdDecompressor {
  readonly #zlib: Zlib;
  readonly #streams: Map<MultifdMethod, RuntimeStream> = new Map();
  readonly #zstdBlocks = new ZstdBlocks();
  /** What is fed beyond the end, and room for what would be made, to see that it is the end. */
  readonly #beyond = { input: new Uint8Array(1), into: new Uint8Array(1) };

  constructor(zlib: Zlib) {
    this.#zlib = zlib;
  }

  decompress(
    method: MultifdMethod,
    payload: Uint8Array,
    into: Uint8Array,
    pageBytes: number,
  ): void {
    switch (method) {
      case "none":
        throw new TypeError("Cannot decompress what is not compressed");
      case "zlib":
        this.#continue(method, payload, into);
        checkFlushed(payload);
        return;
      case "zstd":
        this.#zstdBlocks.check(payload);
        this.#continue(method, payload, into);
        return;
      case "qpl":
      case "uadk":
        this.#pages(method, payload, into, pageBytes);
        return;
      case "qatzip":
        this.#members(payload, into);
    }
  }

  #stream(method: MultifdMethod): RuntimeStream {
    const known = this.#streams.get(method);
    if (known !== undefined) return known;
    const { createInflate, createInflateRaw, createZstdDecompress } = this.#zlib;
    const stream = new RuntimeStream(
      method === "zstd"
        ? createZstdDecompress()
        : method === "zlib" || method === "uadk"
        ? createInflate()
        : createInflateRaw(),
    );
    this.#streams.set(method, stream);
    return stream;
  }

  /** Decompresses the next part of the channel's one stream. */
  #continue(method: MultifdMethod, payload: Uint8Array, into: Uint8Array): void {
    const stream = this.#stream(method);
    let consumed = 0;
    let produced = 0;
    do {
      stream.run(payload, consumed, payload.length, into.subarray(produced));
      consumed += stream.consumed;
      produced += stream.produced;
    } while (produced < into.length && stream.consumed + stream.produced > 0);
    checkProduced(produced, into.length);
    // What is left makes no byte if it is only the flush; otherwise there was more than the pages.
    while (true) {
      stream.run(payload, consumed, payload.length, this.#beyond.into);
      consumed += stream.consumed;
      if (stream.produced > 0) throw tooMuch(into.length);
      if (stream.consumed === 0) break;
    }
    checkConsumed(consumed, payload.length);
  }

  #pages(
    method: "qpl" | "uadk",
    payload: Uint8Array,
    into: Uint8Array,
    pageBytes: number,
  ): void {
    walkPageParts(payload, into.length / pageBytes, (index, start, end) => {
      const page = into.subarray(index * pageBytes, (index + 1) * pageBytes);
      if (end - start === pageBytes) page.set(payload.subarray(start, end));
      else this.#whole(method, payload, start, end, page, `page ${index}: `);
    });
  }

  #members(payload: Uint8Array, into: Uint8Array): void {
    let produced = 0;
    for (let at = 0; at < payload.length;) {
      const member = decodeQatzipMember(payload, at, into.length - produced);
      const pages = into.subarray(produced, produced + member.pagesBytes);
      this.#whole("qatzip", payload, member.start, member.end, pages, "");
      if (this.#zlib.crc32(pages) !== member.crc) throw new Error("the CRC-32 does not agree");
      produced += pages.length;
      at = member.nextStart;
    }
    checkProduced(produced, into.length);
  }

  /** Decompresses data that are complete, from `start` to `end`. */
  #whole(
    method: MultifdMethod,
    payload: Uint8Array,
    start: number,
    end: number,
    into: Uint8Array,
    where: string,
  ): void {
    const stream = this.#stream(method);
    try {
      stream.run(payload, start, end, into);
      checkProduced(stream.produced, into.length);
      checkConsumed(stream.consumed, end - start);
      // Behind the end of the data nothing is taken and nothing made; a stream that goes on takes the byte.
      stream.run(this.#beyond.input, 0, 1, this.#beyond.into);
      if (stream.produced > 0) throw tooMuch(into.length);
      if (stream.consumed > 0) throw new Error("the compressed data do not end");
    } catch (error) {
      if (where === "" || !(error instanceof Error)) throw error;
      throw new Error(where + error.message, { cause: error });
    } finally {
      stream.reset();
    }
  }

  [Symbol.dispose](): void {
    for (const stream of this.#streams.values()) stream[Symbol.dispose]();
    this.#streams.clear();
  }
}

function tooMuch(expectedBytes: number): Error {
  return new Error(`it decompresses to more than ${expectedBytes} byte(s)`);
}

function checkProduced(produced: number, expected: number): void {
  if (produced === expected) return;
  throw new Error(`it decompresses to ${produced} byte(s) of ${expected}`);
}

function checkConsumed(consumed: number, expected: number): void {
  if (consumed === expected) return;
  throw new Error(`the compressed data end ${expected - consumed} byte(s) before the payload`);
}

/** Without the flush mark, what the decoder has taken may belong to the next packet. */
function checkFlushed(payload: Uint8Array): void {
  let last = 0;
  for (const byte of payload.subarray(-4)) last = (last << 8 | byte) >>> 0;
  if (payload.length < 4 || last !== FLUSH_MARK) {
    throw new PayloadError("MFD-025", "the payload does not end with a flush, 00 00 ff ff");
  }
}

/** Loads the runtime's zlib and zstd. What it gives makes a compressor for one channel; QEMU's level is 1 for both. */
export async function loadMultifdCompressors(): Promise<
  (method: "zlib" | "zstd", level?: number) => MultifdCompressor
> {
  const { constants, createDeflate, createZstdCompress } = await import("node:zlib");
  return (method, level = 1) => {
    if (method === "zlib") {
      const stream = createDeflate({ level });
      return new RuntimeCompressor(method, new RuntimeStream(stream, constants.Z_SYNC_FLUSH));
    }
    const stream = createZstdCompress({ params: { [constants.ZSTD_c_compressionLevel]: level } });
    return new RuntimeCompressor(method, new RuntimeStream(stream, constants.ZSTD_e_flush));
  };
}

class RuntimeCompressor implements MultifdCompressor {
  readonly method: MultifdMethod;
  readonly #stream: RuntimeStream;
  readonly #out = new Uint8Array(MULTIFD_COMPRESSED_MAX_BYTES);

  constructor(method: MultifdMethod, stream: RuntimeStream) {
    this.method = method;
    this.#stream = stream;
  }

  compress(pages: Uint8Array): Uint8Array {
    if (pages.length > MULTIFD_PACKET_BYTES) {
      throw new RangeError(`Cannot compress ${pages.length} bytes, more than a packet has`);
    }
    // There is room for twice as much as the pages, and neither method makes them that much longer.
    this.#stream.run(pages, 0, pages.length, this.#out);
    return this.#out.subarray(0, this.#stream.produced);
  }

  [Symbol.dispose](): void {
    this.#stream[Symbol.dispose]();
  }
}
