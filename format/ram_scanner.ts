/**
 * Reads the payload of a RAM section, record by record or, where records of one kind follow each other page by page, run by run.
 *
 * This is the hot loop of the whole project: it neither copies page data nor allocates per page. A run lies entirely
 * in the reader's buffer, so whoever wants the pages' bytes finds them there during the visit.
 *
 * @module
 */

import { type BlockListForm, decodeBlockList, type MappedRamVisitor } from "./ram_blocks.ts";
import { isFormatError } from "./error.ts";
import type { Limits } from "./limits.ts";
import { inferPageBytes } from "./page_size.ts";
import {
  compressedPageMaxBytes,
  PAGE_BYTES_RANGE,
  RAM_FLAGS_END,
  RAM_RECORD_KINDS,
  RAM_SAVE_FLAG,
  type RamBlock,
  type RamRecordKind,
  XBZRLE_ENCODING_FLAG,
} from "./ram.ts";
import { ruleBehindList, ruleOfBadWord } from "./ram_diagnosis.ts";
import { READER_BLOCK_BYTES } from "./reader.ts";
import type { ByteReader } from "./reader.ts";
import { hex, hexBytes, quoteText } from "./text.ts";
import { walkXbzrle } from "./xbzrle.ts";

/** What the records of one channel refer to; it lives as long as the stream. */
export interface RamContext {
  /** Target page size in bytes; `undefined` until something says or shows it. */
  pageBytes: number | undefined;
  /** What decides about the block list's optional fields. */
  form: Omit<BlockListForm, "pageBytes">;
  /** The blocks of the list, by name, in list order. */
  readonly blocks: Map<string, RamBlock>;
  /** The block that CONTINUE refers to; it outlives sections. */
  lastBlock: RamBlock | undefined;
}

/** A new context, before anything is known. */
export function newRamContext(): RamContext {
  return {
    pageBytes: undefined,
    form: { ignoreShared: false, mappedRam: false },
    blocks: new Map(),
    lastBlock: undefined,
  };
}

/**
 * One record, or several of one kind for consecutive pages of one block. The object is reused: copy what shall be kept.
 *
 * Record i concerns the page at `address + i * page size`; its content begins at `dataOffset + i * strideBytes`, in `buffer` at
 * `dataStart + i * strideBytes`. {@link recordOffset} tells where it begins itself: the first may be longer, by the block's name.
 */
export interface RamRun {
  /** Kind of all records in the run. */
  kind: RamRecordKind;
  /** Flags of the first word; CONTINUE is set on all others. */
  flags: number;
  /** Absolute offset of the first word. */
  offset: number;
  /** Number of records, and of pages where the kind is about pages. */
  count: number;
  /** Bytes from one record to the next; the record's length where `count` is 1. */
  strideBytes: number;
  /** The block, for records about pages. */
  block: RamBlock | undefined;
  /** Byte offset of the first page in its block; the address bits of the word for other kinds. */
  address: number;
  /** Fill byte of zero pages. */
  fill: number;
  /** Absolute offset of the first page's content: page, delta or zlib stream; or {@link NOT_IN_INPUT}. */
  dataOffset: number;
  /** Bytes of content per record. */
  dataBytes: number;
  /** Buffer that holds the content during the visit. */
  buffer: Uint8Array;
  /** Index of the first page's content in `buffer`. */
  dataStart: number;
  /** Bytes of all records of the run together. */
  lengthBytes: number;
}

/** The `dataOffset` of contents that don't stand in the input as they are, because they were compressed together with others. */
export const NOT_IN_INPUT: number = -1;

/** Absolute offset of record `index` of a run. */
export function recordOffset(run: RamRun, index: number): number {
  return index === 0
    ? run.offset
    : run.offset + run.lengthBytes - (run.count - index) * run.strideBytes;
}

/** A run before anything was read; its contents are in `buffer`. */
export function newRamRun(buffer: Uint8Array): RamRun {
  return {
    kind: "eos",
    flags: 0,
    offset: 0,
    count: 0,
    strideBytes: 0,
    block: undefined,
    address: 0,
    fill: 0,
    dataOffset: 0,
    dataBytes: 0,
    buffer,
    dataStart: 0,
    lengthBytes: 0,
  };
}

function kindOf(flags: number): RamRecordKind | undefined {
  return RAM_RECORD_KINDS.get(flags & ~RAM_SAVE_FLAG.CONTINUE);
}

/** Scans RAM payloads. */
export class RamScanner {
  /** The current run; valid until the next call of {@link next}. */
  readonly run: RamRun;
  readonly #reader: ByteReader;
  readonly #context: RamContext;
  readonly #limits: Limits;
  readonly #visitor: MappedRamVisitor;

  /** Reads with `reader` and remembers in `context`. */
  constructor(
    reader: ByteReader,
    context: RamContext,
    limits: Limits,
    visitor: MappedRamVisitor = {},
  ) {
    this.#reader = reader;
    this.#context = context;
    this.#limits = limits;
    this.#visitor = visitor;
    this.run = newRamRun(reader.buffer);
  }

  /** Reads the next record or run into {@link run}. The run of kind `eos` is the payload's last. */
  next(): RamRun {
    const reader = this.#reader;
    const run = this.run;
    reader.need(8, "RAM word");
    run.offset = reader.offset;
    const low = reader.view.getUint32(reader.head + 4);
    const mask = (this.#context.pageBytes ?? this.#smallestMask(low)) - 1;
    run.flags = low & mask;
    const high = reader.view.getUint32(reader.head);
    const kind = kindOf(run.flags);
    if (kind === undefined) throw this.#badFlags();
    if (high > 0x1fffff) this.#badAddress(kind);
    run.address = high * 0x100000000 + (low - run.flags);
    reader.head += 8;
    run.kind = kind;
    run.count = 1;
    run.fill = 0;
    run.dataBytes = 0;
    switch (kind) {
      case "zero":
      case "page":
      case "xbzrle":
      case "compressed":
        this.#page(kind);
        break;
      case "block-list":
        run.block = undefined;
        this.#blockList();
        break;
      default:
        run.block = undefined;
    }
    run.lengthBytes = reader.offset - run.offset;
    if (run.count === 1) run.strideBytes = run.lengthBytes;
    return run;
  }

  #badFlags(): Error {
    const { lengthBytes, kind, flags } = this.run;
    const isFirst = lengthBytes === 0;
    return this.#reader.error("bad-ram-record", "Cannot decode RAM record: impossible flags", {
      expected: "one of ZERO, MEM_SIZE, PAGE, EOS, XBZRLE, HOOK, COMPRESS_PAGE, MULTIFD_FLUSH",
      found: hex(flags),
      rule: !isFirst && kind === "block-list"
        ? ruleBehindList(this.#reader, this.#context.form)
        : ruleOfBadWord(this.#reader, this.run),
    });
  }

  /** An address that no block has: that of a page is damage, any other is only beyond what can be said exactly. */
  #badAddress(kind: RamRecordKind): void {
    if (kind === "eos" || kind === "flush" || kind === "hook") this.#reader.u64("RAM word");
    const isPage = kind !== "block-list";
    throw this.#reader.error(
      isPage ? "bad-ram-address" : "bad-ram-block",
      `Cannot decode RAM record: ${isPage ? "address" : "total"} above 2^53`,
      { found: hexBytes(this.#reader.peek(8)), rule: isPage ? "RAM-028" : "RAM-002" },
    );
  }

  /**
   * While the page size is unknown: the smallest for words that are not about pages (their address bits are zero, or a multiple of
   * the host's page size); the first word about a page leads to a trial.
   */
  #smallestMask(low: number): number {
    const certain = kindOf(low & (PAGE_BYTES_RANGE.min - 1));
    const kind = certain ?? kindOf(low & (RAM_FLAGS_END - 1));
    const concernsPage = kind === "zero" || kind === "page" || kind === "xbzrle" ||
      kind === "compressed";
    if (!concernsPage) return certain === undefined ? RAM_FLAGS_END : PAGE_BYTES_RANGE.min;
    const window = this.#reader.peek(READER_BLOCK_BYTES);
    const pageBytes = inferPageBytes(window, this.#context.blocks);
    if (pageBytes === undefined) {
      throw this.#reader.error("bad-page-size", "Cannot find the target page size by trying", {
        expected: "page records that make sense with pages of 256 bytes to 64 KiB",
        rule: "RAM-020",
      });
    }
    this.#context.pageBytes = pageBytes;
    return pageBytes;
  }

  #blockList(): void {
    const { form, pageBytes } = this.#context;
    let { blocks } = this.#context;
    if (blocks.size > 0) {
      const error = this.#reader.error(
        "bad-ram-block",
        "Cannot decode block list: it stands twice",
        { offset: this.run.offset, rule: "RAM-001" },
      );
      if (this.#visitor.problem === undefined) throw error;
      this.#visitor.problem(error);
      blocks = new Map();
    }
    this.#visitor.beginBlockList?.(this.run.address, this.run.flags);
    decodeBlockList(
      this.#reader,
      this.run.address,
      pageBytes === undefined ? form : { ...form, pageBytes },
      blocks,
      this.#visitor,
      this.#limits,
    );
    for (const block of blocks.values()) this.#context.pageBytes ??= block.mapped?.pageBytes;
  }

  #page(kind: "zero" | "page" | "xbzrle" | "compressed"): void {
    const run = this.run;
    const reader = this.#reader;
    const pageBytes = this.#context.pageBytes!;
    const block = (run.flags & RAM_SAVE_FLAG.CONTINUE) === 0
      ? this.#namedBlock()
      : this.#context.lastBlock;
    if (block === undefined) {
      throw reader.error("bad-ram-block", "Cannot decode RAM record: CONTINUE without a block", {
        offset: run.offset,
        expected: "a record with a block name before",
        rule: "RAM-026",
      });
    }
    run.block = block;
    if (run.address + pageBytes > block.usedLengthBytes) {
      throw reader.error(
        "bad-ram-address",
        `Cannot decode RAM record: page outside of block ${quoteText(block.name)}`,
        {
          offset: run.offset,
          expected: `an address below ${hex(block.usedLengthBytes)}`,
          found: hex(run.address),
          rule: "RAM-028",
        },
      );
    }
    if (kind === "zero") {
      run.fill = reader.u8("fill byte");
      this.#coalesce(block, pageBytes, 9);
    } else if (kind === "page") {
      reader.need(pageBytes, "page");
      this.#content(pageBytes);
      this.#coalesce(block, pageBytes, 8 + pageBytes);
    } else if (kind === "xbzrle") this.#xbzrle(pageBytes);
    else this.#compressed(pageBytes);
  }

  #namedBlock(): RamBlock {
    const reader = this.#reader;
    const offset = reader.offset;
    const name = reader.countedString("RAM block name");
    const block = this.#context.blocks.get(name);
    if (block === undefined) {
      throw reader.error("bad-ram-block", "Cannot decode RAM record: unknown block", {
        offset,
        expected: "a name of the block list",
        found: quoteText(name),
        rule: this.#context.blocks.size === 0 ? "RAM-001" : "RAM-027",
      });
    }
    this.#context.lastBlock = block;
    return block;
  }

  #content(bytes: number): void {
    const run = this.run;
    const reader = this.#reader;
    run.dataOffset = reader.offset;
    run.dataBytes = bytes;
    run.buffer = reader.buffer;
    run.dataStart = reader.head;
    reader.head += bytes;
  }

  #xbzrle(pageBytes: number): void {
    const reader = this.#reader;
    const offset = reader.offset;
    const flag = reader.u8("XBZRLE encoding flag");
    const length = reader.u16("XBZRLE length");
    if (flag !== XBZRLE_ENCODING_FLAG || length > pageBytes) {
      throw reader.error("bad-xbzrle", "Cannot decode XBZRLE record", {
        offset,
        expected: `encoding flag ${XBZRLE_ENCODING_FLAG}, at most ${pageBytes} bytes`,
        found: `flag ${flag}, ${length} bytes`,
        rule: flag === XBZRLE_ENCODING_FLAG ? "RAM-041" : "RAM-040",
      });
    }
    reader.need(length, "XBZRLE delta");
    this.#content(length);
    const start = this.run.dataStart;
    const delta = this.run.buffer.subarray(start, start + length);
    try {
      walkXbzrle(delta, pageBytes, this.run.dataOffset);
    } catch (error) {
      throw inContext(error, reader);
    }
  }

  #compressed(pageBytes: number): void {
    const reader = this.#reader;
    const offset = reader.offset;
    const length = reader.u32("compressed length");
    const most = compressedPageMaxBytes(pageBytes);
    if (length === 0 || length > most) {
      throw reader.error("bad-compressed-page", "Cannot decode COMPRESS_PAGE record: length", {
        offset,
        expected: `1..${most}`,
        found: String(length),
        rule: "RAM-050",
      });
    }
    reader.need(length, "compressed page");
    this.#content(length);
  }

  /** Takes the records that follow for the next pages in the same form, as far as they are in the buffer. */
  #coalesce(block: RamBlock, pageBytes: number, strideBytes: number): void {
    const { view, tail } = this.#reader;
    const run = this.run;
    const flags = run.flags | RAM_SAVE_FLAG.CONTINUE;
    const most = (block.usedLengthBytes - run.address) / pageBytes;
    const isZero = run.kind === "zero";
    let at = this.#reader.head;
    // The next word in two halves, counted up rather than divided for each page.
    let high = Math.floor(run.address / 0x100000000);
    let low = run.address % 0x100000000 + flags;
    let count = 1;
    while (at + strideBytes <= tail && count < most) {
      low += pageBytes;
      if (low >= 0x100000000) {
        low -= 0x100000000;
        high += 1;
      }
      if (view.getUint32(at + 4) !== low || view.getUint32(at) !== high) break;
      if (isZero && view.getUint8(at + 8) !== run.fill) break;
      at += strideBytes;
      count += 1;
    }
    run.count = count;
    run.strideBytes = strideBytes;
    this.#reader.head = at;
  }
}

function inContext(error: unknown, reader: ByteReader): unknown {
  if (!isFormatError(error)) return error;
  const { message, offset, rule } = error;
  return reader.error("bad-xbzrle", message, { offset, rule });
}
