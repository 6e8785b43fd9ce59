/**
 * `migstream capture`: records a migration, connection by connection.
 *
 * @module
 */

import type { OutputFolder } from "../container/output_folder.ts";
import { type Address, addressText, connectTo, listenAt, parseAddress } from "../live/address.ts";
import { captureMigration, type RecordedMigration } from "../live/capture.ts";
import {
  beginCaptureFolder,
  CAPTURE_FILE,
  CAPTURE_VERSION,
  type CaptureDescription,
  type CaptureFileEntry,
  encodeCaptureDescription,
  removeStaleFiles,
} from "../container/capture_folder.ts";
import { type CaptureCheck, checkRecordings } from "../live/check.ts";
import type { Recording } from "../live/recording.ts";
import { describeCount } from "../live/words.ts";
import { describeError, escapeLine, EXIT, type Streams, UsageError } from "./main.ts";
import { OutputClosed } from "./output.ts";
import { watchSignals } from "./signals.ts";
import { sizeText } from "./size_text.ts";
import { startStatusLine } from "./status_line.ts";
import { table } from "./table.ts";
import { outputWidth } from "./terminal.ts";

/** Options of `capture`. */
export interface CaptureCommandOptions {
  /** Where the source connects to. */
  readonly listen: string;
  /** The folder. */
  readonly out: string;
  /** Where a real destination listens. */
  readonly forward?: string | undefined;
  /** How many multifd channels have to come. */
  readonly channels?: number | undefined;
  /** Whether a capture that is there is replaced. */
  readonly force?: boolean | undefined;
  /** Whether files are on the disk before they get their names. */
  readonly sync: boolean;
  /** Whether there may be a status line. */
  readonly progress: boolean;
  /** Whether nothing but errors is printed. */
  readonly quiet?: boolean | undefined;
}

/** Records a migration. */
export async function runCapture(
  options: CaptureCommandOptions,
  streams: Streams,
): Promise<number> {
  const listen = addressOption("--listen", options.listen);
  const forward = options.forward === undefined
    ? undefined
    : addressOption("--forward", options.forward);
  const { force = false, sync, quiet = false } = options;
  using folder = beginCaptureFolder(options.out, { force, sync });
  using signals = watchSignals();
  using status = startStatusLine(options.progress && !quiet);
  const say = (text: string) => {
    status.clear();
    streams.err.line(escapeLine(text));
    streams.err.flush();
  };
  // Begun now, so that a folder that can't be written is told of before a guest is sent here.
  const descriptionFile = folder.create(CAPTURE_FILE);
  using listener = listenAt(listen);
  if (!quiet) say(`listening on ${addressText(listener.address)}`);
  const startedAt = new Date();
  const startMs = performance.now();
  const recorded = await captureMigration({
    listener,
    connect: forward && (() => connectTo(forward)),
    folder,
    multifdChannels: options.channels,
    signal: signals.signal,
    onNote: (text) => {
      if (!quiet) say(`note: ${text}`);
    },
    onProgress: (recordings) => status.show(() => statusText(recordings, startMs)),
  });
  status.clear();
  const check = await checkRecordings(recorded.recordings, options.channels);
  const problems = [...failureProblems(recorded), ...check.problems];
  const files = fileEntries(recorded.recordings, check, folder);
  if (files.length === 0) return concludeEmpty(recorded, signals.received?.exitCode, say);
  const description = descriptionOf(recorded, { check, problems, files, startedAt, forward });
  descriptionFile.writeAt(0, encodeCaptureDescription(description));
  folder.commit();
  removeStaleFiles(options.out, files);
  if (!quiet) printFiles(files, options.out, description, streams);
  for (const problem of problems) say(`error: ${problem}`);
  if (signals.received !== undefined) return signals.received.exitCode;
  return problems.length === 0 ? EXIT.DONE : EXIT.FAILED;
}

interface Findings {
  readonly check: CaptureCheck;
  readonly problems: readonly string[];
  readonly files: readonly CaptureFileEntry[];
  readonly startedAt: Date;
  readonly forward: Address | undefined;
}

function descriptionOf(
  { recordings, interrupted }: RecordedMigration,
  { check, problems, files, startedAt, forward }: Findings,
): CaptureDescription {
  return {
    format: "migstream-capture",
    version: CAPTURE_VERSION,
    startedAt: startedAt.toISOString(),
    endedAt: new Date().toISOString(),
    complete: problems.length === 0,
    problems,
    interrupted,
    ...(forward === undefined ? {} : { forwardedTo: addressText(forward) }),
    emptyConnections: recordings.filter((each) => sizeOf(each) === 0).length,
    files,
    ...(check.returnPath === undefined
      ? {}
      : { returnPath: { messages: check.returnPath.messages } }),
  };
}

function addressOption(name: string, text: string): Address {
  try {
    return parseAddress(text);
  } catch (error) {
    throw new UsageError(`${name}: ${describeError(error)}`);
  }
}

function sizeOf({ forwardBytes, backwardBytes }: Recording): number {
  return forwardBytes + backwardBytes;
}

function statusText(recordings: readonly Recording[], startMs: number): string {
  const open = recordings.filter(({ ended }) => ended === undefined).length;
  const bytes = recordings.reduce((sum, recording) => sum + sizeOf(recording), 0);
  if (bytes === 0) return "waiting for a migration";
  const rate = bytes / Math.max(1, performance.now() - startMs) * 1000;
  const connections = describeCount(recordings.length, "connection");
  const rounds = recordings.reduce((sum, { ramSections }) => sum + ramSections, 0);
  const sections = describeCount(rounds, "RAM section");
  return `${sizeText(bytes)}, ${sizeText(rate)}/s, ${connections}, ${open} open, ${sections}`;
}

/** What went wrong besides what the bytes tell. */
function failureProblems({ recordings, failure, interrupted }: RecordedMigration): string[] {
  const problems = recordings.flatMap(({ connection, refusedAtBytes }) =>
    refusedAtBytes === undefined
      ? []
      : [`the destination closed connection ${connection} at byte ${refusedAtBytes} or before`]
  );
  if (failure !== undefined) problems.unshift(describeError(failure));
  if (interrupted) problems.unshift("the capture was interrupted");
  return problems;
}

function fileEntries(
  recordings: readonly Recording[],
  check: CaptureCheck,
  folder: OutputFolder,
): CaptureFileEntry[] {
  return recordings.flatMap((recording) => {
    const { connection, kind, ended, forward, backward } = recording;
    if (kind === undefined) return [];
    const complete = ended !== "cut" && !check.byConnection.has(connection);
    return ([["forward", forward], ["return", backward]] as const).flatMap(
      ([direction, recorded]) => {
        if (recorded === undefined) return [];
        return [{
          file: folder.relativePath(recorded.file),
          role: kind.role,
          ...(kind.channelId === undefined ? {} : { channel: kind.channelId }),
          connection,
          direction,
          bytes: recorded.sizeBytes,
          complete: direction === "forward"
            ? complete
            : ended !== "cut" && check.returnPath?.problem === undefined,
        }];
      },
    );
  });
}

/** Nothing came: there is nothing to keep. */
function concludeEmpty(
  { failure }: RecordedMigration,
  exitCode: number | undefined,
  say: (text: string) => void,
): number {
  if (failure !== undefined) throw failure;
  say("error: nothing came, nothing was written");
  return exitCode ?? EXIT.FAILED;
}

function printFiles(
  files: readonly CaptureFileEntry[],
  out: string,
  { returnPath, complete }: CaptureDescription,
  streams: Streams,
): void {
  const rows = files.map((entry) => [
    escapeLine(`${out}/${entry.file}`),
    sizeText(entry.bytes),
    entry.complete || complete ? "" : "incomplete",
  ]);
  for (const line of table(rows, "lrl", outputWidth())) streams.out.line(line);
  if (returnPath !== undefined) {
    const counts = Object.entries(returnPath.messages).map(([name, count]) => `${count} ${name}`);
    streams.out.line(`return path: ${counts.join(", ")}`);
  }
  try {
    streams.out.flush();
  } catch (error) {
    // Nobody reads it; whether the capture is whole has to be told all the same, by the exit code.
    if (!(error instanceof OutputClosed)) throw error;
  }
}
