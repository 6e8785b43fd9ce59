/**
 * The configurations of two streams.
 *
 * @module
 */

import { type Configuration, configuredCapabilities } from "../../format/configuration.ts";
import { escapeText } from "../../format/text.ts";
import type { ChangeList } from "./changes.ts";
import type { DiffValue } from "./values.ts";

/** Compares configurations; a stream may have none. */
export function diffConfigurations(
  left: Configuration | undefined,
  right: Configuration | undefined,
  changes: ChangeList,
): void {
  const add = (name: string, ours: DiffValue, theirs: DiffValue) => {
    if (ours !== theirs) changes.add(`configuration/${name}`, ours, theirs);
  };
  add("machine", left?.machine ?? null, right?.machine ?? null);
  add("target-page-bits", pageBits(left), pageBits(right));
  const [ours, theirs] = [configuredCapabilities(left), configuredCapabilities(right)];
  for (const name of new Set([...ours, ...theirs])) {
    add(`capabilities/${escapeText(name)}`, ours.includes(name), theirs.includes(name));
  }
  add("uuid", uuid(left), uuid(right));
}

function pageBits(configuration: Configuration | undefined): number | null {
  for (const subsection of configuration?.subsections ?? []) {
    if (subsection.name === "configuration/target-page-bits") return subsection.targetPageBits;
  }
  return null;
}

function uuid(configuration: Configuration | undefined): string | null {
  for (const subsection of configuration?.subsections ?? []) {
    if (subsection.name !== "configuration/uuid") continue;
    return subsection.uuid.toHex().replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
  }
  return null;
}
