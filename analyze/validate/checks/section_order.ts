/**
 * The order of sections: START, PARTs and END of an entry, and who comes before whom.
 *
 * @module
 */

import type { SectionItem, StreamItem } from "../../../format/items.ts";
import type { SectionType } from "../../../format/section.ts";
import { quoteText } from "../../../format/text.ts";
import type { Check, CheckContext, StreamEnd } from "../check.ts";

/** What is remembered of an entry; never its item, which has the device's state. */
interface Entry {
  readonly type: SectionType;
  readonly idstr: string;
  readonly offset: number;
  hasEnd: boolean;
}

/** Checks SEC-007, SEC-009 and SEC-010. */
export function sectionOrderCheck(context: CheckContext): Check {
  const entries = new Map<number, Entry>();
  const names = new Map<string, Entry>();
  let hasAnyEnd = false;
  let hasDevices = false;
  let hasSwitchover = false;
  const onSection = (item: SectionItem) => {
    const { section: { id, idstr, instanceId }, type, offset } = item;
    // Some streams have a hundred thousand sections: nothing is written down that is not reported.
    const path = () => [`section ${id} ${quoteText(idstr)}`];
    const entry = entries.get(id);
    if (type === "start" || type === "full") {
      const name = `${idstr}/${instanceId}`;
      const before = names.get(name);
      // A VFIO device has a live part and a state.
      if (before !== undefined && before.type === type) {
        context.report("SEC-007", {
          offset,
          path: path(),
          message: "The entry is announced twice",
          found: `${quoteText(name)}, also at offset ${before.offset}`,
        });
      }
      const announced = { type, idstr, offset, hasEnd: type === "full" };
      names.set(name, announced);
      entries.set(id, announced);
    } else if (entry?.hasEnd === true && entry.type === "start") {
      context.report("SEC-010", {
        offset,
        path: path(),
        message: `${type.toUpperCase()} behind END`,
      });
    } else if (type === "end" && entry !== undefined) entry.hasEnd = true;
    hasAnyEnd ||= type === "end";
    hasDevices ||= type === "full";
  };
  return {
    item: (item: StreamItem) => {
      if (item.kind === "section") onSection(item);
      else if (item.kind === "command") hasSwitchover ||= item.command.name === "SWITCHOVER_START";
    },
    end: ({ offset }: StreamEnd) => {
      // A background snapshot ends no entry, and knows no switchover.
      const isSnapshot = !hasAnyEnd && hasDevices && !hasSwitchover;
      if (context.isDamaged || isSnapshot) return;
      for (const [id, { idstr, hasEnd }] of entries) {
        if (hasEnd) continue;
        context.report("SEC-009", {
          offset,
          path: [`section ${id} ${quoteText(idstr)}`],
          message: "The entry has no END section",
        });
      }
    },
  };
}
