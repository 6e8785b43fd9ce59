/**
 * Sections of which more is known than their description tells, for the rich dump.
 *
 * @module
 */

import { isFormatError } from "../../format/error.ts";
import { decodeGlobalState, GLOBAL_STATE_IDSTR } from "../../format/global_state.ts";
import { ByteReader } from "../../format/reader.ts";
import { readStorageKeys, STORAGE_KEYS_IDSTR } from "../../format/s390_skeys.ts";
import { S390_PAGE_BYTES } from "../../format/s390_storage_attributes.ts";
import type { SectionIdentity } from "../../format/section.ts";
import { decodeSlirp, SLIRP_IDSTR } from "../../format/slirp.ts";
import { BytesSource } from "../../format/source.ts";
import { hex } from "../../format/text.ts";
import { decodeTodClock, TODCLOCK_IDSTR } from "../../format/todclock.ts";
import { readVfio, VFIO_IDSTR_SUFFIX } from "../../format/vfio.ts";
import type { RichValue } from "./json.ts";

/** Most runs of keys and tags that are listed; a large guest has millions, and the field `data` has them all. */
const MAX_LISTED = 1 << 16;

type Decoder = (reader: ByteReader, bytes: Uint8Array, offset: number) => RichValue | undefined;

const DECODERS = new Map<string, Decoder>([
  [GLOBAL_STATE_IDSTR, globalState],
  [STORAGE_KEYS_IDSTR, storageKeys],
  [TODCLOCK_IDSTR, (reader) => {
    const clock = decodeTodClock(reader);
    return clock === undefined
      ? { present: false }
      : { present: true, high: clock.high, low: hex(clock.low) };
  }],
  [SLIRP_IDSTR, slirp],
]);

/** What the payload of a FULL section means; `undefined` for sections that nothing more is known about. */
export function richSection(
  section: SectionIdentity,
  bytes: Uint8Array,
  payloadOffset: number,
): RichValue | undefined {
  const decode = section.idstr.endsWith(VFIO_IDSTR_SUFFIX) ? vfio : DECODERS.get(section.idstr);
  if (decode === undefined) return undefined;
  const reader = new ByteReader(new BytesSource(bytes), { blockBytes: Math.max(1, bytes.length) });
  try {
    const decoded = decode(reader, bytes, payloadOffset);
    // What does not end with the section is something else of the same name.
    return reader.offset === bytes.length ? decoded : undefined;
  } catch (error) {
    if (isFormatError(error)) return undefined;
    throw error;
  }
}

function globalState(reader: ByteReader): RichValue {
  const { runState, layout, hasVmWasSuspended, vmWasSuspended } = decodeGlobalState(reader);
  return { runState, layout, hasVmWasSuspended, vmWasSuspended };
}

/** The keys in runs of pages that have the same. */
function storageKeys(reader: ByteReader, bytes: Uint8Array): RichValue {
  const keys: { startAddress: string; pages: number; key: string }[] = [];
  let runs = 0;
  const add = (startAddress: number, pages: number, key: number) => {
    runs += 1;
    if (runs > MAX_LISTED) return;
    keys.push({ startAddress: hex(startAddress), pages, key: hex(key, 2) });
  };
  const summary = readStorageKeys(reader, {}, ({ startAddress, dataOffset, dataBytes }) => {
    let first = 0;
    for (let page = 1; page <= dataBytes; page++) {
      const key = bytes[dataOffset + first]!;
      if (page < dataBytes && bytes[dataOffset + page] === key) continue;
      add(startAddress + first * S390_PAGE_BYTES, page - first, key);
      first = page;
    }
  });
  return { pages: summary.pages, incomplete: summary.incomplete, runs, keys };
}

function slirp(reader: ByteReader, bytes: Uint8Array): RichValue | undefined {
  const state = decodeSlirp(reader, bytes.length);
  if (state.kind === "raw") return undefined;
  const clients = state.bootpClients.flatMap(({ allocated, macAddress }, index) =>
    allocated === 0 && macAddress.every((byte) => byte === 0)
      ? []
      : [{ index, allocated, macAddress: macAddress.toHex().replace(/..(?=.)/g, "$&:") }]
  );
  return { connectionsBytes: state.connections.length, ipId: state.ipId, dhcpClients: clients };
}

function vfio(reader: ByteReader, bytes: Uint8Array, offset: number): RichValue {
  const tags: RichValue[] = [];
  const options = { type: "full", payloadBytes: bytes.length } as const;
  const summary = readVfio(reader, options, ({ tag, offset: at, dataBytes }) => {
    if (tags.length < MAX_LISTED) tags.push({ tag, offset: offset + at, dataBytes });
  });
  return { chunks: summary.chunks, tags };
}
