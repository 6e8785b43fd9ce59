/**
 * Opens an input by what it is: a stream, or one inside of wrappers that are taken off one after the other.
 *
 * ```text
 * libvirt save image       the stream stands behind header and XML in the same file, or is compressed there
 * compressed data          the stream comes out of a decompressor: forward only
 * qcow2 image              the stream is the vm state of an internal snapshot
 * folder, several files    the stream is the main channel of a captured migration
 * ```
 *
 * @module
 */

import { FormatError } from "../format/error.ts";
import { ByteReader } from "../format/reader.ts";
import type { ByteSource } from "../format/source.ts";
import type { OpenChannels, OpenReturnPath } from "./channels.ts";
import type { Compression } from "./decompress/compression.ts";
import { listFolder, openSource, peekAt } from "./open_source.ts";
import { PIPE_MEMORY_BYTES, PipeSource } from "./pipe.ts";
import { type Content, HEAD_BYTES, recogniseContent } from "./recognise.ts";
import { type CapturedChannel, type ChannelRole, containerName, type Wrapper } from "./wrapper.ts";

export { openSource } from "./open_source.ts";

/** An opened input. */
export interface OpenInput extends Disposable {
  /** The path as it was given; `-` for standard input; of several files that of the main channel. */
  readonly path: string;
  /** What the stream is wrapped in, from the outside in: `none`, `libvirt`, `libvirt > zstd`... */
  readonly container: string;
  /** What each wrapper says, the outermost first. */
  readonly wrappers: readonly Wrapper[];
  /** Absolute offset of the stream in the source. */
  readonly streamOffset: number;
  /** The bytes. */
  readonly source: ByteSource;
  /** The other channels of a captured migration. */
  readonly channels: readonly CapturedChannel[];
  /** Those of them that carry pages, opened. */
  readonly pageChannels?: OpenChannels | undefined;
  /** Those that went in the other direction, opened; each can be read once. */
  readonly returnPaths?: readonly OpenReturnPath[];
  /** How much of a compressed input was read, in bytes as they are stored. */
  readonly packed?: PackedProgress | undefined;
  /** What deserves attention; grows while the input is read. */
  readonly notes: readonly string[];
}

/** How far a compressed input was read, in bytes as they are stored. */
export interface PackedProgress {
  /** Bytes that were read. */
  readonly readBytes: number;
  /** Bytes that there are. */
  readonly sizeBytes: number;
}

/** How an input is opened. */
export interface OpenOptions {
  /** Absolute offset in the input of the stream, or of the outermost wrapper around it. Default 0. */
  readonly offset?: number;
  /** Whether any byte of a pipe may be read again. Default: only what decoding needs. */
  readonly keepAll?: boolean;
  /** Whether any byte may be read at any time: a pipe, or compressed data, is read to its end first. */
  readonly seekable?: boolean;
  /** Called now and then while `seekable` makes it necessary to unpack a compressed input. */
  readonly onUnpack?: (packed: PackedProgress) => void;
  /** Name or id of the snapshot in a qcow2 image; needed where several have a vm state. */
  readonly snapshot?: string | undefined;
}

/** Wrappers that are taken off at most. What takes them off is loaded when it is needed: most inputs have none. */
const MAX_WRAPPERS = 4;

/**
 * Opens a file, a folder with the channels of a migration, these channels themselves, or standard input for `-`. What can't be read at any
 * position (a FIFO, a terminal) is read like standard input.
 *
 * @example An image in any container
 * ```ts
 * import { openInput } from "@migstream/migstream";
 *
 * using input = await openInput("testdata/pc-mapped.zst");
 * console.log(input.container); // zstd
 * ```
 *
 * @throws {FormatError} `bad-magic`, with what an input looks like that is not a stream; `bad-container` or `bad-compression` for a
 * damaged wrapper.
 */
export async function openInput(
  path: string | readonly string[],
  options: OpenOptions = {},
): Promise<OpenInput> {
  const files = typeof path === "string" ? listFolder(path) : path;
  if (files === undefined) return await unwrap(String(path), String(path), options);
  const { sortChannels } = await import("./capture.ts");
  const { mainPath, channels, notes } = await sortChannels(files);
  const shown = typeof path === "string" ? path : mainPath;
  // The description at the end of the main channel has to be known before the other channels are looked into.
  const whole = { ...options, seekable: true };
  const input = await unwrap(shown, mainPath, whole, [{ kind: "capture", mainPath }]);
  try {
    input.channels.push(...channels);
    input.ownNotes.push(...notes);
    await input.joinChannels(options);
    return input;
  } catch (error) {
    input[Symbol.dispose]();
    throw error;
  }
}

async function unwrap(
  shown: string,
  path: string,
  options: OpenOptions,
  outer: readonly Wrapper[] = [],
): Promise<WrappedInput> {
  const input = new WrappedInput(shown, openSource(path), options.offset ?? 0);
  try {
    input.wrappers.push(...outer);
    await input.unwrap(options);
    return input;
  } catch (error) {
    input[Symbol.dispose]();
    throw error;
  }
}

/** Channels beside the main one that are read. */
const READ_ROLES: readonly ChannelRole[] = ["multifd", "preempt", "return-path"];

/** An input while wrappers are taken off it, and afterwards. */
class WrappedInput implements OpenInput {
  readonly path: string;
  readonly wrappers: Wrapper[] = [];
  readonly channels: CapturedChannel[] = [];
  readonly ownNotes: string[] = [];
  pageChannels: OpenChannels | undefined;
  returnPaths: readonly OpenReturnPath[] = [];
  packed: PackedProgress | undefined;
  source: ByteSource;
  streamOffset: number;
  readonly #owned: Disposable[];
  /** What decompressors have to say, some of it only at the end. */
  readonly #laterNotes: (readonly string[])[] = [];

  constructor(path: string, source: ByteSource & Disposable, offset: number) {
    this.path = path;
    this.source = source;
    this.streamOffset = offset;
    this.#owned = [source];
  }

  get container(): string {
    return containerName(this.wrappers);
  }

  get notes(): readonly string[] {
    return [...this.ownNotes, ...this.#laterNotes.flat()];
  }

  [Symbol.dispose](): void {
    for (const owned of this.#owned.splice(0).reverse()) owned[Symbol.dispose]();
  }

  /** Takes off one wrapper after the other until a stream is there. */
  async unwrap(options: OpenOptions): Promise<void> {
    for (;;) {
      // Whatever stands before a stream may be read too: the search for its description goes backwards.
      if (options.seekable === true) await this.#makeSeekable(0, options);
      const head = peekAt(this.source, this.streamOffset, HEAD_BYTES);
      const content = recogniseContent(head);
      this.#compareFormat(content);
      if (content === undefined) {
        // What is too short for the magic number fails in the decoder, with the bytes that are missing.
        if (head.length === 0 || head.length >= 4) {
          const { notAStream } = await import("./diagnose.ts");
          throw notAStream(this.source, this.streamOffset, head);
        }
        break;
      }
      if (content === "stream") break;
      if (this.wrappers.length >= MAX_WRAPPERS) throw this.#tooDeep(content);
      if (content === "libvirt") await this.#takeLibvirt();
      else if (content === "qcow2") await this.#takeSnapshot(options);
      else await this.#decompress(content);
    }
    if (options.snapshot !== undefined && this.wrappers.every(({ kind }) => kind !== "qcow2")) {
      throw this.#bad("No snapshots here", "a qcow2 image, as a snapshot was asked for");
    }
    if (options.keepAll === true && this.source instanceof PipeSource) this.source.keepAll();
  }

  /** Opens the other channels, and makes those that carry pages one source with the main one. */
  async joinChannels({ keepAll = false, seekable = false }: OpenOptions): Promise<void> {
    if (!this.channels.some(({ role }) => READ_ROLES.includes(role))) return;
    const { ChannelsSource, openChannels } = await import("./channels.ts");
    const opened = await openChannels(this.channels, { keepAll, seekable });
    this.#owned.push(opened);
    this.returnPaths = opened.returnPaths;
    if (opened.channels.length === 0) return;
    this.pageChannels = opened;
    this.source = new ChannelsSource(this.source, opened.channels);
  }

  async #makeSeekable(from: number, { onUnpack }: OpenOptions): Promise<void> {
    if (!(this.source instanceof PipeSource)) return;
    const { KeptPipe } = await import("./kept_pipe.ts");
    this.source = new KeptPipe(this.source, from, () => {
      if (this.packed !== undefined) onUnpack?.(this.packed);
    });
  }

  #bad(
    problem: string,
    expected: string,
    found: string = this.container,
    rule?: string,
  ): FormatError {
    const path = this.source.label === undefined ? [] : [this.source.label];
    const details = { offset: this.streamOffset, path, expected, found, rule };
    return new FormatError("bad-container", problem, details);
  }

  #tooDeep(content: Content): FormatError {
    const found = `${this.container} > ${content}`;
    const expected = `at most ${MAX_WRAPPERS}`;
    return this.#bad("Too many wrappers around the stream", expected, found, "LIM-001");
  }

  /** Directly behind a header of libvirt: its word on the format is checked against the bytes, which win. */
  #compareFormat(content: Content | undefined): void {
    const last = this.wrappers.at(-1);
    if (last?.kind !== "libvirt" || content === undefined) return;
    const isPlain = last.format === "raw" || last.format === "sparse";
    if (content === (isPlain ? "stream" : last.format)) return;
    const found = content === "stream" ? "not compressed" : content;
    this.ownNotes.push(`the libvirt header says ${last.format}, but the data are ${found}`);
  }

  async #takeLibvirt(): Promise<void> {
    const { decodeLibvirtSave } = await import("./libvirt.ts");
    const { readDomain } = await import("./domain_xml.ts");
    const reader = new ByteReader(this.source, { offset: this.streamOffset });
    const save = decodeLibvirtSave(reader);
    const offset = this.streamOffset;
    this.wrappers.push({ kind: "libvirt", offset, ...save, ...readDomain(save.xml) });
    this.streamOffset = reader.offset;
    // What the reader has taken out of a pipe already is read once more.
    reader.retain();
    reader.release();
  }

  async #takeSnapshot(options: OpenOptions): Promise<void> {
    const { chooseSnapshot, openSnapshot, readQcow2 } = await import("./qcow2/open.ts");
    // The tables of an image may be anywhere.
    await this.#makeSeekable(this.streamOffset, options);
    const image = readQcow2(this.source, this.streamOffset);
    this.wrappers.push(image.wrapper);
    this.ownNotes.push(...image.header.notes);
    const snapshot = chooseSnapshot(image, options.snapshot, this.wrappers);
    const { loadClusterInflate } = await import("./decompress/cluster.ts");
    this.wrappers.splice(-1, 1, { ...image.wrapper, snapshot });
    this.source = openSnapshot(this.source, image, snapshot, await loadClusterInflate());
    this.streamOffset = 0;
  }

  /** Of several layers the outermost is counted. */
  async #counted(source: ByteSource): Promise<ByteSource> {
    const { sizeBytes } = source;
    if (sizeBytes === undefined || this.packed !== undefined) return source;
    const { CountedSource } = await import("./counted_source.ts");
    const counted = new CountedSource(source, sizeBytes);
    this.packed = counted;
    return counted;
  }

  async #decompress(compression: Compression): Promise<void> {
    const { openDecompressor } = await import("./decompress/open.ts");
    const { source, streamOffset: offset } = this;
    const decompressor = await openDecompressor(compression, await this.#counted(source), offset);
    this.#owned.push(decompressor);
    this.#laterNotes.push(decompressor.notes);
    const label = `${source.label === undefined ? "" : `${source.label} > `}${compression} data`;
    const pipe = new PipeSource(decompressor, PIPE_MEMORY_BYTES, label);
    this.#owned.push(pipe);
    this.wrappers.push({ kind: "compression", compression, offset });
    this.source = pipe;
    this.streamOffset = 0;
  }
}
