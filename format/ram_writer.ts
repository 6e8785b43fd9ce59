/**
 * Writes the payload of a RAM section: the counterpart of the scanner, record by record or run by run.
 *
 * This is the hot loop of writing: words and pages go into the sink's block buffer, and nothing is allocated per page.
 *
 * @module
 */

import { FormatError } from "./error.ts";
import {
  encodeRamWord,
  isPageBytes,
  RAM_RECORD_KINDS,
  RAM_SAVE_FLAG,
  type RamBlock,
  type RamRecordKind,
  XBZRLE_ENCODING_FLAG,
} from "./ram.ts";
import { encodeBlockEntry } from "./ram_blocks.ts";
import type { RamRun } from "./ram_scanner.ts";
import type { BufferedSink } from "./sink.ts";
import { ByteWriter } from "./writer.ts";

/** Bytes of a word. */
const WORD_BYTES = 8;
/** Bytes of a ZERO record without a name. */
const ZERO_BYTES = 9;
/** What a word is made of two halves with. */
const HALF = 0x100000000;

/** Flags of the records about pages, by their kind. */
const PAGE_FLAGS = {
  zero: RAM_SAVE_FLAG.ZERO,
  page: RAM_SAVE_FLAG.PAGE,
  xbzrle: RAM_SAVE_FLAG.XBZRLE,
  compressed: RAM_SAVE_FLAG.COMPRESS_PAGE,
} as const;

/** Writes RAM payloads into a sink's buffer. */
export class RamWriter {
  readonly #out: BufferedSink;
  /** The block that CONTINUE refers to; it outlives sections. */
  #lastName: string | undefined;

  /** Writes into `out`. */
  constructor(out: BufferedSink) {
    this.#out = out;
  }

  /** Writes the word before a block list: the sum of the blocks' lengths. */
  beginBlockList(totalBytes: number, flags: number = RAM_SAVE_FLAG.MEM_SIZE): void {
    this.#word(totalBytes, flags);
  }

  /** Writes an entry of a block list. With mapped-ram, {@link bytes} and {@link hole} write what belongs behind it. */
  blockEntry(block: RamBlock): void {
    this.#out.encode((writer) => encodeBlockEntry(writer, block));
  }

  /** Writes a block list without mapped-ram: which optional fields the entries have is said by the blocks. */
  blockList(blocks: readonly Omit<RamBlock, "index" | "entryOffset" | "entryBytes">[]): void {
    this.beginBlockList(blocks.reduce((sum, block) => sum + block.usedLengthBytes, 0));
    for (const [index, block] of blocks.entries()) {
      this.blockEntry({ ...block, index, entryOffset: this.#out.offset, entryBytes: 0 });
    }
  }

  /** Writes bytes as they are: a bitmap or pages of mapped-ram. */
  bytes(bytes: Uint8Array): void {
    this.#out.write(bytes);
  }

  /** Writes zeros: a hole of mapped-ram, or pages that are not in the file. */
  hole(lengthBytes: number): void {
    this.#out.hole(lengthBytes);
  }

  /** Writes ZERO records for `count` pages of `pageBytes`; with CONTINUE where the block was the last one, too. */
  zero(block: string, address: number, count: number, pageBytes: number, fill = 0): void {
    const flags = RAM_SAVE_FLAG.ZERO | this.#continue(block);
    this.#checkRange(address, count, pageBytes);
    if (!(Number.isInteger(fill) && fill >= 0 && fill <= 0xff)) {
      throw this.#error("the fill byte does not fit", "0..255", String(fill));
    }
    this.#zeros(block, address, flags, count, pageBytes, fill);
  }

  /** Writes a PAGE record; `content` is one page. */
  page(block: string, address: number, content: Uint8Array): void {
    this.#record("page", block, address, content);
  }

  /** Writes an XBZRLE record. */
  xbzrle(block: string, address: number, delta: Uint8Array): void {
    this.#record("xbzrle", block, address, delta);
  }

  /** Writes a COMPRESS_PAGE record with a whole zlib stream. */
  compressed(block: string, address: number, deflated: Uint8Array): void {
    this.#record("compressed", block, address, deflated);
  }

  /** Writes a MULTIFD_FLUSH word. */
  flush(): void {
    this.#word(0, RAM_SAVE_FLAG.MULTIFD_FLUSH);
  }

  /** Writes the word that ends the payload. */
  eos(): void {
    this.#word(0, RAM_SAVE_FLAG.EOS);
  }

  /**
   * Writes the records of a run as they were read, their flags included. A block list is not a run: see {@link beginBlockList}.
   */
  run(run: RamRun, pageBytes: number): void {
    const { kind, flags } = run;
    if (kind === "block-list" || RAM_RECORD_KINDS.get(flags & ~RAM_SAVE_FLAG.CONTINUE) !== kind) {
      throw this.#error("the flags belong to another kind of record", kind, String(flags));
    }
    if (kind === "eos" || kind === "flush" || kind === "hook") {
      return this.#word(run.address, flags);
    }
    const name = run.block?.name;
    if (name === undefined) throw this.#error("a record about a page has no block", "a block");
    this.#checkRange(run.address, run.count, pageBytes);
    if (kind === "zero") {
      return this.#zeros(name, run.address, flags, run.count, pageBytes, run.fill);
    }
    if (kind === "page") return this.#pages(run, name, pageBytes);
    const content = run.buffer.subarray(run.dataStart, run.dataStart + run.dataBytes);
    this.#head(name, run.address, flags, kind, content.length);
    this.#out.write(content);
  }

  #continue(block: string): number {
    return block === this.#lastName ? RAM_SAVE_FLAG.CONTINUE : 0;
  }

  #record(
    kind: keyof typeof PAGE_FLAGS,
    block: string,
    address: number,
    content: Uint8Array,
  ): void {
    this.#head(block, address, PAGE_FLAGS[kind] | this.#continue(block), kind, content.length);
    this.#out.write(content);
  }

  #error(reason: string, expected: string, found?: string): FormatError {
    return new FormatError("not-encodable", `Cannot encode RAM record: ${reason}`, {
      offset: this.#out.offset,
      expected,
      ...(found === undefined ? {} : { found }),
    });
  }

  /** What the loops below rely on. */
  #checkRange(address: number, count: number, pageBytes: number): void {
    if (!isPageBytes(pageBytes)) {
      throw this.#error("no page has this size", "a power of two of 256..65536", String(pageBytes));
    }
    const isWhole = Number.isInteger(count) && count > 0 && address >= 0;
    if (isWhole && Number.isSafeInteger(address + count * pageBytes)) return;
    const range = `${count} page(s) at ${address}`;
    throw this.#error("the address does not fit", "pages below 2^53", range);
  }

  #word(address: number, flags: number): void {
    const word = address + flags;
    const high = Math.floor(word / HALF);
    if (!(word >= 0 && Number.isSafeInteger(word))) {
      throw this.#error("the address does not fit", "0..2^53-1", String(address));
    }
    const { view } = this.#out;
    const at = this.#out.room(WORD_BYTES);
    view.setUint32(at, high);
    view.setUint32(at + 4, word % HALF);
  }

  /** The word of a record about a page and, without CONTINUE, the block's name. */
  #pageWord(name: string, address: number, flags: number): void {
    if ((flags & RAM_SAVE_FLAG.CONTINUE) !== 0) return this.#word(address, flags);
    this.#out.encode((writer) => encodeRamWord(writer, address, flags, name));
    this.#lastName = name;
  }

  /** Everything of a record before its content. */
  #head(
    name: string,
    address: number,
    flags: number,
    kind: RamRecordKind,
    contentBytes: number,
  ): void {
    this.#pageWord(name, address, flags);
    if (kind !== "xbzrle" && kind !== "compressed") return;
    const writer = new ByteWriter(this.#out.offset);
    if (kind === "xbzrle") {
      writer.u8(XBZRLE_ENCODING_FLAG, "XBZRLE encoding flag");
      writer.u16(contentBytes, "XBZRLE length");
    } else writer.u32(contentBytes, "compressed length");
    this.#out.write(writer.finish());
  }

  #zeros(
    name: string,
    address: number,
    flags: number,
    count: number,
    pageBytes: number,
    fill: number,
  ): void {
    const out = this.#out;
    this.#pageWord(name, address, flags);
    out.view.setUint8(out.room(1), fill);
    const continued = flags | RAM_SAVE_FLAG.CONTINUE;
    for (let done = 1; done < count;) {
      const fits = Math.floor(out.freeBytes / ZERO_BYTES);
      if (fits === 0) {
        out.flush();
        continue;
      }
      const some = Math.min(count - done, fits);
      const at = out.room(some * ZERO_BYTES);
      this.#words(at, ZERO_BYTES, address + done * pageBytes, continued, some, pageBytes);
      for (let index = 0, end = at + 8; index < some; index++, end += ZERO_BYTES) {
        out.view.setUint8(end, fill);
      }
      done += some;
    }
  }

  /** Words of consecutive pages at index `at` of the buffer, `strideBytes` apart, all with the same flags. */
  #words(
    at: number,
    strideBytes: number,
    address: number,
    flags: number,
    count: number,
    pageBytes: number,
  ): void {
    const { view } = this.#out;
    // The word in two halves, counted up rather than divided for each page.
    let high = Math.floor(address / HALF);
    let low = address % HALF + flags;
    for (let index = 0, to = at; index < count; index++, to += strideBytes) {
      view.setUint32(to, high);
      view.setUint32(to + 4, low);
      low += pageBytes;
      if (low >= HALF) {
        low -= HALF;
        high += 1;
      }
    }
  }

  #pages(run: RamRun, name: string, pageBytes: number): void {
    const out = this.#out;
    const { buffer, dataStart, dataBytes, strideBytes, count, address, flags } = run;
    if (dataBytes !== pageBytes) {
      throw this.#error("a page of another size", `${pageBytes} bytes`, String(dataBytes));
    }
    const recordBytes = WORD_BYTES + pageBytes;
    const continued = flags | RAM_SAVE_FLAG.CONTINUE;
    // Contents that have room for a word before each of them are taken many at once.
    const isSpaced = strideBytes === recordBytes;
    let done = 0;
    if (flags !== continued || dataStart < WORD_BYTES) {
      this.#pageWord(name, address, flags);
      out.write(buffer.subarray(dataStart, dataStart + pageBytes));
      done = 1;
    }
    while (done < count) {
      const fits = Math.floor(out.freeBytes / recordBytes);
      if (fits === 0) {
        out.flush();
        continue;
      }
      const some = isSpaced ? Math.min(count - done, fits) : 1;
      const from = dataStart + done * strideBytes - (isSpaced ? WORD_BYTES : 0);
      const at = out.room(some * recordBytes);
      if (isSpaced) out.buffer.set(buffer.subarray(from, from + some * recordBytes), at);
      else out.buffer.set(buffer.subarray(from, from + pageBytes), at + WORD_BYTES);
      this.#words(at, recordBytes, address + done * pageBytes, continued, some, pageBytes);
      done += some;
    }
  }
}
