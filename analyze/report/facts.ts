/**
 * What stands at the top of a report.
 *
 * @module
 */

import { escapeText, hex } from "../../format/text.ts";
import type { StreamInfo } from "../info_model.ts";
import type { SideModel } from "./model.ts";

/** Characters of a list of capabilities that is shown. */
const MAX_CHARACTERS = 400;

/** Version of the stream format that all QEMUs write. */
const USUAL_VERSION = 3;

/** Name and value, the most important ones first. */
export function factsOf(info: StreamInfo): SideModel["facts"] {
  const { input } = info;
  const { libvirt, qcow2 } = input;
  const snapshot = qcow2?.snapshots.find(({ id }) => id === qcow2.snapshotId);
  const all: (readonly [string, string | null | undefined])[] = [
    ["Machine", info.machine],
    ["Domain", libvirt?.name],
    ["Snapshot", snapshot && `${snapshot.name} (${snapshot.date})`],
    ["Container", input.container === "none" ? null : input.container],
    ["Stream at", input.streamOffset === 0 ? null : hex(input.streamOffset)],
    ["Page size", info.targetPageBytes === null ? "unknown" : `${info.targetPageBytes} bytes`],
    ["Capabilities", info.capabilities.length === 0 ? null : info.capabilities.join(", ")],
    ["UUID", info.uuid ?? libvirt?.uuid],
    // What nearly every stream has is told where it is otherwise.
    ["Stream version", info.streamVersion === USUAL_VERSION ? null : String(info.streamVersion)],
    ["Sections", String(info.sections.length)],
    ["Description of devices", info.vmdescription ? null : "none"],
    ["Footers", info.footers === false ? "none" : null],
    ["Sync marks", info.pageChannels === null ? null : String(info.pageChannels.syncMarks)],
  ];
  return all.flatMap(([name, value]) =>
    typeof value === "string" ? [[name, escapeText(value).slice(0, MAX_CHARACTERS)] as const] : []
  );
}

/** How many bytes are what; the parts add up to the size of the stream. */
export function sizesOf({ sizes, input }: StreamInfo): SideModel["sizes"] {
  return [
    ...(input.sizeBytes === null ? [] : [["Size", input.sizeBytes] as const]),
    ["RAM", sizes.ram - sizes.ramHoles],
    ["Holes", sizes.ramHoles],
    ["Devices", sizes.devices],
    ["Description", sizes.vmdescription],
    ["Behind the stream", sizes.trailing],
  ];
}
