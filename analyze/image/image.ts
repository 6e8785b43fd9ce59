/**
 * What a stream is made from: everything that says something about a guest, without the way in which it came. A stream, a mapped-ram file
 * and a captured migration of one guest are one image, written in three forms.
 *
 * ```text
 * image = configuration, parts, memory
 * part  = bytes as they are (sections and commands, EOF, the description) | the place of a RAM section
 * ```
 *
 * @module
 */

import type { Configuration } from "../../format/configuration.ts";
import { RAM_SECTION_IDSTR, RAM_SECTION_VERSION } from "../../format/ram.ts";
import type { SectionIdentity } from "../../format/section.ts";
import type { ByteSource } from "../../format/source.ts";
import type { MemoryView } from "../memory/memory_view.ts";
import { PAGE_KIND } from "../memory/page_table.ts";
import type { Piece } from "./pieces.ts";
import { sourcePieces } from "./pieces.ts";

/** The place of a RAM section: of the block list, of the pages, or of the end. */
export interface RamPart {
  /** Discriminator. */
  readonly kind: "ram";
  /** START has the block list; the first PART stands for all pages; END has nothing but its own end. */
  readonly type: "start" | "part" | "end";
  /** The section. */
  readonly section: SectionIdentity;
}

/** Bytes that go over as they are. */
export interface BytesPart {
  /** Discriminator. */
  readonly kind: "bytes";
  /** What they are, for people: `section 3 "timer"`. */
  readonly what: string;
  /** The bytes, or where they stand. */
  readonly content: Uint8Array | {
    readonly source: ByteSource;
    readonly offset: number;
    readonly end: number;
  };
}

/** A part of the main channel behind the configuration. */
export type ImagePart = RamPart | BytesPart;

/** A guest, ready to be written in any form. */
export interface GuestImage {
  /** What the configuration section says; absent from streams of machine types before 2.3. */
  readonly configuration: Configuration | undefined;
  /** Whether sections have footers. */
  readonly hasFooters: boolean;
  /** Everything behind the configuration, in stream order. */
  readonly parts: readonly ImagePart[];
  /** The memory. */
  readonly memory: MemoryView;
}

/** The identity that QEMU gives the RAM section; the id is that of the first registered entry but one. */
export function ramSectionIdentity(id: number): SectionIdentity {
  return { id, idstr: RAM_SECTION_IDSTR, instanceId: 0, versionId: RAM_SECTION_VERSION };
}

/** The bytes of a part. */
export function* partPieces({ what, content }: BytesPart): Generator<Piece, void, undefined> {
  if (content instanceof Uint8Array) yield { bytes: content, what };
  else yield* sourcePieces(content.source, what, content.offset, content.end);
}

/** Bytes of the pages that have content. */
export function memoryBytes({ memory }: GuestImage): number {
  let pages = 0;
  for (const block of memory.blocks) {
    for (const { count, kind } of memory.runs(block)) {
      if (kind !== PAGE_KIND.ABSENT && kind !== PAGE_KIND.ZERO) pages += count;
    }
  }
  return pages * memory.pageBytes;
}
