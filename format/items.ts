/**
 * What a stream consists of. The items of a stream tile it: put side by side they cover every byte of the input, none twice.
 *
 * @module
 */

import type { Command } from "./command.ts";
import type { Configuration } from "./configuration.ts";
import type { FormatError } from "./error.ts";
import type { CompatRecord, FileHeader } from "./header.ts";
import type { KnownPayload } from "./payload.ts";
import type { ArrayReading } from "./pointer_arrays.ts";
import type { RamBlock } from "./ram.ts";
import type { SectionIdentity, SectionType } from "./section.ts";
import type { DeviceDescription, Vmdescription } from "./vmdescription.ts";
import type { VmstateStruct } from "./vmstate.ts";

/** What all items have. */
export interface ItemBase {
  /** Absolute offset of the first byte. */
  readonly offset: number;
  /** Bytes. */
  readonly lengthBytes: number;
  /** 0 in the stream itself, 1 in a package, 2 in a package inside a package. */
  readonly depth: number;
}

/** The file header. */
export interface HeaderItem extends ItemBase {
  /** Discriminator. */
  readonly kind: "header";
  /** The decoded header. */
  readonly header: FileHeader;
}

/** The configuration section. */
export interface ConfigurationItem extends ItemBase {
  /** Discriminator. */
  readonly kind: "configuration";
  /** The decoded configuration. */
  readonly configuration: Configuration;
}

/**
 * How a section's end was found: by the vmdescription, by our own knowledge of the format, by looking for its footer, or
 * (without footers) for the next section. The last two are guesses.
 */
export type BoundaryKind = "described" | "known" | "footer" | "next-section";

/** A device section, decoded by its description. */
export interface DeviceState {
  /** The description. */
  readonly description: DeviceDescription;
  /** The decoded structure; its offsets are relative to `bytes`. */
  readonly state: VmstateStruct;
  /** The section's payload. */
  readonly bytes: Uint8Array;
  /** Absolute offset of the payload. */
  readonly payloadOffset: number;
  /** How arrays of pointers had to be read to arrive at the section's end. */
  readonly reading: ArrayReading;
}

/** A section: its header and its payload; with mapped-ram, up to the first bitmap. */
export interface SectionItem extends ItemBase {
  /** Discriminator. */
  readonly kind: "section";
  /** START, PART, END or FULL. */
  readonly type: SectionType;
  /** What the section's START or FULL header said. */
  readonly section: SectionIdentity;
  /** Absolute offset of the payload. */
  readonly payloadOffset: number;
  /** Absolute offset behind the payload, the areas of a mapped-ram section included. */
  readonly payloadEnd: number;
  /** How the end was found. */
  readonly boundary: BoundaryKind;
  /** The payload of a format of our own knowledge. */
  readonly payload?: KnownPayload;
  /** The device state, where a description fits. Set later for a section that stands before its description on a pipe. */
  device?: DeviceState;
  /** The payload's bytes, for a section that nothing describes. */
  readonly bytes?: Uint8Array;
  /** Why a description that was given from outside was not used. */
  readonly problem?: FormatError;
}

/** The part of a mapped-ram section's sequential payload behind a block's pages. */
export interface SectionContinuedItem extends ItemBase {
  /** Discriminator. */
  readonly kind: "section-continued";
  /** The section. */
  readonly section: SectionIdentity;
}

/** A bitmap, hole or page area of a mapped-ram section. */
export interface AreaItem extends ItemBase {
  /** Discriminator. */
  readonly kind: "bitmap" | "hole" | "pages";
  /** The block it belongs to. */
  readonly block: RamBlock;
}

/** A section footer. */
export interface FooterItem extends ItemBase {
  /** Discriminator. */
  readonly kind: "footer";
  /** The section that it ends. */
  readonly section: SectionIdentity;
}

/** A command; the nested stream of PACKAGED follows as items of its own. */
export interface CommandItem extends ItemBase {
  /** Discriminator. */
  readonly kind: "command";
  /** The decoded command. */
  readonly command: Command;
}

/** The byte that ends a stream or a nested stream. */
export interface EofItem extends ItemBase {
  /** Discriminator. */
  readonly kind: "eof";
}

/** The vmdescription behind the stream. */
export interface VmdescriptionItem extends ItemBase {
  /** Discriminator. */
  readonly kind: "vmdescription";
  /** Absolute offset of the JSON text. */
  readonly textOffset: number;
  /** The JSON text. */
  readonly text: Uint8Array;
  /** The parsed description. */
  readonly description: Vmdescription;
}

/** Bytes behind the stream, or behind the EOF of a package. */
export interface TrailingItem extends ItemBase {
  /** Discriminator. */
  readonly kind: "trailing";
}

/** A record of the obsolete stream version 2. */
export interface CompatRecordItem extends ItemBase {
  /** Discriminator. */
  readonly kind: "compat-record";
  /** The record's head. */
  readonly record: CompatRecord;
  /** Absolute offset of the record's bytes. */
  readonly payloadOffset: number;
}

/** An item of a stream. */
export type StreamItem =
  | HeaderItem
  | ConfigurationItem
  | SectionItem
  | SectionContinuedItem
  | AreaItem
  | FooterItem
  | CommandItem
  | EofItem
  | VmdescriptionItem
  | TrailingItem
  | CompatRecordItem;
