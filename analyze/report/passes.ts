/**
 * How often a migration went over the guest's memory, and what it sent each time.
 *
 * A stream of one channel does not say where a pass begins. A source goes through the blocks from the first to the last and from low to high
 * addresses, so a pass begins where the address goes back. With several channels pages come out of order, but there are the marks at which
 * the channels wait for each other: at the end of each pass or, before QEMU 8.1, of each RAM section.
 *
 * @module
 */

import type { RamRun } from "../../format/ram_scanner.ts";
import type { PassModel, PassOrigin } from "./model.ts";

/** Passes that a chart can show. */
const MAX_PASSES = 256;

type Pass = { -readonly [Name in keyof PassModel]: PassModel[Name] };

/** Counts pages by passes. */
export class PassCounter {
  #passes: Pass[] = [];
  #count = 0;
  /** Passes that are joined in one entry; grows, so that memory does not. */
  #joined = 1;
  #block = -1;
  #endAddress = 0;
  readonly #byMarks: boolean;
  #hasFlush = false;
  #isMarked = false;

  /** Takes passes from the marks of several channels, or from addresses. */
  constructor(byMarks: boolean) {
    this.#byMarks = byMarks;
  }

  /** What a pass was taken from. */
  get origin(): PassOrigin {
    return !this.#byMarks ? "addresses" : this.#hasFlush ? "marks" : "sections";
  }

  #mark(kind: RamRun["kind"]): void {
    this.#hasFlush ||= kind === "flush";
    if (kind === "flush" || kind === "eos" && !this.#hasFlush) this.#isMarked = true;
  }

  /** Takes a run of records about pages, some of which had been sent before. */
  add({ block, kind, address, count }: RamRun, pageBytes: number, resent: number): void {
    if (block === undefined) return this.#mark(kind);
    const isBack = block.index < this.#block ||
      block.index === this.#block && address < this.#endAddress;
    if ((this.#byMarks ? this.#isMarked : isBack) || this.#count === 0) this.#begin();
    this.#isMarked = false;
    this.#block = block.index;
    this.#endAddress = address + count * pageBytes;
    const pass = this.#passes.at(-1)!;
    pass.resent += resent;
    if (kind === "page") pass.normal += count;
    else if (kind === "zero") pass.zero += count;
    else if (kind === "xbzrle") pass.delta += count;
    else if (kind === "compressed") pass.compressed += count;
  }

  #begin(): void {
    this.#count += 1;
    const last = this.#passes.at(-1);
    if (last !== undefined && last.passes < this.#joined) {
      last.passes += 1;
      return;
    }
    if (this.#passes.length === MAX_PASSES) this.#halve();
    const none = { normal: 0, zero: 0, delta: 0, compressed: 0, resent: 0 };
    this.#passes.push({ first: this.#count, passes: 1, ...none });
  }

  #halve(): void {
    this.#joined *= 2;
    const pairs: Pass[] = [];
    for (const pass of this.#passes) {
      const last = pairs.at(-1);
      if (last === undefined || last.passes + pass.passes > this.#joined) pairs.push(pass);
      else {
        for (const name of ["passes", "normal", "zero", "delta", "compressed", "resent"] as const) {
          last[name] += pass[name];
        }
      }
    }
    this.#passes = pairs;
  }

  /** The passes in order; none where memory was gone through once. */
  get passes(): readonly PassModel[] {
    return this.#passes.length > 1 ? this.#passes : [];
  }
}
