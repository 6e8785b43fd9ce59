/**
 * The shape of an overview. Its JSON is an interface: names stay (docs/info.md).
 *
 * @module
 */

import type { Command } from "../format/command.ts";
import type { SectionType } from "../format/section.ts";
import type { SyncMarks } from "./channels/merger.ts";
import type { ChannelTotals } from "./channels/totals.ts";
import type { InputInfo } from "./input_info.ts";
import type { PageCounts } from "./memory/page_table.ts";

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
  /**
   * Pages whose bit is clear but at whose place something stands in a mapped-ram file; `null` where nobody looked, because that would
   * mean to read too much.
   */
  readonly slackPages?: number | null;
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

/** What went over a channel beside the main one. */
export interface PageChannelInfo extends ChannelTotals {
  /** Bytes of pages for each byte of payload; `null` where there is no payload. */
  readonly ratio: number | null;
}

/** What went over the channels beside the main one. */
export interface PageChannelsInfo {
  /** Synchronisation marks on the main channel. */
  readonly syncMarks: number;
  /** How they are made: by words of their own, or (before QEMU 8.1) by the end of each RAM section. */
  readonly markedBy: SyncMarks | null;
  /** Pages that came twice between two marks. */
  readonly repeatedPages: number;
  /** The channels, multifd channels by their numbers. */
  readonly channels: readonly PageChannelInfo[];
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
  /** The other channels of a captured migration that carry pages; `null` if there are none. */
  readonly pageChannels: PageChannelsInfo | null;
  /** Dirty bitmaps. */
  readonly dirtyBitmaps: readonly DirtyBitmapInfo[];
  /** How many bytes are what. */
  readonly sizes: SizesInfo;
  /** What deserves attention, in words. */
  readonly notes: readonly string[];
}
