/**
 * `migstream send`: feeds an image to a QEMU that waits for a migration.
 *
 * @module
 */

import { openInput } from "../container/open.ts";
import { connectTo, parseAddress } from "../live/address.ts";
import { type PreparedMigration, prepareMigration } from "../live/prepare.ts";
import { sendMigration, type SentMigration } from "../live/send.ts";
import { describeError, escapeLine, EXIT, type Streams, UsageError } from "./main.ts";
import { type MultifdCommandOptions, multifdOptions } from "./multifd_options.ts";
import { startProgress } from "./progress.ts";
import { watchSignals } from "./signals.ts";
import { sizeText } from "./size_text.ts";

/** Options of `send`. */
export interface SendCommandOptions extends MultifdCommandOptions {
  /** Absolute offset of the stream in the input. */
  readonly offset: number;
  /** Name or id of a snapshot in a qcow2 image. */
  readonly snapshot?: string | undefined;
  /** Whether there may be a progress bar. */
  readonly progress: boolean;
  /** Whether nothing but errors is printed. */
  readonly quiet?: boolean | undefined;
}

/** Sends an image. */
export async function runSend(
  path: string,
  address: string,
  options: SendCommandOptions,
  streams: Streams,
): Promise<number> {
  const { offset, snapshot, marks, quiet = false } = options;
  const to = parsed(address);
  const multifd = multifdOptions(options);
  using input = await openInput(path, { offset, seekable: true, snapshot });
  using prepared = await prepareMigration(input, { multifd, marks });
  if (!quiet) {
    for (const text of [...input.notes, ...prepared.notes]) {
      streams.err.line(`note: ${escapeLine(text)}`);
    }
    streams.err.flush();
  }
  using signals = watchSignals();
  using progress = await startProgress(options.progress && !quiet);
  const sent = await sendMigration({
    connect: () => connectTo(to),
    channels: prepared.channels,
    signal: signals.signal,
    onProgress: (sentBytes) =>
      progress.update(sentBytes, Math.max(sentBytes, prepared.totalBytes), "sent"),
  });
  progress[Symbol.dispose]();
  const problem = signals.received === undefined
    ? problemOf(sent, prepared)
    : `interrupted (${signals.received.name}): the destination has no guest`;
  if (problem !== undefined) streams.err.line(`error: ${escapeLine(problem)}`);
  else if (!quiet) printSent(sent, prepared, streams);
  if (signals.received !== undefined) return signals.received.exitCode;
  return problem === undefined ? EXIT.DONE : EXIT.FAILED;
}

function parsed(address: string): ReturnType<typeof parseAddress> {
  try {
    return parseAddress(address);
  } catch (error) {
    throw new UsageError(describeError(error));
  }
}

/** Why the destination does not have the guest; `undefined` if it seems to have it. */
function problemOf(
  { channels, returnPath, end, stalled }: SentMigration,
  { confirmed }: PreparedMigration,
): string | undefined {
  const sent = channels.map(({ name, sentBytes }) => `${name} ${sentBytes}`).join(", ");
  if (returnPath.shut !== undefined && returnPath.shut !== 0) {
    return `the destination failed (SHUT with error ${returnPath.shut}); bytes sent: ${sent}`;
  }
  const refused = channels.find(({ refusedIn }) => refusedIn !== undefined);
  if (refused !== undefined) {
    const { name, sentBytes, refusedIn } = refused;
    return `the destination closed the connection: ${name}, at byte ${sentBytes} or before, in ` +
      `${refusedIn} or before`;
  }
  if (stalled) return `the destination goes on no more, and says nothing; bytes sent: ${sent}`;
  if (returnPath.shut === 0) return undefined;
  if (end === "reset") return "the destination closed the connection before it had read everything";
  return confirmed ? "the destination closed the connection and did not confirm" : undefined;
}

function printSent(
  { channels, returnPath }: SentMigration,
  { confirmed }: PreparedMigration,
  streams: Streams,
): void {
  const bytes = channels.reduce((sum, { sentBytes }) => sum + sentBytes, 0);
  const what = channels.length === 1 ? "one connection" : `${channels.length} connections`;
  const word = confirmed && returnPath.shut === 0
    ? "the destination has the guest"
    : "the destination has read everything";
  streams.out.line(`${sizeText(bytes)} over ${what}: ${word}`);
}
