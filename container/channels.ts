/**
 * The channels of a captured migration as one source: each has a range of offsets of its own, far apart, so that one number says where a
 * page stands.
 *
 * ```text
 * 0 ...                    the main channel
 * (k + 1) * 2^44 ...       channel k of the others
 * ```
 *
 * @module
 */

import { FormatError } from "../format/error.ts";
import type { MultifdDecompressor } from "../format/multifd/compression.ts";
import type { ByteSource } from "../format/source.ts";
import { newMultifdDecompressor } from "./multifd_decompress.ts";
import { openDecompressor } from "./decompress/open.ts";
import { KeptPipe } from "./kept_pipe.ts";
import { openSource, peekAt } from "./open_source.ts";
import { PIPE_MEMORY_BYTES, PipeSource } from "./pipe.ts";
import { HEAD_BYTES, recogniseContent } from "./recognise.ts";
import type { CapturedChannel } from "./wrapper.ts";

/** Offsets that a channel has for itself. */
export const CHANNEL_SPAN_BYTES: number = 2 ** 44;

/** Most channels beside the main one: QEMU has 255 for multifd and one for preemption. */
export const MAX_CHANNELS = 500;

/** A channel that can be read. */
export interface OpenChannel {
  /** What it is. */
  readonly channel: CapturedChannel;
  /** Its bytes. */
  readonly source: ByteSource;
  /** What is added to an offset in the channel to get the offset in the {@link ChannelsSource}. */
  readonly baseOffset: number;
}

/** All channels of a capture; by itself it looks like the main one. */
export class ChannelsSource implements ByteSource {
  readonly #main: ByteSource;
  readonly #channels: readonly OpenChannel[];

  /** Joins a main channel and the others. */
  constructor(main: ByteSource, channels: readonly OpenChannel[]) {
    this.#main = main;
    this.#channels = channels;
  }

  /** What the main channel's offsets count in, if that isn't the file. */
  get label(): string | undefined {
    return this.#main.label;
  }

  /** Size of the main channel. */
  get sizeBytes(): number | undefined {
    return this.#main.sizeBytes;
  }

  /** Whether the main channel can be read at any position. */
  get seekable(): boolean {
    return this.#main.seekable;
  }

  /** Reads from the channel that the offset belongs to. */
  readAt(offset: number, into: Uint8Array): number {
    if (offset < CHANNEL_SPAN_BYTES) return this.#main.readAt(offset, into);
    const index = Math.floor(offset / CHANNEL_SPAN_BYTES) - 1;
    return this.#channels[index]?.source.readAt(offset % CHANNEL_SPAN_BYTES, into) ?? 0;
  }

  /** For the main channel. */
  retain(offset: number, ahead: Uint8Array): void {
    this.#main.retain?.(offset, ahead);
  }

  /** For the main channel. */
  release(): void {
    this.#main.release?.();
  }
}

/** The other direction of a channel, which can be read from its beginning to its end. */
export interface OpenReturnPath {
  /** Path of its file. */
  readonly path: string;
  /** Its bytes. */
  readonly source: ByteSource;
}

/** The channels of a capture, opened. */
export interface OpenChannels extends Disposable {
  /** Those that carry pages, in the order of their numbers. */
  readonly channels: readonly OpenChannel[];
  /** What went in the other direction. */
  readonly returnPaths: readonly OpenReturnPath[];
  /** Makes what decompresses the payloads of a multifd channel. */
  readonly newDecompressor: () => MultifdDecompressor;
}

/** How channels are opened. */
export interface OpenChannelsOptions {
  /** Whether any byte of a compressed file may be read again. Default false. */
  readonly keepAll?: boolean;
  /** Whether that holds for bytes that were not read yet, too: compressed files are unpacked at once then. Default false. */
  readonly seekable?: boolean;
}

/** Opens the channels that carry pages, and return paths. */
export async function openChannels(
  captured: readonly CapturedChannel[],
  options: OpenChannelsOptions = {},
): Promise<OpenChannels> {
  const wanted = captured.filter(({ role }) => role === "multifd" || role === "preempt")
    .toSorted((a, b) => (a.channelId ?? Infinity) - (b.channelId ?? Infinity));
  if (wanted.length > MAX_CHANNELS) {
    throw new FormatError("limit-exceeded", "Too many channels", {
      offset: 0,
      expected: `at most ${MAX_CHANNELS}`,
      found: String(wanted.length),
    });
  }
  const owned: Disposable[] = [];
  const dispose = () => {
    for (const each of owned.splice(0).reverse()) each[Symbol.dispose]();
  };
  try {
    const channels: OpenChannel[] = [];
    for (const [index, channel] of wanted.entries()) {
      const source = await openChannel(channel.path, options, owned);
      channels.push({ channel, source, baseOffset: (index + 1) * CHANNEL_SPAN_BYTES });
    }
    const returnPaths: OpenReturnPath[] = [];
    for (const { role, path } of captured) {
      if (role !== "return-path") continue;
      returnPaths.push({ path, source: await openChannel(path, {}, owned) });
    }
    return {
      channels,
      returnPaths,
      newDecompressor: newMultifdDecompressor,
      [Symbol.dispose]: dispose,
    };
  } catch (error) {
    dispose();
    throw error;
  }
}

/** Opens the file of a channel, compressed or not. What has to be disposed of afterwards, the last first, is appended to `owned`. */
async function openChannel(
  path: string,
  { keepAll = false, seekable = false }: OpenChannelsOptions,
  owned: Disposable[],
): Promise<ByteSource> {
  const source = openSource(path);
  owned.push(source);
  const content = recogniseContent(peekAt(source, 0, HEAD_BYTES));
  if (content === undefined || content === "stream" || content === "libvirt") return source;
  if (content === "qcow2") return source;
  const decompressor = await openDecompressor(content, source, 0);
  owned.push(decompressor);
  const pipe = new PipeSource(decompressor, PIPE_MEMORY_BYTES, `${content} data`);
  owned.push(pipe);
  if (keepAll) pipe.keepAll();
  return seekable ? new KeptPipe(pipe, 0) : pipe;
}
