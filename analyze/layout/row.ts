/**
 * The rows of a layout.
 *
 * @module
 */

import type { Limits } from "../../format/limits.ts";
import type { Vmdescription } from "../../format/vmdescription.ts";

/** What a row is. */
export type LayoutKind =
  /** Bytes before the stream, which begins at an offset. */
  | "before"
  /** Framing. */
  | "header"
  | "configuration"
  | "section-header"
  | "footer"
  | "command"
  | "eof"
  | "vmdescription"
  /** A payload as a whole: of a described device, of a format of our own knowledge, of neither. */
  | "device"
  | "payload"
  | "undescribed"
  /** Inside a RAM payload: the list of blocks, and with mapped-ram what stands behind each entry. */
  | "block-list"
  | "block"
  | "bitmap"
  | "hole"
  | "pages"
  /** Inside a RAM payload: records. */
  | "zero"
  | "page"
  | "xbzrle"
  | "compressed"
  | "flush"
  | "hook"
  | "eos"
  /** In a multifd channel: a packet's header with its offsets, and what follows it. */
  | "packet-header"
  | "packet-payload"
  /** The rest. */
  | "compat-record"
  | "trailing"
  | "undecoded";

/** A range of the input. */
export interface LayoutRow {
  /** The channel that the offset counts in, if it isn't the main one, e.g. `multifd channel 0`. */
  readonly channel?: string;
  /** Absolute offset of the first byte. */
  readonly offset: number;
  /** Bytes; never 0. */
  readonly lengthBytes: number;
  /** 0 in the stream itself, 1 in a package, 2 in a package inside a package. */
  readonly depth: number;
  /** What it is. */
  readonly kind: LayoutKind;
  /** Where in the stream's structure, e.g. `section 3 "cpu" > payload`; without control characters. */
  readonly path: string;
  /** What it is, for people; without control characters. */
  readonly description: string;
}

/** How a layout is made. */
export interface LayoutOptions {
  /** Absolute offset of the stream in the source. Default 0. */
  readonly offset?: number;
  /** A description from elsewhere, for a stream that carries none. */
  readonly vmdescription?: Vmdescription;
  /** Ceilings. */
  readonly limits?: Limits;
  /** Whether an error is returned, behind a row for all that was not decoded, instead of thrown. */
  readonly keepGoing?: boolean;
}
