/**
 * Decodes and encodes the channels beside the main one of a captured migration.
 *
 * @module
 */

import type { OpenChannel } from "../../container/channels.ts";
import type { OpenInput } from "../../container/open.ts";
import { passBytes, passToEnd } from "../../format/byte_runs.ts";
import { DEFAULT_LIMITS } from "../../format/limits.ts";
import { MultifdChannelWriter } from "../../format/multifd/channel_writer.ts";
import { decodeInitialPacket } from "../../format/multifd/initial_packet.ts";
import { decodePacket } from "../../format/multifd/packet.ts";
import type { RamBlock } from "../../format/ram.ts";
import { newRamContext, RamScanner } from "../../format/ram_scanner.ts";
import { RamWriter } from "../../format/ram_writer.ts";
import { ByteReader } from "../../format/reader.ts";
import { decodeReturnPathMessage, encodeReturnPathMessage } from "../../format/return_path.ts";
import { BufferedSink, type ByteSink } from "../../format/sink.ts";
import type { ByteSource } from "../../format/source.ts";
import { channelName } from "../channels/merger.ts";
import { inferPageBytes } from "../channels/page_size.ts";
import type { Recoder } from "./compare_channel.ts";

/** What the main channel says that the others refer to. */
export interface MainChannelFacts {
  /** The RAM blocks, by name. */
  readonly blocks: ReadonlyMap<string, RamBlock>;
  /** Target page size in bytes, if the main channel says it. */
  readonly pageBytes: number | undefined;
}

/** A channel that can be decoded and encoded. */
export interface RecodableChannel {
  /** Its name. */
  readonly name: string;
  /** Its bytes. */
  readonly source: ByteSource;
  /** Begins to decode and encode it. */
  begin(original: ByteSource, sink: ByteSink, facts: MainChannelFacts): Recoder<void>;
}

/** The channels of a capture beside the main one. */
export interface OtherChannels {
  /** Those that are decoded. */
  readonly channels: readonly RecodableChannel[];
  /** Paths of the files that are no channels of a stream. */
  readonly skipped: readonly string[];
}

/** The channels beside the main one that an input has. */
export function otherChannels(
  { channels, pageChannels, returnPaths = [] }: OpenInput,
): OtherChannels {
  const read = [...pageChannels?.channels.map(({ channel }) => channel) ?? [], ...returnPaths];
  const paths = new Set(read.map(({ path }) => path));
  return {
    channels: [
      ...pageChannels?.channels.map(pageChannel) ?? [],
      ...returnPaths.map(({ source }) => ({
        name: "return path",
        source,
        begin: recodeReturnPath,
      })),
    ],
    skipped: channels.map(({ path }) => path).filter((path) => !paths.has(path)),
  };
}

function pageChannel(open: OpenChannel): RecodableChannel {
  const name = channelName(open);
  const { source } = open;
  const recode = open.channel.role === "multifd" ? recodeMultifd : recodePreempt;
  return {
    name,
    source,
    begin: (original, sink, facts) => recode(original, sink, facts, name),
  };
}

/** Packets decoded at once, between two looks at something else. */
const PACKETS_A_STEP = 16;

function recodeMultifd(
  original: ByteSource,
  sink: ByteSink,
  facts: MainChannelFacts,
  name: string,
): Recoder<void> {
  const reader = new ByteReader(original, { path: [name] });
  const out = new BufferedSink(sink);
  const writer = new MultifdChannelWriter(out);
  let place = "first packet";
  function* steps(): Generator<void, void, undefined> {
    // Before anything is read: a channel that comes out of a decompressor passes only once.
    const pageBytes = facts.pageBytes ?? inferPageBytes(original);
    writer.initial(decodeInitialPacket(reader));
    for (let index = 0; !reader.atEnd(); index++) {
      place = `packet ${index}`;
      reader.path[1] = place;
      writer.packet(decodePacket(reader, pageBytes));
      out.flush();
      if (index % PACKETS_A_STEP === 0) yield;
    }
  }
  return { steps: steps(), flush: () => out.flush(), path: () => [name, place] };
}

/** Runs decoded at once, between two looks at something else. */
const RUNS_A_STEP = 1024;

function recodePreempt(
  original: ByteSource,
  sink: ByteSink,
  { blocks, pageBytes }: MainChannelFacts,
  name: string,
): Recoder<void> {
  const reader = new ByteReader(original, { path: [name] });
  const out = new BufferedSink(sink);
  const writer = new RamWriter(out);
  const context = { ...newRamContext(), pageBytes, blocks: new Map(blocks) };
  const scanner = new RamScanner(reader, context, DEFAULT_LIMITS);
  function* steps(): Generator<void, void, undefined> {
    for (let count = 1; !reader.atEnd(); count++) {
      writer.run(scanner.next(), context.pageBytes ?? 0);
      if (count % RUNS_A_STEP === 0) yield;
    }
  }
  return { steps: steps(), flush: () => out.flush(), path: () => [name] };
}

function recodeReturnPath(original: ByteSource, sink: ByteSink): Recoder<void> {
  const reader = new ByteReader(original, { path: ["return path"] });
  const out = new BufferedSink(sink);
  let place = "message 0";
  function* steps(): Generator<void, void, undefined> {
    for (let index = 0; !reader.atEnd(); index++) {
      place = `message ${index}`;
      const message = decodeReturnPathMessage(reader);
      out.encode((writer) => encodeReturnPathMessage(writer, message));
      out.flush();
      yield;
      if (message.name === "SHUT") break;
    }
    // Behind SHUT there are numbers of COLO, which nothing frames.
    place = "behind SHUT";
    const { remaining } = reader;
    const visit = (bytes: Uint8Array) => out.write(bytes);
    if (remaining === undefined) passToEnd(reader, DEFAULT_LIMITS.trailingBytes, visit);
    else passBytes(reader, remaining, place, visit);
  }
  return { steps: steps(), flush: () => out.flush(), path: () => ["return path", place] };
}
