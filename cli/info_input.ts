/**
 * What `migstream info` shows of the wrappers around a stream.
 *
 * @module
 */

import type { InputInfo, SnapshotInfo, WrapperInfo } from "../analyze/input_info.ts";
import type { OpenInput } from "../container/open.ts";
import { escapeText } from "../format/text.ts";
import { sizeText } from "./size_text.ts";

/** A table under a title: rows, the first of them the header, and how the columns are aligned. */
export type TitledTable = [title: string, rows: string[][], alignment: string];

/** Lines about the wrappers for the head of the overview. */
export function wrapperLines({ libvirt, qcow2 }: WrapperInfo): [string, string][] {
  const lines: [string, string][] = [];
  if (libvirt !== undefined) {
    const { name, uuid, wasRunning, format, version, byteOrder } = libvirt;
    lines.push(["domain", name === null ? "not said" : escapeText(name)]);
    if (uuid !== null) lines.push(["domain uuid", escapeText(uuid)]);
    lines.push(
      ["saved", wasRunning ? "running" : "paused"],
      ["stored as", `${format} (libvirt version ${version}, ${byteOrder}-endian)`],
    );
  }
  const snapshot = qcow2?.snapshots.find(({ id }) => id === qcow2.snapshotId);
  if (snapshot !== undefined) {
    const { name, id, date } = snapshot;
    lines.push(["snapshot", `${escapeText(name)} (id ${escapeText(id)}), ${date}`]);
  }
  return lines;
}

/** Tables about the wrappers. */
export function wrapperTables({ qcow2, channels }: Partial<InputInfo>): TitledTable[] {
  return [
    ["Snapshots", snapshotRows(qcow2?.snapshots ?? []), "llllrr"],
    ["Other channels", channelRows(channels ?? []), "lrrl"],
  ];
}

function snapshotRows(snapshots: readonly SnapshotInfo[]): string[][] {
  return [
    ["id", "name", "date", "VM clock", "state", "disk"],
    ...snapshots.map(({ id, name, date, clockSeconds, stateBytes, diskBytes }) => [
      escapeText(id),
      escapeText(name),
      date.slice(0, 19).replace("T", " "),
      clockText(clockSeconds),
      stateBytes === 0 ? "disk only" : sizeText(stateBytes),
      sizeText(diskBytes),
    ]),
  ];
}

/** Hours, minutes and seconds, as `qemu-img snapshot -l` has them. */
function clockText(seconds: number): string {
  const two = (value: number) => String(Math.floor(value)).padStart(2, "0");
  return `${two(seconds / 3600)}:${two(seconds / 60 % 60)}:${two(seconds % 60)}`;
}

function channelRows(channels: NonNullable<InputInfo["channels"]>): string[][] {
  return [
    ["role", "number", "size", "file"],
    ...channels.map(({ role, channelId, sizeBytes, path }) => [
      role,
      channelId === undefined ? "" : String(channelId),
      sizeText(sizeBytes),
      escapeText(path),
    ]),
  ];
}

/** The XML or the cookie of a libvirt save image, exactly as it is there. */
export function libvirtText(input: OpenInput, what: "xml" | "cookie"): Uint8Array {
  const libvirt = input.wrappers.find(({ kind }) => kind === "libvirt");
  if (libvirt?.kind !== "libvirt") {
    throw new Error(`--${what} needs a libvirt save image; the container is ${input.container}`);
  }
  const bytes = libvirt[what];
  if (bytes === undefined) throw new Error("The libvirt save image has no cookie");
  return bytes;
}
