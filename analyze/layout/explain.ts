/**
 * What one byte of an input is: the item, and inside it the smallest field that has the byte.
 *
 * @example
 * ```ts
 * import { BytesSource } from "../../format/source.ts";
 * import { explainOffset } from "./explain.ts";
 *
 * const empty = new Uint8Array([0x51, 0x45, 0x56, 0x4d, 0, 0, 0, 3, 0]);
 * console.log(explainOffset(new BytesSource(empty), 7).path); // [ "file header", "stream version" ]
 * ```
 *
 * @module
 */

import { FormatError, isFormatError } from "../../format/error.ts";
import { ByteReader } from "../../format/reader.ts";
import type { ByteSource } from "../../format/source.ts";
import { hex } from "../../format/text.ts";
import type { LayoutOptions } from "./row.ts";
import { explainDamaged, explainHead, explainItem } from "./items.ts";
import { Locator, type Place } from "./locate.ts";
import { explainBlockList, explainRecord } from "./ram.ts";
import { type ExplainedField, Trail } from "./trail.ts";
import { sectionInstanceName } from "./head.ts";

export type { ExplainedField };

/** What one byte is. */
export interface Explanation {
  /** The byte's absolute offset. */
  readonly offset: number;
  /** Names from the outside in, e.g. `section 7 "cpu" (instance 0)`, `env.regs[3]`; without control characters. */
  readonly path: readonly string[];
  /** Ranges from the outside in, each inside the one before; the last is the smallest that is known. */
  readonly fields: readonly ExplainedField[];
  /** What the byte is, in one line; without control characters. */
  readonly meaning: string;
}

/** How a byte is explained. */
export type ExplainOptions = Omit<LayoutOptions, "keepGoing">;

/**
 * Explains the byte at an absolute offset. The stream is read up to it, with bounded memory.
 *
 * @throws {FormatError} where the input ends or is damaged before it, or can't be read at any position
 */
export function explainOffset(
  source: ByteSource,
  offset: number,
  options: ExplainOptions = {},
): Explanation {
  if (!Number.isSafeInteger(offset) || offset < 0) {
    throw new RangeError(`Cannot explain offset ${offset}: it is not a whole number from 0 on`);
  }
  const size = source.sizeBytes;
  if (!source.seekable || size === undefined) {
    throw new FormatError("not-seekable", "Cannot explain an offset of a pipe", {
      offset,
      expected: "a file instead of a pipe",
    });
  }
  if (offset >= size) {
    throw new FormatError("truncated", "Cannot explain an offset behind the input", {
      offset,
      expected: `an offset below ${size} (${hex(size)})`,
    });
  }
  const place = locate(source, offset, options);
  const trail = new Trail(offset, place.depth, size);
  const more = explainPlace(trail, source, place);
  const innermost = trail.describeInnermost(new ByteReader(source, { offset }).u8("byte"));
  const meaning = more === "" ? innermost : `${innermost}; ${more}`;
  return { offset, path: trail.path, fields: trail.fields, meaning };
}

function locate(source: ByteSource, offset: number, options: ExplainOptions): Place {
  const locator = new Locator(source, offset, options);
  try {
    return locator.find();
  } catch (error) {
    if (!isFormatError(error)) throw error;
    const { code, message, expected, found, path } = error;
    throw new FormatError(code, `Cannot explain offset ${offset}, behind damage: ${message}`, {
      offset: error.offset,
      path,
      cause: error,
      ...(expected === undefined ? {} : { expected }),
      ...(found === undefined ? {} : { found }),
    });
  }
}

/** Goes down to the field, and says what is more to say than its value. */
function explainPlace(trail: Trail, source: ByteSource, place: Place): string {
  switch (place.kind) {
    case "before":
      trail.enter("before the stream", 0, place.end, "");
      return "";
    case "head":
      explainHead(trail, source, place.head, place.offset);
      return "";
    case "damaged":
      explainDamaged(trail, place.head, place.offset, place.end);
      return "";
    case "record":
      trail.path.push(sectionInstanceName(place.section));
      return explainRecord(trail, source, place.record);
    case "block-list":
      trail.path.push(sectionInstanceName(place.section));
      return explainBlockList(trail, source, place.list);
    case "item":
      return explainItem(trail, source, place.item, place.context);
  }
}
