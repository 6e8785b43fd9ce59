/**
 * Reads a stream for its memory: everything that searching, reading and writing it out start from.
 *
 * @module
 */

import { inflate } from "../../container/inflate.ts";
import type { OpenInput } from "../../container/open.ts";
import type { StreamItem } from "../../format/items.ts";
import type { Vmdescription } from "../../format/vmdescription.ts";
import { type ChannelsReading, readInputSteps } from "../channels/read_input.ts";
import type { StreamState } from "../state.ts";
import { type MissingChannels, missingChannels } from "./completeness.ts";
import type { Guest } from "./guest.ts";
import { GuestMemory, type GuestMemoryOptions } from "./guest_memory.ts";
import { lastOf } from "../steps.ts";

/** How a guest's memory is read. */
export interface ReadMemoryOptions extends GuestMemoryOptions {
  /** A description of the devices from elsewhere, for a stream that carries none. */
  readonly vmdescription?: Vmdescription | undefined;
  /** Whether an error in the stream ends the reading quietly. */
  readonly keepGoing?: boolean;
  /** Called with each item of the main channel. */
  readonly onItem?: ((item: StreamItem) => void) | undefined;
}

/** A guest's memory, and the guest. */
export interface MemoryOfGuest extends Disposable {
  /** The memory. */
  readonly memory: GuestMemory;
  /** What the stream says about the guest. */
  readonly state: StreamState;
  /** What the physical map can be found from. */
  readonly guest: Guest;
  /** The other channels; `undefined` if there are none with pages. */
  readonly channels: ChannelsReading | undefined;
  /** The kind of channels that have pages which are missing here: the memory is not whole. */
  readonly missingChannels: MissingChannels | undefined;
}

/**
 * Reads a whole stream and gives the guest's memory. The input has to be able to give any byte again: a file, or a pipe that was opened
 * with `keepAll`.
 *
 * @example
 * ```ts
 * import { openInput, readGuestMemory } from "@migstream/migstream";
 *
 * using input = await openInput("testdata/pc.mig");
 * using guest = readGuestMemory(input);
 * const { memory } = guest;
 * const ram = memory.blocks.find(({ name }) => name === "pc.ram")!;
 * const page = new Uint8Array(memory.pageBytes);
 * memory.read(ram, 0x10000, page);
 * console.log(page.subarray(0, 16).toHex());
 * ```
 *
 * @throws {FormatError} unless `keepGoing` is set
 */
export function readGuestMemory(
  input: OpenInput,
  options: ReadMemoryOptions = {},
): MemoryOfGuest {
  return lastOf(readGuestMemorySteps(input, options));
}

/**
 * The same in steps, an item of the main channel each. Who gives up on the way has to let the generator return.
 *
 * @throws {FormatError} unless `keepGoing` is set
 */
export function* readGuestMemorySteps(
  input: OpenInput,
  options: ReadMemoryOptions = {},
): Generator<StreamItem, MemoryOfGuest, undefined> {
  const { vmdescription, keepGoing = false } = options;
  const memory = new GuestMemory(input.source, inflate, options);
  let machine: string | undefined;
  let ranPostcopy = false;
  const onItem = (item: StreamItem) => {
    ranPostcopy ||= item.kind === "command" && item.command.name === "POSTCOPY_RUN";
    if (item.kind === "configuration") machine = item.configuration.machine;
    options.onItem?.(item);
  };
  let isRead = false;
  try {
    const { state, channels } = yield* readInputSteps(input, {
      visitor: memory,
      pages: { content: "if-compressed" },
      keepGoing,
      onItem,
      ...(vmdescription === undefined ? {} : { vmdescription }),
    });
    const { blocks = [], error } = state;
    isRead = true;
    return {
      memory,
      state,
      channels,
      guest: { machine, blocks, state },
      missingChannels: missingChannels({
        isRead: error === undefined,
        isMapped: blocks.some(({ mapped }) => mapped !== undefined),
        multifdFlushes: channels === undefined ? memory.multifdFlushes : 0,
        ranPostcopy,
        counts: memory.counts,
      }),
      [Symbol.dispose]: () => memory[Symbol.dispose](),
    };
  } finally {
    if (!isRead) memory[Symbol.dispose]();
  }
}
