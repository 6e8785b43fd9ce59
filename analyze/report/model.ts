/**
 * What a report shows, as plain JSON: the page's script gets exactly this. Everything is bounded, however large the guest or hostile
 * the stream: what is left out is counted.
 *
 * @module
 */

import type { FindingJson } from "../validate/finding_json.ts";

/** What an item of the strip is; the order is that of the page's legend. */
export const STRIP_KINDS = [
  "header",
  "ram",
  "bitmap",
  "pages",
  "hole",
  "device",
  "command",
  "vmdescription",
  "trailing",
  "unread",
] as const;

/** A value of {@link STRIP_KINDS}. */
export type StripKind = typeof STRIP_KINDS[number];

/**
 * A piece of the strip, which tiles the input: `[kind, lengthBytes, name, items]`. Kind and name are indexes; more than one item is a run
 * that had to be joined.
 */
export type StripRow = readonly [kind: number, lengthBytes: number, name: number, items: number];

/** The input from its first byte to its last, to scale. */
export interface StripModel {
  /** Absolute offset of the first row. */
  readonly startOffset: number;
  /** Names that rows refer to. */
  readonly names: readonly string[];
  /** The pieces side by side. */
  readonly rows: readonly StripRow[];
  /** Items of the stream: more than there are rows where neighbours were joined. */
  readonly items: number;
}

/** Kinds of pages in a map; the order is that of the page's legend. */
export const CELL_KINDS = ["normal", "compressed", "delta", "zero", "slack", "absent"] as const;

/** A value of {@link CELL_KINDS}. */
export type CellKind = typeof CELL_KINDS[number];

/** Digits that shares are written with: their values are 0 to 63. */
export const SHARE_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_";

/** The pages of a RAM block, a number of neighbours in each cell. */
export interface PageMapModel {
  /** Pages of a cell; the last one may have fewer. */
  readonly pagesPerCell: number;
  /** Number of cells. */
  readonly cells: number;
  /**
   * For each kind that occurs, a digit ({@link SHARE_DIGITS}) for each cell: its share of the cell's pages in steps of 1/63. A share that is
   * not nothing is at least 1.
   */
  readonly shares: Readonly<Partial<Record<CellKind, string>>>;
}

/** A RAM block. */
export interface BlockModel {
  /** Name. */
  readonly name: string;
  /** Bytes of memory. */
  readonly lengthBytes: number;
  /** Pages by kind; `null` where the page size is not known. */
  readonly counts: Readonly<Record<CellKind, number>> | null;
  /** Whether slack was looked for; it is in no stream but a mapped-ram file. */
  readonly slack: "counted" | "not looked for" | "none possible";
  /** Absolute offset of page 0 in a mapped-ram file. */
  readonly pagesOffset: number | null;
  /** The map; `null` where there is no room for it, or no page size. */
  readonly map: PageMapModel | null;
}

/** A range of guest-physical addresses. */
export interface PhysicalModel {
  /** First address. */
  readonly guestAddress: number;
  /** Bytes. */
  readonly lengthBytes: number;
  /** Name of the block behind it. */
  readonly block: string;
  /** Address of the first byte in the block. */
  readonly blockAddress: number;
}

/** What tells where a pass begins: addresses that go back, marks of the multifd channels, or (before QEMU 8.1) ends of RAM sections. */
export type PassOrigin = "addresses" | "marks" | "sections";

/** Pages that were sent in one pass over the memory, or in several that were joined. */
export interface PassModel {
  /** Number of the first pass, from 1 on. */
  readonly first: number;
  /** How many passes. */
  readonly passes: number;
  /** Pages sent whole, or as one piece of a compressed channel. */
  readonly normal: number;
  /** Zero pages. */
  readonly zero: number;
  /** XBZRLE deltas. */
  readonly delta: number;
  /** Pages of the old compression. */
  readonly compressed: number;
  /** Pages among all of these that had been sent before. */
  readonly resent: number;
}

/** A channel beside the main one. */
export interface ChannelModel {
  /** `multifd 0`, `preempt`. */
  readonly name: string;
  /** How pages are compressed; `null` where there are none. */
  readonly method: string | null;
  /** Packets. */
  readonly packets: number;
  /** Pages with content. */
  readonly normal: number;
  /** Zero pages. */
  readonly zero: number;
  /** Bytes that went over it as content of pages. */
  readonly payloadBytes: number;
  /** Bytes of these pages. */
  readonly contentBytes: number;
}

/** The verdict of a validation. */
export interface ValidationModel {
  /** Whether no rule of severity `error` is broken. */
  readonly valid: boolean;
  /** Broken rules, by offset; of each rule the first ones. */
  readonly findings: readonly FindingJson[];
  /** How many more there are. */
  readonly more: number;
  /** Sentences about parts that could not be looked at. */
  readonly unchecked: readonly string[];
}

/**
 * A node of the device tree: `[name, type, offset, lengthBytes, value, children]`; a node with children has no value. The offset is
 * absolute; `-1` and no length for what stands nowhere by itself.
 */
export type TreeNode =
  | readonly [name: string, type: string, offset: number, lengthBytes: number, value: string]
  | readonly [
    name: string,
    type: string,
    offset: number,
    lengthBytes: number,
    value: null,
    children: readonly TreeNode[],
  ];

/** A device section. */
export interface DeviceModel {
  /** `name/instance`, which paths of fields begin with. */
  readonly path: string;
  /** What is said beside the name: version, size, how its end was guessed. */
  readonly note: string;
  /** Absolute offset of the section. */
  readonly offset: number;
  /** Bytes of the section without its footer. */
  readonly lengthBytes: number;
  /** Fields and subsections. */
  readonly nodes: readonly TreeNode[];
  /** Fields that are left out. */
  readonly omitted: number;
}

/** A processor. */
export interface CpuModel {
  /** Number. */
  readonly index: number;
  /** Instruction set. */
  readonly architecture: string;
  /** Whether it waits for an interrupt; `null` where the stream doesn't say. */
  readonly halted: boolean | null;
  /** Names and values, hexadecimal. */
  readonly registers: readonly (readonly [name: string, value: string])[];
}

/** One input. */
export interface SideModel {
  /** The path as it was given. */
  readonly path: string;
  /** Name and value of what stands at the top. */
  readonly facts: readonly (readonly [name: string, value: string])[];
  /** How many bytes are what. */
  readonly sizes: readonly (readonly [name: string, bytes: number])[];
  /** The input to scale. */
  readonly strip: StripModel;
  /** Target page size; `null` where it is not known. */
  readonly pageBytes: number | null;
  /** RAM blocks in list order. */
  readonly blocks: readonly BlockModel[];
  /** Blocks that are left out. */
  readonly moreBlocks: number;
  /** Guest-physical addresses. */
  readonly physical: readonly PhysicalModel[];
  /** What deserves attention about these addresses. */
  readonly physicalNotes: readonly string[];
  /** What was sent when; empty unless pages were sent in more than one pass. */
  readonly passes: readonly PassModel[];
  /** What tells where they begin. */
  readonly passOrigin: PassOrigin;
  /** Pages that were sent again. */
  readonly resentPages: number;
  /** Channels with pages. */
  readonly channels: readonly ChannelModel[];
  /** Broken rules. */
  readonly validation: ValidationModel;
  /** Devices in stream order. */
  readonly devices: readonly DeviceModel[];
  /** Devices that are left out. */
  readonly moreDevices: number;
  /** Processors by number. */
  readonly cpus: readonly CpuModel[];
  /** Processors that are left out. */
  readonly moreCpus: number;
  /** What deserves attention, in words. */
  readonly notes: readonly string[];
  /** What ended the reading early. */
  readonly error: string | null;
}

/** What is different between two inputs. */
export interface ComparisonModel {
  /** Whether nothing is. */
  readonly same: boolean;
  /** Path and both values; `null` where a side has none. */
  readonly changes: readonly (readonly [path: string, left: string | null, right: string | null])[];
  /** Changes that are left out. */
  readonly more: number;
  /** Blocks with pages that differ. */
  readonly memory: readonly MemoryComparisonModel[];
  /** What was passed over or not compared. */
  readonly notes: readonly string[];
}

/** Pages of a block that differ. */
export interface MemoryComparisonModel {
  /** Name of the block. */
  readonly name: string;
  /** Pages of the block, of the longer one. */
  readonly pages: number;
  /** Bytes of a page. */
  readonly pageBytes: number;
  /** Pages of different content. */
  readonly changedPages: number;
  /** Those that are zero on the left side. */
  readonly addedPages: number;
  /** Those that are zero on the right side. */
  readonly gonePages: number;
  /** Pages of a cell of the map. */
  readonly pagesPerCell: number;
  /** Number of cells. */
  readonly cells: number;
  /** Share of changed pages, a digit for each cell as in {@link PageMapModel.shares}. */
  readonly changed: string;
}

/** A report: one input, or two and what is different. */
export interface ReportModel {
  /** Version of this shape. */
  readonly version: 1;
  /** What made it. */
  readonly generator: string;
  /** One or two inputs. */
  readonly sides: readonly SideModel[];
  /** What is different between two. */
  readonly comparison: ComparisonModel | null;
}
