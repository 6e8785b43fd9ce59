/**
 * The multifd channels of a migration that is made anew: packets with the pages that have content.
 *
 * The channels share the pages: each takes the next batch when its connection has taken the one before. Between the marks of the main
 * channel stands what stands there: nothing up to the first, all pages up to the second, nothing after it.
 *
 * @module
 */

import type { MemoryView } from "../memory/memory_view.ts";
import { loadMultifdCompressors } from "../../container/multifd_decompress.ts";
import type { MultifdCompressor } from "../../format/multifd/compression.ts";
import { encodeInitialPacket } from "../../format/multifd/initial_packet.ts";
import { multifdPageCapacity } from "../../format/multifd/offsets.ts";
import { encodeRamPacket, type MultifdRamFields } from "../../format/multifd/packet.ts";
import { ByteWriter } from "../../format/writer.ts";
import { contentBatches, type PageBatch } from "./pages.ts";
import type { OutgoingChannel, Piece } from "./pieces.ts";

/** Methods that channels can be made with. */
export const SEND_COMPRESSIONS = ["none", "zlib", "zstd"] as const;

/** How multifd channels are made. */
export interface MultifdOptions {
  /** Number of channels. */
  readonly channels: number;
  /** How pages are compressed. */
  readonly compression: typeof SEND_COMPRESSIONS[number];
  /** Level of the compression. Default 1, as in QEMU. */
  readonly level?: number | undefined;
  /** UUID of the VM, 16 bytes; absent if it has none. */
  readonly uuid?: Uint8Array | undefined;
  /** Number of marks on the main channel, at least 2. */
  readonly marks: number;
}

/** Makes the channels. Dispose of them when they were sent. */
export async function makeMultifdChannels(
  memory: MemoryView,
  options: MultifdOptions,
): Promise<{ readonly channels: readonly OutgoingChannel[] } & Disposable> {
  const { compression, level } = options;
  const newCompressor = compression === "none" ? undefined : await loadMultifdCompressors();
  // Without pages no page size is known, and no batch comes.
  const capacity = multifdPageCapacity(memory.pageBytes || 4096);
  const shared = { batches: contentBatches(memory, capacity), nextNumber: 0 };
  const compressors: MultifdCompressor[] = [];
  const channels = Array.from({ length: options.channels }, (_, channelId) => {
    const compressor = compression === "none" ? undefined : newCompressor?.(compression, level);
    if (compressor !== undefined) compressors.push(compressor);
    const pieces = channelPieces(channelId, memory.pageBytes || 4096, shared, compressor, options);
    return { name: `multifd channel ${channelId}`, pieces };
  });
  return {
    channels,
    [Symbol.dispose](): void {
      for (const compressor of compressors) compressor[Symbol.dispose]();
    },
  };
}

/** What all channels have together. */
interface Shared {
  readonly batches: Iterator<PageBatch, void, undefined>;
  nextNumber: number;
}

function* channelPieces(
  channelId: number,
  pageBytes: number,
  shared: Shared,
  compressor: MultifdCompressor | undefined,
  { uuid, marks }: MultifdOptions,
): Generator<Piece, void, undefined> {
  const writer = new ByteWriter();
  const packet = (what: string, fields: Omit<MultifdRamFields, "packetNumber">): Piece => {
    writer.clear();
    encodeRamPacket(writer, { ...fields, packetNumber: shared.nextNumber++ }, pageBytes);
    return { bytes: writer.written, what };
  };
  encodeInitialPacket(writer, uuid === undefined ? { channelId } : { channelId, uuid });
  yield { bytes: writer.written, what: "first packet" };
  yield packet("mark 0", { isSync: true });
  for (;;) {
    const { done, value: batch } = shared.batches.next();
    if (done === true) break;
    const { block, addresses, content } = batch;
    const payload = compressor?.compress(content) ?? content;
    const method = compressor?.method ?? "none";
    yield packet(`pages of ${block.name}`, {
      block: block.name,
      normal: addresses,
      method,
      payload,
    });
  }
  for (let mark = 1; mark < marks; mark++) yield packet(`mark ${mark}`, { isSync: true });
}
