/**
 * The payload of the `pbs-state` section of Proxmox VE's QEMU: the backup library's knowledge about dirty bitmaps. Only a START section
 * exists. No bytes of a real one were seen; the layout is that of the public sources.
 *
 * ```text
 *   0  8 be64  length
 *   8          length opaque bytes
 * ```
 *
 * @module
 */

import { type ChunkData, type ChunkPlace, NO_DATA, skipRest } from "./chunk.ts";
import type { ByteReader } from "./reader.ts";
import type { ByteWriter } from "./writer.ts";

/** Name of the section's entry. */
export const PBS_STATE_IDSTR = "pbs-state";
/** The only version of the section. */
export const PBS_STATE_VERSION = 1;

/** Decodes the payload: where the opaque bytes stand. At `onState` the reader stands there. */
export function readPbsState(
  reader: ByteReader,
  onState?: (place: ChunkPlace) => void,
): ChunkPlace {
  const offset = reader.offset;
  const dataBytes = reader.u64("length of pbs-state");
  const place = { offset, dataOffset: reader.offset, dataBytes };
  onState?.(place);
  skipRest(reader, place, "pbs-state");
  return place;
}

/** Encodes the payload. */
export function encodePbsState(writer: ByteWriter, state: ChunkData): void {
  const data = state.data ?? NO_DATA;
  encodePbsStateHead(writer, data.length);
  writer.bytes(data);
}

/** Encodes what stands before so many opaque bytes. */
export function encodePbsStateHead(writer: ByteWriter, dataBytes: number): void {
  writer.u64(dataBytes, "length of pbs-state");
}
