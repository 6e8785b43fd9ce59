/**
 * Checks an input against all rules, in one pass, and goes on behind damage where the stream can be recognised again.
 *
 * @module
 */

import type { OpenInput } from "../../container/open.ts";
import { type FormatError, isFormatError } from "../../format/error.ts";
import type { StreamItem } from "../../format/items.ts";
import type { StreamVisitor } from "../../format/payload.ts";
import { StreamReader } from "../../format/stream.ts";
import type { Vmdescription } from "../../format/vmdescription.ts";
import { ChannelMerger, type ChannelWatcher } from "../channels/merger.ts";
import { type Check, type CheckContext, fanOut, type StreamEnd } from "./check.ts";
import { againstCheck } from "./against/check.ts";
import type { Destination } from "./against/destination.ts";
import { CHECKS } from "./checks/mod.ts";
import { Findings } from "./findings.ts";
import { isInDescription, Recovery } from "./recovery.ts";
import type { RuleId } from "./rule.ts";
import { reportError } from "./rule_of_error.ts";

/** How an input is checked. */
export interface ValidateOptions {
  /** Whether pages of a mapped-ram file that are not part of the memory are looked at, too. */
  readonly slack?: boolean;
  /** A description of the devices from elsewhere, for a stream that carries none. */
  readonly vmdescription?: Vmdescription | undefined;
  /** Another QEMU that shall load the stream. */
  readonly against?: Destination | undefined;
}

/** What was looked at. */
export interface Checked {
  /** Bytes of the main channel. */
  readonly bytes: number;
  /** Items of the stream. */
  readonly items: number;
  /** Sections of all kinds. */
  readonly sections: number;
  /** Device sections whose fields were looked at. */
  readonly devices: number;
  /** Device sections that nothing describes. */
  readonly undescribed: number;
  /** Channels besides the main one. */
  readonly channels: number;
  /** How often the stream had to be found again behind damage. */
  readonly resumptions: number;
}

/** What came out. */
export interface Validation {
  /** Whether no rule of severity `error` is broken, and everything could be looked at. */
  readonly valid: boolean;
  /** What was found. */
  readonly findings: Findings;
  /** What was looked at. */
  readonly checked: Checked;
}

/** What was looked at of an input that could not be opened. */
const NOTHING_CHECKED: Checked = {
  bytes: 0,
  items: 0,
  sections: 0,
  devices: 0,
  undescribed: 0,
  channels: 0,
  resumptions: 0,
};

/** The validation of an input that could not even be opened. */
export function unopenedValidation(error: FormatError): Validation {
  const findings = new Findings();
  reportError(findings, error);
  return { valid: false, findings, checked: NOTHING_CHECKED };
}

/**
 * Checks an input, which has to be able to give any byte again, in steps of an item each.
 *
 * Damage is a finding, never an error.
 */
export function* validateSteps(
  input: OpenInput,
  options: ValidateOptions = {},
): Generator<StreamItem, Validation, undefined> {
  const validator = new Validator(input, options);
  yield* validator.steps();
  return validator.result();
}

class Validator {
  readonly #input: OpenInput;
  readonly #findings = new Findings();
  readonly #checks: readonly Check[];
  readonly #reader: StreamReader;
  readonly #merger: ChannelMerger | undefined;
  readonly #counts = { items: 0, sections: 0, devices: 0, undescribed: 0 };
  readonly #recovery: Recovery;
  #isDamaged = false;
  #offset: number;

  constructor(input: OpenInput, options: ValidateOptions) {
    this.#input = input;
    const { source, streamOffset, pageChannels } = input;
    this.#offset = streamOffset;
    const context = this.#context(options);
    const { against } = options;
    const makers = against === undefined ? CHECKS : [...CHECKS, againstCheck(against)];
    this.#checks = makers.map((make) => make(context));
    const visitors = this.#checks.flatMap(({ visitor }) => visitor ?? []);
    const all: StreamVisitor = fanOut(visitors);
    const watcher: ChannelWatcher = fanOut(this.#checks.flatMap(({ channels }) => channels ?? []));
    this.#merger = pageChannels &&
      new ChannelMerger(all, pageChannels, { content: "if-compressed", watcher });
    this.#reader = new StreamReader(source, {
      offset: streamOffset,
      visitor: this.#merger ?? all,
      ...(options.vmdescription === undefined ? {} : { vmdescription: options.vmdescription }),
    });
    this.#recovery = new Recovery(input, this.#reader);
  }

  #context(options: ValidateOptions): CheckContext {
    const isDamaged = (): boolean => this.#isDamaged;
    return {
      input: this.#input,
      slack: options.slack ?? false,
      get isDamaged() {
        return isDamaged();
      },
      report: (rule, details) => this.#findings.report(rule, details),
      skip: (part) => this.#findings.skip(part),
    };
  }

  *steps(): Generator<StreamItem, void, undefined> {
    try {
      yield* this.#main();
      this.#endChannels();
    } finally {
      this.#merger?.[Symbol.dispose]();
    }
    const { marks = 0, kindOfMarks, totals = [] } = this.#merger ?? {};
    const end: StreamEnd = {
      channels: { marks, kindOfMarks, totals },
      offset: this.#offset,
      hasFooters: this.#reader.hasFooters,
      pageBytes: this.#reader.pageBytes,
      blocks: [...this.#reader.context.ram.blocks.values()],
    };
    for (const check of this.#checks) check.end?.(end);
  }

  *#main(): Generator<StreamItem, void, undefined> {
    let items = this.#reader.items();
    for (;;) {
      try {
        for (const item of items) {
          this.#take(item);
          yield item;
          const doubt = this.#recovery.take(item);
          if (doubt !== undefined) throw doubt;
        }
        return;
      } catch (error) {
        if (!isFormatError(error)) throw error;
        const { rule, resumption } = this.#recovery.judge(error);
        this.#reportOnce(error, rule);
        this.#isDamaged ||= !isInDescription(error);
        if (resumption === undefined) return this.#giveUp(error);
        this.#findings.skip({
          offset: error.offset,
          lengthBytes: Math.max(0, resumption - error.offset),
          reason: "behind damage",
        });
        items = this.#reader.resumeAt(resumption);
      }
    }
  }

  /** Reports an error; two places that disagree are met at both. */
  #reportOnce(error: FormatError, rule: RuleId | undefined): void {
    if (error.code === "bad-page-size") {
      const { expected, found } = error;
      const isKnown = this.#findings.kept.some((each) =>
        each.rule === error.rule && each.expected === expected && each.found === found
      );
      if (isKnown) return;
    }
    reportError(this.#findings, error, rule);
  }

  #giveUp(error: FormatError): void {
    const { offset } = error;
    // The description is the last that stands there.
    if (isInDescription(error)) return;
    const { sizeBytes } = this.#input.source;
    const lengthBytes = sizeBytes === undefined ? undefined : Math.max(0, sizeBytes - offset);
    if (lengthBytes === 0) return;
    this.#findings.skip({ offset, lengthBytes, reason: "the stream could not be found again" });
  }

  #take(item: StreamItem): void {
    const counts = this.#counts;
    counts.items += 1;
    this.#offset = item.offset + item.lengthBytes;
    if (item.kind === "section") {
      counts.sections += 1;
      if (item.device !== undefined) counts.devices += 1;
      else if (item.payload === undefined) counts.undescribed += 1;
    }
    for (const check of this.#checks) check.item?.(item);
  }

  #endChannels(): void {
    if (this.#merger === undefined || this.#isDamaged) return;
    try {
      this.#merger.finish();
    } catch (error) {
      if (!isFormatError(error)) throw error;
      reportError(this.#findings, error);
    }
  }

  result(): Validation {
    const findings = this.#findings;
    const { items, sections, devices, undescribed } = this.#counts;
    const { resumptions } = this.#recovery;
    return {
      valid: findings.countOf("error") === 0,
      findings,
      checked: {
        bytes: this.#offset - this.#input.streamOffset,
        items,
        sections,
        devices,
        undescribed,
        channels: this.#input.channels.length,
        resumptions,
      },
    };
  }
}
