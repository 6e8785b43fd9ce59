/**
 * The file header and the configuration: what decodes, and QEMU would not have written.
 *
 * @module
 */

import type { Configuration } from "../../../format/configuration.ts";
import type { ConfigurationItem, SectionItem, StreamItem } from "../../../format/items.ts";
import { encodeText, quoteText } from "../../../format/text.ts";
import type { Check, CheckContext, StreamEnd } from "../check.ts";
import type { RuleId } from "../rule.ts";
import { lacksVersion } from "./machine_version.ts";

/** Longest name of a machine type that QEMU takes. */
const MACHINE_NAME_BYTES = 255;
/** Capabilities that change the stream, and are therefore written into it. */
const WRITTEN = new Set(["x-ignore-shared", "mapped-ram"]);
/** Names of the capabilities of all releases. */
const CAPABILITIES = new Set([
  ...WRITTEN,
  "auto-converge",
  "background-snapshot",
  "block",
  "compress",
  "dirty-bitmaps",
  "dirty-limit",
  "events",
  "late-block-activate",
  "multifd",
  "pause-before-switchover",
  "postcopy-blocktime",
  "postcopy-preempt",
  "postcopy-ram",
  "rdma-pin-all",
  "release-ram",
  "return-path",
  "switchover-ack",
  "validate-uuid",
  "x-colo",
  "xbzrle",
  "zero-blocks",
  "zero-copy-send",
]);
/** The subsections in the order in which they are written. */
const ORDER: readonly string[] = [
  "configuration/target-page-bits",
  "configuration/capabilities",
  "configuration/uuid",
];
/** Page size that is assumed for ARM where none is announced. */
const ARM_MIN_PAGE_BYTES = 1024;

/** Checks STR-002, STR-004 and CFG-001..CFG-017. */
export function configurationCheck(context: CheckContext): Check {
  let configuration: ConfigurationItem | undefined;
  let arm: SectionItem | undefined;
  const { streamOffset, wrappers } = context.input;
  return {
    item: (item: StreamItem) => {
      if (item.kind === "header") {
        if (item.header.version === 2) {
          context.report("STR-002", {
            offset: item.offset + 4,
            message: "The stream is of the obsolete version 2",
            expected: "3",
            found: "2",
          });
        }
        if (streamOffset > 0 && wrappers.length === 0) {
          const message = "Bytes that no wrapper explains stand before the stream";
          context.report("STR-004", { offset: 0, message, found: `${streamOffset} bytes` });
        }
      } else if (item.kind === "configuration") {
        configuration = item;
        checkNames(context, item);
        checkCapabilities(context, item);
      } else if (item.kind === "section" && arm === undefined && isArm(item)) arm = item;
    },
    end: ({ hasFooters, pageBytes }: StreamEnd) => {
      if (context.isDamaged) return;
      if (configuration === undefined) {
        // Machine types before 2.4 have neither.
        if (hasFooters !== true) return;
        const message = "There is no configuration, but sections have footers";
        context.report("CFG-001", { offset: streamOffset + 8, message, expected: "0x07" });
      } else if (arm !== undefined && pageBytes !== ARM_MIN_PAGE_BYTES) {
        if (names(configuration.configuration).includes("configuration/target-page-bits")) return;
        context.report("CFG-012", {
          offset: configuration.offset,
          path: ["configuration"],
          message: "The target page size of an ARM machine is not announced",
          expected: `configuration/target-page-bits for pages of ${pageBytes} bytes`,
        });
      }
    },
  };
}

/** Whether it looks like a name at all: else it is the count that is wrong (CFG-013). */
export function isName(capability: string): boolean {
  return /^[!-~]*$/.test(capability);
}

/** Only processors of ARM have a field of that type. */
function isArm({ device }: SectionItem): boolean {
  return device?.description.state.fields.some(({ type }) => type === "cpsr") ?? false;
}

function names({ subsections }: Configuration): string[] {
  return subsections.map(({ name }) => name);
}

function checkNames(context: CheckContext, { configuration, offset }: ConfigurationItem): void {
  const { machine } = configuration;
  const report = (rule: RuleId, message: string, expected?: string, found?: string) =>
    context.report(rule, { offset: offset + 5, path: ["configuration"], message, expected, found });
  const { length } = encodeText(machine);
  if (length > MACHINE_NAME_BYTES) {
    report("CFG-002", "The machine type's name is too long", "at most 255 bytes", `${length}`);
  } else if (machine === "") {
    report("CFG-003", "The machine type's name is empty");
  } else if (lacksVersion(machine)) {
    const found = quoteText(machine);
    report("CFG-004", "The machine type's name has no version", `${machine}-...`, found);
  }
  const found = names(configuration);
  const sorted = found.toSorted((a, b) => ORDER.indexOf(a) - ORDER.indexOf(b));
  if (found.join() !== sorted.join()) {
    report("CFG-010", "The subsections stand in another order", sorted.join(), found.join());
  }
}

function checkCapabilities(context: CheckContext, item: ConfigurationItem): void {
  const details = { offset: item.offset, path: ["configuration"] };
  for (const subsection of item.configuration.subsections) {
    if (subsection.name !== "configuration/capabilities") continue;
    const seen = new Set<string>();
    if (subsection.capabilities.length === 0) {
      const message = "The list of capabilities is empty";
      context.report("CFG-014", { ...details, message, expected: "1 or more" });
    }
    for (const name of subsection.capabilities) {
      const found = quoteText(name);
      if (seen.has(name)) {
        context.report("CFG-017", {
          ...details,
          message: "A capability stands there twice",
          found,
        });
      } else if (!CAPABILITIES.has(name) && isName(name)) {
        context.report("CFG-015", { ...details, message: "Nobody knows the capability", found });
      } else if (CAPABILITIES.has(name) && !WRITTEN.has(name)) {
        const message = "The capability is never written into a stream";
        context.report("CFG-016", { ...details, message, found });
      }
      seen.add(name);
    }
  }
}
