/**
 * `migstream roundtrip`: decodes a stream, encodes it again, and compares.
 *
 * @module
 */

import { loadVmdescription } from "../analyze/load_vmdescription.ts";
import type { OtherChannels } from "../analyze/roundtrip/channels.ts";
import type { ChannelRoundtrip } from "../analyze/roundtrip/compare_channel.ts";
import { type Roundtrip, roundtripSteps } from "../analyze/roundtrip/roundtrip.ts";
import { type OpenInput, openInput } from "../container/open.ts";
import { escapeJson, hex } from "../format/text.ts";
import type { Vmdescription } from "../format/vmdescription.ts";
import { SignalGuard } from "./long_work.ts";
import { describeError, escapeLine, EXIT, type Streams } from "./main.ts";
import { showReading, startProgress } from "./progress.ts";

/** Options of `roundtrip`. */
export interface RoundtripCommandOptions {
  /** Whether to print JSON. */
  readonly json?: boolean | undefined;
  /** Whether nothing but errors is printed. */
  readonly quiet?: boolean | undefined;
  /** Whether there may be a progress bar. */
  readonly progress: boolean;
  /** Absolute offset of the stream in the input. */
  readonly offset: number;
  /** Name or id of a snapshot in a qcow2 image. */
  readonly snapshot?: string | undefined;
  /** File that a vmdescription is taken from. */
  readonly vmdesc?: string | undefined;
}

/** Takes an input through and prints whether it came out as it went in. */
export async function runRoundtrip(
  path: string,
  options: RoundtripCommandOptions,
  streams: Streams,
): Promise<number> {
  const { offset, snapshot, vmdesc, quiet = false, json = false } = options;
  const given = vmdesc === undefined ? undefined : await loadVmdescription(vmdesc);
  using input = await openInput(path, { offset, snapshot });
  const others = await othersOf(input);
  const { skipped } = others;
  using progress = await startProgress(options.progress && !quiet);
  const reading = given === undefined ? {} : { vmdescription: given };
  const steps = roundtripSteps(input, others, {
    ...reading,
    onProgress: (done, total, channel) => showReading(progress, input, done, total, channel),
  });
  // The pages of a mapped-ram file are one step. Only what can't be read twice may be in a temporary file.
  const hasRemains = !input.source.seekable || input.channels.length > 0;
  using guard = new SignalGuard(path, hasRemains);
  const taken = await guard.run(steps);
  const result = await explained(input, taken, reading);
  progress[Symbol.dispose]();
  if (!quiet) {
    if (json) {
      streams.out.line(escapeJson(JSON.stringify(jsonOf(input, result, skipped), undefined, 2)));
    } else printText(input, result, skipped, streams);
  }
  return conclude(result, streams);
}

/** Most inputs have no other channels: what reads them is loaded for those that do. */
async function othersOf(input: OpenInput): Promise<OtherChannels> {
  if (input.channels.length === 0) return { channels: [], skipped: [] };
  const { otherChannels } = await import("../analyze/roundtrip/channels.ts");
  return otherChannels(input);
}

/** The result with the field that a difference is in. */
async function explained(
  { source, streamOffset: offset }: OpenInput,
  result: Roundtrip,
  reading: { readonly vmdescription?: Vmdescription },
): Promise<Roundtrip> {
  const { difference } = result.stream;
  if (difference === undefined) return result;
  const { explainDifference } = await import("../analyze/roundtrip/explain_difference.ts");
  const explanation = explainDifference(source, difference, { offset, ...reading });
  return { ...result, stream: { ...result.stream, difference: explanation } };
}

/** Tells the errors, and gives the exit code. */
export function conclude({ stream, channels, identical }: Roundtrip, { err }: Streams): number {
  let code: number = identical ? EXIT.DONE : EXIT.NO;
  for (const { error } of [stream, ...channels]) {
    if (error === undefined) continue;
    err.line(`error: ${describeError(error)}`);
    code = EXIT.FAILED;
  }
  return code;
}

function printText(
  input: OpenInput,
  result: Roundtrip,
  skipped: readonly string[],
  { out, err }: Streams,
): void {
  const { stream, channels } = result;
  const isCapture = input.wrappers.some(({ kind }) => kind === "capture");
  const wrappers = input.container.split(" > ").filter((name) =>
    !["none", "capture"].includes(name)
  );
  const inside = wrappers.length === 0 ? "" : ` (the stream inside of ${wrappers.join(" > ")})`;
  const lines = [channelLines(stream, inside), ...channels.map((each) => channelLines(each, ""))];
  for (const [index, [first, ...more]] of lines.entries()) {
    const name = index === 0 ? "main channel" : channels[index - 1]!.name;
    out.line(isCapture ? `${escapeLine(name)}: ${first}` : first!);
    for (const line of more) out.line(`  ${line}`);
  }
  if (isCapture && result.identical) {
    out.line(`total: identical, ${result.identicalBytes} bytes in ${lines.length} channel(s)`);
  } else if (isCapture) out.line("total: not identical");
  if (stream.verbatimDevices > 0) {
    err.line(
      `note: ${stream.verbatimDevices} device section(s) went through as bytes: nothing described them ` +
        "when they came",
    );
  }
  for (const path of skipped) err.line(`note: ${escapeLine(path)} is no channel of a stream`);
  for (const note of input.notes) err.line(`note: ${escapeLine(note)}`);
}

/** What is said about a channel; `inside` names the wrappers around it. */
export function channelLines(
  { identicalBytes, difference, error }: ChannelRoundtrip,
  inside: string,
): string[] {
  if (error !== undefined) {
    return [`${identicalBytes} bytes are identical, then it is damaged${inside}`];
  }
  if (difference === undefined) return [`identical, ${identicalBytes} bytes${inside}`];
  const { offset, path, expected, found } = difference;
  return [
    `different at offset ${
      hex(offset)
    } (${offset}), after ${identicalBytes} identical bytes${inside}`,
    `in ${escapeLine(path.join(" > "))}`,
    `original ${expected === "" ? "ends here" : expected}`,
    `encoded  ${found === "" ? "ends here" : found}`,
  ];
}

function jsonOf(input: OpenInput, result: Roundtrip, skipped: readonly string[]): unknown {
  const { stream, channels, identical, identicalBytes } = result;
  return {
    input: input.path,
    container: input.container,
    streamOffset: input.streamOffset,
    identical,
    identicalBytes,
    channels: [stream, ...channels].map(channelJson),
    devices: { encoded: stream.encodedDevices, asBytes: stream.verbatimDevices },
    skipped,
    notes: input.notes,
  };
}

function channelJson(
  { name, identicalBytes, difference, error }: ChannelRoundtrip,
): unknown {
  const { code, message, offset, path, expected = null, found = null } = error ?? {};
  return {
    name,
    identical: difference === undefined && error === undefined,
    identicalBytes,
    difference: difference ?? null,
    error: error === undefined ? null : { code, message, offset, path, expected, found },
  };
}
