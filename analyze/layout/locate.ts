/**
 * Finds the item, or inside a RAM section the record, that has the byte at an offset, and reads no further than there.
 *
 * @module
 */

import { type FormatError, isFormatError } from "../../format/error.ts";
import type { StreamItem } from "../../format/items.ts";
import type { PayloadContext } from "../../format/payload.ts";
import { RAM_SECTION_IDSTR, type RamBlock } from "../../format/ram.ts";
import type { RamRun } from "../../format/ram_scanner.ts";
import type { ByteSource } from "../../format/source.ts";
import { StreamReader } from "../../format/stream.ts";
import type { LayoutOptions } from "./row.ts";
import { type HeadIdentity, PackageDepth, type SectionHead, sectionHeadAt } from "./head.ts";
import { type RamBlockList, type RamRecord, recordAt } from "./ram.ts";

/** Where an offset is. */
export type Place =
  & {
    /** Packages around it. */
    readonly depth: number;
  }
  & (
    /** Before the stream, which begins at `end`. */
    | { readonly kind: "before"; readonly end: number }
    /** In a section's header, at `offset`, whose item is not there (yet). */
    | { readonly kind: "head"; readonly head: SectionHead; readonly offset: number }
    /** In a structure at `offset` that is damaged further behind, at `end`; in the payload, if it has a section's header. */
    | {
      readonly kind: "damaged";
      readonly head: SectionHead | undefined;
      readonly offset: number;
      readonly end: number;
    }
    /** In a RAM record. */
    | { readonly kind: "record"; readonly section: HeadIdentity; readonly record: RamRecord }
    /** In a block list or in what stands between its entries. */
    | { readonly kind: "block-list"; readonly section: HeadIdentity; readonly list: RamBlockList }
    /** In any other item. */
    | { readonly kind: "item"; readonly item: StreamItem; readonly context: PayloadContext }
  );

/** Ends the reading: a section may be longer than what is still to be known of it. */
class Found extends Error {
  readonly place: Place;

  constructor(place: Place) {
    super("found");
    this.place = place;
  }
}

/** Looks for one offset, once. */
export class Locator {
  readonly #source: ByteSource;
  readonly #target: number;
  readonly #start: number;
  readonly #reader: StreamReader;
  readonly #packages = new PackageDepth();
  /** Offset behind the last item, header or record. */
  #at: number;
  /** The RAM section that is being read. */
  #section: HeadIdentity | undefined;
  /** The RAM section that was read last. */
  #ram: HeadIdentity | undefined;
  /** Blocks with areas of the list that is being read. */
  #blocks: RamBlock[] = [];

  /** Prepares to look for `target`. */
  constructor(source: ByteSource, target: number, options: LayoutOptions) {
    this.#source = source;
    this.#target = target;
    this.#start = options.offset ?? 0;
    this.#at = this.#start;
    this.#reader = new StreamReader(source, {
      ...options,
      visitor: {
        section: (_type, offset) => this.#ramSection(offset),
        run: (run, pageBytes) => this.#ramRun(run, pageBytes),
        bitmap: (block) => this.#bitmap(block),
      },
    });
  }

  /**
   * The place of the target.
   *
   * @throws {FormatError} where the stream is damaged before it
   */
  find(): Place {
    if (this.#target < this.#start) return { kind: "before", depth: 0, end: this.#start };
    try {
      for (const item of this.#reader.items()) this.#item(item);
    } catch (error) {
      if (error instanceof Found) return error.place;
      if (isFormatError(error)) return this.#beforeDamage(error);
      throw error;
    }
    throw new RangeError("the items of a stream reach to its end");
  }

  #item(item: StreamItem): void {
    this.#section = undefined;
    if (item.kind === "section" && item.payload?.kind === "ram") this.#ram = item.section;
    const end = item.offset + item.lengthBytes;
    if (end > this.#target) {
      throw new Found({ kind: "item", depth: item.depth, item, context: this.#reader.context });
    }
    this.#at = Math.max(this.#at, end);
    this.#packages.enter(item);
  }

  get #depth(): number {
    return this.#packages.at(this.#at);
  }

  #ramSection(payloadOffset: number): void {
    const head = sectionHeadAt(this.#source, this.#at);
    if (head !== undefined && this.#target < payloadOffset) {
      const section = head.section.id === this.#ram?.id ? this.#ram : head.section;
      const found = { ...head, section };
      throw new Found({ kind: "head", depth: this.#depth, head: found, offset: this.#at });
    }
    // PART and END say only the id.
    const [id, known] = [head?.section.id ?? 0, this.#ram];
    this.#section = known?.id === id ? known : { id, idstr: RAM_SECTION_IDSTR, ...head?.section };
    this.#at = payloadOffset;
    this.#blocks = [];
  }

  #ramRun(run: RamRun, pageBytes: number): void {
    const end = run.offset + run.lengthBytes;
    if (end <= this.#target) {
      this.#at = end;
      return;
    }
    const found = { depth: this.#depth, section: this.#section! };
    if (run.kind !== "block-list") {
      throw new Found({ kind: "record", ...found, record: recordAt(run, this.#target, pageBytes) });
    }
    const blocks = [...this.#reader.context.ram.blocks.values()];
    const list = { offset: run.offset, end, totalBytes: run.address, blocks };
    throw new Found({ kind: "block-list", ...found, list });
  }

  #bitmap(block: RamBlock): void {
    this.#blocks.push(block);
  }

  /** What is known of a structure that is damaged behind the target: a section's header, a block list's first blocks. */
  #beforeDamage(error: FormatError): Place {
    const [depth, offset, target] = [this.#depth, this.#at, this.#target];
    if (target < offset) throw error;
    const last = this.#blocks.at(-1);
    if (this.#section !== undefined) {
      const end = (last?.mapped?.pagesOffset ?? 0) + (last?.usedLengthBytes ?? 0);
      if (target >= end) throw error;
      const list = { offset, end, totalBytes: undefined, blocks: this.#blocks };
      return { kind: "block-list", depth, section: this.#section, list };
    }
    const head = sectionHeadAt(this.#source, offset);
    if (head !== undefined && target < head.end) return { kind: "head", depth, head, offset };
    if (target >= error.offset) throw error;
    return { kind: "damaged", depth, head, offset, end: error.offset };
  }
}
