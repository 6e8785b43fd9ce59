/**
 * Which sections a stream has, and of which type.
 *
 * @module
 */

import type { CommandName } from "../../../format/command.ts";
import type { SectionItem, StreamItem } from "../../../format/items.ts";
import type { SectionType } from "../../../format/section.ts";
import { quoteText } from "../../../format/text.ts";
import type { Check, CheckContext, StreamEnd } from "../check.ts";
import type { RuleId } from "../rule.ts";
import { isSince, machineVersion } from "./machine_version.ts";

/** The first release whose machine types have footers. */
const FOOTERS_SINCE = { major: 2, minor: 4 };

/** Commands behind which pages may follow the devices. */
const POSTCOPY: ReadonlySet<CommandName> = new Set(["POSTCOPY_LISTEN", "POSTCOPY_RUN"]);

/** What is remembered of a START or FULL section. */
interface Announced {
  readonly type: SectionType;
  readonly name: string;
  readonly offset: number;
}

/** Checks SEC-003, SEC-005, SEC-006, SEC-008, SEC-011, SEC-018, SEC-019 and SEC-021. */
export function sectionsCheck(context: CheckContext): Check {
  const check = new SectionsCheck(context);
  return { item: (item) => check.item(item), end: (end) => check.end(end) };
}

class SectionsCheck {
  readonly #context: CheckContext;
  readonly #announced = new Map<number, Announced>();
  readonly #counts = new Map<string, number>();
  #machine: string | undefined;
  #lastFull: SectionItem | undefined;
  #device: string | undefined;
  #isPostcopy = false;
  #globalState: SectionItem | undefined;

  constructor(context: CheckContext) {
    this.#context = context;
  }

  item(item: StreamItem): void {
    if (item.kind === "configuration") this.#machine = item.configuration.machine;
    if (item.kind === "command" && POSTCOPY.has(item.command.name)) this.#isPostcopy = true;
    if (item.kind === "section") this.#section(item);
  }

  #section(item: SectionItem): void {
    const { type, section: { id, idstr } } = item;
    const isFull = type === "full";
    if (type === "start" || isFull) this.#announce(item);
    else if (this.#announced.get(id)?.type === "full") {
      this.#report("SEC-005", item, `${type.toUpperCase()} of a device that has one section`);
    }
    const isIterable = item.payload !== undefined;
    if (isIterable && this.#device !== undefined && !this.#isPostcopy) {
      const message = "An iterable section stands behind the state of devices";
      this.#report("SEC-011", item, message, "before all devices", `behind ${this.#device}`);
    }
    // Those are written before the RAM, so that the destination has memory to load it into.
    if (!isFull || idstr.endsWith("-early")) return;
    this.#device = `${id} ${quoteText(idstr)}`;
    this.#lastFull = item;
    if (idstr === "globalstate") this.#globalState = item;
    if (idstr === "cpu" || idstr === "cpu_common" || idstr === "timer") {
      this.#counts.set(idstr, (this.#counts.get(idstr) ?? 0) + 1);
    }
  }

  #announce(item: SectionItem): void {
    const { type, offset, section: { id, idstr, instanceId } } = item;
    if (!/^[ -~]*$/.test(idstr)) this.#report("SEC-003", item, "The idstr is no printable ASCII");
    const isIterable = item.payload !== undefined;
    if (isIterable !== (type === "start")) {
      const message = isIterable ? "An iterable entry is FULL" : "A device begins with START";
      this.#report("SEC-008", item, message);
    }
    const name = `${idstr}/${instanceId}`;
    const before = this.#announced.get(id);
    if (before !== undefined && before.name !== name) {
      const found = `${quoteText(before.name)} at offset ${before.offset}`;
      this.#report("SEC-006", item, "Another entry has the same section id", "an id", found);
    }
    this.#announced.set(id, { type, name, offset });
  }

  #report(
    rule: RuleId,
    { offset, section: { id, idstr } }: SectionItem,
    message: string,
    expected?: string,
    found?: string,
  ): void {
    const path = [`section ${id} ${quoteText(idstr)}`];
    this.#context.report(rule, { offset, path, message, expected, found });
  }

  end({ offset, hasFooters }: StreamEnd): void {
    const version = this.#machine === undefined ? undefined : machineVersion(this.#machine);
    if (hasFooters === false && version !== undefined && isSince(version, FOOTERS_SINCE)) {
      const message = `Sections of machine type ${quoteText(this.#machine!)} have no footers`;
      this.#context.report("SEC-018", { offset: this.#context.input.streamOffset, message });
    }
    if (this.#context.isDamaged) return;
    const last = this.#lastFull;
    if (last === undefined) return;
    const globalState = this.#globalState;
    if (globalState !== undefined && last !== globalState) {
      this.#report("SEC-021", last, 'A device stands behind "globalstate"');
    }
    for (const [name, wanted] of this.#missing()) {
      const message = `There is no section ${quoteText(name)}`;
      this.#context.report("SEC-019", { offset, message, expected: wanted });
    }
  }

  /** Devices that every machine has. */
  *#missing(): Generator<readonly [string, string]> {
    const of = (name: string) => this.#counts.get(name) ?? 0;
    if (of("timer") === 0) yield ["timer", "one"];
    // Some targets' processors have none.
    const hasCommon = of("cpu_common") > 0 || this.#machine?.startsWith("pc-");
    if (hasCommon && of("cpu_common") < of("cpu")) {
      yield ["cpu_common", "one for each processor"];
    }
  }
}
