/**
 * Where a converted stream goes, front to back: a file or standard output, compressed or not, behind libvirt's header or not.
 *
 * @module
 */

import { FileCompressor } from "../container/compress.ts";
import type { FileCompression } from "../container/file_compressions.ts";
import { encodeLibvirtSave, type LibvirtFormat, type LibvirtSave } from "../container/libvirt.ts";
import { OutputFile, type OutputFileOptions } from "../container/output_file.ts";
import { ByteWriter } from "../format/writer.ts";
import type { Output } from "./output.ts";

/** What libvirt's header says besides how the stream is stored. */
export type LibvirtHead = Omit<LibvirtSave, "format">;

/** libvirt's header, XML and cookie, as they stand before a stream. */
export function libvirtHeadBytes(head: LibvirtHead, format: LibvirtFormat): Uint8Array {
  const writer = new ByteWriter();
  encodeLibvirtSave(writer, { ...head, format });
  return writer.finish();
}

/** How the output is made. */
export interface SequentialOutputOptions extends OutputFileOptions {
  /** How the stream is compressed. */
  readonly compression?: FileCompression | undefined;
  /** What stands before it. */
  readonly libvirt?: LibvirtHead | undefined;
}

/** An output that is written from its beginning to its end. */
export class SequentialOutput implements Disposable {
  readonly #file: OutputFile | undefined;
  readonly #out: Output;
  readonly #compressor: FileCompressor | undefined;
  /** Bytes that were written, what stands before the stream included. */
  writtenBytes = 0;

  /** Begins the file `path`, or for `-` writes to `out`. */
  constructor(path: string, out: Output, options: SequentialOutputOptions) {
    const { compression, libvirt } = options;
    this.#file = path === "-" ? undefined : new OutputFile(path, options);
    this.#out = out;
    if (libvirt !== undefined) this.#put(libvirtHeadBytes(libvirt, compression ?? "raw"));
    if (compression !== undefined) {
      this.#compressor = new FileCompressor(compression, (bytes) => this.#put(bytes));
    }
  }

  #put(bytes: Uint8Array): void {
    if (this.#file === undefined) this.#out.bytes(bytes);
    else this.#file.writeAt(this.writtenBytes, bytes);
    this.writtenBytes += bytes.length;
  }

  /** Takes bytes of the stream. */
  write(bytes: Uint8Array): void {
    if (this.#compressor === undefined) this.#put(bytes);
    else this.#compressor.write(bytes);
  }

  /** Ends the compressed data, and gives the file its name. */
  commit(): void {
    this.#compressor?.finish();
    if (this.#file === undefined) this.#out.flush();
    else this.#file.commit();
  }

  /** Removes the file unless it was committed. */
  [Symbol.dispose](): void {
    this.#compressor?.[Symbol.dispose]();
    this.#file?.[Symbol.dispose]();
  }
}

/** Refuses a folder that is one of the inputs, or has one of them in it. */
export function refuseInputs(folder: string, inputs: readonly string[]): void {
  const there = identities([folder, ...listIfThere(folder)]);
  const read = identities(inputs);
  if ([...read].some((each) => there.has(each))) {
    throw new Error(`${folder} is the input itself, or has it in it`);
  }
}

function listIfThere(folder: string): string[] {
  try {
    return Array.from(Deno.readDirSync(folder), ({ name }) => `${folder}/${name}`);
  } catch {
    // Whether it can be written to is seen when it is.
    return [];
  }
}

/** What tells files apart, whatever they are called. */
function identities(paths: readonly string[]): Set<string> {
  return new Set(paths.flatMap((path) => {
    try {
      const { dev, ino } = Deno.statSync(path);
      return ino === null ? [] : [`${dev}/${ino}`];
    } catch {
      // Standard input has no path, and the folder may have to be made.
      return [];
    }
  }));
}
