/**
 * Writes the streams that the benchmarks read: as QEMU writes them for a stopped guest, byte for byte but for the
 * content of the memory.
 *
 * ```text
 * classic     header, configuration, START ram, PART ram ..., SWITCHOVER_START, END ram, devices, EOF, description
 * mapped-ram  the same; pages and bitmaps stand inside START ram, PART and END are empty
 * ```
 *
 * @module
 */

import type { ImagePart } from "../analyze/image/image.ts";
import { mappedRamSteps } from "../analyze/image/mapped_ram.ts";
import type { MemoryView } from "../analyze/memory/memory_view.ts";
import { PAGE_KIND } from "../analyze/memory/page_table.ts";
import { OutputFile } from "../container/output_file.ts";
import { encodeCommand } from "../format/command.ts";
import { encodeConfiguration } from "../format/configuration.ts";
import { encodeFileHeader, STREAM_VERSION } from "../format/header.ts";
import {
  encodePage,
  encodeRamEos,
  encodeRamWord,
  encodeZeroPage,
  RAM_SAVE_FLAG,
} from "../format/ram.ts";
import { encodeBlockEntry } from "../format/ram_blocks.ts";
import { encodeFooter, encodeSectionHeader } from "../format/section.ts";
import { encodeVmdescription } from "../format/vmdescription.ts";
import { ByteWriter } from "../format/writer.ts";
import {
  countPages,
  type Guest,
  type GuestBlock,
  PAGE_BYTES,
  PageContents,
  type PageCounts,
  type PageRun,
  pageRuns,
} from "./guest.ts";
import { type Recording, withMappedRam } from "./recording.ts";

/** Bytes that are gathered for one write. */
const BATCH_BYTES = 2 * 1024 * 1024;
/** Bytes after which a PART ends: what QEMU sends in 100 ms at its default bandwidth of 128 MiB/s. */
const PART_BYTES = Math.floor(128 * 1024 * 1024 / 10);

/** What was written. */
export interface Written extends PageCounts {
  /** Size of the file in bytes. */
  readonly sizeBytes: number;
  /** PART sections of ram. */
  readonly parts: number;
}

/** A file that is written piece by piece; knows how far it is. */
class Output implements Disposable {
  readonly #file: Deno.FsFile;
  #offset = 0;

  constructor(path: string) {
    this.#file = Deno.openSync(path, { write: true, create: true, truncate: true });
  }

  /** Absolute offset of the next byte. */
  get offset(): number {
    return this.#offset;
  }

  /** Writes all of `bytes`. */
  write(bytes: Uint8Array): void {
    for (let done = 0; done < bytes.length;) done += this.#file.writeSync(bytes.subarray(done));
    this.#offset += bytes.length;
  }

  /** Writes what `encode` encodes. */
  encode(encode: (writer: ByteWriter) => void): void {
    const writer = new ByteWriter(this.#offset);
    encode(writer);
    this.write(writer.finish());
  }

  [Symbol.dispose](): void {
    this.#file.close();
  }
}

/** Header, configuration and the START of ram up to the block list. */
function encodeBeginning(writer: ByteWriter, recording: Recording, guest: Guest): void {
  encodeFileHeader(writer, { version: STREAM_VERSION });
  encodeConfiguration(writer, recording.configuration);
  encodeSectionHeader(writer, "start", recording.ramSection);
  const pages = guest.blocks.reduce((sum, block) => sum + block.pages, 0);
  encodeRamWord(writer, pages * PAGE_BYTES, RAM_SAVE_FLAG.MEM_SIZE);
}

/** What ends a section of ram. */
function encodeSectionEnd(writer: ByteWriter, recording: Recording): void {
  encodeRamEos(writer);
  encodeFooter(writer, recording.ramSection.id);
}

/** All that follows the last PART of ram. */
function encodeEnding(writer: ByteWriter, recording: Recording): void {
  encodeCommand(writer, { name: "SWITCHOVER_START" });
  encodeSectionHeader(writer, "end", recording.ramSection);
  encodeSectionEnd(writer, recording);
  writer.bytes(recording.devices);
  encodeVmdescription(writer, recording.description);
}

function blockEntry(block: GuestBlock): { name: string; usedLengthBytes: number } {
  return { name: block.name, usedLengthBytes: block.pages * PAGE_BYTES };
}

/** Writes a classic stream of `guest` to `path`: every page once, in order. */
export function writeClassicStream(path: string, recording: Recording, guest: Guest): Written {
  using output = new Output(path);
  output.encode((writer) => {
    encodeBeginning(writer, recording, guest);
    for (const [index, block] of guest.blocks.entries()) {
      // Where the entry stands is not part of what is encoded.
      encodeBlockEntry(writer, { ...blockEntry(block), index, entryOffset: 0, entryBytes: 0 });
    }
    encodeSectionEnd(writer, recording);
  });
  const written = writeParts(output, recording, guest);
  output.encode((writer) => encodeEnding(writer, recording));
  return { ...written, sizeBytes: output.offset };
}

function writeParts(
  output: Output,
  recording: Recording,
  guest: Guest,
): Omit<Written, "sizeBytes"> {
  const contents = new PageContents(guest.seed);
  const counts: PageCounts = { zeroPages: 0, normalPages: 0 };
  const beginPart = () => {
    const writer = new ByteWriter(output.offset);
    encodeSectionHeader(writer, "part", recording.ramSection);
    return writer;
  };
  let writer = beginPart();
  let parts = 1;
  let partStart = output.offset;
  for (let index = 0; index < guest.blocks.length; index++) {
    for (const run of pageRuns(guest, index)) {
      if (writer.offset - partStart >= PART_BYTES) {
        encodeSectionEnd(writer, recording);
        output.write(writer.finish());
        partStart = output.offset;
        writer = beginPart();
        parts += 1;
      } else if (writer.lengthBytes >= BATCH_BYTES) {
        output.write(writer.finish());
        writer = new ByteWriter(output.offset);
      }
      encodeRun(writer, guest, index, run, contents);
      counts[run.isZero ? "zeroPages" : "normalPages"] += run.pages;
    }
  }
  encodeSectionEnd(writer, recording);
  output.write(writer.finish());
  return { ...counts, parts };
}

function encodeRun(
  writer: ByteWriter,
  guest: Guest,
  index: number,
  run: PageRun,
  contents: PageContents,
): void {
  for (let page = run.firstPage; page < run.firstPage + run.pages; page++) {
    // Only a block's first record carries its name.
    const block = page === 0 ? guest.blocks[index]!.name : undefined;
    const target = { block, address: page * PAGE_BYTES };
    if (run.isZero) encodeZeroPage(writer, target);
    else encodePage(writer, target, contents.page(index, page));
  }
}

/** Writes a mapped-ram stream of `guest` to `path`: zero pages are holes in the file. */
export function writeMappedStream(path: string, classic: Recording, guest: Guest): Written {
  const { configuration, ramSection, devices, description } = withMappedRam(classic);
  const bytes = (what: string, encode: (writer: ByteWriter) => void): ImagePart => {
    const writer = new ByteWriter();
    encode(writer);
    return { kind: "bytes", what, content: writer.finish() };
  };
  const parts: ImagePart[] = [
    { kind: "ram", type: "start", section: ramSection },
    { kind: "ram", type: "part", section: ramSection },
    bytes("switchover", (writer) => encodeCommand(writer, { name: "SWITCHOVER_START" })),
    { kind: "ram", type: "end", section: ramSection },
    { kind: "bytes", what: "devices", content: devices },
    bytes("description", (writer) => encodeVmdescription(writer, description)),
  ];
  using file = new OutputFile(path, { force: true, sync: false });
  const image = { configuration, hasFooters: true, parts, memory: memoryOf(guest) };
  const steps = mappedRamSteps(image, file);
  let step = steps.next();
  while (step.done !== true) step = steps.next();
  file.commit();
  return { ...countPages(guest), parts: 1, sizeBytes: step.value };
}

/** The guest's memory, each page made when it is asked for. */
function memoryOf(guest: Guest): MemoryView {
  const contents = new PageContents(guest.seed);
  const blocks = guest.blocks.map((block, index) => ({
    ...blockEntry(block),
    index,
    entryOffset: 0,
    entryBytes: 0,
  }));
  return {
    pageBytes: PAGE_BYTES,
    blocks,
    *runs({ index }) {
      for (const { firstPage, pages, isZero } of pageRuns(guest, index)) {
        const kind = isZero ? PAGE_KIND.ZERO : PAGE_KIND.NORMAL;
        yield { first: firstPage, count: pages, kind };
      }
    },
    // Only whole pages with content are asked for.
    read({ index }, address, into) {
      for (let done = 0; done < into.length; done += PAGE_BYTES) {
        into.set(contents.page(index, (address + done) / PAGE_BYTES), done);
      }
    },
  };
}
