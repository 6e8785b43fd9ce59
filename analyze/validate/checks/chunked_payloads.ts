/**
 * Payloads made of chunks: what their decoders don't have to care about.
 *
 * @module
 */

import type { DirtyBitmapChunk } from "../../../format/dirty_bitmap_chunk.ts";
import type { SectionItem } from "../../../format/items.ts";
import { ByteReader } from "../../../format/reader.ts";
import { readStorageKeys, STORAGE_KEYS_IDSTR } from "../../../format/s390_skeys.ts";
import {
  S390_PAGE_BYTES,
  STORAGE_ATTRIBUTES_FLAG,
  STORAGE_ATTRIBUTES_IDSTR,
} from "../../../format/s390_storage_attributes.ts";
import { BytesSource } from "../../../format/source.ts";
import { quoteText } from "../../../format/text.ts";
import type { Check, CheckContext } from "../check.ts";

/** Checks DBM-007. */
export function dirtyBitmapsCheck(context: CheckContext): Check {
  /** Offsets of the START chunks of bitmaps that are not complete, by their names. */
  const open = new Map<string, number>();
  let hasEof = false;
  return {
    item: ({ kind, depth }) => {
      if (kind === "eof" && depth === 0) hasEof = true;
    },
    visitor: {
      dirtyBitmap: (_reader, chunk: DirtyBitmapChunk & { offset: number }) => {
        if (chunk.kind !== "start" && chunk.kind !== "complete") return;
        const name = `${quoteText(chunk.node)}/${quoteText(chunk.bitmap)}`;
        if (chunk.kind === "start") open.set(name, chunk.offset);
        else open.delete(name);
      },
    },
    end: () => {
      if (!hasEof || context.isDamaged) return;
      for (const [name, offset] of open) {
        context.report("DBM-007", {
          offset,
          message: "A dirty bitmap has no COMPLETE",
          found: name,
        });
      }
    },
  };
}

/** Checks SAT-001, as far as the memory's size tells, SAT-002 and SAT-004. */
export function storageAttributesCheck(context: CheckContext): Check {
  let memoryBytes = Infinity;
  return {
    item: (item) => {
      if (item.kind !== "section") return;
      if (item.section.idstr === STORAGE_KEYS_IDSTR) checkKeys(context, item);
    },
    visitor: {
      blockList: (blocks) => {
        memoryBytes = blocks.reduce((sum, { usedLengthBytes }) => sum + usedLengthBytes, 0);
      },
      storageAttributes: (_reader, { flag, startAddress, offset, dataBytes }) => {
        const path = [`section ${quoteText(STORAGE_ATTRIBUTES_IDSTR)}`];
        if (flag === STORAGE_ATTRIBUTES_FLAG.ERROR) {
          const message = "The source could not send all storage attributes";
          context.report("SAT-002", { offset, path, message });
        }
        const end = startAddress + dataBytes * S390_PAGE_BYTES;
        if (flag !== STORAGE_ATTRIBUTES_FLAG.MORE || end <= memoryBytes) return;
        context.report("SAT-001", {
          offset,
          path,
          message: "Storage attributes of pages that the guest has not",
          expected: `at most ${memoryBytes / S390_PAGE_BYTES} pages`,
          found: `${end / S390_PAGE_BYTES}`,
        });
      },
    },
  };
}

function checkKeys(context: CheckContext, item: SectionItem): void {
  const bytes = item.bytes ?? item.device?.bytes;
  if (bytes === undefined) return;
  const reader = new ByteReader(new BytesSource(bytes));
  if (!readStorageKeys(reader, {}).incomplete) return;
  context.report("SAT-004", {
    offset: item.payloadEnd - 8,
    path: [`section ${item.section.id} ${quoteText(STORAGE_KEYS_IDSTR)}`],
    message: "The source could not send all storage keys",
  });
}
