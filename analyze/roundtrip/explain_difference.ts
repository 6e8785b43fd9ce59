/**
 * Where a difference is, down to the field: what takes the original once more.
 *
 * @module
 */

import { isFormatError } from "../../format/error.ts";
import type { ByteSource } from "../../format/source.ts";
import { explainOffset, type ExplainOptions } from "../layout/explain.ts";
import type { RoundtripDifference } from "./compare_channel.ts";

/** A difference in a stream with the path of the field that stands there, if `source` can be read at any position. */
export function explainDifference(
  source: ByteSource,
  difference: RoundtripDifference,
  options: ExplainOptions = {},
): RoundtripDifference {
  const { sizeBytes, seekable } = source;
  if (!seekable || sizeBytes === undefined) return difference;
  if (difference.offset >= sizeBytes) return { ...difference, path: ["behind the end"] };
  try {
    return { ...difference, path: explainOffset(source, difference.offset, options).path };
  } catch (error) {
    // Damage before the difference was met, and is told, when the stream was decoded.
    if (!isFormatError(error)) throw error;
    return difference;
  }
}
