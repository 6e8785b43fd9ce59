/**
 * The blocks of a mapped-ram stream: their headers' alignment, their bitmaps, and on request what stands between the pages.
 *
 * @module
 */

import { type Configuration, configuredCapabilities } from "../../../format/configuration.ts";
import {
  bitmapHas,
  guessBitmapByteOrder,
  isElsewhere,
  MAPPED_RAM_ALIGNMENT_BYTES,
} from "../../../format/mapped_ram.ts";
import type { RamBlock } from "../../../format/ram.ts";
import type { ByteReader } from "../../../format/reader.ts";
import { hex, quoteText } from "../../../format/text.ts";
import { countSlackPages } from "../../memory/slack.ts";
import type { Check, CheckContext, StreamEnd } from "../check.ts";
import type { FindingDetails } from "../findings.ts";
import type { RuleId } from "../rule.ts";

/** Checks MAP-004, 006, 008, 009, 016, 017 and 022. */
export function mappedRamCheck(context: CheckContext): Check {
  const check = new MappedRam(context);
  return {
    item: (item) => {
      if (item.kind === "configuration") check.configuration = item.configuration;
    },
    visitor: {
      problem: (error) => {
        check.isMoved ||= error.rule === "MAP-018";
      },
      blockEntry: (block) => check.entry(block),
      bitmap: (block, bitmap) => check.bitmap(block, bitmap),
      ...(context.slack ? { pages: (block, reader) => check.pages(block, reader) } : {}),
    },
    end: (end) => check.end(end),
  };
}

class MappedRam {
  readonly #context: CheckContext;
  configuration: Configuration | undefined;
  /** Whether the stream stands at another place than it was written to: all offsets are wrong then. */
  isMoved = false;
  #bitmap: Uint8Array = new Uint8Array(0);

  constructor(context: CheckContext) {
    this.#context = context;
  }

  #report(rule: RuleId, block: RamBlock, details: FindingDetails): void {
    this.#context.report(rule, { path: [`block ${quoteText(block.name)}`], ...details });
  }

  entry(block: RamBlock): void {
    const { mapped, entryOffset, entryBytes } = block;
    if (mapped === undefined || isElsewhere(mapped)) return;
    const headerEnd = entryOffset + entryBytes;
    if (mapped.bitmapOffset !== headerEnd) {
      this.#report("MAP-004", block, {
        offset: headerEnd - 16,
        message: "The bitmap does not stand directly behind the header",
        expected: hex(headerEnd),
        found: hex(mapped.bitmapOffset),
      });
    }
    if (!this.isMoved && mapped.pagesOffset % MAPPED_RAM_ALIGNMENT_BYTES !== 0) {
      this.#report("MAP-006", block, {
        offset: headerEnd - 8,
        message: "The pages do not begin at a multiple of 1 MiB",
        found: hex(mapped.pagesOffset),
      });
    }
  }

  bitmap(block: RamBlock, bitmap: Uint8Array): void {
    this.#bitmap = bitmap;
    const { pageBytes, bitmapOffset } = block.mapped!;
    const pages = block.usedLengthBytes / pageBytes;
    const isBig = guessBitmapByteOrder(bitmap, pages) === "big";
    if (isBig) {
      this.#report("MAP-022", block, {
        offset: bitmapOffset,
        message: "The bitmap makes sense only as words of a big-endian host",
      });
    } else this.#padding(block, bitmap, pages);
    this.#places(block, bitmap, pages, isBig ? "big" : "little");
  }

  #padding(block: RamBlock, bitmap: Uint8Array, pages: number): void {
    for (let page = pages; page < bitmap.length * 8; page++) {
      if (!bitmapHas(bitmap, page)) continue;
      this.#report("MAP-009", block, {
        offset: block.mapped!.bitmapOffset + Math.floor(page / 8),
        message: "A bit of a page behind the block's end is set",
        expected: `bits only of pages 0..${pages - 1}`,
        found: `page ${page}`,
      });
      return;
    }
  }

  /** Where the file ends inside of the block: whether the pages are there all the same. */
  #places(block: RamBlock, bitmap: Uint8Array, pages: number, order: "little" | "big"): void {
    const { pagesOffset, pageBytes } = block.mapped!;
    const { sizeBytes } = this.#context.input.source;
    if (sizeBytes === undefined || pagesOffset + block.usedLengthBytes <= sizeBytes) return;
    const whole = Math.max(0, Math.floor((sizeBytes - pagesOffset) / pageBytes));
    for (let page = whole; page < pages; page++) {
      if (!bitmapHas(bitmap, page, order)) continue;
      this.#report("MAP-008", block, {
        offset: sizeBytes,
        message: "A page whose bit is set stands behind the end of the file",
        expected: `a file of at least ${hex(pagesOffset + (page + 1) * pageBytes)} bytes`,
        found: hex(sizeBytes),
      });
      return;
    }
  }

  pages(block: RamBlock, reader: ByteReader): void {
    const offset = reader.offset;
    const count = countSlackPages(block, this.#bitmap, reader);
    if (count === 0) return;
    this.#report("MAP-017", block, {
      offset,
      message: `${count} page(s) that are not part of the memory are not zero in the file`,
    });
  }

  end({ blocks }: StreamEnd): void {
    const { configuration } = this;
    const capabilities = configuredCapabilities(configuration);
    if (!capabilities.includes("mapped-ram") || !capabilities.includes("x-ignore-shared")) return;
    // Only releases from 11.0 on leave the content of a block out, and only they know their machine types.
    const isNew = blocks.some(({ mapped }) => mapped !== undefined && isElsewhere(mapped)) ||
      /-1[1-9]\.\d+$/.test(configuration?.machine ?? "");
    if (isNew) return;
    this.#context.report("MAP-016", {
      offset: blocks[0]?.entryOffset ?? 0,
      message: "mapped-ram and x-ignore-shared together: QEMU before 11.0 cannot load that",
    });
  }
}
