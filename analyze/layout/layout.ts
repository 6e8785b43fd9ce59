/**
 * What stands where in an input: rows that tile it, from the first byte to the last.
 *
 * The items of the stream, taken apart once more: a section becomes header, payload and footer, a RAM payload becomes runs of records
 * of one kind. Rows are visited while the stream is read and never collected, so that a stream of any length needs little memory.
 *
 * @example
 * ```ts
 * import { BytesSource } from "../../format/source.ts";
 * import { layoutRows } from "./layout.ts";
 *
 * const empty = new Uint8Array([0x51, 0x45, 0x56, 0x4d, 0, 0, 0, 3, 0]);
 * layoutRows(new BytesSource(empty), {}, (row) => {
 *   console.log(row.offset, row.lengthBytes, row.description); // 0 8 file header, version 3 ...
 * });
 * ```
 *
 * @module
 */

import { type FormatError, isFormatError } from "../../format/error.ts";
import type { StreamItem } from "../../format/items.ts";
import { countBitmapBits, guessBitmapByteOrder } from "../../format/mapped_ram.ts";
import { RAM_SECTION_IDSTR, type RamBlock } from "../../format/ram.ts";
import type { RamRun } from "../../format/ram_scanner.ts";
import type { SectionType } from "../../format/section.ts";
import type { ByteSource } from "../../format/source.ts";
import { StreamReader } from "../../format/stream.ts";
import { describeHead, PackageDepth, sectionHeadAt, sectionName } from "./head.ts";
import { blockListParts, describeItem } from "./parts.ts";
import type { LayoutKind, LayoutOptions, LayoutRow } from "./row.ts";
import { describePending, extendPending, type PendingRun, pendingRun } from "./runs.ts";

/**
 * Visits the rows of an input in file order. Each row begins where the one before ended; the first begins at 0, the last ends with the
 * input.
 *
 * @returns With `keepGoing`, the error that ended the reading, if one did.
 * @throws {FormatError} without `keepGoing`, after the rows before the damage were visited
 */
export function layoutRows(
  source: ByteSource,
  options: LayoutOptions,
  visit: (row: LayoutRow) => void,
): FormatError | undefined {
  return new LayoutMaker(source, options, visit).run();
}

class LayoutMaker {
  readonly #source: ByteSource;
  readonly #options: LayoutOptions;
  readonly #visit: (row: LayoutRow) => void;
  readonly #packages = new PackageDepth();
  /** Where the next row begins. */
  #at = 0;
  /** Path of the RAM section that is being read. */
  #section: string | undefined;
  #pending: PendingRun | undefined;
  /** The block list, once it was read. */
  #blocks: ReadonlyMap<string, RamBlock> = new Map();
  /** Name of the RAM entry's sections where the source can't be read again. */
  #ramName = `section "ram"`;
  /** Blocks of the list that is being read, and how many pages the file has of each. */
  readonly #mapped = new Map<RamBlock, number>();

  constructor(source: ByteSource, options: LayoutOptions, visit: (row: LayoutRow) => void) {
    this.#source = source;
    this.#options = options;
    this.#visit = visit;
  }

  run(): FormatError | undefined {
    const { keepGoing, ...options } = this.#options;
    this.#emit("before", options.offset ?? 0, "before the stream", "before the stream");
    const visitor = {
      section: (type: SectionType, offset: number) => this.#ramSection(type, offset),
      run: (run: RamRun, pageBytes: number) => this.#ramRun(run, pageBytes),
      bitmap: (block: RamBlock, bitmap: Uint8Array) => this.#bitmap(block, bitmap),
    };
    const reader = new StreamReader(this.#source, { ...options, visitor });
    this.#blocks = reader.context.ram.blocks;
    try {
      for (const item of reader.items()) this.#item(item);
      return undefined;
    } catch (error) {
      if (!isFormatError(error)) throw error;
      this.#damage(error);
      if (keepGoing !== true) throw error;
      const end = this.#source.sizeBytes ?? this.#at;
      this.#emit("undecoded", end, "not decoded", `not decoded: ${error.message}`);
      return error;
    }
  }

  /** Makes the row from the last one's end to `end`; none if that is empty. */
  #emit(kind: LayoutKind, end: number, path: string, description: string): void {
    const offset = this.#at;
    if (end <= offset) return;
    const depth = this.#packages.at(offset);
    const outer = "package > ".repeat(depth);
    this.#at = end;
    this.#visit({
      offset,
      lengthBytes: end - offset,
      depth,
      kind,
      path: outer + path,
      description,
    });
  }

  #item(item: StreamItem): void {
    this.#section = undefined;
    const end = item.offset + item.lengthBytes;
    // What belongs to a RAM section was seen while it was read.
    if (end <= this.#at) {
      if (item.kind === "section") this.#ramName = sectionName(item.section);
      return;
    }
    if (item.kind === "section") {
      const { type, section, payloadOffset } = item;
      const path = `${sectionName(section)} > header`;
      this.#emit("section-header", payloadOffset, path, describeHead(type, section));
    }
    const { kind, path, description } = describeItem(item);
    this.#emit(kind, end, path, description);
    this.#packages.enter(item);
  }

  #ramSection(type: SectionType, payloadOffset: number): void {
    const head = sectionHeadAt(this.#source, this.#at);
    const section = head === undefined ? undefined : { idstr: RAM_SECTION_IDSTR, ...head.section };
    this.#section = section === undefined ? this.#ramName : sectionName(section);
    const description = section === undefined
      ? `${type.toUpperCase()} ${this.#section}`
      : describeHead(type, section);
    this.#emit("section-header", payloadOffset, `${this.#section} > header`, description);
    this.#mapped.clear();
  }

  get #payload(): string {
    return `${this.#section ?? this.#ramName} > payload`;
  }

  #ramRun(run: RamRun, pageBytes: number): void {
    if (this.#pending !== undefined && extendPending(this.#pending, run, pageBytes)) return;
    this.#flush();
    if (run.kind === "block-list") this.#blockList(this.#blocks.values(), run.address);
    else this.#pending = pendingRun(run, pageBytes);
    if (run.kind === "eos") this.#flush();
  }

  #flush(): void {
    const pending = this.#pending;
    if (pending === undefined) return;
    this.#pending = undefined;
    this.#emit(pending.kind, pending.end, this.#payload, describePending(pending));
  }

  #bitmap(block: RamBlock, bitmap: Uint8Array): void {
    const pages = block.usedLengthBytes / (block.mapped?.pageBytes ?? block.usedLengthBytes);
    const order = guessBitmapByteOrder(bitmap, pages);
    this.#mapped.set(block, countBitmapBits(bitmap, pages, order));
  }

  #blockList(blocks: Iterable<RamBlock>, totalBytes?: number): void {
    const size = this.#source.sizeBytes ?? Infinity;
    for (const part of blockListParts(this.#at, totalBytes, [...blocks], this.#mapped)) {
      // A damaged list may name areas that the input doesn't reach.
      if (part.end > size) return;
      this.#emit(part.kind, part.end, `${this.#payload} > ${part.path}`, part.description);
    }
  }

  /** Rows for what was read of a structure that is damaged further behind. */
  #damage(error: FormatError): void {
    this.#flush();
    if (this.#section !== undefined) {
      const first = this.#mapped.keys().next().value;
      if (first?.entryOffset === this.#at + 8) this.#blockList(this.#mapped.keys());
      return;
    }
    const head = sectionHeadAt(this.#source, this.#at);
    if (head === undefined || head.end > error.offset) return;
    const path = `${sectionName(head.section)} > header`;
    this.#emit("section-header", head.end, path, describeHead(head.type, head.section));
  }
}
