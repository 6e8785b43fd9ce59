/**
 * The payloads whose format is known without a description: which entry has which, and how it is read.
 *
 * @module
 */

import type { Limits } from "./limits.ts";
import { RAM_SECTION_IDSTR, RAM_SECTION_VERSION, type RamBlock } from "./ram.ts";
import type { BitmapVisitor } from "./ram_blocks.ts";
import { type RamContext, type RamRun, RamScanner } from "./ram_scanner.ts";
import type { ByteReader } from "./reader.ts";
import type { SectionIdentity, SectionType } from "./section.ts";

/** Called while RAM sections are read, for those who want more than the items. */
export interface RamVisitor {
  /** Called before the payload of a RAM section is read. */
  section?(type: SectionType, offset: number): void;
  /** Called with each run of records; the object is reused, and the content lies in its buffer only during the call. */
  run?(run: RamRun): void;
  /** Called with the bitmap of each block of a mapped-ram stream. */
  bitmap?: BitmapVisitor;
  /** Called when pages that were sent before are dropped: a range of bytes of a block. */
  discard?(block: RamBlock, startAddress: number, lengthBytes: number): void;
}

/** What stood in the payload of a RAM section. */
export interface RamSummary {
  /** The block list, in the section that has it. */
  blocks?: readonly RamBlock[];
  /** Pages in ZERO records. */
  zeroPages: number;
  /** Pages in PAGE records. */
  normalPages: number;
  /** Pages in XBZRLE records. */
  deltaPages: number;
  /** Pages in COMPRESS_PAGE records. */
  compressedPages: number;
  /** MULTIFD_FLUSH words. */
  flushes: number;
  /** HOOK words. */
  hooks: number;
}

/** The decoded payload of an entry of our own knowledge. */
export type KnownPayload = { readonly kind: "ram"; readonly ram: RamSummary };

/** What the payloads of one stream have to remember. */
export interface PayloadContext {
  /** RAM blocks, page size, the last block. */
  readonly ram: RamContext;
  /** Who wants to see RAM records. */
  readonly visitor: RamVisitor;
  /** Ceilings. */
  readonly limits: Limits;
}

/** Whether the entry's payload is of a format of our own knowledge. */
export function isKnownPayload(section: SectionIdentity, _type: SectionType): boolean {
  return section.idstr === RAM_SECTION_IDSTR;
}

/** Reads a payload of our own knowledge; the cursor stands behind it afterwards. */
export function readKnownPayload(
  reader: ByteReader,
  type: SectionType,
  section: SectionIdentity,
  context: PayloadContext,
): KnownPayload {
  return { kind: "ram", ram: readRam(reader, type, section, context) };
}

function readRam(
  reader: ByteReader,
  type: SectionType,
  section: SectionIdentity,
  context: PayloadContext,
): RamSummary {
  if (section.versionId !== RAM_SECTION_VERSION) {
    throw reader.error("bad-section", "Cannot decode RAM section: unknown version", {
      expected: String(RAM_SECTION_VERSION),
      found: String(section.versionId),
    });
  }
  const { visitor, ram } = context;
  visitor.section?.(type, reader.offset);
  const scanner = new RamScanner(reader, ram, context.limits, visitor.bitmap?.bind(visitor));
  const summary: RamSummary = {
    zeroPages: 0,
    normalPages: 0,
    deltaPages: 0,
    compressedPages: 0,
    flushes: 0,
    hooks: 0,
  };
  for (;;) {
    const run = scanner.next();
    visitor.run?.(run);
    switch (run.kind) {
      case "page":
        summary.normalPages += run.count;
        break;
      case "zero":
        summary.zeroPages += run.count;
        break;
      case "xbzrle":
        summary.deltaPages += 1;
        break;
      case "compressed":
        summary.compressedPages += 1;
        break;
      case "flush":
        summary.flushes += 1;
        break;
      case "hook":
        summary.hooks += 1;
        break;
      case "block-list":
        summary.blocks = [...ram.blocks.values()];
        break;
      case "eos":
        return summary;
    }
  }
}
