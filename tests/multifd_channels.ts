/**
 * Multifd channels for tests: recorded ones, built ones, and what reading one gives as lines of text.
 *
 * @module
 */

import { MultifdChannelReader, type MultifdPacket } from "../format/multifd/channel.ts";
import type { MultifdDecompressor } from "../format/multifd/compression.ts";
import { encodeInitialPacket, MULTIFD_INITIAL_BYTES } from "../format/multifd/initial_packet.ts";
import { encodeRamPacket, type MultifdRamFields } from "../format/multifd/packet.ts";
import type { RamBlock } from "../format/ram.ts";
import { ByteReader } from "../format/reader.ts";
import { type ByteSource, BytesSource } from "../format/source.ts";
import { StreamReader } from "../format/stream.ts";
import { ByteWriter } from "../format/writer.ts";
import { checksum } from "./reading.ts";
import { filesOf, loadStream } from "./testdata.ts";

/** Page size of the built channels, unless another is given. */
export const PAGE_BYTES = 4096;

/** A block with a name and length. */
export function blockOf(name: string, usedLengthBytes: number): RamBlock {
  return { name, index: 0, usedLengthBytes, entryOffset: 0, entryBytes: 0 };
}

/** Blocks by name. */
export function blocksOf(...blocks: readonly RamBlock[]): ReadonlyMap<string, RamBlock> {
  return new Map(blocks.map((block) => [block.name, block]));
}

/** The blocks of the built channels. */
export const BLOCKS: ReadonlyMap<string, RamBlock> = blocksOf(
  blockOf("pc.ram", 256 * PAGE_BYTES),
  blockOf("tiny", PAGE_BYTES / 2),
);

/** A recorded case: the blocks and page size of its main channel, and its other channels. */
export function recordedChannels(
  name: string,
): { blocks: ReadonlyMap<string, RamBlock>; pageBytes: number; channels: Uint8Array[] } {
  const main = new StreamReader(new BytesSource(loadStream(name)));
  for (const _ of main.items());
  return {
    blocks: main.context.ram.blocks,
    pageBytes: main.pageBytes!,
    channels: filesOf(name, "multifd").map((file) => loadStream(name, file)),
  };
}

/** What a channel is read with in a test. */
export interface ChannelReading {
  readonly blocks?: ReadonlyMap<string, RamBlock>;
  readonly pageBytes?: number;
  readonly newDecompressor?: () => MultifdDecompressor;
  readonly content?: boolean;
  readonly blockBytes?: number;
}

/** The packets of a channel; the contents are copies. */
export function readChannel(
  source: Uint8Array | ByteSource,
  { blockBytes, ...options }: ChannelReading = {},
): MultifdPacket[] {
  const reader = new ByteReader(
    source instanceof Uint8Array ? new BytesSource(source) : source,
    blockBytes === undefined ? {} : { blockBytes },
  );
  using channel = new MultifdChannelReader(reader, {
    blocks: BLOCKS,
    pageBytes: PAGE_BYTES,
    ...options,
  });
  const packets: MultifdPacket[] = [];
  for (let packet = channel.next(); packet !== undefined; packet = channel.next()) {
    if (packet.kind === "ram") packets.push({ ...packet, content: packet.content?.slice() });
    else packets.push(packet);
  }
  return packets;
}

/** Packets as lines that can be compared. */
export function packetLines(packets: readonly MultifdPacket[]): string[] {
  return packets.map((packet) =>
    JSON.stringify(packet, (key, value) => {
      if (key === "block") return (value as RamBlock | undefined)?.name;
      return value instanceof Uint8Array ? `${value.length} ${checksum(value)}` : value;
    })
  );
}

/** A channel with the given packets. */
export function channelOf(
  packets: readonly MultifdRamFields[],
  pageBytes: number = PAGE_BYTES,
): Uint8Array {
  const writer = new ByteWriter();
  encodeInitialPacket(writer, { channelId: 1 });
  for (const packet of packets) encodeRamPacket(writer, packet, pageBytes);
  return writer.finish();
}

/** Where the first packet behind the channel's begins. */
export const START: number = MULTIFD_INITIAL_BYTES;
/** Bytes of a packet without its payload. */
export const RAM_BYTES = 1344;

/** Some pages full of one byte. */
export function pagesOf(count: number, fill = 7): Uint8Array {
  return new Uint8Array(count * PAGE_BYTES).fill(fill);
}

/** A DEVICE_STATE packet. */
export const DEVICE: { idstr: string; instanceId: number; payload: Uint8Array } = {
  idstr: "0000:00:02.0/vfio",
  instanceId: 3,
  payload: new Uint8Array(20).fill(5),
};
