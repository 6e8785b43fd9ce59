/**
 * The pages of RAM sections: that each was sent, and deltas only on what was sent.
 *
 * @module
 */

import { configuredCapabilities } from "../../../format/configuration.ts";
import type { StreamItem } from "../../../format/items.ts";
import type { RamBlock } from "../../../format/ram.ts";
import type { RamRun } from "../../../format/ram_scanner.ts";
import { hex, quoteText } from "../../../format/text.ts";
import { PageSet } from "../../memory/page_set.ts";
import type { Check, CheckContext, StreamEnd } from "../check.ts";

/** Checks RAM-032, RAM-034 and RAM-045. */
export function ramPagesCheck(context: CheckContext): Check {
  const pages = new RamPages(context);
  return {
    item: (item) => pages.item(item),
    visitor: {
      section: (_type, _offset, { id, idstr }) => pages.begin(`section ${id} ${quoteText(idstr)}`),
      run: (run, pageBytes) => pages.run(run, pageBytes),
      discard: (block, startAddress, lengthBytes, pageBytes) => {
        pages.discard(block, startAddress / pageBytes, lengthBytes / pageBytes);
      },
    },
    end: (end) => pages.end(end),
  };
}

class RamPages {
  readonly #context: CheckContext;
  readonly #sent = new Map<RamBlock, PageSet>();
  #path: readonly string[] = [];
  /** Block of the last runs, its set, and their pages, which are put into it when others come. */
  #block: RamBlock | undefined;
  #pages = new PageSet();
  #firstPage = 0;
  #nextPage = 0;
  #repeated = 0;
  #repeatedOffset = 0;
  #hasContent = false;
  #hasFlush = false;
  #hasEof = false;
  #ignoreShared = false;
  /** Whether pages may be elsewhere, or come later than the stream. */
  #isElsewhere = false;
  /** What the blocks of virtio-mem devices begin with. */
  readonly #unplugged: string[] = [];

  constructor(context: CheckContext) {
    this.#context = context;
    this.#isElsewhere = context.input.pageChannels !== undefined;
  }

  item(item: StreamItem): void {
    if (item.kind === "eof" && item.depth === 0) this.#hasEof = true;
    else if (item.kind === "command") {
      this.#isElsewhere ||= item.command.name === "POSTCOPY_RUN";
    } else if (item.kind === "configuration") {
      const capabilities = configuredCapabilities(item.configuration);
      this.#isElsewhere ||= capabilities.includes("mapped-ram");
      this.#ignoreShared = capabilities.includes("x-ignore-shared");
    } else if (item.kind === "section") {
      const [, device] = /^(.*\/)virtio-mem/.exec(item.section.idstr) ?? [];
      if (device !== undefined) this.#unplugged.push(device);
    }
  }

  begin(path: string): void {
    this.#path = [path];
  }

  run(run: RamRun, pageBytes: number): void {
    const { block, kind } = run;
    if (block === undefined) {
      if (kind === "flush") this.#hasFlush = true;
      return;
    }
    if (kind !== "zero") this.#hasContent = true;
    const first = run.address / pageBytes;
    if (block !== this.#block || first !== this.#nextPage) {
      // Addresses go up in a round: the page before once more is a repetition, one further down is a new round.
      if (block === this.#block && first === this.#nextPage - 1) this.#repeat(run);
      this.#flush();
      if (block !== this.#block) this.#enter(block);
      this.#firstPage = first;
    }
    if (kind === "xbzrle" && !this.#pages.has(first)) this.#early(run);
    this.#nextPage = first + run.count;
  }

  #flush(): void {
    this.#pages.addRange(this.#firstPage, this.#nextPage - this.#firstPage);
    this.#firstPage = this.#nextPage;
  }

  #enter(block: RamBlock): void {
    this.#block = block;
    let pages = this.#sent.get(block);
    if (pages === undefined) this.#sent.set(block, pages = new PageSet());
    this.#pages = pages;
  }

  #repeat(run: RamRun): void {
    if (this.#repeated === 0) this.#repeatedOffset = run.offset;
    this.#repeated += 1;
  }

  #early({ offset, block, address }: RamRun): void {
    // There are deltas neither in mapped-ram nor in the postcopy phase: that is a rule of its own.
    if (this.#context.isDamaged || this.#isElsewhere) return;
    this.#context.report("RAM-045", {
      offset,
      path: this.#path,
      message: "An XBZRLE delta on a page that was not sent before",
      found: `${quoteText(block!.name)} ${hex(address)}`,
    });
  }

  discard(block: RamBlock, start: number, count: number): void {
    this.#flush();
    const first = Math.ceil(start);
    this.#sent.get(block)?.deleteRange(first, Math.floor(start + count) - first);
  }

  end({ offset, pageBytes, blocks }: StreamEnd): void {
    this.#flush();
    // Pages of several channels come in an order of their own.
    if (this.#repeated > 0 && this.#context.input.pageChannels === undefined) {
      this.#context.report("RAM-034", {
        offset: this.#repeatedOffset,
        message: `${this.#repeated} page(s) were sent twice in a row`,
      });
    }
    // Where no page has content, it is in other channels: releases before 8.1 have no marks for them.
    const isAlone = this.#hasContent && !this.#hasFlush && !this.#isElsewhere;
    if (!isAlone || !this.#hasEof || this.#context.isDamaged || pageBytes === undefined) return;
    for (const block of blocks) this.#complete(block, pageBytes, offset);
  }

  #complete(block: RamBlock, pageBytes: number, offset: number): void {
    const { name, usedLengthBytes } = block;
    const pages = this.#sent.get(block);
    if (pages === undefined && this.#ignoreShared) return;
    if (this.#unplugged.some((device) => name.startsWith(device))) return;
    const count = usedLengthBytes / pageBytes;
    const missing = count - (pages?.count(0, count) ?? 0);
    if (missing === 0) return;
    this.#context.report("RAM-032", {
      offset,
      message: `${missing} page(s) of block ${quoteText(name)} were never sent`,
      expected: `${count} page(s)`,
      found: `${count - missing}`,
    });
  }
}
