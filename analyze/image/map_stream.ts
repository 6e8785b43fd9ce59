/**
 * Turns a stream into a mapped-ram file while it is read: each page goes straight to its place, later ones over earlier ones, so that a
 * pipe is enough.
 *
 * @module
 */

import { inflate } from "../../container/inflate.ts";
import type { OpenInput } from "../../container/open.ts";
import { configuredCapabilities } from "../../format/configuration.ts";
import type { StreamItem } from "../../format/items.ts";
import { bitmapBytes } from "../../format/mapped_ram.ts";
import type { StreamVisitor } from "../../format/payload.ts";
import type { RamBlock } from "../../format/ram.ts";
import type { SectionIdentity, SectionType } from "../../format/section.ts";
import type { ByteSource } from "../../format/source.ts";
import type { Vmdescription } from "../../format/vmdescription.ts";
import { readInputSteps } from "../channels/read_input.ts";
import type { RandomAccessFile } from "../memory/block_writer.ts";
import { missingChannels } from "../memory/completeness.ts";
import { RamExtractor } from "../memory/ram_extractor.ts";
import { KeptItems, visitorOf } from "./kept_items.ts";
import { ImageItems, refuseParts } from "./load_image.ts";
import { type MappedHead, MappedRamFile } from "./mapped_ram.ts";
import { type ImageChanges, imageParts, newConfiguration } from "./read_image.ts";

/** How far it is. */
export interface MapProgress {
  /** Bytes of memory so far; pages that come again count again. */
  readonly doneBytes: number;
  /** Bytes of all blocks. */
  readonly totalBytes: number;
}

/** How a stream is turned into a mapped-ram file. */
export interface MapStreamOptions {
  /** Changes that are known before the stream is read: the machine type, whether there is a description. */
  readonly changes?: Pick<ImageChanges, "machine" | "vmdescription">;
  /** Absolute offset of the stream in the file. */
  readonly baseOffset?: number;
  /** A description of the devices from elsewhere, for a stream that carries none. */
  readonly vmdescription?: Vmdescription | undefined;
}

/**
 * Reads an input and writes it as mapped-ram; a step is an item, or some MiB of pages. The result is the file's length in bytes.
 *
 * @throws {FormatError} for a damaged input, or `not-encodable` for one that mapped-ram can't hold
 * @throws {NeedsMemoryError} for one that has to be read as a whole first; nothing was written then
 * @throws {Error} for one whose memory is not whole
 */
export function* mapStreamSteps(
  input: OpenInput,
  file: RandomAccessFile,
  options: MapStreamOptions = {},
): Generator<MapProgress, number, undefined> {
  using mapper = new StreamMapper(input, file, options);
  const steps = readInputSteps(input, {
    visitor: mapper.visitor,
    pages: { content: true, sorted: true },
    onItem: (item) => mapper.take(item),
    ...(options.vmdescription === undefined ? {} : { vmdescription: options.vmdescription }),
  });
  for (;;) {
    const { done, value } = steps.next();
    if (done === true) {
      const { state: { hasFooters = true, pageBytes = 0 }, channels } = value;
      mapper.refuseParts(channels !== undefined);
      yield* mapper.copyRest();
      return mapper.finish(hasFooters, pageBytes);
    }
    yield mapper.progress;
  }
}

/** The places of the pages can't be decided before all of them were seen: the stream has to be read as a whole first. */
export class NeedsMemoryError extends Error {
  /** Makes the error. */
  constructor() {
    super("A stream with x-ignore-shared can't become mapped-ram out of a pipe: use a file");
    this.name = "NeedsMemoryError";
  }
}

/** Extracts pages to the places that they get when the first of them comes. */
class MappingExtractor extends RamExtractor {
  readonly #onList: (blocks: readonly RamBlock[]) => void;
  readonly #onSection: (section: SectionIdentity) => void;

  constructor(
    input: OpenInput,
    memoryOf: (block: RamBlock, pageBytes: number) => RandomAccessFile | undefined,
    onSection: (section: SectionIdentity) => void,
    onList: (blocks: readonly RamBlock[]) => void,
  ) {
    super({ memoryOf }, inflate, { source: input.source });
    this.#onSection = onSection;
    this.#onList = onList;
  }

  section(type: SectionType, _offset: number, section: SectionIdentity): void {
    if (type === "start") this.#onSection(section);
  }

  blockList(blocks: readonly RamBlock[]): void {
    this.#onList(blocks);
  }
}

class StreamMapper implements Disposable {
  readonly extractor: MappingExtractor;
  /** What is not RAM, where the input does not give it twice. */
  readonly #kept: KeptItems | undefined;
  readonly #input: OpenInput;
  readonly #file: RandomAccessFile;
  readonly #options: MapStreamOptions;
  readonly #collected = new ImageItems();
  #section: SectionIdentity | undefined;
  #blocks: readonly RamBlock[] = [];
  #pageBytes = 0;
  #mapped: MappedRamFile | undefined;

  constructor(input: OpenInput, file: RandomAccessFile, options: MapStreamOptions) {
    this.#input = input;
    this.#file = file;
    this.#options = options;
    this.#kept = input.source.seekable ? undefined : new KeptItems();
    this.extractor = new MappingExtractor(
      input,
      (block, pageBytes) => this.#place(pageBytes, block).pagesOf(block),
      (section) => this.#section ??= section,
      (blocks) => this.#blocks = blocks,
    );
  }

  get visitor(): StreamVisitor {
    return this.#kept === undefined
      ? this.extractor
      : visitorOf(this.extractor, this.#kept.visitor);
  }

  /** Where the items' bytes are. */
  get #source(): ByteSource {
    return this.#kept ?? this.#input.source;
  }

  take(item: StreamItem): void {
    this.#collected.take(item);
    this.#kept?.take(item);
    if (item.kind !== "configuration") return;
    // Which blocks have no page is known only in the end, and the others' places depend on it.
    if (configuredCapabilities(item.configuration).includes("x-ignore-shared")) {
      throw new NeedsMemoryError();
    }
  }

  get progress(): MapProgress {
    const totalBytes = this.#blocks.reduce((sum, block) => sum + block.usedLengthBytes, 0);
    return { doneBytes: this.extractor.bytesTaken, totalBytes };
  }

  get #changes(): ImageChanges {
    return this.#options.changes ?? {};
  }

  /** What stands before the pages; the START section's item comes only behind them. */
  #head(pageBytes: number): MappedHead {
    const { items } = this.#collected;
    const source = this.#source;
    const section = this.#section;
    const start = items.findIndex((item) => item.kind === "section" && item.section === section);
    const before = start < 0 ? items : items.slice(0, start);
    const parts = imageParts({ source, items: before }, this.#changes);
    if (section !== undefined) parts.push({ kind: "ram", type: "start", section });
    return {
      configuration: newConfiguration(items, this.#changes),
      parts,
      blocks: this.#blocks,
      pageBytes,
      elsewhere: new Set(),
    };
  }

  /** Decides where the blocks stand that are known: all of them, or with mapped-ram those up to the one whose pages come now. */
  #place(pageBytes: number, block?: RamBlock): MappedRamFile {
    this.#pageBytes ||= pageBytes;
    const { baseOffset = 0 } = this.#options;
    this.#mapped ??= new MappedRamFile(this.#file, this.#head(pageBytes), baseOffset);
    for (const each of this.#blocks) this.#mapped.place(each);
    if (block !== undefined) this.#mapped.place(block);
    return this.#mapped;
  }

  refuseParts(hasChannels: boolean): void {
    const { extractor } = this;
    refuseParts({
      missingChannels: missingChannels({
        isRead: true,
        isMapped: this.#blocks.some(({ mapped }) => mapped !== undefined),
        multifdFlushes: hasChannels ? 0 : extractor.multifdFlushes,
        ranPostcopy: this.#collected.ranPostcopy,
        counts: this.#pageBytes === 0
          ? []
          : this.#blocks.map((block) => extractor.table(block, this.#pageBytes).counts),
      }),
    });
  }

  *copyRest(): Generator<MapProgress, void, undefined> {
    for (const _ of this.extractor.copyMapped()) yield this.progress;
  }

  finish(hasFooters: boolean, pageBytes: number): number {
    const mapped = this.#place(pageBytes);
    mapped.writeHead(this.#head(pageBytes));
    for (const block of this.#blocks) {
      const bitmap = new Uint8Array(bitmapBytes(block.usedLengthBytes / this.#pageBytes));
      this.extractor.copyWritten(block, bitmap);
      mapped.writeBitmap(block, bitmap);
    }
    const parts = imageParts(
      { source: this.#source, items: this.#collected.items },
      this.#changes,
    );
    return mapped.writeTail(parts, hasFooters);
  }
  [Symbol.dispose](): void {
    this.#kept?.[Symbol.dispose]();
  }
}
