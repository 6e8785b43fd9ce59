/**
 * An overview of a stream: what it says of itself, its RAM blocks with their pages by kind, its sections, commands, iterations, sizes.
 *
 * @module
 */

import type { OpenInput } from "../container/open.ts";
import type { Command } from "../format/command.ts";
import { configuredCapabilities } from "../format/configuration.ts";
import { DIRTY_BITMAP_START_FLAG } from "../format/dirty_bitmap_chunk.ts";
import { type CollectedDirtyBitmap, DirtyBitmapCollector } from "../format/dirty_bits.ts";
import type { FormatError } from "../format/error.ts";
import type { SectionItem, StreamItem } from "../format/items.ts";
import { isElsewhere } from "../format/mapped_ram.ts";
import { PBS_STATE_IDSTR } from "../format/pbs_state.ts";
import type { RamSummary, StreamVisitor } from "../format/payload.ts";
import type { RamBlock } from "../format/ram.ts";
import type { SectionType } from "../format/section.ts";
import type { Vmdescription } from "../format/vmdescription.ts";
import { type InputInfo, inputInfo } from "./input_info.ts";
import type { PageCounts } from "./memory/page_table.ts";
import { PageTracker } from "./memory/page_tracker.ts";
import { readState } from "./state.ts";

/** A RAM block in an overview. */
export interface RamBlockInfo {
  /** Name. */
  readonly name: string;
  /** Bytes of memory. */
  readonly usedLengthBytes: number;
  /** Pages by what they were last; `null` where the target page size is unknown. */
  readonly pages: PageCounts | null;
  /** Page size of the memory behind the block in bytes, where the stream says it. */
  readonly hostPageBytes?: number;
  /** Guest-physical address, where the stream says it. */
  readonly guestAddress?: number;
  /** Absolute offset of the bitmap, with mapped-ram. */
  readonly bitmapOffset?: number;
  /** Absolute offset of page 0, with mapped-ram. */
  readonly pagesOffset?: number;
  /** Set where the content is in a shared file, not in the stream. */
  readonly elsewhere?: true;
}

/** All sections of one entry in an overview. */
export interface SectionInfo {
  /** Section id. */
  readonly id: number;
  /** Name (idstr). */
  readonly name: string;
  /** Instance id. */
  readonly instance: number;
  /** Version of the entry's format. */
  readonly version: number;
  /** Number of sections: START, PARTs and END, or one FULL. */
  parts: number;
  /** Bytes of all of them, headers, footers, bitmaps, holes and pages included. */
  bytes: number;
  /** Absolute offset of the first one. */
  readonly offset: number;
}

/** A command in an overview: its place, name and payload. */
export type CommandInfo = Command & {
  /** Absolute offset. */
  readonly offset: number;
};

/** A RAM section that carries pages. */
export interface IterationInfo {
  /** Absolute offset of the section. */
  readonly offset: number;
  /** Type of the section. */
  readonly type: SectionType;
  /** PAGE records. */
  readonly normal: number;
  /** ZERO records. */
  readonly zero: number;
  /** XBZRLE records. */
  readonly delta: number;
  /** COMPRESS_PAGE records. */
  readonly compressed: number;
}

/** A dirty bitmap in an overview. */
export interface DirtyBitmapInfo {
  /** Alias of the block node. */
  readonly node: string;
  /** Alias of the bitmap. */
  readonly bitmap: string;
  /** Bytes of disk that a bit stands for. */
  readonly granularityBytes: number;
  /** Whether it records. */
  readonly enabled: boolean;
  /** Whether the image stores it. */
  readonly persistent: boolean;
  /** Bytes of disk whose bit is set. */
  readonly dirtyBytes: number;
}

/** How many bytes of the input are what. */
export interface SizesInfo {
  /** File header and configuration. */
  header: number;
  /** RAM sections, with bitmaps, holes and pages. */
  ram: number;
  /** Holes of a mapped-ram file, contained in `ram`. */
  ramHoles: number;
  /** All other sections. */
  devices: number;
  /** Commands and the EOF bytes. */
  commands: number;
  /** The vmdescription. */
  vmdescription: number;
  /** Bytes behind the stream. */
  trailing: number;
}

/** An overview of a stream. Its JSON is an interface: names stay. */
export interface StreamInfo {
  /** Where the stream comes from. */
  readonly input: InputInfo;
  /** Version in the file header. */
  readonly streamVersion: number | null;
  /** Machine type; `null` where the stream doesn't say. */
  readonly machine: string | null;
  /** UUID of the VM; `null` where the stream doesn't say. */
  readonly uuid: string | null;
  /** Capabilities that the configuration announces. */
  readonly capabilities: readonly string[];
  /** Target page size in bytes; `null` where nothing says or shows it. */
  readonly targetPageBytes: number | null;
  /** Whether the stream carries a vmdescription. */
  readonly vmdescription: boolean;
  /** Whether sections have footers; `null` where there is no section. */
  readonly footers: boolean | null;
  /** RAM blocks in list order. */
  readonly ramBlocks: readonly RamBlockInfo[];
  /** Entries in the order of their first sections. */
  readonly sections: readonly SectionInfo[];
  /** Commands in stream order, those in packages included. */
  readonly commands: readonly CommandInfo[];
  /** RAM sections that carry pages, in stream order. */
  readonly iterations: readonly IterationInfo[];
  /** Records about pages that had been sent before. */
  readonly resentPages: number;
  /** Multifd synchronisation marks. */
  readonly multifdFlushes: number;
  /** Dirty bitmaps. */
  readonly dirtyBitmaps: readonly DirtyBitmapInfo[];
  /** How many bytes are what. */
  readonly sizes: SizesInfo;
  /** What deserves attention, in words. */
  readonly notes: readonly string[];
}

/** How an overview is made. */
export interface InfoOptions {
  /** A description from elsewhere. */
  readonly vmdescription?: Vmdescription;
  /** Whether an error ends the reading quietly; it is then returned beside the overview. */
  readonly keepGoing?: boolean;
}

/**
 * Reads a stream and gives an overview of it.
 *
 * @throws {FormatError} unless `keepGoing` is set
 */
export function readInfo(
  input: OpenInput,
  options: InfoOptions = {},
): { readonly info: StreamInfo; readonly error: FormatError | undefined } {
  const collector = new InfoCollector();
  const { source, streamOffset } = input;
  const state = readState(source, {
    ...options,
    offset: streamOffset,
    visitor: collector,
    onItem: (item) => collector.item(item),
  });
  const { pageBytes, blocks = [] } = state;
  const { configuration, header } = collector;
  const uuid = configuration?.subsections.find((each) => each.name === "configuration/uuid")?.uuid;
  const ramBlocks = blocks.map((block) => blockInfo(block, collector, pageBytes));
  const info: StreamInfo = {
    input: inputInfo(input),
    streamVersion: header?.version ?? null,
    machine: configuration?.machine ?? null,
    uuid: uuid === undefined ? null : formatUuid(uuid),
    capabilities: configuredCapabilities(configuration),
    targetPageBytes: pageBytes ?? null,
    vmdescription: state.vmdescription !== undefined,
    footers: state.hasFooters ?? null,
    ramBlocks,
    sections: collector.sections,
    commands: collector.commands,
    iterations: collector.iterations,
    resentPages: collector.resentPages,
    multifdFlushes: collector.flushes,
    dirtyBitmaps: collector.bitmaps.bitmaps().map(bitmapInfo),
    sizes: collector.sizes,
    notes: [...input.notes, ...collector.notes(state.guessed, ramBlocks)],
  };
  return { info, error: state.error };
}

function formatUuid(bytes: Uint8Array): string {
  const digits = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return digits.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

function blockInfo(
  block: RamBlock,
  tracker: PageTracker,
  pageBytes: number | undefined,
): RamBlockInfo {
  const { name, usedLengthBytes, hostPageBytes, guestAddress, mapped } = block;
  return {
    name,
    usedLengthBytes,
    pages: pageBytes === undefined ? null : tracker.table(block, pageBytes).counts,
    ...(hostPageBytes === undefined ? {} : { hostPageBytes }),
    ...(guestAddress === undefined ? {} : { guestAddress }),
    ...(mapped === undefined
      ? {}
      : isElsewhere(mapped)
      ? { elsewhere: true }
      : { bitmapOffset: mapped.bitmapOffset, pagesOffset: mapped.pagesOffset }),
  };
}

function bitmapInfo(bitmap: CollectedDirtyBitmap): DirtyBitmapInfo {
  const { node, granularityBytes, bitmapFlags, dirtyBytes } = bitmap;
  return {
    node,
    bitmap: bitmap.bitmap,
    granularityBytes,
    enabled: (bitmapFlags & DIRTY_BITMAP_START_FLAG.ENABLED) !== 0,
    persistent: (bitmapFlags & DIRTY_BITMAP_START_FLAG.PERSISTENT) !== 0,
    dirtyBytes,
  };
}

/** Collects what an overview shows while a stream is read. */
class InfoCollector extends PageTracker implements StreamVisitor {
  header: Extract<StreamItem, { kind: "header" }>["header"] | undefined;
  configuration: Extract<StreamItem, { kind: "configuration" }>["configuration"] | undefined;
  readonly sections: SectionInfo[] = [];
  readonly commands: CommandInfo[] = [];
  readonly iterations: IterationInfo[] = [];
  readonly bitmaps = new DirtyBitmapCollector();
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

  notes(guessed: readonly SectionItem[], blocks: readonly RamBlockInfo[]): string[] {
    const notes: string[] = [];
    if (guessed.length > 0) {
      notes.push(
        `${guessed.length} section(s) without description: their ends were found by the ` +
          (guessed.some((item) => item.boundary === "next-section") ? "next section" : "footer"),
      );
    }
    if (this.flushes > 0 || this.#looksLikeMultifd(blocks)) {
      notes.push("main channel of a multifd migration: pages are in the other channels");
    }
    if (this.commands.some(({ name }) => name === "POSTCOPY_RUN")) {
      notes.push("switched to postcopy: such a stream carries no vmdescription");
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

  /** Before QEMU 8.1 nothing but missing pages tells of multifd; zero pages are on the main channel all the same. */
  #looksLikeMultifd(blocks: readonly RamBlockInfo[]): boolean {
    const isMapped = configuredCapabilities(this.configuration).includes("mapped-ram");
    const sendsOnlyZeros = this.iterations.every(({ normal, delta, compressed }) =>
      normal + delta + compressed === 0
    );
    return !isMapped && this.iterations.length > 0 && sendsOnlyZeros &&
      blocks.some(({ pages }) => pages !== null && pages.absent > 0);
  }
}
