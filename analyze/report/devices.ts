/**
 * Devices and processors of a report.
 *
 * @module
 */

import { escapeText, hex } from "../../format/text.ts";
import type { SectionInfo } from "../info_model.ts";
import { readCpuStates } from "../registers/mod.ts";
import { richSection } from "../rich/sections.ts";
import type { StateEntry, StreamState } from "../state.ts";
import { DeviceTree, type TreeBudget } from "./device_tree.ts";
import { bytesText, clip } from "./field_text.ts";
import type { CpuModel, DeviceModel, SideModel, TreeNode } from "./model.ts";

/** Devices that are listed. */
const MAX_DEVICES = 2048;
/** Processors whose registers are shown. */
const MAX_CPUS = 64;

/** How the end of a section was guessed. */
const GUESSES: Readonly<Record<string, string>> = {
  "footer": "not described, its end was found by its footer",
  "next-section": "not described, its end was found by the next section",
};

/** The devices in stream order. */
export function deviceModels(
  state: StreamState,
  sections: readonly SectionInfo[],
  budget: TreeBudget,
): Pick<SideModel, "devices" | "moreDevices"> {
  const { entries } = state;
  const infos = new Map(sections.map((info) => [info.offset, info]));
  const devices = entries.slice(0, MAX_DEVICES).map((entry) =>
    deviceModel(entry, infos.get(entry.first.offset), budget)
  );
  return { devices, moreDevices: entries.length - devices.length };
}

function deviceModel(
  { section, kind, first }: StateEntry,
  info: SectionInfo | undefined,
  budget: TreeBudget,
): DeviceModel {
  const { offset, payloadOffset, payloadEnd } = first;
  const parts = info === undefined || info.parts === 1 ? "" : `, ${info.parts} sections`;
  const known = kind === "device" || kind === "undescribed" ? "" : `, ${kind} data`;
  const guess = GUESSES[first.boundary];
  let nodes: TreeNode[] = [];
  let omitted = 0;
  if (first.device !== undefined) {
    const tree = new DeviceTree(first.device, section.idstr, budget);
    const decoded = richSection(section, first.device.bytes, payloadOffset);
    nodes = [...tree.nodes(), ...(decoded === undefined ? [] : tree.decoded(decoded))];
    omitted = tree.omitted;
  } else if (first.bytes !== undefined) {
    nodes = [["(bytes)", "", payloadOffset, first.bytes.length, bytesText(first.bytes)]];
  }
  return {
    path: `${clip(escapeText(section.idstr))}/${section.instanceId}`,
    note: `version ${section.versionId}${parts}${known}${guess === undefined ? "" : `, ${guess}`}`,
    offset,
    lengthBytes: info?.bytes ?? payloadEnd - offset,
    nodes,
    omitted,
  };
}

/** The processors by number. */
export function cpuModels(state: StreamState): Pick<SideModel, "cpus" | "moreCpus"> {
  const all = readCpuStates(state);
  const cpus = all.slice(0, MAX_CPUS).map((cpu): CpuModel => ({
    index: cpu.index,
    architecture: cpu.architecture,
    halted: cpu.halted ?? null,
    registers: [...cpu.registers].map(([name, value]) => [name, hex(value)]),
  }));
  return { cpus, moreCpus: all.length - cpus.length };
}
