/**
 * A whole migration out of an image: its main channel and its multifd channels, each as pieces to be sent or stored.
 *
 * @module
 */

import type { OpenInput } from "../../container/open.ts";
import type { Configuration } from "../../format/configuration.ts";
import { RAM_SAVE_FLAG } from "../../format/ram.ts";
import type { GuestImage } from "./image.ts";
import { mainPieces, markCount, type MarkKind, marksOfMachine } from "./main_channel.ts";
import { makeMultifdChannels, type MultifdOptions } from "./multifd_channels.ts";
import type { OutgoingChannel } from "./pieces.ts";

/** How a migration is made. */
export interface MigrationOptions {
  /** Its multifd channels; without this everything is on the main channel. */
  readonly multifd?: Omit<MultifdOptions, "marks"> | undefined;
  /** Where the channels wait for each other. Default: as the machine type does. */
  readonly marks?: MarkKind | undefined;
  /** Whether the destination is asked to talk back. */
  readonly returnPath?: boolean;
}

/** A migration. */
export interface Migration extends Disposable {
  /** The channels, the main one first. */
  readonly channels: readonly OutgoingChannel[];
}

/** The flags of a RAM word, of which the mark of multifd is the highest, stand below the page's address. */
const MIN_PAGE_BYTES = 2 * RAM_SAVE_FLAG.MULTIFD_FLUSH;

/**
 * Makes a migration. Dispose of it when it was sent.
 *
 * @throws {Error} for pages that are too small for multifd
 */
export async function makeMigration(
  image: GuestImage,
  { multifd, marks, returnPath = false }: MigrationOptions = {},
): Promise<Migration> {
  if (multifd === undefined) {
    const main = { name: MAIN_CHANNEL, pieces: mainPieces(image, { returnPath }) };
    return { channels: [main], [Symbol.dispose]: () => {} };
  }
  const { pageBytes } = image.memory;
  if (pageBytes > 0 && pageBytes < MIN_PAGE_BYTES) {
    throw new Error(`Multifd has no marks for pages of ${pageBytes} bytes`);
  }
  const others = await makeMultifdChannels(image.memory, { ...multifd, marks: markCount(image) });
  const kind = marks ?? marksOfMachine(image.configuration?.machine);
  const main = { name: MAIN_CHANNEL, pieces: mainPieces(image, { marks: kind, returnPath }) };
  return {
    channels: [main, ...others.channels],
    [Symbol.dispose]: () => others[Symbol.dispose](),
  };
}

const MAIN_CHANNEL = "main channel";

/** The UUID that a destination compares with its own: of the configuration, of captured channels, or of libvirt's domain. */
export function vmUuid(
  input: OpenInput,
  configuration: Configuration | undefined,
): Uint8Array | undefined {
  for (const subsection of configuration?.subsections ?? []) {
    if (subsection.name === "configuration/uuid") return subsection.uuid;
  }
  const captured = input.channels.find(({ uuid }) => uuid !== undefined)?.uuid;
  const libvirt = input.wrappers.find((wrapper) => wrapper.kind === "libvirt")?.uuid;
  const digits = (captured ?? libvirt ?? "").replaceAll("-", "");
  return /^[0-9A-Fa-f]{32}$/.test(digits) ? Uint8Array.fromHex(digits) : undefined;
}
