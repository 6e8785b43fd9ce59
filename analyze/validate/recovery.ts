/**
 * Decides whether and where a stream is read on behind an error, and tells the reader what the damage took away.
 *
 * @module
 */

import type { OpenInput } from "../../container/open.ts";
import { FormatError } from "../../format/error.ts";
import type { StreamItem } from "../../format/items.ts";
import { FOOTER_BYTES } from "../../format/section.ts";
import type { StreamReader } from "../../format/stream.ts";
import { quoteText } from "../../format/text.ts";
import { isName } from "./checks/configuration.ts";
import { blame } from "./blame.ts";
import { findResumption, readFully } from "./resync.ts";
import type { RuleId } from "./rule.ts";

/** Damaged places behind which a stream is looked for. */
const MAX_RESUMPTIONS = 100;
/** Sections without a recognisable end that are searched for it: each search reads up to 64 MiB. */
const MAX_ENDLESS_SECTIONS = 8;
/** Bytes at the stream's head in which a damaged configuration is looked for names of capabilities. */
const CONFIGURATION_BYTES = 8192;

/** What follows from an error. */
export interface Verdict {
  /** The rule that is broken, if the error does not say it. */
  readonly rule: RuleId | undefined;
  /** Absolute offset where the stream goes on; `undefined` if it does not. */
  readonly resumption: number | undefined;
}

/** Follows the reading of one stream. */
export class Recovery {
  readonly #input: OpenInput;
  readonly #reader: StreamReader;
  #resumptions = 0;
  #endless = 0;
  #lastResumption = -1;
  #last: StreamItem | undefined;

  /** Follows `reader`, which reads the main channel of `input`. */
  constructor(input: OpenInput, reader: StreamReader) {
    this.#input = input;
    this.#reader = reader;
  }

  /** How often the stream was found again. */
  get resumptions(): number {
    return this.#resumptions;
  }

  /** Takes an item; gives the error that it stands for, where the decoder took nonsense for names. */
  take(item: StreamItem): FormatError | undefined {
    this.#last = item;
    if (item.kind !== "configuration") return undefined;
    for (const subsection of item.configuration.subsections) {
      if (subsection.name !== "configuration/capabilities") continue;
      const nonsense = subsection.capabilities.find((name) => !isName(name));
      if (nonsense === undefined) continue;
      return new FormatError("bad-configuration", "What should be a capability is no name", {
        offset: item.offset,
        path: ["configuration"],
        expected: `fewer capabilities than ${subsection.capabilities.length}`,
        found: quoteText(nonsense),
        rule: "CFG-013",
      });
    }
    return undefined;
  }

  /** Judges an error that ended the reading. */
  judge(error: FormatError): Verdict {
    const { source, streamOffset } = this.#input;
    const reader = this.#reader;
    const last = this.#last;
    const hasCapabilities = last?.kind === "configuration" &&
      last.configuration.subsections.at(-1)?.name === "configuration/capabilities";
    const rule = blame(error, {
      source,
      streamOffset,
      capabilitiesEnd: hasCapabilities ? last.offset + last.lengthBytes : undefined,
      iterableIds: reader.iterableIds,
    });
    const resumption = this.#mayGoOn(error) ? this.#find(error, rule) : undefined;
    if (resumption !== undefined) {
      this.#resumptions += 1;
      this.#lastResumption = resumption;
      if (last?.kind === "header" || last?.kind === "configuration") this.#guessForm(resumption);
    }
    // A section without end, and nothing behind it: the input ends in it.
    const isCut = resumption === undefined && isEndless(error);
    return { rule: isCut ? "STR-005" : rule, resumption };
  }

  #mayGoOn(error: FormatError): boolean {
    const { source } = this.#input;
    // Behind the description nothing follows; before the header's end nothing is known to be a stream.
    if (!source.seekable || this.#last === undefined) return false;
    if (isInDescription(error)) return false;
    if (error.code === "truncated" && error.offset === source.sizeBytes) return false;
    if (isEndless(error)) this.#endless += 1;
    return this.#resumptions < MAX_RESUMPTIONS && this.#endless <= MAX_ENDLESS_SECTIONS;
  }

  #find(error: FormatError, rule: RuleId | undefined): number | undefined {
    const reader = this.#reader;
    return findResumption(this.#input.source, {
      from: Math.max(this.#from(error, rule), this.#lastResumption + 1),
      hasFooters: reader.hasFooters ?? true,
      sectionIds: reader.sections,
      iterableIds: reader.iterableIds,
    });
  }

  /** Where the next element may begin: what stands before the damage was right. */
  #from(error: FormatError, rule: RuleId | undefined): number {
    const { sizeBytes = Infinity } = this.#input.source;
    if (error.code === "bad-footer") {
      const footer = error.rule === "SEC-017" ? error.offset - 1 : error.offset;
      return rule === "SEC-015" ? footer : footer + FOOTER_BYTES;
    }
    const last = this.#last;
    const isNonsense = error.code === "bad-configuration" && last?.kind === "configuration";
    const done = last === undefined || isNonsense ? 0 : last.offset + last.lengthBytes;
    const open = this.#reader.openSection;
    // A name without end has swallowed the section, its footer too.
    if (open !== undefined && !isPrintable(open.section.idstr)) return done + 1;
    const payload = open?.payloadOffset ?? 0;
    // An error in another channel has an offset behind the main one.
    const damage = error.offset < sizeBytes ? error.offset : 0;
    return Math.max(damage, done, payload);
  }

  /** Finds out what a damaged configuration said about the form of what follows. */
  #guessForm(resumption: number): void {
    const { source, streamOffset } = this.#input;
    const bytes = new Uint8Array(Math.min(CONFIGURATION_BYTES, resumption - streamOffset));
    const count = readFully(source, streamOffset, bytes);
    const text = new TextDecoder("latin1").decode(bytes.subarray(0, count));
    const { ram } = this.#reader.context;
    ram.form = {
      ...ram.form,
      ignoreShared: ram.form.ignoreShared || text.includes("x-ignore-shared"),
      mappedRam: ram.form.mappedRam || text.includes("mapped-ram"),
    };
  }
}

function isPrintable(idstr: string): boolean {
  return /^[ -~]*$/.test(idstr);
}

/** Whether the end of a section was looked for in vain. */
function isEndless({ code, rule }: FormatError): boolean {
  return code === "truncated" && rule === "SEC-016";
}

/** Whether an error is about the description behind the stream: the stream itself is then read to its end. */
export function isInDescription({ code, path, rule }: FormatError): boolean {
  // An EOF too early is noticed because no description follows it.
  if (rule === "END-002") return false;
  return code === "bad-json" || code === "bad-vmdescription" || path.includes("vmdescription");
}
