/**
 * Collects what an overview shows while a stream is read.
 *
 * @module
 */

import { configuredCapabilities } from "../format/configuration.ts";
import { DirtyBitmapCollector } from "../format/dirty_bits.ts";
import type { SectionItem, StreamItem } from "../format/items.ts";
import type { RamSummary, StreamVisitor } from "../format/payload.ts";
import { PBS_STATE_IDSTR } from "../format/pbs_state.ts";
import type { RamBlock } from "../format/ram.ts";
import type { ByteReader } from "../format/reader.ts";
import type {
  CommandInfo,
  IterationInfo,
  RamBlockInfo,
  SectionInfo,
  SizesInfo,
} from "./info_model.ts";
import { missingChannels } from "./memory/completeness.ts";
import type { StreamState } from "./state.ts";
import { PageTracker } from "./memory/page_tracker.ts";
import { clearBytes, countSlackPages } from "./memory/slack.ts";

/** Collects what an overview shows while a stream is read. */
export class InfoCollector extends PageTracker implements StreamVisitor {
  header: Extract<StreamItem, { kind: "header" }>["header"] | undefined;
  configuration: Extract<StreamItem, { kind: "configuration" }>["configuration"] | undefined;
  readonly sections: SectionInfo[] = [];
  readonly commands: CommandInfo[] = [];
  readonly iterations: IterationInfo[] = [];
  readonly bitmaps: DirtyBitmapCollector = new DirtyBitmapCollector();
  readonly sizes: SizesInfo = {
    header: 0,
    ram: 0,
    ramHoles: 0,
    devices: 0,
    commands: 0,
    vmdescription: 0,
    trailing: 0,
  };
  flushes = 0;
  /** The entry of each section id; a later section of the same id takes it over. */
  readonly #byId = new Map<number, SectionInfo>();
  #current: SectionInfo | undefined;
  /** Pages with slack, of the blocks where they were counted. */
  readonly slackPages: Map<RamBlock, number> = new Map();
  /** Bytes that may still be read in search of slack. */
  #slackBytes: number;
  readonly #bitmaps = new Map<RamBlock, Uint8Array>();

  constructor(slackBytes: number) {
    super();
    this.#slackBytes = slackBytes;
  }

  override bitmap(block: RamBlock, bitmap: Uint8Array): void {
    super.bitmap(block, bitmap);
    this.#bitmaps.set(block, bitmap);
  }

  pages(block: RamBlock, reader: ByteReader): void {
    const bitmap = this.#bitmaps.get(block);
    this.#bitmaps.delete(block);
    if (bitmap === undefined) return;
    const { normal } = this.table(block, block.mapped!.pageBytes).counts;
    const bytes = clearBytes(block, normal);
    // What comes out of a pipe has to be read anyway.
    if (reader.source.seekable && bytes > this.#slackBytes) return;
    this.#slackBytes -= bytes;
    const onPage = (page: number) => this.slackPage(block, page);
    this.slackPages.set(block, countSlackPages(block, bitmap, reader, onPage));
  }

  /** Called with each page that has slack, for those who want more than their number. */
  slackPage(_block: RamBlock, _page: number): void {}

  dirtyBitmap(...[reader, chunk]: Parameters<NonNullable<StreamVisitor["dirtyBitmap"]>>): void {
    this.bitmaps.add(chunk, reader.bytes(chunk.dataBytes, "dirty bits"));
  }

  item(item: StreamItem): void {
    switch (item.kind) {
      case "header":
        this.header = item.header;
        this.sizes.header += item.lengthBytes;
        return;
      case "configuration":
        this.configuration = item.configuration;
        this.sizes.header += item.lengthBytes;
        return;
      case "section":
        return this.#section(item);
      case "compat-record":
        this.#begin({ ...item.record, id: this.sections.length }, item.offset);
        return this.#grow(item.lengthBytes, item.record.idstr === "ram");
      case "hole":
        this.sizes.ramHoles += item.lengthBytes;
        return this.#grow(item.lengthBytes, true);
      case "bitmap":
      case "pages":
      case "section-continued":
        return this.#grow(item.lengthBytes, true);
      case "footer":
        return this.#grow(item.lengthBytes, item.section.idstr === "ram");
      case "command":
        this.commands.push({ ...item.command, offset: item.offset });
        this.sizes.commands += item.lengthBytes;
        return;
      case "eof":
        this.sizes.commands += item.lengthBytes;
        return;
      case "vmdescription":
        this.sizes.vmdescription += item.lengthBytes;
        return;
      case "trailing":
        this.sizes.trailing += item.lengthBytes;
    }
  }

  #begin(
    section: { id: number; idstr: string; instanceId: number; versionId: number },
    offset: number,
  ): SectionInfo {
    const entry = {
      id: section.id,
      name: section.idstr,
      instance: section.instanceId,
      version: section.versionId,
      parts: 1,
      bytes: 0,
      offset,
    };
    this.sections.push(entry);
    this.#current = entry;
    return entry;
  }

  #grow(bytes: number, isRam: boolean): void {
    if (this.#current !== undefined) this.#current.bytes += bytes;
    this.sizes[isRam ? "ram" : "devices"] += bytes;
  }

  #section(item: SectionItem): void {
    const { section } = item;
    const known = this.#byId.get(section.id);
    const continues = item.type === "part" || item.type === "end";
    if (continues && known !== undefined) {
      this.#current = known;
      known.parts += 1;
    } else this.#byId.set(section.id, this.#begin(section, item.offset));
    this.#grow(item.lengthBytes, section.idstr === "ram");
    if (item.payload?.kind === "ram") this.#iteration(item, item.payload.summary);
  }

  #iteration(item: SectionItem, ram: RamSummary): void {
    this.flushes += ram.flushes;
    const { normalPages, zeroPages, deltaPages, compressedPages } = ram;
    const pages = normalPages + zeroPages + deltaPages + compressedPages;
    if (pages === 0) return;
    this.iterations.push({
      offset: item.offset,
      type: item.type,
      normal: normalPages,
      zero: zeroPages,
      delta: deltaPages,
      compressed: compressedPages,
    });
  }

  notes(
    { guessed, error }: StreamState,
    blocks: readonly RamBlockInfo[],
    hasChannels: boolean,
  ): string[] {
    const notes: string[] = [];
    if (guessed.length > 0) {
      notes.push(
        `${guessed.length} section(s) without description: their ends were found by the ` +
          (guessed.some((item) => item.boundary === "next-section") ? "next section" : "footer"),
      );
    }
    const ranPostcopy = this.commands.some(({ name }) => name === "POSTCOPY_RUN");
    const missing = missingChannels({
      isRead: error === undefined,
      isMapped: configuredCapabilities(this.configuration).includes("mapped-ram"),
      multifdFlushes: hasChannels ? 0 : this.flushes,
      ranPostcopy,
      counts: blocks.flatMap(({ pages }) => pages === null ? [] : [pages]),
    });
    if (missing === "multifd") {
      notes.push("main channel of a multifd migration: pages are in the other channels");
    }
    if (ranPostcopy) notes.push("switched to postcopy: such a stream carries no vmdescription");
    if (missing === "postcopy-preempt") {
      notes.push("pages are missing: a postcopy-preempt channel has them");
    }
    if (this.sizes.trailing > 0) {
      notes.push(`${this.sizes.trailing} byte(s) behind the end of the stream`);
    }
    if (this.sections.some(({ name }) => name === PBS_STATE_IDSTR)) {
      notes.push("saved by Proxmox VE: it carries the state of a backup (pbs-state)");
    }
    if (this.header?.version === 2) notes.push("obsolete stream version: QEMU refuses it");
    return notes;
  }
}
