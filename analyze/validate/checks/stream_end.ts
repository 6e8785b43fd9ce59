/**
 * What stands at the end of a stream and behind it.
 *
 * @module
 */

import { ELEMENT_HEAD_BYTES, judgeElement } from "../../../format/boundary.ts";
import type { StreamItem, TrailingItem, VmdescriptionItem } from "../../../format/items.ts";
import { hexBytes } from "../../../format/text.ts";
import type { Check, CheckContext, StreamEnd } from "../check.ts";
import { readFully } from "../resync.ts";

/** What a COLO checkpoint begins with: its first message, a request. */
const CHECKPOINT_REQUEST = [0, 0, 0, 1];

/** Checks END-002, END-003, END-006 and END-007. */
export function streamEndCheck(context: CheckContext): Check {
  const seen = { configuration: false, full: false, ram: false, description: false, run: false };
  let eof: number | undefined;
  let isColo = false;
  let hasTail = false;
  const onTrailing = (item: TrailingItem) => {
    hasTail = true;
    const bytes = new Uint8Array(Math.min(item.lengthBytes, ELEMENT_HEAD_BYTES));
    const { source } = context.input;
    const head = source.seekable
      ? bytes.subarray(0, readFully(source, item.offset, bytes))
      : bytes.subarray(0, 0);
    if (CHECKPOINT_REQUEST.every((byte, index) => head[index] === byte)) isColo = true;
    if (isColo) return;
    const isElement = !seen.description &&
      judgeElement(head, 0, false, { id: -1, iterableIds: NOTHING }) === "strong";
    context.report(isElement ? "END-002" : "END-007", {
      offset: item.offset,
      message: isElement ? "Sections stand behind the EOF" : "Bytes stand behind the stream",
      expected: "the end",
      found: `${item.lengthBytes} bytes: ${hexBytes(head, 8)}`,
    });
  };
  return {
    item: (item: StreamItem) => {
      if (item.kind === "configuration") seen.configuration = true;
      else if (item.kind === "section") {
        if (item.type === "full") seen.full = true;
        if (item.payload?.kind === "ram") seen.ram = true;
      } else if (item.kind === "command") {
        if (item.command.name === "POSTCOPY_RUN") seen.run = true;
        if (item.command.name === "ENABLE_COLO") isColo = true;
      } else if (item.kind === "eof" && item.depth === 0) eof = item.offset;
      else if (item.kind === "vmdescription") {
        seen.description = true;
        checkDescription(context, item);
      } else if (item.kind === "trailing" && item.depth === 0) onTrailing(item);
    },
    end: ({ offset }: StreamEnd) => {
      if (context.isDamaged || eof === undefined) return;
      if (!seen.full && seen.ram && !hasTail) {
        const message = "The stream ends without the state of any device";
        context.report("END-002", { offset: eof, message, expected: "FULL sections" });
      }
      const isLeftOut = seen.description || seen.run || isColo || !seen.configuration;
      // A description that can't be read is one that is there.
      if (isLeftOut || offset > eof + 1 || !endsAt(context, eof + 1)) return;
      const message = "There is no vmdescription";
      context.report("END-003", { offset: eof + 1, message, expected: "0x06" });
    },
  };
}

const NOTHING: ReadonlySet<number> = new Set();

function endsAt({ input: { source } }: CheckContext, offset: number): boolean {
  return !source.seekable || source.readAt(offset, new Uint8Array(1)) === 0;
}

function checkDescription(context: CheckContext, item: VmdescriptionItem): void {
  const details = { offset: item.textOffset, path: ["vmdescription"] };
  if (item.description.pageBytes === undefined) {
    const message = "The vmdescription has no page_size";
    context.report("END-006", { ...details, message, expected: "page_size" });
  }
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(item.text);
  } catch {
    context.report("END-006", { ...details, message: "The vmdescription is not UTF-8" });
  }
}
