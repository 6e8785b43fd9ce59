/**
 * Sizes as people read them.
 *
 * @module
 */

import { format } from "@std/fmt/bytes";

/** A number of bytes for people: `4 KiB`, `1.5 MiB`. */
export function sizeText(bytes: number): string {
  return format(bytes, { binary: true, maximumFractionDigits: 1 }).replace(" kiB", " KiB");
}
