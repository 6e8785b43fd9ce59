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

import { readGuestMemory } from "../analyze/memory/open_memory.ts";
import { readState } from "../analyze/state.ts";
import { openChannels } from "../container/channels.ts";
import type { OpenInput } from "../container/open.ts";
import { STREAM_VERSION_COMPAT } from "../format/header.ts";
import type { StreamItem } from "../format/items.ts";
import { RAM_SAVE_FLAG } from "../format/ram.ts";
import { makeMultifdChannels, type MultifdOptions } from "./multifd_channels.ts";
import { itemPieces, type OutgoingChannel, sourcePieces } from "./pieces.ts";
import { mainPieces, markCount, type MarkKind, marksOfMachine } from "./repack.ts";
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
  readonly hasFooters: boolean;
  readonly machine: string | undefined;
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
  return await prepareAnew(input, contents, options, notes);
}

function readContents(input: OpenInput): Contents {
  const items: StreamItem[] = [];
  let machine: string | undefined;
  let flushes = 0;
  const state = readState(input.source, {
    offset: input.streamOffset,
    onItem: (item) => {
      items.push(item);
      if (item.kind === "configuration") machine = item.configuration.machine;
      if (item.kind === "section" && item.payload?.kind === "ram") {
        flushes += item.payload.summary.flushes;
      }
      if (item.kind === "header" && item.header.version === STREAM_VERSION_COMPAT) {
        throw new Error("Cannot send a stream of version 2: no QEMU takes it any more");
      }
    },
  });
  const hasCommand = (name: string) =>
    items.some((item) => item.kind === "command" && item.command.name === name);
  return {
    items,
    hasFooters: state.hasFooters ?? true,
    machine,
    isMapped: state.blocks?.some(({ mapped }) => mapped !== undefined) ?? false,
    ranPostcopy: hasCommand("POSTCOPY_RUN"),
    hasReturnPath: hasCommand("OPEN_RETURN_PATH"),
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
  const opened = await openChannels(captured, false);
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

/** The flags of a RAM word, of which the mark of multifd is the highest, stand below the page's address. */
const MIN_PAGE_BYTES = 2 * RAM_SAVE_FLAG.MULTIFD_FLUSH;

async function prepareAnew(
  input: OpenInput,
  contents: Contents,
  options: PrepareOptions,
  notes: string[],
): Promise<PreparedMigration> {
  const { multifd } = options;
  const guest = readGuestMemory(input);
  try {
    const { memory, missingChannels } = guest;
    if (missingChannels !== undefined) {
      throw new Error(
        `The memory is not whole: pages are in the channels of a ${missingChannels} migration`,
      );
    }
    const { items, hasFooters, machine } = contents;
    const image = { source: input.source, items, hasFooters, memory };
    if (multifd !== undefined && memory.pageBytes > 0 && memory.pageBytes < MIN_PAGE_BYTES) {
      throw new Error(`Multifd has no marks for pages of ${memory.pageBytes} bytes`);
    }
    const marks = multifd && (options.marks ?? marksOfMachine(machine));
    const others = multifd && await makeMultifdChannels(memory, {
      ...multifd,
      uuid: vmUuid(input, items),
      marks: markCount(image),
    });
    if (multifd !== undefined) {
      const counted = describeCount(multifd.channels, "multifd channel");
      notes.push(`${counted}, compression ${multifd.compression}: the destination has to agree`);
    }
    const main = { name: "main channel", pieces: mainPieces(image, marks) };
    return {
      channels: [main, ...others?.channels ?? []],
      totalBytes: contentBytes(guest.memory.counts, memory.pageBytes),
      confirmed: true,
      notes,
      [Symbol.dispose](): void {
        others?.[Symbol.dispose]();
        guest[Symbol.dispose]();
      },
    };
  } catch (error) {
    guest[Symbol.dispose]();
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

/** The UUID that the destination compares with its own: of the configuration, of captured channels, or of libvirt's domain. */
function vmUuid(input: OpenInput, items: readonly StreamItem[]): Uint8Array | undefined {
  for (const item of items) {
    if (item.kind !== "configuration") continue;
    for (const subsection of item.configuration.subsections) {
      if (subsection.name === "configuration/uuid") return subsection.uuid;
    }
  }
  const captured = input.channels.find(({ uuid }) => uuid !== undefined)?.uuid;
  const libvirt = input.wrappers.find((wrapper) => wrapper.kind === "libvirt")?.uuid;
  const digits = (captured ?? libvirt ?? "").replaceAll("-", "");
  return /^[0-9A-Fa-f]{32}$/.test(digits) ? Uint8Array.fromHex(digits) : undefined;
}
