/**
 * The benchmarks of captured migrations of several channels.
 *
 * @module
 */

import { loadMultifdCompressors } from "../container/multifd_decompress.ts";
import { encodeCommand } from "../format/command.ts";
import { encodeConfiguration } from "../format/configuration.ts";
import { encodeFileHeader, STREAM_VERSION } from "../format/header.ts";
import type { MultifdCompressor } from "../format/multifd/compression.ts";
import { encodeInitialPacket } from "../format/multifd/initial_packet.ts";
import { encodeRamPacket } from "../format/multifd/packet.ts";
import { encodeMultifdFlush, encodeRamEos, encodeRamWord, RAM_SAVE_FLAG } from "../format/ram.ts";
import { encodeBlockEntry } from "../format/ram_blocks.ts";
import { encodeFooter, encodeSectionHeader, type SectionType } from "../format/section.ts";
import { encodeVmdescription } from "../format/vmdescription.ts";
import { ByteWriter } from "../format/writer.ts";
import type { Comparison, Input, TimeTarget } from "./comparisons.ts";
import { type Guest, PAGE_BYTES, PageContents, pageRuns } from "./guest.ts";
import type { Recording } from "./recording.ts";
import { type CommandLine, shell } from "./run.ts";

/** Compression methods that are measured. */
const METHODS = ["none", "zlib", "zstd"] as const;

/** A method that is measured. */
export type BenchMethod = typeof METHODS[number];

/** Pages of a full packet. */
const PACKET_PAGES = 128;

/** Channels of a capture. */
const CHANNELS = 2;

/** A captured migration. */
export interface CaptureInput extends Input {
  /** How its pages are compressed. */
  readonly method: BenchMethod;
  /** Its channels beside the main one. */
  readonly channels: readonly string[];
  /** The payloads of each channel and nothing else. */
  readonly payloads: readonly string[];
}

/** A channel that is being written. */
class ChannelFile implements Disposable {
  readonly #file: Deno.FsFile;
  readonly #payloads: Deno.FsFile;
  readonly #compressor: MultifdCompressor | undefined;

  constructor(path: string, channelId: number, compressor: MultifdCompressor | undefined) {
    this.#file = Deno.openSync(path, { write: true, create: true, truncate: true });
    this.#payloads = Deno.openSync(`${path}.payloads`, {
      write: true,
      create: true,
      truncate: true,
    });
    this.#compressor = compressor;
    const writer = new ByteWriter();
    encodeInitialPacket(writer, { channelId });
    this.#write(this.#file, writer.finish());
  }

  /** Writes a packet with the given pages. */
  packet(
    packetNumber: number,
    block: string,
    normal: readonly number[],
    zero: readonly number[],
    pages: Uint8Array,
  ): void {
    const hasContent = normal.length > 0;
    const payload = hasContent && this.#compressor !== undefined
      ? this.#compressor.compress(pages)
      : pages;
    const method = this.#compressor?.method ?? "none";
    const writer = new ByteWriter();
    encodeRamPacket(writer, { packetNumber, block, normal, zero, payload, method }, PAGE_BYTES);
    this.#write(this.#file, writer.finish());
    this.#write(this.#payloads, payload);
  }

  sync(packetNumber: number): void {
    const writer = new ByteWriter();
    encodeRamPacket(writer, { packetNumber, isSync: true }, PAGE_BYTES);
    this.#write(this.#file, writer.finish());
  }

  #write(file: Deno.FsFile, bytes: Uint8Array): void {
    for (let done = 0; done < bytes.length;) done += file.writeSync(bytes.subarray(done));
  }

  [Symbol.dispose](): void {
    this.#file.close();
    this.#payloads.close();
    this.#compressor?.[Symbol.dispose]();
  }
}

/** Writes captures of a guest's migration, one for each method, into folders. */
export async function writeCaptures(
  folder: string,
  recording: Recording,
  guest: Guest,
): Promise<CaptureInput[]> {
  const newCompressor = await loadMultifdCompressors();
  return METHODS.map((method) => {
    const path = `${folder}/multifd-${method}`;
    Deno.mkdirSync(path, { recursive: true });
    writeMain(`${path}/main.bin`, recording, guest);
    const channels = Array.from({ length: CHANNELS }, (_, id) => `${path}/multifd-${id}.bin`);
    const files = channels.map((channel, id) =>
      new ChannelFile(channel, id, method === "none" ? undefined : newCompressor(method, 1))
    );
    writePages(files, guest);
    for (const file of files) file[Symbol.dispose]();
    // What the peers read must not stand in the folder, which is the capture.
    const payloads = channels.map((channel, id) => {
      const to = `${folder}/payloads-${method}-${id}`;
      Deno.renameSync(`${channel}.payloads`, to);
      return to;
    });
    return { name: `multifd ${method}`, path, method, channels, payloads };
  });
}

/** Names of what {@link writeCaptures} writes into a folder. */
export const CAPTURE_FILES: readonly string[] = METHODS.flatMap((method) => [
  `multifd-${method}`,
  ...Array.from({ length: CHANNELS }, (_, id) => `payloads-${method}-${id}`),
]);

function writeMain(path: string, recording: Recording, guest: Guest): void {
  const writer = new ByteWriter();
  const { ramSection } = recording;
  const section = (type: SectionType, write: () => void) => {
    encodeSectionHeader(writer, type, ramSection);
    write();
    encodeMultifdFlush(writer);
    encodeRamEos(writer);
    encodeFooter(writer, ramSection.id);
  };
  encodeFileHeader(writer, { version: STREAM_VERSION });
  encodeConfiguration(writer, recording.configuration);
  section("start", () => {
    const pages = guest.blocks.reduce((sum, block) => sum + block.pages, 0);
    encodeRamWord(writer, pages * PAGE_BYTES, RAM_SAVE_FLAG.MEM_SIZE);
    for (const [index, { name, pages }] of guest.blocks.entries()) {
      const usedLengthBytes = pages * PAGE_BYTES;
      encodeBlockEntry(writer, { name, usedLengthBytes, index, entryOffset: 0, entryBytes: 0 });
    }
  });
  section("part", () => {});
  encodeCommand(writer, { name: "SWITCHOVER_START" });
  section("end", () => {});
  writer.bytes(recording.devices);
  encodeVmdescription(writer, recording.description);
  Deno.writeFileSync(path, writer.finish());
}

function writePages(files: readonly ChannelFile[], guest: Guest): void {
  const contents = new PageContents(guest.seed);
  let number = 0;
  const sync = () => {
    for (const file of files) file.sync(number++);
  };
  sync();
  const pages = new Uint8Array(PACKET_PAGES * PAGE_BYTES);
  for (const [index, { name }] of guest.blocks.entries()) {
    let normal: number[] = [];
    let zero: number[] = [];
    const flush = () => {
      if (normal.length + zero.length === 0) return;
      const used = pages.subarray(0, normal.length * PAGE_BYTES);
      files[number % files.length]!.packet(number, name, normal, zero, used);
      number += 1;
      normal = [];
      zero = [];
    };
    for (const run of pageRuns(guest, index)) {
      for (let page = run.firstPage; page < run.firstPage + run.pages; page++) {
        if (run.isZero) zero.push(page * PAGE_BYTES);
        else {
          pages.set(contents.page(index, page), normal.length * PAGE_BYTES);
          normal.push(page * PAGE_BYTES);
        }
        if (normal.length + zero.length === PACKET_PAGES) flush();
      }
    }
    flush();
  }
  sync();
  sync();
}

/** Four fifths of the speed of `cat`. */
const NEARLY_CAT: TimeTarget = { factor: 1.25, plusSeconds: 0 };
/** Decompression is nearly all there is to do. */
const LIKE_DECOMPRESSING: TimeTarget = { factor: 1.2, plusSeconds: 0 };

const DECODE = "bench/decode_channels.ts";

function deno(...args: string[]): CommandLine {
  return { program: Deno.execPath(), args: ["run", "-R", ...args] };
}

/** The comparisons: to decode all channels and merge them, beside reading or decompressing the same bytes alone. */
export function multifdComparisons(captures: readonly CaptureInput[]): Comparison[] {
  return captures.flatMap((capture): Comparison[] => {
    const base = {
      kind: "pair" as const,
      what: `decode and merge, ${capture.name}`,
      needs: DECODE,
      ours: deno(DECODE, capture.path),
    };
    if (capture.method === "none") {
      const peer = shell('cat "$@" > /dev/null', ...capture.channels);
      return [
        { ...base, peerName: "cat", peer, target: NEARLY_CAT },
        {
          ...base,
          what: `${base.what}, with contents`,
          ours: deno(DECODE, capture.path, "contents"),
          peerName: "cat",
          peer,
        },
      ];
    }
    return [{
      ...base,
      peerName: `${capture.method} of the runtime`,
      peer: deno("bench/decompress_alone.ts", capture.method, ...capture.payloads),
      target: LIKE_DECOMPRESSING,
    }];
  });
}
