/**
 * xz files, by the WebAssembly of the package xz-decompress (XZ Embedded): several streams and blocks, LZMA2, checks of the kinds none,
 * CRC-32 and CRC-64 (what `xz` writes unless it is told otherwise), dictionaries of up to 64 MiB (what `xz -9` uses).
 *
 * The package's own interface is an asynchronous stream that neither says where the data ends nor reads several streams, and
 * that would have to run in a worker of its own to be read synchronously. The functions of the module
 * behind it are synchronous and simple; this file calls those. The version of the package is fixed in deno.json for that reason.
 *
 * ```text
 * context, in the module's memory, u32 little-endian:
 *   0  size of each of the two buffers      12  bytes in the input buffer
 *   4  address of the input buffer          16  address of the output buffer
 *   8  bytes of it that are used up         20  bytes in the output buffer
 * ```
 *
 * @module
 */

import type { ByteReader } from "../../format/reader.ts";
import { cutShort, damaged, type Decoder } from "./decompressor.ts";

/** The largest dictionary that is accepted, in bytes; the module has this limit. */
export const XZ_DICTIONARY_BYTES: number = 64 * 1024 * 1024;

/** Numbers of the context, as indices of 32-bit words. */
const FIELD = { BUFFER_BYTES: 0, INPUT: 1, USED: 2, SUPPLIED: 3, OUTPUT: 4, WRITTEN: 5 } as const;

/** What the module's `get_next_output` returns. */
const RESULT = {
  OK: 0,
  STREAM_END: 1,
  MEMORY: 3,
  MEMORY_LIMIT: 4,
  FORMAT: 5,
  OPTIONS: 6,
  DATA: 7,
  BUFFER: 8,
} as const;

/** The module's functions. */
interface XzModule {
  readonly memory: WebAssembly.Memory;
  create_context(): number;
  destroy_context(context: number): void;
  supply_input(context: number, bytes: number): void;
  get_next_output(context: number): number;
}

/** The part of the package's class that is used. */
interface XzPackage {
  _getModuleInstance(): Promise<void>;
  _moduleInstance: { readonly exports: XzModule };
}

async function loadModule(): Promise<XzModule> {
  // The package is CommonJS, which Deno shows as a default export; its declarations don't know.
  const loaded = await import("xz-decompress") as unknown as {
    readonly default: { readonly XzReadableStream: XzPackage };
  };
  const { XzReadableStream } = loaded.default;
  // An instance for each use: its memory only grows, and goes when the instance does.
  await XzReadableStream._getModuleInstance();
  return XzReadableStream._moduleInstance.exports;
}

/** Decompresses xz files. */
export class XzDecoder implements Decoder {
  readonly #reader: ByteReader;
  readonly #module: XzModule;
  readonly #context: number;
  /** Bytes of the module's output buffer that were taken already. */
  #taken = 0;
  #result: number = RESULT.OK;

  private constructor(reader: ByteReader, module: XzModule) {
    this.#reader = reader;
    this.#module = module;
    this.#context = module.create_context();
  }

  /** Loads the module and starts at the reader's cursor. */
  static async open(reader: ByteReader): Promise<XzDecoder> {
    return new XzDecoder(reader, await loadModule());
  }

  /** Writes the next bytes. */
  decode(into: Uint8Array): number {
    for (;;) {
      const words = this.#words();
      const there = words[FIELD.WRITTEN]! - this.#taken;
      if (there > 0) return this.#take(into, words[FIELD.OUTPUT]! + this.#taken, there);
      if (this.#result === RESULT.STREAM_END) return 0;
      if (this.#result !== RESULT.OK) throw this.#error(this.#result);
      this.#run();
    }
  }

  /** The context. The memory has another buffer whenever it has grown. */
  #words(): Uint32Array {
    return new Uint32Array(this.#module.memory.buffer, this.#context, 6);
  }

  #take(into: Uint8Array, at: number, there: number): number {
    const taken = Math.min(there, into.length);
    into.set(new Uint8Array(this.#module.memory.buffer, at, taken));
    this.#taken += taken;
    return taken;
  }

  /** Decompresses into the module's output buffer, which is empty. */
  #run(): void {
    let words = this.#words();
    let used = words[FIELD.USED]!;
    if (used === words[FIELD.SUPPLIED]!) {
      this.#supply(words);
      used = 0;
    }
    words[FIELD.WRITTEN] = 0;
    this.#taken = 0;
    this.#result = this.#module.get_next_output(this.#context);
    words = this.#words();
    // Bytes leave the reader when they are used up, so that its offset says where an error is.
    this.#reader.head += words[FIELD.USED]! - used;
  }

  /** Gives the module what the reader holds; nothing, which tells it so, at the end. */
  #supply(words: Uint32Array): void {
    const reader = this.#reader;
    const bytes = Math.min(reader.fill(1), words[FIELD.BUFFER_BYTES]!);
    const buffer = new Uint8Array(this.#module.memory.buffer, words[FIELD.INPUT]!, bytes);
    buffer.set(reader.buffer.subarray(reader.head, reader.head + bytes));
    this.#module.supply_input(this.#context, bytes);
  }

  #error(result: number): Error {
    const reader = this.#reader;
    switch (result) {
      case RESULT.BUFFER:
        return cutShort(reader, "xz");
      case RESULT.MEMORY:
      case RESULT.MEMORY_LIMIT:
        return reader.error(
          "limit-exceeded",
          "Cannot decompress xz data: the dictionary is too large",
          { expected: `at most ${XZ_DICTIONARY_BYTES} bytes` },
        );
      case RESULT.OPTIONS:
        return damaged(
          reader,
          "xz",
          "it has a check or a filter that is not supported: " +
            "decompress it into standard input (xzcat FILE | ... -)",
          { expected: "LZMA2 alone, and the check none, CRC-32 or CRC-64" },
        );
      default:
        return damaged(reader, "xz", result === RESULT.FORMAT ? "no xz stream" : "it is damaged");
    }
  }

  /** Frees the context. */
  [Symbol.dispose](): void {
    this.#module.destroy_context(this.#context);
  }
}
