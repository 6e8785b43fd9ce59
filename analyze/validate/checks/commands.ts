/**
 * Commands: which may stand where, and what they announce.
 *
 * @module
 */

import type { Command, CommandName } from "../../../format/command.ts";
import type { CommandItem, SectionItem, StreamItem } from "../../../format/items.ts";
import type { RamBlock } from "../../../format/ram.ts";
import { hex, quoteText } from "../../../format/text.ts";
import type { Check, CheckContext, StreamEnd } from "../check.ts";
import type { RuleId } from "../rule.ts";
import { isSince, type MachineVersion, machineVersion } from "./machine_version.ts";

/** The first release whose machine types send SWITCHOVER_START. */
const SWITCHOVER_SINCE = { major: 10, minor: 0 };
/** The release that no longer knows ENABLE_COLO. */
const NO_COLO_SINCE = { major: 11, minor: 1 };

/** Checks CMD-003..CMD-006, CMD-008 and CMD-010..CMD-016. */
export function commandsCheck(context: CheckContext): Check {
  const check = new CommandsCheck(context);
  return { item: (item) => check.item(item), end: (end) => check.end(end) };
}

class CommandsCheck {
  readonly #context: CheckContext;
  readonly #seen = new Map<CommandName, number>();
  #blocks: ReadonlyMap<string, RamBlock> = new Map();
  #version: MachineVersion | undefined;
  #pageSizes = 0;
  #hasStart = false;
  #hasEnd = false;

  constructor(context: CheckContext) {
    this.#context = context;
  }

  item(item: StreamItem): void {
    if (item.kind === "configuration") {
      this.#version = machineVersion(item.configuration.machine);
    } else if (item.kind === "command") {
      const { name } = item.command;
      this.#command(item);
      this.#seen.set(name, this.#count(name) + 1);
    } else if (item.kind === "section") this.#section(item);
    else if (item.kind === "trailing" && item.depth > 0) {
      this.#report("CMD-010", item, "Bytes stand behind the EOF of a package", {
        expected: "the package's end",
        found: `${item.lengthBytes} bytes`,
      });
    }
  }

  #count(name: CommandName): number {
    return this.#seen.get(name) ?? 0;
  }

  #section(item: SectionItem): void {
    const { type, payload, section: { id, idstr } } = item;
    if (payload?.kind === "ram" && payload.summary.blocks !== undefined) {
      this.#blocks = new Map(payload.summary.blocks.map((block) => [block.name, block]));
    }
    this.#hasStart ||= type === "start";
    this.#hasEnd ||= type === "end";
    const isNew = type === "start" || type === "full";
    if (item.depth === 0 && !isNew) return;
    const path = [`section ${id} ${quoteText(idstr)}`];
    if (item.depth > 0 && type !== "full") {
      this.#report("CMD-011", item, `${type.toUpperCase()} section in a package`, { path });
    }
    if (isNew && item.depth === 0 && this.#count("POSTCOPY_RUN") > 0) {
      const message = `${type.toUpperCase()} section behind POSTCOPY_RUN`;
      this.#report("CMD-016", item, message, { path, expected: "PART, END or EOF" });
    }
  }

  #command(item: CommandItem): void {
    const { command } = item;
    // What comes first may have been lost.
    const isMissing = (name: CommandName) => !this.#context.isDamaged && this.#count(name) === 0;
    switch (command.name) {
      case "POSTCOPY_ADVISE":
        this.#pageSizes = command.pages?.pageSizeSummary ?? 0;
        if (this.#count(command.name) > 0) this.#wrong("CMD-003", item, "a second time");
        else if (this.#hasStart) this.#wrong("CMD-003", item, "behind a START section");
        return;
      case "PING":
        if (isMissing("OPEN_RETURN_PATH")) this.#wrong("CMD-004", item, "without a return path");
        return;
      case "OPEN_RETURN_PATH":
        if (this.#count(command.name) > 0) this.#wrong("CMD-005", item, "a second time");
        return;
      case "POSTCOPY_LISTEN":
        if (isMissing("POSTCOPY_ADVISE")) this.#wrong("CMD-006", item, "without POSTCOPY_ADVISE");
        return;
      case "POSTCOPY_RUN":
        if (isMissing("POSTCOPY_LISTEN")) this.#wrong("CMD-006", item, "without POSTCOPY_LISTEN");
        return;
      case "POSTCOPY_RAM_DISCARD":
        return this.#discard(item, command);
      case "POSTCOPY_RESUME":
        return this.#wrong("CMD-012", item, "in a stream that has a header");
      case "RECV_BITMAP":
        this.#wrong("CMD-012", item, "in a stream that has a header");
        if (!this.#blocks.has(command.block)) {
          this.#wrong("CMD-013", item, "of an unknown block", { found: quoteText(command.block) });
        }
        return;
      case "SWITCHOVER_START":
        return this.#switchover(item);
      case "ENABLE_COLO":
        return this.#colo(item);
    }
  }

  #discard(item: CommandItem, command: Command & { name: "POSTCOPY_RAM_DISCARD" }): void {
    // The smallest page of all blocks is the least that can be dropped.
    const pageBytes = lowestBit(this.#pageSizes);
    for (const { startAddress, lengthBytes } of command.ranges) {
      if (startAddress % pageBytes === 0 && lengthBytes % pageBytes === 0) continue;
      this.#wrong("CMD-008", item, "of parts of pages", {
        expected: `multiples of ${hex(pageBytes)}`,
        found: `${hex(startAddress)}+${hex(lengthBytes)}`,
      });
    }
  }

  #switchover(item: CommandItem): void {
    const version = this.#version;
    if (this.#count("SWITCHOVER_START") > 0) this.#wrong("CMD-014", item, "a second time");
    else if (this.#hasEnd) this.#wrong("CMD-014", item, "behind an END section");
    else if (version !== undefined && !isSince(version, SWITCHOVER_SINCE)) {
      this.#wrong("CMD-014", item, "with a machine type before 10.0");
    }
  }

  #colo(item: CommandItem): void {
    const version = this.#version;
    if (this.#hasStart) this.#wrong("CMD-015", item, "behind a START section");
    else if (version !== undefined && isSince(version, NO_COLO_SINCE)) {
      this.#wrong("CMD-015", item, "with a machine type of a release that refuses it");
    }
  }

  #wrong(
    rule: RuleId,
    item: CommandItem,
    what: string,
    details: { readonly expected?: string; readonly found?: string } = {},
  ): void {
    this.#report(rule, item, `${item.command.name} ${what}`, details);
  }

  #report(
    rule: RuleId,
    { offset, depth }: StreamItem,
    message: string,
    details: {
      readonly path?: readonly string[];
      readonly expected?: string;
      readonly found?: string;
    },
  ): void {
    const path = [...Array.from({ length: depth }, () => "package"), ...details.path ?? []];
    this.#context.report(rule, { ...details, offset, path, message });
  }

  end({ offset }: StreamEnd): void {
    const version = this.#version;
    const { isDamaged, input } = this.#context;
    // A background snapshot has no END sections; snapshots in images lost the command in 11.1.
    const isExpected = version !== undefined && isSince(version, SWITCHOVER_SINCE) &&
      this.#hasEnd && !input.wrappers.some(({ kind }) => kind === "qcow2");
    if (!isExpected || isDamaged || this.#count("SWITCHOVER_START") > 0) return;
    this.#context.report("CMD-014", { offset, message: "There is no SWITCHOVER_START" });
  }
}

function lowestBit(value: number): number {
  let bit = 1;
  while (value > 0 && value % (2 * bit) === 0) bit *= 2;
  return bit;
}
