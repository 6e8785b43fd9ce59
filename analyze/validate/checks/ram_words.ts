/**
 * The words of RAM sections: which of them may stand where.
 *
 * @module
 */

import { configuredCapabilities } from "../../../format/configuration.ts";
import type { StreamItem } from "../../../format/items.ts";
import { RAM_SAVE_FLAG, type RamRecordKind } from "../../../format/ram.ts";
import { type RamRun, recordOffset } from "../../../format/ram_scanner.ts";
import type { SectionIdentity, SectionType } from "../../../format/section.ts";
import { hex, quoteText } from "../../../format/text.ts";
import type { Check, CheckContext } from "../check.ts";
import type { RuleId } from "../rule.ts";

/** Words as messages name them. */
const NAMES: Readonly<Record<RamRecordKind, string>> = {
  "zero": "ZERO",
  "page": "PAGE",
  "xbzrle": "XBZRLE",
  "compressed": "COMPRESS_PAGE",
  "block-list": "MEM_SIZE",
  "flush": "MULTIFD_FLUSH",
  "hook": "HOOK",
  "eos": "EOS",
};

/** The first release of QEMU that knows no compressed pages. */
const NO_COMPRESSION_SINCE = 9.01;

/** Checks RAM-001, 008, 021 to 025, 029, 042, 046, 060, and MAP-013 and 019. */
export function ramWordsCheck(context: CheckContext): Check {
  const words = new RamWords(context);
  return {
    item: (item) => words.item(item),
    visitor: {
      section: (type, _offset, section) => words.begin(type, section),
      run: (run) => words.run(run),
    },
    end: () => words.end(),
  };
}

class RamWords {
  readonly #context: CheckContext;
  #path: readonly string[] = [];
  /** Whether the next run is the first one of a section that has to begin with the list. */
  #listIsNext = false;
  #type: SectionType = "start";
  #isMapped = false;
  #isPostcopy = false;
  /** Release of the machine type, which no older QEMU knows: 9.1 is 9.01. */
  #release = 0;
  /** A MULTIFD_FLUSH word and its section, until it is known whether there is multifd. */
  #flush: { readonly offset: number; readonly path: readonly string[] } | undefined;
  #hasContent = false;

  constructor(context: CheckContext) {
    this.#context = context;
  }

  item(item: StreamItem): void {
    if (item.kind === "configuration") {
      const { configuration } = item;
      this.#isMapped = configuredCapabilities(configuration).includes("mapped-ram");
      this.#release = releaseOf(configuration.machine);
    } else if (item.kind === "command" && item.command.name === "POSTCOPY_RUN") {
      this.#isPostcopy = true;
    }
  }

  begin(type: SectionType, { id, idstr }: SectionIdentity): void {
    this.#path = [`section ${id} ${quoteText(idstr)}`];
    this.#type = type;
    this.#listIsNext = type === "start" || type === "full";
  }

  run(run: RamRun): void {
    const { kind } = run;
    if (this.#listIsNext) this.#first(run);
    if (this.#isMapped && kind !== "eos") this.#mapped(run);
    else if (this.#isPostcopy && kind !== "page" && kind !== "zero" && kind !== "eos") {
      this.#late(run);
    }
    switch (kind) {
      case "page":
        this.#hasContent ||= !this.#isPostcopy;
        return;
      case "zero":
        if (run.fill !== 0) this.#fill(run);
        return;
      case "xbzrle":
        this.#hasContent = true;
        if (run.dataBytes === 0) this.#report("RAM-042", run, "An XBZRLE delta is empty");
        return;
      case "compressed":
        this.#hasContent = true;
        if (this.#release >= NO_COMPRESSION_SINCE) this.#compressed(run);
        return;
      default:
        this.#lone(run);
    }
  }

  #report(rule: RuleId, { offset }: { offset: number }, message: string, found?: string): void {
    this.#context.report(rule, { offset, path: this.#path, message, found });
  }

  #first(run: RamRun): void {
    this.#listIsNext = false;
    if (run.kind === "block-list") return;
    this.#report("RAM-001", run, "The section does not begin with the block list", NAMES[run.kind]);
  }

  /** Pages stand at their places in the file, and no channel has to wait for another. */
  #mapped(run: RamRun): void {
    if (run.kind === "block-list") {
      if (this.#type === "start") return;
      this.#report("MAP-019", run, "A section of a mapped-ram stream holds more than EOS");
      return;
    }
    const rule = run.kind === "xbzrle" ? "RAM-046" : "MAP-013";
    this.#report(rule, run, "A record in the sequence of a mapped-ram stream", NAMES[run.kind]);
  }

  #late(run: RamRun): void {
    const rule = run.kind === "xbzrle" ? "RAM-046" : "RAM-060";
    this.#report(rule, run, "A word that may not stand in the postcopy phase", NAMES[run.kind]);
  }

  #fill(run: RamRun): void {
    this.#context.report("RAM-029", {
      // The fill byte is the first record's last one.
      offset: (run.count === 1 ? run.offset + run.lengthBytes : recordOffset(run, 1)) - 1,
      path: this.#path,
      message: `${run.count} page(s) are filled with another byte than 0`,
      expected: "0",
      found: hex(run.fill),
    });
  }

  #compressed(run: RamRun): void {
    const message = "A compressed page in a stream of QEMU 9.1 or newer";
    this.#report("RAM-025", run, message, "COMPRESS_PAGE");
  }

  /** Words that concern no page. */
  #lone(run: RamRun): void {
    const { kind, flags, address } = run;
    if ((flags & RAM_SAVE_FLAG.CONTINUE) !== 0) {
      this.#report("RAM-021", run, "CONTINUE in a word that concerns no page", NAMES[kind]);
    }
    if (kind === "block-list") {
      if (address === 0) this.#report("RAM-008", run, "The block list is empty");
      return;
    }
    if (address !== 0) {
      this.#report("RAM-022", run, `A ${NAMES[kind]} word has an address`, hex(address));
    }
    if (kind === "hook" && !this.#isMapped && !this.#isPostcopy) {
      this.#report("RAM-023", run, "A word of RDMA in a stream that is none");
    }
    if (kind === "flush" && !this.#isMapped && !this.#isPostcopy) {
      this.#flush ??= { offset: run.offset, path: this.#path };
    }
  }

  end(): void {
    // With multifd, pages with content are in the other channels.
    const { pageChannels } = this.#context.input;
    if (this.#flush === undefined || !this.#hasContent || pageChannels !== undefined) return;
    this.#context.report("RAM-024", {
      ...this.#flush,
      message: "A synchronisation mark of multifd in a stream whose pages are in the main channel",
    });
  }
}

/** The release that a machine type's name ends with: `pc-q35-9.1` is 9.01; 0 if it has none. */
function releaseOf(machine: string): number {
  const [, major, minor] = /-(\d{1,3})\.(\d{1,2})$/.exec(machine) ?? [];
  return major === undefined ? 0 : Number(major) + Number(minor) / 100;
}
