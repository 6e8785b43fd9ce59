/**
 * Reads an input so that it can be written in another form.
 *
 * @module
 */

import type { OpenInput } from "../../container/open.ts";
import { STREAM_VERSION_COMPAT } from "../../format/header.ts";
import type { StreamItem } from "../../format/items.ts";
import {
  type MemoryOfGuest,
  readGuestMemorySteps,
  type ReadMemoryOptions,
} from "../memory/open_memory.ts";
import type { ReadImage } from "./read_image.ts";
import { lastOf } from "../steps.ts";

/** An input that was read, the memory included. */
export interface LoadedImage extends ReadImage, Disposable {
  /** The guest. */
  readonly guest: MemoryOfGuest;
  /** Whether the guest ran on at a destination before all pages were there. */
  readonly ranPostcopy: boolean;
}

/** Collects what an image is made from, and refuses what no image can be made from. */
export class ImageItems {
  /** The items so far. */
  readonly items: StreamItem[] = [];
  /** Name of the machine type, if the stream has a configuration. */
  machine: string | undefined;
  /** Whether the guest ran on at a destination before all pages were there. */
  ranPostcopy = false;

  /**
   * Takes an item.
   *
   * @throws {Error} for the obsolete version 2
   */
  take(item: StreamItem): void {
    this.items.push(item);
    if (item.kind === "configuration") this.machine = item.configuration.machine;
    this.ranPostcopy ||= item.kind === "command" && item.command.name === "POSTCOPY_RUN";
    if (item.kind === "header" && item.header.version === STREAM_VERSION_COMPAT) {
      throw new Error("This is a stream of version 2, which no QEMU takes any more");
    }
  }
}

/** Refuses a memory of which pages are missing. */
export function refuseParts({ missingChannels }: Pick<MemoryOfGuest, "missingChannels">): void {
  if (missingChannels === undefined) return;
  throw new Error(
    `The memory is not whole: pages are in the channels of a ${missingChannels} migration; ` +
      "give the folder with all of them",
  );
}

/**
 * Reads an input, which has to be able to give any byte again, in steps of an item each.
 *
 * @throws {FormatError} for a damaged one
 * @throws {Error} for one whose memory is not whole
 */
export function* loadImageSteps(
  input: OpenInput,
  options: Pick<ReadMemoryOptions, "vmdescription"> = {},
): Generator<StreamItem, LoadedImage, undefined> {
  const collected = new ImageItems();
  const guest = yield* readGuestMemorySteps(input, {
    ...options,
    onItem: (item) => collected.take(item),
  });
  try {
    refuseParts(guest);
    const { items, ranPostcopy } = collected;
    return {
      source: input.source,
      items,
      hasFooters: guest.state.hasFooters ?? true,
      memory: guest.memory,
      guest,
      ranPostcopy,
      [Symbol.dispose]: () => guest[Symbol.dispose](),
    };
  } catch (error) {
    guest[Symbol.dispose]();
    throw error;
  }
}

/**
 * Reads an input at once.
 *
 * @example A stream without its old rounds
 * ```ts
 * import { imageBytes, imageOf, loadImage, openInput } from "@migstream/migstream";
 *
 * using input = await openInput("testdata/pc.mig");
 * using loaded = loadImage(input);
 * console.log(imageBytes(imageOf(loaded)).length);
 * ```
 *
 * @throws {FormatError} for a damaged one
 * @throws {Error} for one whose memory is not whole
 */
export function loadImage(input: OpenInput): LoadedImage {
  return lastOf(loadImageSteps(input));
}
