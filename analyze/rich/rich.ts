/**
 * Our own JSON of a stream's state: every field with its type, place and value, opaque payloads decoded.
 *
 * ```text
 * {"format": "migstream-rich/1", "machine", "capabilities", "configuration", "targetPageBytes", "vmdescription",
 *  "ramBlocks": [...], "commands": [...], "sections": [...], ["error"]}
 * ```
 *
 * It is printed in pieces while it is made; docs/rich.md tells its shape.
 *
 * @module
 */

import {
  type ConfigurationSubsection,
  configuredCapabilities,
} from "../../format/configuration.ts";
import type { FormatError } from "../../format/error.ts";
import type { CommandItem, ConfigurationItem, SectionItem } from "../../format/items.ts";
import { quoteJsonAscii } from "../../format/json_print.ts";
import type { RamBlock } from "../../format/ram.ts";
import { writeDevice } from "./device.ts";
import { inlineJson, newLine, prettyJson, type RichValue, RichWriter } from "./json.ts";
import { richSection } from "./sections.ts";
import type { PayloadTotals, RichState } from "./state.ts";
import type { StateEntry } from "../state.ts";

/** Name and version of the shape; a change that is not an addition makes a new version. */
export const RICH_FORMAT = "migstream-rich/1";

/** How the end of a section was guessed, by the kind of boundary. */
const GUESSES: Readonly<Partial<Record<SectionItem["boundary"], string>>> = {
  "footer": "nothing describes this section; its end was found by its footer",
  "next-section": "nothing describes this section; its end was found by the section behind it",
};

/**
 * Prints the state of a stream as JSON, a newline at the end included.
 *
 * @param print Takes the text in pieces.
 */
export function printRichState(rich: RichState, print: (text: string) => void): void {
  const out = new RichWriter(print);
  const { state, configuration, commands, totals } = rich;
  const member = (name: string, value: RichValue) =>
    out.text(`,\n  "${name}": ${prettyJson(value, 1)}`);
  out.text(`{\n  "format": ${quoteJsonAscii(RICH_FORMAT)}`);
  member("machine", configuration?.configuration.machine ?? null);
  member("capabilities", configuredCapabilities(configuration?.configuration));
  member("configuration", configuration === undefined ? null : configurationValue(configuration));
  member("targetPageBytes", state.pageBytes ?? null);
  member("vmdescription", state.descriptionOrigin);
  writeList(out, "ramBlocks", state.blocks ?? [], (block) => inlineJson(blockValue(block)));
  writeList(out, "commands", commands, (command) => prettyJson(commandValue(command), 2));
  out.text(',\n  "sections": [');
  let separator = "";
  for (const entry of state.entries) {
    out.text(separator + newLine(2));
    writeSection(out, entry, totals.get(entry.first.offset));
    separator = ",";
  }
  out.text(separator === "" ? "]" : "\n  ]");
  if (state.error !== undefined) member("error", errorValue(state.error));
  out.text("\n}\n");
  out.flush();
}

function writeList<T>(
  out: RichWriter,
  name: string,
  list: readonly T[],
  show: (element: T) => string,
): void {
  out.text(`,\n  "${name}": [`);
  for (const [index, element] of list.entries()) {
    out.text((index === 0 ? "" : ",") + newLine(2) + show(element));
  }
  out.text(list.length === 0 ? "]" : "\n  ]");
}

function configurationValue(item: ConfigurationItem): RichValue {
  return {
    offset: item.offset,
    lengthBytes: item.lengthBytes,
    subsections: item.configuration.subsections.map(subsectionValue),
  };
}

function subsectionValue(subsection: ConfigurationSubsection): RichValue {
  if (subsection.name !== "configuration/uuid") return { ...subsection };
  const digits = subsection.uuid.toHex();
  const uuid = digits.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
  return { name: subsection.name, uuid };
}

function blockValue(block: RamBlock): RichValue {
  const { name, usedLengthBytes, hostPageBytes, guestAddress, mapped } = block;
  return {
    name,
    usedLengthBytes,
    hostPageBytes,
    guestAddress,
    mapped: mapped === undefined ? undefined : { ...mapped },
  };
}

function commandValue({ offset, depth, command }: CommandItem): RichValue {
  const { name, ...payload } = command;
  return { offset, name, ...depth > 0 ? { depth } : {}, ...payload as Record<string, RichValue> };
}

function errorValue(error: FormatError): RichValue {
  const { code, message, offset, path, expected, found } = error;
  return { code, message, offset, path, expected, found };
}

function writeSection(out: RichWriter, entry: StateEntry, totals: PayloadTotals | undefined): void {
  const { section, first } = entry;
  const head: RichValue = {
    id: section.id,
    name: section.idstr,
    instance: section.instanceId,
    version: section.versionId,
    type: first.type,
    offset: first.offset,
    lengthBytes: first.payloadEnd - first.offset,
    payloadOffset: first.payloadOffset,
    boundary: first.boundary,
    depth: first.depth > 0 ? first.depth : undefined,
  };
  out.text(inlineJson(head).slice(0, -1));
  const member = (name: string, value: RichValue | undefined) => {
    if (value !== undefined) out.text(`,${newLine(3)}"${name}": ${prettyJson(value, 3)}`);
  };
  const note = first.problem === undefined
    ? GUESSES[first.boundary]
    : `${GUESSES[first.boundary]}; ${first.problem.describe()}`;
  if (totals !== undefined) {
    const { kind, sections, totalBytes, numbers } = totals;
    member("payload", { kind, sections, totalBytes, ...numbers });
  }
  if (first.device !== undefined) {
    member("decoded", richSection(section, first.device.bytes, first.payloadOffset));
    out.text(`,${newLine(3)}"state": `);
    writeDevice(out, first.device, section.idstr, 3);
  } else if (first.bytes !== undefined) {
    member("note", note);
    member("decoded", richSection(section, first.bytes, first.payloadOffset));
    out.text(`,${newLine(3)}"bytes": `);
    out.hex(first.bytes);
  }
  out.text("}");
}
