/**
 * Opens an input by what it is: a file, or standard input.
 *
 * @module
 */

import type { ByteSource } from "../format/source.ts";
import { FileSource } from "./file.ts";
import { PipeSource } from "./pipe.ts";
import { expectStream } from "./recognise.ts";
import type { CapturedChannel, Wrapper } from "./wrapper.ts";

/** An opened input. */
export interface OpenInput extends Disposable {
  /** The path as it was given; `-` for standard input. */
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
  /** What deserves attention; grows while the input is read. */
  readonly notes: readonly string[];
}

/** How an input is opened. */
export interface OpenOptions {
  /** Absolute offset of the stream in the input. Default 0. */
  readonly offset?: number;
  /** Whether any byte of a pipe may be read again. Default: only what decoding needs. */
  readonly keepAll?: boolean;
}

/**
 * Opens a file, or standard input for `-`. What can't be read at any position (a FIFO, a terminal) is read like standard input.
 *
 * @throws {FormatError} `bad-magic`, with what a file looks like that is not a stream.
 */
export async function openInput(path: string, options: OpenOptions = {}): Promise<OpenInput> {
  const source = openSource(path);
  const streamOffset = options.offset ?? 0;
  if (options.keepAll === true && source instanceof PipeSource) source.keepAll();
  try {
    expectStream(source, streamOffset);
  } catch (error) {
    source[Symbol.dispose]();
    throw error;
  }
  return {
    path,
    container: "none",
    wrappers: [],
    streamOffset,
    source,
    channels: [],
    notes: [],
    [Symbol.dispose]: () => source[Symbol.dispose](),
  };
}

/** Opens a file, or standard input for `-`, whatever it holds. */
export function openSource(path: string): ByteSource & Disposable {
  return path === "-" ? new PipeSource(Deno.stdin) : openPath(path);
}

function openPath(path: string): FileSource | PipeSource {
  const file = Deno.openSync(path, { read: true });
  try {
    const info = file.statSync();
    if (info.isFile) return new FileSource(file, info.size);
    if (info.isDirectory) throw new Deno.errors.IsADirectory(`${path} is a folder`);
    // The size of a block device is where its end is.
    if (info.isBlockDevice) return new FileSource(file, file.seekSync(0, Deno.SeekMode.End));
    return new PipeSource(file);
  } catch (error) {
    file.close();
    throw error;
  }
}
