/**
 * The payloads of VFIO devices' sections (`<bus path>/vfio`), live and FULL, and the buffers that they send through multifd channels.
 *
 * ```text
 * payload = { tag [body] }                 tag: be64 0xffffffffef1000nn
 * ```
 *
 * |   nn | tag                   | body                                                          |
 * |------|-----------------------|---------------------------------------------------------------|
 * | 0x01 | END_OF_STATE          | ends the payload                                              |
 * | 0x02 | DEV_CONFIG_STATE      | the device's configuration, of unknown length; END_OF_STATE   |
 * | 0x03 | DEV_SETUP_STATE       | none; END_OF_STATE follows                                    |
 * | 0x04 | DEV_DATA_STATE        | be64 size, size bytes                                         |
 * | 0x05 | DEV_INIT_DATA_SENT    | ends the payload, without END_OF_STATE                        |
 * | 0x06 | DEV_CONFIG_LOAD_READY | none                                                          |
 *
 * START: SETUP, END. PART: DATA..., then INIT_DATA_SENT or END. END: DATA..., END. FULL: CONFIG, END. Where the state goes through multifd channels, END
 * and FULL sections hold only END_OF_STATE.
 *
 * ```text
 * multifd device buffer (the payload of a DEVICE_STATE packet, QEMU's VFIODeviceStatePacket)
 *   0  4 be32  version 0
 *   4  4 be32  index: 0, 1, 2... for data; the configuration's follows the last one
 *   8  4 be32  flags: bit 0 = configuration
 *  12          data
 * ```
 *
 * @module
 */

import {
  badPayload,
  type ChunkData,
  type ChunkPlace,
  inChunk,
  NO_DATA,
  skipRest,
} from "./chunk.ts";
import type { ByteReader } from "./reader.ts";
import type { SectionType } from "./section.ts";
import { hex } from "./text.ts";
import type { ByteWriter } from "./writer.ts";

/** End of the names of the sections' entries; the device's path stands before it. */
export const VFIO_IDSTR_SUFFIX = "/vfio";
/** The only version of the sections. */
export const VFIO_VERSION = 1;

/** Low halves of the tags (`VFIO_MIG_FLAG_*`); the high half of each is {@link VFIO_TAG_HIGH}. */
export const VFIO_TAG = {
  END_OF_STATE: 0xef100001,
  DEV_CONFIG_STATE: 0xef100002,
  DEV_SETUP_STATE: 0xef100003,
  DEV_DATA_STATE: 0xef100004,
  DEV_INIT_DATA_SENT: 0xef100005,
  DEV_CONFIG_LOAD_READY: 0xef100006,
} as const;

/** High half of all tags. */
export const VFIO_TAG_HIGH = 0xffffffff;

/** Name of a tag. */
export type VfioTagName = keyof typeof VFIO_TAG;

const NAMES = new Map<number, VfioTagName>(
  (Object.entries(VFIO_TAG) as [VfioTagName, number][]).map(([name, number]) => [number, name]),
);
const TAG_BYTES = 8;

/** A tag; those of DEV_CONFIG_STATE and DEV_DATA_STATE have data. */
export interface VfioChunk {
  /** Which tag. */
  readonly tag: VfioTagName;
}

/** What to know for decoding a section. */
export interface VfioOptions {
  /** Type of the section. */
  readonly type: SectionType;
  /**
   * Bytes of a FULL section's payload, from the stream's description. Without it a device's configuration cannot be passed,
   * because nothing else tells its length.
   */
  readonly payloadBytes?: number;
}

/** A section in numbers. */
export interface VfioSummary {
  /** Tags. */
  chunks: number;
  /** Bytes of device data. */
  dataBytes: number;
  /** Bytes of the device's configuration, `undefined` if there is none. */
  configBytes: number | undefined;
  /** Whether the source said that all initial data were sent. */
  initialDataSent: boolean;
}

/** Decodes the payload of a section. */
export function readVfio(
  reader: ByteReader,
  options: VfioOptions,
  onChunk?: (chunk: VfioChunk & ChunkPlace) => void,
): VfioSummary {
  const summary: VfioSummary = {
    chunks: 0,
    dataBytes: 0,
    configBytes: undefined,
    initialDataSent: false,
  };
  const isFull = options.type === "full" && options.payloadBytes !== undefined;
  const end = isFull ? reader.offset + (options.payloadBytes ?? 0) : undefined;
  try {
    let previous: VfioTagName | undefined;
    for (;;) {
      const chunk = decodeVfioChunk(reader, end);
      checkOrder(reader, chunk, previous);
      previous = chunk.tag;
      onChunk?.(chunk);
      skipRest(reader, chunk, "VFIO device state");
      summary.chunks++;
      if (chunk.tag === "DEV_DATA_STATE") summary.dataBytes += chunk.dataBytes;
      if (chunk.tag === "DEV_CONFIG_STATE") summary.configBytes = chunk.dataBytes;
      if (chunk.tag === "DEV_INIT_DATA_SENT") summary.initialDataSent = true;
      if (chunk.tag === "END_OF_STATE" || chunk.tag === "DEV_INIT_DATA_SENT") break;
    }
    checkEnd(reader, end);
  } catch (error) {
    throw inChunk(reader, summary.chunks, error);
  }
  return summary;
}

function checkOrder(
  reader: ByteReader,
  chunk: VfioChunk & ChunkPlace,
  previous: VfioTagName | undefined,
): void {
  const closes = previous === "DEV_SETUP_STATE" || previous === "DEV_CONFIG_STATE";
  if (!closes || chunk.tag === "END_OF_STATE") return;
  throw badPayload(reader, `Cannot decode VFIO state: ${previous} is not closed`, {
    offset: chunk.offset,
    expected: "END_OF_STATE",
    found: chunk.tag,
    rule: "VFI-001",
  });
}

function checkEnd(reader: ByteReader, end: number | undefined): void {
  if (end === undefined || reader.offset === end) return;
  throw badPayload(reader, "Cannot decode VFIO state: its length is not the described one", {
    offset: reader.offset,
    expected: `an end at offset ${end}`,
    found: `an end at offset ${reader.offset}`,
    rule: "VFI-001",
  });
}

/**
 * Decodes a tag; afterwards the reader stands at its data. `payloadEnd` is the absolute offset where the payload ends, if
 * known: a configuration reaches to the END_OF_STATE before it.
 */
export function decodeVfioChunk(reader: ByteReader, payloadEnd?: number): VfioChunk & ChunkPlace {
  const offset = reader.offset;
  reader.need(TAG_BYTES, "VFIO tag");
  const high = reader.u32("VFIO tag");
  const low = reader.u32("VFIO tag");
  const tag = high === VFIO_TAG_HIGH ? NAMES.get(low) : undefined;
  if (tag === undefined) {
    throw badPayload(reader, "Cannot decode VFIO state: unknown tag", {
      offset,
      expected: "0xffffffffef100001..6",
      found: `${hex(high, 8)}${low.toString(16).padStart(8, "0")}`,
      rule: "VFI-001",
    });
  }
  let dataBytes = 0;
  if (tag === "DEV_DATA_STATE") dataBytes = reader.u64("size of VFIO device data");
  if (tag === "DEV_CONFIG_STATE") dataBytes = configBytes(reader, offset, payloadEnd);
  return { tag, offset, dataOffset: reader.offset, dataBytes };
}

function configBytes(reader: ByteReader, offset: number, payloadEnd: number | undefined): number {
  const bytes = payloadEnd === undefined ? -1 : payloadEnd - TAG_BYTES - reader.offset;
  if (bytes >= 0) return bytes;
  throw badPayload(reader, "Cannot decode VFIO state: where the configuration ends is not known", {
    offset,
    expected: "DEV_CONFIG_STATE only in a FULL section of described length",
    found: payloadEnd === undefined ? "no length" : `an end at offset ${payloadEnd}`,
    rule: "VFI-001",
  });
}

/** Encodes a tag with its data. */
export function encodeVfioChunk(writer: ByteWriter, chunk: VfioChunk & ChunkData): void {
  const { tag, data = NO_DATA } = chunk;
  if (data.length > 0 && tag !== "DEV_DATA_STATE" && tag !== "DEV_CONFIG_STATE") {
    throw writer.error(`Cannot encode VFIO tag ${tag}`, "no data", `${data.length} bytes`);
  }
  encodeVfioChunkHead(writer, tag, data.length);
  writer.bytes(data);
}

/** Encodes a tag without the `dataBytes` bytes that belong behind it. */
export function encodeVfioChunkHead(writer: ByteWriter, tag: VfioTagName, dataBytes: number): void {
  writer.u32(VFIO_TAG_HIGH, "VFIO tag");
  writer.u32(VFIO_TAG[tag], "VFIO tag");
  if (tag === "DEV_DATA_STATE") writer.u64(dataBytes, "size of VFIO device data");
}

/** Encodes a section's payload from its tags, the last one included. */
export function encodeVfioSection(
  writer: ByteWriter,
  chunks: readonly (VfioChunk & ChunkData)[],
): void {
  for (const chunk of chunks) encodeVfioChunk(writer, chunk);
}

/** Bytes before the data of a multifd device buffer. */
export const VFIO_DEVICE_BUFFER_HEADER_BYTES = 12;
/** The only version of a multifd device buffer (`VFIO_DEVICE_STATE_PACKET_VER_CURRENT`). */
export const VFIO_DEVICE_BUFFER_VERSION = 0;
/** Flag of a multifd device buffer: its data are the device's configuration (`VFIO_DEVICE_STATE_CONFIG_STATE`). */
export const VFIO_DEVICE_BUFFER_CONFIG = 0x01;

/** The head of a multifd device buffer. */
export interface VfioDeviceBuffer {
  /** Place of the data in the device's state: 0, 1, 2... */
  readonly index: number;
  /** {@link VFIO_DEVICE_BUFFER_CONFIG}. */
  readonly flags: number;
}

/** Decodes a multifd device buffer of `lengthBytes` and passes its data. */
export function decodeVfioDeviceBuffer(
  reader: ByteReader,
  lengthBytes: number,
): VfioDeviceBuffer & ChunkPlace {
  const offset = reader.offset;
  if (lengthBytes < VFIO_DEVICE_BUFFER_HEADER_BYTES) {
    throw badPayload(reader, "Cannot decode VFIO device buffer: too short", {
      offset,
      expected: `at least ${VFIO_DEVICE_BUFFER_HEADER_BYTES} bytes`,
      found: String(lengthBytes),
    });
  }
  const version = reader.u32("version of a VFIO device buffer");
  if (version !== VFIO_DEVICE_BUFFER_VERSION) {
    throw badPayload(reader, "Cannot decode VFIO device buffer: unknown version", {
      offset,
      expected: String(VFIO_DEVICE_BUFFER_VERSION),
      found: String(version),
    });
  }
  const index = reader.u32("index of a VFIO device buffer");
  const flags = reader.u32("flags of a VFIO device buffer");
  const dataBytes = lengthBytes - VFIO_DEVICE_BUFFER_HEADER_BYTES;
  const buffer = { index, flags, offset, dataOffset: reader.offset, dataBytes };
  skipRest(reader, buffer, "VFIO device buffer");
  return buffer;
}

/** Encodes a multifd device buffer with its data. */
export function encodeVfioDeviceBuffer(
  writer: ByteWriter,
  buffer: VfioDeviceBuffer & ChunkData,
): void {
  writer.u32(VFIO_DEVICE_BUFFER_VERSION, "version of a VFIO device buffer");
  writer.u32(buffer.index, "index of a VFIO device buffer");
  writer.u32(buffer.flags, "flags of a VFIO device buffer");
  writer.bytes(buffer.data ?? NO_DATA);
}
