/**
 * Decodes and encodes one channel and compares the two: what all kinds of channels have in common.
 *
 * @module
 */

import { type FormatError, isFormatError } from "../../format/error.ts";
import type { ByteSink } from "../../format/sink.ts";
import type { ByteSource } from "../../format/source.ts";
import { hexBytes } from "../../format/text.ts";
import { ComparingSink, DifferenceFound } from "./comparing_sink.ts";
import { Original } from "./original.ts";

/** The first byte where the encoding is not the original. */
export interface RoundtripDifference {
  /** Absolute offset. */
  readonly offset: number;
  /** What stands there, from the outside in. */
  readonly path: readonly string[];
  /** The original's bytes from there on, in hex; none where it ends there. */
  readonly expected: string;
  /** The encoded bytes from there on, in hex; none where they end there. */
  readonly found: string;
}

/** A channel that was decoded, encoded and compared. */
export interface ChannelRoundtrip {
  /** Name of the channel: `stream`, `multifd channel 0`... */
  readonly name: string;
  /** Bytes that came out as they went in, from the channel's beginning on. */
  readonly identicalBytes: number;
  /** Where the encoding differs first. */
  readonly difference?: RoundtripDifference;
  /** Why the channel could not be decoded further. */
  readonly error?: FormatError;
}

/** What a comparison needs to know. */
export interface CompareOptions {
  /** Absolute offset of the first byte. Default 0. */
  readonly offset?: number;
  /** Called now and then with the number of bytes that were equal so far. */
  readonly onProgress?: (identicalBytes: number) => void;
  /** Stands between the encoder and the comparison; for tests that a difference is found. */
  readonly through?: (sink: ByteSink) => ByteSink;
}

/** Decodes and encodes. */
export interface Recoder<Step> {
  /** Takes one channel through, as far as it can be decoded. */
  readonly steps: Generator<Step, void, undefined>;
  /** Passes on what was encoded so far. */
  flush(): void;
  /** What was being encoded, for a difference. */
  path(): readonly string[];
}

/**
 * Compares what `begin` makes of a source with the source itself. An error of the format is part of the result.
 */
export function* compareChannel<Step>(
  name: string,
  source: ByteSource,
  options: CompareOptions,
  begin: (original: ByteSource, sink: ByteSink) => Recoder<Step>,
): Generator<Step, ChannelRoundtrip, undefined> {
  const { offset = 0, onProgress, through = (sink: ByteSink) => sink } = options;
  const original = new Original(source, offset);
  const comparing = new ComparingSink(
    original,
    onProgress === undefined ? undefined : () => onProgress(original.position - offset),
  );
  const recoder = begin(original, through(comparing));
  const identicalBytes = () => original.position - offset;
  let error: FormatError | undefined;
  try {
    try {
      yield* recoder.steps;
    } catch (thrown) {
      if (!isFormatError(thrown)) throw thrown;
      error = thrown;
    }
    recoder.flush();
    if (error === undefined) comparing.finish();
  } catch (thrown) {
    if (!(thrown instanceof DifferenceFound)) throw thrown;
    const difference = {
      offset: thrown.offset,
      path: recoder.path(),
      expected: hexBytes(thrown.expected),
      found: hexBytes(thrown.found),
    };
    return { name, identicalBytes: identicalBytes(), difference };
  }
  return { name, identicalBytes: identicalBytes(), ...(error === undefined ? {} : { error }) };
}
