/**
 * `migstream info`: an overview of a stream.
 *
 * @module
 */

import { readInfo } from "../analyze/info.ts";
import type { StreamInfo } from "../analyze/info_model.ts";
import { wrapperInfo } from "../analyze/input_info.ts";
import { loadVmdescription } from "../analyze/load_vmdescription.ts";
import { type OpenInput, openInput } from "../container/open.ts";
import { SnapshotError } from "../container/snapshot_error.ts";
import { describeCommand } from "../format/command.ts";
import { escapeJson, escapeText, hex } from "../format/text.ts";
import { libvirtText, type TitledTable, wrapperLines, wrapperTables } from "./info_input.ts";
import { describeError, escapeLine, EXIT, type Streams } from "./main.ts";
import type { Output } from "./output.ts";
import { sizeText } from "./size_text.ts";
import { styleOf } from "./style.ts";
import { table } from "./table.ts";
import { outputWidth } from "./terminal.ts";

/** Options of `info`. */
export interface InfoCommandOptions {
  /** Whether to print JSON. */
  readonly json: boolean;
  /** Absolute offset of the stream in the input. */
  readonly offset: number;
  /** Name or id of a snapshot in a qcow2 image. */
  readonly snapshot: string | undefined;
  /** What of a libvirt save image to print instead, as it is there. */
  readonly raw: "xml" | "cookie" | undefined;
  /** File that a vmdescription is taken from. */
  readonly vmdesc: string | undefined;
  /** Whether what stands before a damaged place is printed. */
  readonly keepGoing: boolean;
  /** Whether slack is looked for however much there is to read. */
  readonly slack: boolean;
}

const INDENT = "  ";

/** Rows of a table that are printed before the rest is only counted. */
const MAX_ROWS = 40;

/** Prints an overview of a stream. */
export async function runInfo(
  path: string,
  options: InfoCommandOptions,
  streams: Streams,
): Promise<number> {
  const { offset, snapshot, raw, keepGoing, slack } = options;
  const given = options.vmdesc === undefined ? undefined : await loadVmdescription(options.vmdesc);
  let input: OpenInput;
  try {
    input = await openInput(path, { offset, snapshot });
  } catch (error) {
    if (error instanceof SnapshotError && raw === undefined) {
      return printSnapshots(path, error, options, streams);
    }
    throw error;
  }
  using _ = input;
  if (raw !== undefined) {
    streams.out.bytes(libvirtText(input, raw));
    return EXIT.DONE;
  }
  const { info, error } = readInfo(input, {
    keepGoing,
    slack,
    ...(given === undefined ? {} : { vmdescription: given }),
  });
  if (options.json) streams.out.line(escapeJson(JSON.stringify(info, undefined, 2)));
  else printInfo(info, streams);
  if (error === undefined) return EXIT.DONE;
  streams.err.line(`error: ${describeError(error)}`);
  return EXIT.FAILED;
}

/** Prints what a qcow2 image has where no stream could be taken from it: a list to choose from, or none with a state. */
function printSnapshots(
  path: string,
  error: SnapshotError,
  { json }: InfoCommandOptions,
  streams: Streams,
): number {
  const { out, err } = streams;
  const { container, wrappers } = error;
  const input = { path, container, ...wrapperInfo(wrappers) };
  const notes = error.isChoice ? ["several snapshots have a state: choose with --snapshot"] : [];
  if (json) out.line(escapeJson(JSON.stringify({ input, notes }, undefined, 2)));
  else {
    printHead([["input", escapeText(path)], ["container", container]], out);
    printTables(wrapperTables(input), out);
    printNotes(notes, out);
  }
  if (error.isChoice) return EXIT.DONE;
  err.line(`error: ${describeError(error)}`);
  return EXIT.FAILED;
}

function printInfo(info: StreamInfo, { out }: Streams): void {
  printHead(headLines(info), out);
  printTables([
    ...wrapperTables(info.input),
    ["Pages by channel", channelRows(info), "lrlrrrrrr"],
    ["RAM blocks", blockRows(info), "lrrrrrrr"],
    ["RAM by section", iterationRows(info), "rlrrrr"],
    ["Dirty bitmaps", bitmapRows(info), "llrl"],
    ["Commands", commandRows(info), "rl"],
    ["Sections", sectionRows(info), "rrrrrl"],
  ], out);
  printNotes(info.notes, out);
}

function printHead(lines: readonly [string, string][], out: Output): void {
  for (const [name, value] of lines) out.line(`${`${name}:`.padEnd(14)} ${value}`);
}

function printTables(tables: readonly TitledTable[], out: Output): void {
  const { bold } = styleOf(Deno.stdout);
  const width = outputWidth() - INDENT.length;
  for (const [title, rows, alignment] of tables) {
    if (rows.length < 2) continue;
    out.line();
    out.line(bold(title));
    for (const line of table(rows.slice(0, MAX_ROWS + 1), alignment, width)) {
      out.line(INDENT + line);
    }
    const more = rows.length - 1 - MAX_ROWS;
    if (more > 0) out.line(`  ... and ${more} more (--json has all)`);
  }
}

function printNotes(notes: readonly string[], out: Output): void {
  if (notes.length > 0) out.line();
  for (const note of notes) out.line(`note: ${escapeLine(note)}`);
}

function headLines(info: StreamInfo): [string, string][] {
  const { input, sizes } = info;
  const lines: [string, string][] = [
    ["input", escapeText(input.path)],
    ["container", input.container],
    ...wrapperLines(input),
    ["size", input.sizeBytes === null ? "unknown" : bytes(input.sizeBytes)],
  ];
  if (input.streamOffset > 0) lines.push(["stream at", hex(input.streamOffset)]);
  lines.push(["machine", info.machine === null ? "not said" : escapeText(info.machine)]);
  if (info.uuid !== null) lines.push(["uuid", info.uuid]);
  if (info.capabilities.length > 0) {
    lines.push(["capabilities", info.capabilities.map(escapeText).join(", ")]);
  }
  lines.push(
    ["target page", info.targetPageBytes === null ? "unknown" : bytes(info.targetPageBytes)],
    ["vmdescription", info.vmdescription ? bytes(sizes.vmdescription) : "none"],
    ["footers", info.footers === null ? "no section" : info.footers ? "yes" : "no"],
    ["RAM", sizes.ramHoles === 0 ? bytes(sizes.ram) : `${bytes(sizes.ram)} with holes`],
    ["devices", bytes(sizes.devices)],
  );
  if (info.resentPages > 0) lines.push(["sent again", `${info.resentPages} pages`]);
  const marks = info.pageChannels?.syncMarks ?? info.multifdFlushes;
  if (marks > 0) lines.push(["multifd syncs", String(marks)]);
  return lines;
}

function bytes(count: number): string {
  return count < 1024 ? `${count} bytes` : `${sizeText(count)} (${count})`;
}

function channelRows({ pageChannels }: StreamInfo): string[][] {
  return [
    ["role", "number", "method", "packets", "syncs", "normal", "zero", "payload", "ratio"],
    ...(pageChannels?.channels ?? []).map((channel) => [
      channel.role,
      String(channel.channelId ?? ""),
      channel.method ?? "",
      String(channel.packets),
      String(channel.syncs),
      String(channel.normalPages),
      String(channel.zeroPages),
      sizeText(channel.payloadBytes),
      channel.ratio === null ? "" : channel.ratio.toFixed(1),
    ]),
  ];
}

function blockRows(info: StreamInfo): string[][] {
  const header = ["name", "size", "normal", "zero", "delta", "compr.", "absent"];
  const isMapped = info.ramBlocks.some(({ slackPages }) => slackPages !== undefined);
  return [
    isMapped ? [...header, "slack"] : header,
    ...info.ramBlocks.map(({ name, usedLengthBytes, pages, slackPages }) => [
      escapeText(name),
      sizeText(usedLengthBytes),
      ...(pages === null
        ? ["?", "?", "?", "?", "?"]
        : [pages.normal, pages.zero, pages.delta, pages.compressed, pages.absent].map(String)),
      ...(isMapped ? [String(slackPages ?? "?")] : []),
    ]),
  ];
}

function iterationRows(info: StreamInfo): string[][] {
  if (info.iterations.length < 2) return [];
  return [
    ["offset", "type", "normal", "zero", "delta", "compr."],
    ...info.iterations.map(({ offset, type, normal, zero, delta, compressed }) => [
      hex(offset),
      type,
      ...[normal, zero, delta, compressed].map(String),
    ]),
  ];
}

function bitmapRows(info: StreamInfo): string[][] {
  return [
    ["node", "bitmap", "dirty", "state"],
    ...info.dirtyBitmaps.map(({ node, bitmap, dirtyBytes, enabled, persistent }) => [
      escapeText(node),
      escapeText(bitmap),
      sizeText(dirtyBytes),
      `${enabled ? "enabled" : "disabled"}${persistent ? ", persistent" : ""}`,
    ]),
  ];
}

function commandRows(info: StreamInfo): string[][] {
  return [
    ["offset", "command"],
    ...info.commands.map((command) => [hex(command.offset), describeCommand(command)]),
  ];
}

function sectionRows(info: StreamInfo): string[][] {
  return [
    ["id", "offset", "bytes", "parts", "v", "name"],
    ...info.sections.map(({ id, offset, bytes, parts, version, name, instance }) => [
      String(id),
      hex(offset),
      String(bytes),
      String(parts),
      String(version),
      instance === 0 ? escapeText(name) : `${escapeText(name)} #${instance}`,
    ]),
  ];
}
