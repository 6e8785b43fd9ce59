/**
 * Decodes an input, encodes it again and compares the two, in one pass: the proof that nothing in it was misunderstood or lost.
 *
 * @module
 */

import type { OpenInput } from "../../container/open.ts";
import type { ByteSink } from "../../format/sink.ts";
import type { ByteSource } from "../../format/source.ts";
import { StreamReader } from "../../format/stream.ts";
import { StreamWriter } from "../../format/stream_writer.ts";
import type { Vmdescription } from "../../format/vmdescription.ts";
import type { MainChannelFacts, OtherChannels } from "./channels.ts";
import { type ChannelRoundtrip, compareChannel, type CompareOptions } from "./compare_channel.ts";

/** How a stream is taken through. */
export interface StreamRoundtripOptions extends CompareOptions {
  /** A description from elsewhere, for a stream that carries none. */
  readonly vmdescription?: Vmdescription;
  /** Size of the reader's block buffer in bytes; for tests of block borders. */
  readonly blockBytes?: number;
}

/** A stream that was decoded, encoded and compared. */
export interface StreamRoundtrip extends ChannelRoundtrip {
  /** Device sections that were encoded from their values. */
  readonly encodedDevices: number;
  /** Device sections that were written as bytes, because nothing described their values. */
  readonly verbatimDevices: number;
}

/** An input that was decoded, encoded and compared. */
export interface Roundtrip {
  /** The stream, or the main channel. */
  readonly stream: StreamRoundtrip;
  /** The other channels of a captured migration. */
  readonly channels: readonly ChannelRoundtrip[];
  /** Whether everything came out as it went in. */
  readonly identical: boolean;
  /** Identical bytes of all channels. */
  readonly identicalBytes: number;
}

/**
 * Takes a stream through in steps, an item each. An error of the format is part of the result.
 *
 * @example
 * ```ts
 * import { BytesSource } from "../../format/source.ts";
 * import { roundtripStream } from "./roundtrip.ts";
 *
 * const empty = new Uint8Array([0x51, 0x45, 0x56, 0x4d, 0, 0, 0, 3, 0]);
 * const steps = roundtripStream(new BytesSource(empty));
 * let step = steps.next();
 * while (step.done !== true) step = steps.next();
 * console.log(step.value.identicalBytes); // 9
 * ```
 */
export function* roundtripStream(
  source: ByteSource,
  options: StreamRoundtripOptions = {},
  onFacts: (facts: MainChannelFacts) => void = () => {},
): Generator<void, StreamRoundtrip, undefined> {
  const { offset = 0, vmdescription, blockBytes } = options;
  const given = vmdescription === undefined ? {} : { vmdescription };
  let writer: StreamWriter | undefined;
  const begin = (original: ByteSource, sink: ByteSink) => {
    const made = writer = new StreamWriter(sink, { offset });
    const { visitor } = made;
    const block = blockBytes === undefined ? {} : { blockBytes };
    const reader = new StreamReader(original, { offset, visitor, ...given, ...block });
    return {
      steps: recode(reader, made, onFacts),
      flush: () => made.flush(),
      path: () => made.path,
    };
  };
  const result = yield* compareChannel("stream", source, options, begin);
  const { encodedDevices = 0, verbatimDevices = [] } = writer ?? {};
  return { ...result, encodedDevices, verbatimDevices: verbatimDevices.length };
}

function* recode(
  reader: StreamReader,
  writer: StreamWriter,
  onFacts: (facts: MainChannelFacts) => void,
): Generator<void, void, undefined> {
  for (const item of reader.items()) {
    writer.write(item);
    // A pipe forgets what stands before a section that it may have to read again.
    writer.flush();
    yield;
  }
  onFacts({ blocks: reader.context.ram.blocks, pageBytes: reader.pageBytes });
}

/** How an input is taken through. */
export interface RoundtripOptions extends Omit<StreamRoundtripOptions, "offset" | "onProgress"> {
  /** Called now and then with the identical bytes of a channel, and its size where that is known. */
  readonly onProgress?: (identicalBytes: number, totalBytes: number, channel: string) => void;
}

/** Takes an opened input and its other channels through, in steps. */
export function* roundtripSteps(
  input: OpenInput,
  others: Pick<OtherChannels, "channels">,
  options: RoundtripOptions = {},
): Generator<void, Roundtrip, undefined> {
  const { onProgress, ...reading } = options;
  const progressOf = (name: string, source: ByteSource, start: number) =>
    onProgress === undefined ? {} : {
      onProgress: (identicalBytes: number) =>
        onProgress(identicalBytes, Math.max(0, (source.sizeBytes ?? 0) - start), name),
    };
  const { source, streamOffset: offset } = input;
  let facts: MainChannelFacts = { blocks: new Map(), pageBytes: undefined };
  const stream = yield* roundtripStream(
    source,
    { ...reading, offset, ...progressOf("stream", source, offset) },
    (found) => facts = found,
  );
  const channels: ChannelRoundtrip[] = [];
  // Without the block list and the page size nothing else can be decoded.
  const isWhole = stream.error === undefined && stream.difference === undefined;
  for (const { name, source, begin } of isWhole ? others.channels : []) {
    const through = options.through === undefined ? {} : { through: options.through };
    channels.push(
      yield* compareChannel(
        name,
        source,
        { ...through, ...progressOf(name, source, 0) },
        (original, sink) => begin(original, sink, facts),
      ),
    );
  }
  const all = [stream, ...channels];
  return {
    stream,
    channels,
    identical: all.every(({ error, difference }) => !error && !difference),
    identicalBytes: all.reduce((sum, { identicalBytes }) => sum + identicalBytes, 0),
  };
}
