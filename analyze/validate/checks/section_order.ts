/**
 * The order of sections: START, PARTs and END of an entry, and who comes before whom.
 *
 * @module
 */

import type { SectionItem, StreamItem } from "../../../format/items.ts";
import { quoteText } from "../../../format/text.ts";
import type { Check, CheckContext, StreamEnd } from "../check.ts";

/** An entry whose sections were seen. */
interface Entry {
  readonly item: SectionItem;
  hasEnd: boolean;
}

/** Checks SEC-007, SEC-009 and SEC-010. */
export function sectionOrderCheck(context: CheckContext): Check {
  const entries = new Map<number, Entry>();
  const names = new Map<string, SectionItem>();
  const onSection = (item: SectionItem) => {
    const { section: { id, idstr, instanceId }, type, offset } = item;
    const path = [`section ${id} ${quoteText(idstr)}`];
    const entry = entries.get(id);
    if (type === "start" || type === "full") {
      const name = `${idstr}/${instanceId}`;
      const before = names.get(name);
      // A VFIO device has a live part and a state.
      if (before !== undefined && before.type === type) {
        context.report("SEC-007", {
          offset,
          path,
          message: "The entry is announced twice",
          found: `${quoteText(name)}, also at offset ${before.offset}`,
        });
      }
      names.set(name, item);
      entries.set(id, { item, hasEnd: type === "full" });
    } else if (entry?.hasEnd === true && entry.item.type === "start") {
      context.report("SEC-010", { offset, path, message: `${type.toUpperCase()} behind END` });
    } else if (type === "end" && entry !== undefined) entry.hasEnd = true;
  };
  return {
    item: (item: StreamItem) => {
      if (item.kind === "section") onSection(item);
    },
    end: ({ offset }: StreamEnd) => {
      if (context.isDamaged) return;
      for (const { item, hasEnd } of entries.values()) {
        if (hasEnd) continue;
        const { id, idstr } = item.section;
        context.report("SEC-009", {
          offset,
          path: [`section ${id} ${quoteText(idstr)}`],
          message: "The entry has no END section",
        });
      }
    },
  };
}
