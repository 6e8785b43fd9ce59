/**
 * Whether what was recorded is a whole migration: the main channel up to its end, and each multifd channel up to its last mark.
 *
 * @module
 */

import type { MessageCounts } from "../container/capture_folder.ts";
import { readStateSteps } from "../analyze/state.ts";
import { isFormatError } from "../format/error.ts";
import type { StreamItem } from "../format/items.ts";
import { MULTIFD_FLAG } from "../format/multifd/flags.ts";
import { decodeInitialPacket } from "../format/multifd/initial_packet.ts";
import { multifdOffsetsBytes } from "../format/multifd/offsets.ts";
import { decodePacketHeader, payloadBytesOf } from "../format/multifd/packet_header.ts";
import { ByteReader } from "../format/reader.ts";
import { readReturnPath } from "../format/return_path.ts";
import type { ByteSource } from "../format/source.ts";
import type { Recording } from "./recording.ts";
import { describeCount } from "./words.ts";

/** What is wrong with a recorded file; `undefined` if nothing is. */
export type Problem = string | undefined;

/** What a main channel turned out to be. */
export interface MainCheck {
  /** What is missing or damaged. */
  readonly problem: Problem;
  /** Target page size in bytes, if it is known. */
  readonly pageBytes: number | undefined;
  /** Marks that say: pages are in multifd channels. */
  readonly flushes: number;
  /** Whether the guest went on at the destination before all of its pages were there. */
  readonly ranPostcopy: boolean;
}

/** Milliseconds of reading before others have their turn: signals. */
const SLICE_MS = 50;

/** Reads a main channel to its end. */
export async function checkMain(source: ByteSource): Promise<MainCheck> {
  let ended = false;
  let flushes = 0;
  let ranPostcopy = false;
  const onItem = (item: StreamItem) => {
    ended ||= item.kind === "eof" && item.depth === 0;
    ranPostcopy ||= item.kind === "command" && item.command.name === "POSTCOPY_RUN";
    if (item.kind === "section" && item.payload?.kind === "ram") {
      flushes += item.payload.summary.flushes;
    }
  };
  const steps = readStateSteps(source, { keepGoing: true, onItem });
  let step = steps.next();
  for (let sliceStart = performance.now(); step.done !== true; step = steps.next()) {
    if (performance.now() - sliceStart < SLICE_MS) continue;
    await new Promise((resolve) => setTimeout(resolve, 0));
    sliceStart = performance.now();
  }
  const { error, pageBytes } = step.value;
  const unended = ended ? undefined : "the stream does not come to its end";
  return { problem: error?.describe() ?? unended, pageBytes, flushes, ranPostcopy };
}

/** What a multifd channel turned out to be. */
export interface ChannelCheck {
  /** What is missing or damaged. */
  readonly problem: Problem;
  /** Marks of synchronisation. */
  readonly syncs: number;
}

/** Reads the packets of a multifd channel, not what they carry. */
export function checkMultifd(source: ByteSource, pageBytes: number | undefined): ChannelCheck {
  const reader = new ByteReader(source);
  let syncs = 0;
  try {
    decodeInitialPacket(reader);
    while (pageBytes !== undefined && !reader.atEnd()) {
      const header = decodePacketHeader(reader);
      if ((header.flags & MULTIFD_FLAG.SYNC) !== 0) syncs += 1;
      if (header.kind === "ram") reader.skip(multifdOffsetsBytes(pageBytes), "offsets of a packet");
      const bytes = payloadBytesOf(header);
      if (bytes > 0) reader.skip(bytes, "payload of a packet");
    }
  } catch (error) {
    if (!isFormatError(error)) throw error;
    return { problem: error.describe(), syncs };
  }
  return { problem: undefined, syncs };
}

/** What a return path turned out to be. */
export interface ReturnPathCheck {
  /** What is missing or damaged. */
  readonly problem: Problem;
  /** How often each message came. */
  readonly messages: MessageCounts;
  /** What the destination said at the end: 0 if the guest arrived. */
  readonly shut: number | undefined;
}

/** Reads a return path to its end. */
export function checkReturnPath(source: ByteSource): ReturnPathCheck {
  const messages: MessageCounts = {};
  let shut: number | undefined;
  try {
    for (const { message } of readReturnPath(source)) {
      messages[message.name] = (messages[message.name] ?? 0) + 1;
      if (message.name === "SHUT") shut = message.value;
    }
  } catch (error) {
    if (!isFormatError(error)) throw error;
    return { problem: error.describe(), messages, shut };
  }
  return { problem: undefined, messages, shut };
}

/** What all connections together turned out to be. */
export interface CaptureCheck {
  /** Why the capture is no whole migration, in the order of the connections; empty if it is one. */
  readonly problems: readonly string[];
  /** What is wrong with single connections. */
  readonly byConnection: ReadonlyMap<number, string>;
  /** What the destination said. */
  readonly returnPath: ReturnPathCheck | undefined;
}

/** Checks all connections. `multifdChannels` says how many have to be there, if somebody knows. */
export async function checkRecordings(
  recordings: readonly Recording[],
  multifdChannels: number | undefined,
): Promise<CaptureCheck> {
  const byConnection = new Map<number, string>();
  const problems: string[] = [];
  const add = (connection: number, problem: Problem) => {
    if (problem === undefined) return;
    byConnection.set(connection, problem);
    problems.push(`connection ${connection}: ${problem}`);
  };
  const role = (wanted: string) => recordings.filter(({ kind }) => kind?.role === wanted);
  const [main, second] = role("main");
  const read = main?.forward === undefined ? undefined : await checkMain(main.forward);
  if (main === undefined) problems.push("no connection is the main channel");
  else add(main.connection, read?.problem);
  if (second !== undefined) add(second.connection, "a second main channel");

  const channels = role("multifd");
  problems.push(...channelProblems(channels, read, multifdChannels, add));
  for (const { connection, ended } of recordings) {
    if (ended === "cut") add(connection, "it was cut before its end");
  }
  for (const { connection } of role("unknown")) add(connection, "it is no part of a migration");

  const backward = main?.backward;
  const returnPath = backward === undefined ? undefined : checkReturnPath(backward);
  if (returnPath?.problem !== undefined) problems.push(returnPath.problem);
  if (returnPath?.shut !== undefined && returnPath.shut !== 0) {
    problems.push(`the destination failed (SHUT with error ${returnPath.shut})`);
  }
  return { problems, byConnection, returnPath };
}

function channelProblems(
  channels: readonly Recording[],
  main: MainCheck | undefined,
  expected: number | undefined,
  add: (connection: number, problem: Problem) => void,
): string[] {
  const problems: string[] = [];
  const ids = channels.map(({ kind }) => kind?.channelId ?? -1);
  const counted = describeCount(channels.length, "multifd channel");
  if (expected !== undefined && channels.length !== expected) {
    problems.push(`${counted} came, ${expected} were expected`);
  }
  if (main !== undefined && main.flushes > 0 && channels.length === 0) {
    problems.push("the pages are in multifd channels, and none of them came");
  }
  if (new Set(ids).size < ids.length) problems.push("two multifd channels have the same number");
  if (ids.some((id) => id >= ids.length)) {
    problems.push(`a multifd channel is missing: there is one of number ${Math.max(...ids)}`);
  }
  const syncs = new Set<number>();
  for (const { connection, forward } of channels) {
    if (forward === undefined) continue;
    const check = checkMultifd(forward, main?.pageBytes);
    add(connection, check.problem);
    if (check.problem === undefined) syncs.add(check.syncs);
  }
  if (syncs.size > 1) {
    const counts = [...syncs].sort((a, b) => a - b).join(" and ");
    problems.push(`the multifd channels have different numbers of marks: ${counts}`);
  }
  return problems;
}
