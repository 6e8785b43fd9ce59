/**
 * Reads one of two inputs that are compared.
 *
 * @module
 */

import type { OpenInput } from "../../container/open.ts";
import type { Configuration } from "../../format/configuration.ts";
import type { StreamItem } from "../../format/items.ts";
import type { ByteSource } from "../../format/source.ts";
import type { Vmdescription } from "../../format/vmdescription.ts";
import type { MissingChannels } from "../memory/completeness.ts";
import type { Guest } from "../memory/guest.ts";
import type { GuestMemory } from "../memory/guest_memory.ts";
import { readGuestMemory } from "../memory/open_memory.ts";
import type { StreamState } from "../state.ts";
import type { PayloadPiece, SectionsSide } from "./sections.ts";

/** An input that was read to be compared. */
export interface DiffSide extends SectionsSide, Disposable {
  /** The bytes. */
  readonly source: ByteSource;
  /** The stream's state. */
  readonly state: StreamState;
  /** Whether anything behind the file header and the configuration was read. */
  readonly isBegun: boolean;
  /** The configuration, if the stream has one. */
  readonly configuration: Configuration | undefined;
  /** The memory. */
  readonly memory: GuestMemory;
  /** What the physical map can be found from. */
  readonly guest: Guest;
  /** The kind of channels that have pages which are missing. */
  readonly missingChannels: MissingChannels | undefined;
}

/** How an input is read. */
export interface ReadDiffSideOptions {
  /** A description of the devices from elsewhere, for a stream that carries none. */
  readonly vmdescription?: Vmdescription | undefined;
  /** Whether an error in the stream ends the reading quietly. */
  readonly keepGoing?: boolean;
  /** Called with each item of the main channel. */
  readonly onItem?: (item: StreamItem) => void;
}

/**
 * Reads an input. It has to be able to give any byte again: a file, or a pipe that was opened with `keepAll`.
 *
 * @example
 * ```ts
 * import { openInput, readDiffSide } from "@migstream/migstream";
 *
 * using input = await openInput("testdata/pc.mig", { keepAll: true });
 * using side = readDiffSide(input);
 * console.log(side.memory.blocks.length);
 * ```
 *
 * @throws {FormatError} unless `keepGoing` is set
 */
export function readDiffSide(input: OpenInput, options: ReadDiffSideOptions = {}): DiffSide {
  let configuration: Configuration | undefined;
  let isBegun = false;
  const payloads = new Map<number, PayloadPiece[]>();
  const payloadsById = new Map<number, PayloadPiece[]>();
  const onItem = (item: StreamItem) => {
    options.onItem?.(item);
    if (item.kind === "configuration") configuration = item.configuration;
    if (item.kind !== "header") isBegun = true;
    if (item.kind !== "section" || item.payload === undefined) return;
    if (item.payload.kind === "ram") return;
    const { id } = item.section;
    const isFirst = item.type === "start" || item.type === "full";
    const pieces = isFirst ? [] : payloadsById.get(id) ?? [];
    if (isFirst) {
      payloads.set(item.offset, pieces);
      payloadsById.set(id, pieces);
    }
    const { payloadOffset: offset, payloadEnd } = item;
    pieces.push({ offset, lengthBytes: payloadEnd - offset });
  };
  const guest = readGuestMemory(input, { ...options, onItem });
  return {
    source: input.source,
    state: guest.state,
    isBegun,
    configuration,
    payloads,
    memory: guest.memory,
    guest: guest.guest,
    missingChannels: guest.missingChannels,
    [Symbol.dispose]: () => guest[Symbol.dispose](),
  };
}
