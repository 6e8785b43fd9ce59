/**
 * Ranges of addresses, many of them: 16 bytes each.
 *
 * @module
 */

import type { ByteRange } from "./byte_ranges.ts";

/** Ranges in ascending order that neither overlap nor touch. */
export class PageRanges {
  #edges = new Float64Array(16);
  #count = 0;

  /** Number of ranges. */
  get length(): number {
    return this.#count / 2;
  }

  /** Adds a range behind all others; what touches the last one prolongs it. */
  add(start: number, end: number): void {
    if (this.#count > 0 && this.#edges[this.#count - 1] === start) {
      this.#edges[this.#count - 1] = end;
      return;
    }
    if (this.#count === this.#edges.length) {
      const larger = new Float64Array(2 * this.#count);
      larger.set(this.#edges);
      this.#edges = larger;
    }
    this.#edges[this.#count++] = start;
    this.#edges[this.#count++] = end;
  }

  /** The ranges. */
  *[Symbol.iterator](): Generator<ByteRange, void, undefined> {
    for (let at = 0; at < this.#count; at += 2) yield [this.#edges[at]!, this.#edges[at + 1]!];
  }
}
