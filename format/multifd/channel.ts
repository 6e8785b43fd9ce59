/**
 * One multifd channel, packet by packet.
 *
 * What the packets mean together with those of other channels, and when they take effect, is no matter of a channel: SYNC packets say
 * where the marks of the main channel belong.
 *
 * @module
 */

import { type FormatError, isFormatError } from "../error.ts";
import { isPageBytes, type RamBlock } from "../ram.ts";
import type { ByteReader } from "../reader.ts";
import type { MultifdDecompressor } from "./compression.ts";
import { badMultifd, isZero, PayloadError } from "./error.ts";
import { MULTIFD_FLAG, type MultifdMethod, multifdMethod } from "./flags.ts";
import {
  decodeInitialPacket,
  MULTIFD_MAGIC,
  MULTIFD_VERSION,
  type MultifdInitialPacket,
} from "./initial_packet.ts";
import {
  decodeOffsets,
  MULTIFD_PACKET_BYTES,
  multifdOffsetsBytes,
  type MultifdPages,
} from "./offsets.ts";
import {
  checkDeviceStateSize,
  checkRamCounts,
  checkRamPayload,
  findPacketBlock,
  MULTIFD_COMPRESSED_MAX_BYTES,
} from "./packet.ts";
import {
  decodePacketHeader,
  decodePacketName,
  headerNotes,
  type MultifdDeviceStateHeader,
  type MultifdPacketHeader,
  type MultifdRamHeader,
  payloadBytesOf,
} from "./packet_header.ts";

/** Bytes that a search for the next packet looks at together. */
const SCAN_BYTES = 4096;

const NO_PAGES: MultifdPages = { normal: [], zero: [] };

/** What packets of both kinds have. */
export interface MultifdPacketPlace {
  /** Absolute offset of the packet's first byte. */
  readonly offset: number;
  /** Bytes of the packet, the payload included. */
  readonly lengthBytes: number;
  /** Absolute offset of the payload. */
  readonly payloadOffset: number;
  /** Bytes of the payload. */
  readonly payloadBytes: number;
  /** What is odd but does no harm: reserved words that are not zero, bytes behind a name. */
  readonly notes: readonly string[];
}

/** A packet with pages, or a SYNC packet, or (before QEMU 9.0) both, or neither. */
export interface MultifdRamPacket extends MultifdPacketPlace, MultifdPages {
  /** What kind of packet it is. */
  readonly kind: "ram";
  /** All flags. */
  readonly flags: number;
  /** Whether the channel has reached a synchronisation point, once the packet's pages are in place. */
  readonly isSync: boolean;
  /** How the payload is compressed. */
  readonly method: MultifdMethod;
  /** Slots for pages that the sender uses. */
  readonly pagesAlloc: number;
  /** The block that all pages belong to; `undefined` if there are none. */
  readonly block: RamBlock | undefined;
  /** Number of the packet, in one count over all channels. */
  readonly packetNumber: number;
  /**
   * The normal pages, one behind the other, valid until the next packet is read. `undefined` if there are none, or contents are not
   * wanted, or nothing is there to decompress them.
   */
  readonly content: Uint8Array | undefined;
}

/** A packet with a part of a device's state. The payload is skipped. */
export interface MultifdDeviceStatePacket extends MultifdPacketPlace {
  /** What kind of packet it is. */
  readonly kind: "device-state";
  /** Idstr of the device's entry in the main channel. */
  readonly idstr: string;
  /** Instance id of that entry. */
  readonly instanceId: number;
}

/** A packet of a channel. */
export type MultifdPacket = MultifdRamPacket | MultifdDeviceStatePacket;

/** What a channel is read with. */
export interface MultifdChannelOptions {
  /** The blocks of the main channel's list, by name. */
  readonly blocks: ReadonlyMap<string, RamBlock>;
  /** Target page size in bytes. */
  readonly pageBytes: number;
  /** Makes what decompresses the channel's payloads; called at the first one that is compressed. */
  readonly newDecompressor?: () => MultifdDecompressor;
  /**
   * Whether contents are wanted: all, none, or only those that don't stand in the channel as they are. Payloads whose content is not
   * wanted are skipped. Default: true.
   */
  readonly content?: boolean | "if-compressed";
}

/**
 * A block buffer of this size costs least where contents are wanted: most of a payload then goes straight to its place.
 */
export const MULTIFD_BLOCK_BYTES: number = 64 * 1024;

/** Whether magic and version of a packet stand so many bytes behind the cursor. */
function startsPacket(reader: ByteReader, ahead: number): boolean {
  if (reader.fill(ahead + 8) < ahead + 8) return false;
  const at = reader.head + ahead;
  return reader.view.getUint32(at) === MULTIFD_MAGIC &&
    reader.view.getUint32(at + 4) === MULTIFD_VERSION;
}

/**
 * Reads a channel.
 *
 * @example
 * ```ts
 * import { MultifdChannelReader } from "./channel.ts";
 * import { encodeInitialPacket } from "./initial_packet.ts";
 * import { encodeRamPacket } from "./packet.ts";
 * import { ByteReader } from "../reader.ts";
 * import { BytesSource } from "../source.ts";
 * import { ByteWriter } from "../writer.ts";
 *
 * const writer = new ByteWriter();
 * encodeInitialPacket(writer, { channelId: 0 });
 * encodeRamPacket(writer, { packetNumber: 0, isSync: true }, 4096);
 *
 * const reader = new ByteReader(new BytesSource(writer.finish()));
 * using channel = new MultifdChannelReader(reader, { blocks: new Map(), pageBytes: 4096 });
 * for (let packet = channel.next(); packet !== undefined; packet = channel.next()) {
 *   console.log(packet.offset, packet.lengthBytes); // 64 1344
 * }
 * ```
 */
export class MultifdChannelReader implements Disposable {
  /** The first packet. */
  readonly initial: MultifdInitialPacket;
  /** What is odd in the first packet but does no harm. */
  readonly notes: readonly string[];
  readonly #reader: ByteReader;
  readonly #options: MultifdChannelOptions;
  readonly #depth: number;
  #index = 0;
  /** Where the packet that is read begins, and where it ends if its header is right. */
  #packet = { offset: 0, end: 0 };
  /** Whether a payload was passed over that later ones of the same compressed stream refer to. */
  #isInterrupted = false;
  #decompressor: MultifdDecompressor | undefined;
  /** Where payloads go that don't stand whole in the reader's buffer. */
  #payload: Uint8Array = new Uint8Array(0);
  /** Where decompressed pages go. */
  #pages: Uint8Array = new Uint8Array(0);

  /** Reads the first packet. The reader's path names the channel from here on. */
  constructor(reader: ByteReader, options: MultifdChannelOptions) {
    const { pageBytes } = options;
    if (!isPageBytes(pageBytes)) {
      throw new RangeError(`Cannot read multifd channel: no page size: ${pageBytes}`);
    }
    this.#reader = reader;
    this.#options = options;
    const depth = reader.path.length;
    reader.path.push("multifd channel");
    this.initial = decodeInitialPacket(reader);
    this.notes = isZero(this.initial.reserved)
      ? []
      : ["the reserved bytes of the first packet are not zero"];
    reader.path[depth] = `multifd channel ${this.initial.channelId}`;
    this.#depth = depth + 1;
  }

  /** Offset of the next packet in the channel. */
  get offset(): number {
    return this.#reader.offset;
  }

  /**
   * The next packet, an object of its own whose `content` is valid until the next call; `undefined` at the channel's end.
   *
   * @throws {FormatError} `truncated` or `bad-multifd`, after which the channel can't be read on.
   */
  next(): MultifdPacket | undefined {
    const reader = this.#reader;
    reader.path.length = this.#depth;
    if (reader.atEnd()) return undefined;
    const index = this.#index++;
    reader.path.push(`packet ${index}`);
    const offset = reader.offset;
    this.#packet = { offset, end: 0 };
    const header = decodePacketHeader(reader);
    this.#packet.end = this.#endOf(header);
    if (header.kind === "device-state") return this.#deviceState(header, offset);
    reader.path[this.#depth] = `packet ${index} (packet_num ${header.packetNumber})`;
    return this.#ram(header, offset);
  }

  /** Where the packet ends whose header was read just now. */
  #endOf(header: MultifdPacketHeader): number {
    const { pageBytes } = this.#options;
    const { offset } = this.#reader;
    if (header.kind === "device-state") return offset + header.nextPacketBytes;
    // QEMU does not look at the size of what is not compressed, and neither does who goes on.
    const isPlain = multifdMethod(header.flags) === "none";
    const payloadBytes = isPlain ? header.normalPages * pageBytes : payloadBytesOf(header);
    return offset + multifdOffsetsBytes(pageBytes) + payloadBytes;
  }

  /**
   * After an error of {@link next}: goes to where a packet begins, behind the damaged one if that is where its header says, else at the
   * next magic number. False where there is none. What zlib and zstd compressed is no longer looked at.
   */
  resume(): boolean {
    const reader = this.#reader;
    const { offset, end } = this.#packet;
    this.#isInterrupted = true;
    const { sizeBytes = Infinity } = reader.source;
    if (end > offset && end <= sizeBytes) {
      reader.seek(end);
      if (end === sizeBytes || startsPacket(reader, 0)) return true;
    }
    reader.seek(offset + 8);
    while (reader.fill(SCAN_BYTES) >= 8) {
      const last = reader.tail - 8;
      for (let at = reader.head; at <= last; at++) {
        at = reader.buffer.indexOf(MULTIFD_MAGIC >>> 24, at);
        if (at < 0 || at > last) break;
        if (!startsPacket(reader, at - reader.head)) continue;
        reader.head = at;
        return true;
      }
      reader.head = last + 1;
    }
    return false;
  }

  #deviceState(header: MultifdDeviceStateHeader, offset: number): MultifdDeviceStatePacket {
    const reader = this.#reader;
    const nameOffset = reader.offset - header.name.length - 8;
    const idstr = decodePacketName(reader, header.name, nameOffset, "idstr", "MFD-023");
    checkDeviceStateSize(reader, header);
    const payloadOffset = reader.offset;
    reader.skip(header.nextPacketBytes, "payload of a multifd packet");
    return {
      kind: "device-state",
      offset,
      lengthBytes: reader.offset - offset,
      idstr,
      instanceId: header.instanceId,
      payloadOffset,
      payloadBytes: header.nextPacketBytes,
      notes: headerNotes(header),
    };
  }

  #ram(header: MultifdRamHeader, offset: number): MultifdRamPacket {
    const reader = this.#reader;
    const { pageBytes, blocks } = this.#options;
    const { normalPages, zeroPages, flags } = header;
    checkRamCounts(reader, header, offset, pageBytes);
    let block: RamBlock | undefined;
    let pages: MultifdPages = NO_PAGES;
    if (normalPages + zeroPages > 0) {
      block = findPacketBlock(reader, header, offset, blocks);
      pages = decodeOffsets(reader, normalPages, zeroPages, block, pageBytes);
    } else {
      reader.skip(multifdOffsetsBytes(pageBytes), "offsets of a multifd packet");
    }
    checkRamPayload(reader, header, offset, pageBytes);
    const method = multifdMethod(flags);
    const payloadOffset = reader.offset;
    const payloadBytes = payloadBytesOf(header);
    return {
      kind: "ram",
      offset,
      lengthBytes: payloadOffset + payloadBytes - offset,
      flags,
      isSync: (flags & MULTIFD_FLAG.SYNC) !== 0,
      method,
      pagesAlloc: header.pagesAlloc,
      block,
      ...pages,
      packetNumber: header.packetNumber,
      payloadOffset,
      payloadBytes,
      notes: headerNotes(header),
      content: this.#content(method, payloadBytes, normalPages * pageBytes),
    };
  }

  /** Reads a payload, or skips it. */
  #content(
    method: MultifdMethod,
    payloadBytes: number,
    pagesBytes: number,
  ): Uint8Array | undefined {
    const reader = this.#reader;
    if (payloadBytes === 0) return undefined;
    const { content = true, newDecompressor } = this.#options;
    const isLost = this.#isInterrupted && (method === "zlib" || method === "zstd");
    const isWanted = !isLost && content !== false && (content === true || method !== "none");
    if (!isWanted || (method !== "none" && newDecompressor === undefined)) {
      reader.skip(payloadBytes, "payload of a multifd packet");
      return undefined;
    }
    const payloadOffset = reader.offset;
    const payload = this.#take(payloadBytes, method);
    if (method === "none") return payload;
    if (this.#pages.length === 0) this.#pages = new Uint8Array(MULTIFD_PACKET_BYTES);
    const into = this.#pages.subarray(0, pagesBytes);
    const decompressor = this.#decompressor ??= newDecompressor!();
    try {
      decompressor.decompress(method, payload, into, this.#options.pageBytes);
    } catch (error) {
      // A runtime that can't do it is no fault of the data.
      if (error instanceof TypeError) throw error;
      throw this.#badPayload(method, payloadOffset, error);
    }
    return into;
  }

  /** The next bytes: where they stand in the reader's buffer if all of them do, otherwise a copy. */
  #take(count: number, method: MultifdMethod): Uint8Array {
    const reader = this.#reader;
    if (reader.tail - reader.head >= count) {
      reader.head += count;
      return reader.buffer.subarray(reader.head - count, reader.head);
    }
    if (this.#payload.length < count) {
      const most = method === "none" ? MULTIFD_PACKET_BYTES : MULTIFD_COMPRESSED_MAX_BYTES;
      this.#payload = new Uint8Array(most);
    }
    const into = this.#payload.subarray(0, count);
    reader.readInto(into, "payload of a multifd packet");
    return into;
  }

  #badPayload(method: MultifdMethod, payloadOffset: number, cause: unknown): FormatError {
    const reader = this.#reader;
    reader.path.push("payload");
    const message = `multifd payload: it is no ${method} data of the pages`;
    const isOne = method === "zlib" || method === "zstd";
    const rule = cause instanceof PayloadError ? cause.rule : isOne ? "MFD-015" : "MFD-027";
    if (!isFormatError(cause)) {
      const found = cause instanceof Error ? cause.message : String(cause);
      const expected = `${method} data of exactly the normal pages`;
      return badMultifd(reader, message, {
        offset: payloadOffset,
        expected,
        found,
        rule,
        cause,
      });
    }
    return badMultifd(reader, cause.message.replace(/^Cannot decode /, ""), {
      offset: payloadOffset + cause.offset,
      expected: cause.expected ?? `${method} data`,
      found: cause.found ?? "other bytes",
      rule: cause.rule ?? rule,
      cause,
    });
  }

  /** Frees the decompressor's memory. */
  [Symbol.dispose](): void {
    this.#decompressor?.[Symbol.dispose]();
    this.#decompressor = undefined;
  }
}
