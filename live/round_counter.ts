/**
 * Counts the RAM sections of a main channel while it passes, for who watches: by what each of them ends with.
 *
 * ```text
 * be64 EOS word (0x10), u8 0x7e, be32 section id
 * ```
 *
 * That is no decoding: a page could hold these bytes, too, and streams without section footers show none.
 *
 * @module
 */

import { RAM_SAVE_FLAG } from "../format/ram.ts";
import { SECTION_TYPE } from "../format/section.ts";

/** Bytes of the EOS word. */
const WORD_BYTES = 8;

/** Counts ends of RAM sections. */
export class RoundCounter {
  /** RAM sections that ended so far. */
  sections = 0;
  /** The last bytes that came: a word may come in two parts. */
  #tail = new Uint8Array(0);

  /** Takes the next bytes. */
  take(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    const joined = new Uint8Array(this.#tail.length + Math.min(WORD_BYTES, bytes.length));
    joined.set(this.#tail);
    joined.set(bytes.subarray(0, WORD_BYTES), this.#tail.length);
    this.sections += countEnds(joined);
    this.sections += countEnds(bytes);
    const rest = bytes.length >= WORD_BYTES ? bytes : joined;
    this.#tail = rest.slice(-WORD_BYTES);
  }
}

/** How many footers stand behind an EOS word. */
function countEnds(bytes: Uint8Array): number {
  let count = 0;
  for (let at = bytes.indexOf(SECTION_TYPE.FOOTER, WORD_BYTES); at >= 0;) {
    if (isEos(bytes, at - WORD_BYTES)) count += 1;
    at = bytes.indexOf(SECTION_TYPE.FOOTER, at + 1);
  }
  return count;
}

function isEos(bytes: Uint8Array, start: number): boolean {
  if (bytes[start + WORD_BYTES - 1] !== RAM_SAVE_FLAG.EOS) return false;
  for (let at = start; at < start + WORD_BYTES - 1; at++) if (bytes[at] !== 0) return false;
  return true;
}
