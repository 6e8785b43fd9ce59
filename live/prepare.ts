/**
 * What has to be sent of an input so that a QEMU takes it for a migration.
 *
 * | input                                     | sent                                                    |
 * |-------------------------------------------|---------------------------------------------------------|
 * | a classic stream, whatever is around it   | as it is, without what is around it                     |
 * | a captured multifd migration              | as it is, channel by channel                            |
 * | a mapped-ram file                         | made anew: its pages stand where no socket can put them |
 * | a postcopy migration                      | made anew, as one of precopy                            |
 * | any of them, where multifd is asked for   | made anew, over so many channels                        |
 *
 * @module
 */

import { ImageItems, loadImage } from "../analyze/image/load_image.ts";
import type { MarkKind } from "../analyze/image/main_channel.ts";
import { makeMigration, vmUuid } from "../analyze/image/migration.ts";
import type { MultifdOptions } from "../analyze/image/multifd_channels.ts";
import { itemPieces, type OutgoingChannel, sourcePieces } from "../analyze/image/pieces.ts";
import { imageOf } from "../analyze/image/read_image.ts";
import { readState } from "../analyze/state.ts";
import { openChannels } from "../container/channels.ts";
import type { OpenInput } from "../container/open.ts";
import type { StreamItem } from "../format/items.ts";
import { describeCount } from "./words.ts";

/** How an input is prepared. */
export interface PrepareOptions {
  /** The multifd channels that are asked for; absent if the input decides. */
  readonly multifd?: Omit<MultifdOptions, "uuid" | "marks"> | undefined;
  /** Where the channels wait for each other. Default: as the machine type does. */
  readonly marks?: MarkKind | undefined;
}

/** A migration that can be sent. */
export interface PreparedMigration extends Disposable {
  /** The connections, the main channel first. */
  readonly channels: readonly OutgoingChannel[];
  /** About how many bytes they have. */
  readonly totalBytes: number;
  /** Whether the destination will say in the end whether it has the guest. */
  readonly confirmed: boolean;
  /** What deserves attention. */
  readonly notes: readonly string[];
}

/** What an input's main channel says. */
interface Contents {
  readonly items: readonly StreamItem[];
  readonly isMapped: boolean;
  readonly ranPostcopy: boolean;
  readonly hasReturnPath: boolean;
  readonly flushes: number;
}

/**
 * Prepares an input, which has to be seekable.
 *
 * @throws {FormatError} for a damaged one
 * @throws {Error} for one whose memory is not whole
 */
export async function prepareMigration(
  input: OpenInput,
  options: PrepareOptions = {},
): Promise<PreparedMigration> {
  const contents = readContents(input);
  const { isMapped, ranPostcopy } = contents;
  if (options.multifd === undefined && !isMapped && !ranPostcopy) {
    return await prepareAsIs(input, contents);
  }
  const notes: string[] = [];
  if (options.multifd === undefined) {
    const reason = isMapped
      ? "a mapped-ram file can't go over a socket as it is"
      : "a postcopy migration can't be repeated as it is";
    notes.push(`${reason}: its memory is sent page by page, on the main channel`);
  }
  return await prepareAnew(input, options, notes);
}

function readContents(input: OpenInput): Contents {
  const collected = new ImageItems();
  let flushes = 0;
  const state = readState(input.source, {
    offset: input.streamOffset,
    onItem: (item) => {
      collected.take(item);
      if (item.kind === "section" && item.payload?.kind === "ram") {
        flushes += item.payload.summary.flushes;
      }
    },
  });
  const { items, ranPostcopy } = collected;
  return {
    items,
    isMapped: state.blocks?.some(({ mapped }) => mapped !== undefined) ?? false,
    ranPostcopy,
    hasReturnPath: items.some((item) =>
      item.kind === "command" && item.command.name === "OPEN_RETURN_PATH"
    ),
    flushes,
  };
}

async function prepareAsIs(input: OpenInput, contents: Contents): Promise<PreparedMigration> {
  const captured = input.channels.filter(({ role }) => role === "multifd");
  if (contents.flushes > 0 && captured.length === 0) {
    throw new Error(
      "The pages are in multifd channels, which are not here: give the folder with all of them",
    );
  }
  const opened = await openChannels(captured);
  const channels = opened.channels.map(({ channel, source }) => ({
    name: `multifd channel ${channel.channelId}`,
    pieces: sourcePieces(source, "its packets"),
  }));
  const sizes = captured.map(({ sizeBytes }) => sizeBytes);
  const counted = describeCount(channels.length, "multifd channel");
  return {
    channels: [
      { name: "main channel", pieces: itemPieces(input.source, wholeStream(contents.items)) },
      ...channels,
    ],
    totalBytes: sizes.reduce((sum, size) => sum + size, streamBytes(contents.items)),
    confirmed: contents.hasReturnPath,
    notes: channels.length === 0 ? [] : [`${counted}: the destination has to expect as many`],
    [Symbol.dispose]: () => opened[Symbol.dispose](),
  };
}

/** The items without what stands behind the stream. */
function wholeStream(items: readonly StreamItem[]): StreamItem[] {
  return items.filter((item) => item.kind !== "trailing" || item.depth > 0);
}

function streamBytes(items: readonly StreamItem[]): number {
  return wholeStream(items).reduce((sum, { lengthBytes }) => sum + lengthBytes, 0);
}

async function prepareAnew(
  input: OpenInput,
  options: PrepareOptions,
  notes: string[],
): Promise<PreparedMigration> {
  const { multifd } = options;
  const loaded = loadImage(input);
  try {
    const { memory, ranPostcopy } = loaded;
    const image = imageOf(loaded, { needsDescription: ranPostcopy });
    const migration = await makeMigration(image, {
      marks: options.marks,
      returnPath: true,
      multifd: multifd && { ...multifd, uuid: vmUuid(input, image.configuration) },
    });
    if (multifd !== undefined) {
      const counted = describeCount(multifd.channels, "multifd channel");
      notes.push(`${counted}, compression ${multifd.compression}: the destination has to agree`);
    }
    return {
      channels: migration.channels,
      totalBytes: contentBytes(loaded.guest.memory.counts, memory.pageBytes),
      confirmed: true,
      notes,
      [Symbol.dispose](): void {
        migration[Symbol.dispose]();
        loaded[Symbol.dispose]();
      },
    };
  } catch (error) {
    loaded[Symbol.dispose]();
    throw error;
  }
}

function contentBytes(
  counts: readonly {
    readonly normal: number;
    readonly delta: number;
    readonly compressed: number;
  }[],
  pageBytes: number,
): number {
  const pages = counts.reduce((sum, each) => sum + each.normal + each.delta + each.compressed, 0);
  return pages * pageBytes;
}
