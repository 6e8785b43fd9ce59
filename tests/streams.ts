/**
 * Streams built with the encoders, for what no recorded stream has, or has only in a large file.
 *
 * @module
 */

import type { Command } from "../format/command.ts";
import type { Configuration } from "../format/configuration.ts";
import { placeMappedRam, setBitmapBit } from "../format/mapped_ram.ts";
import { encodeRamEos, encodeRamWord, encodeZeroPage, RAM_SAVE_FLAG } from "../format/ram.ts";
import { encodeBlockEntry } from "../format/ram_blocks.ts";
import type { SectionType } from "../format/section.ts";
import { BytesSink } from "../format/sink.ts";
import { type SectionPayload, StreamWriter } from "../format/stream_writer.ts";

/** Writes a stream piece by piece: a {@link StreamWriter} whose calls can be chained, with defaults for what a test does not care about. */
export class StreamBuilder {
  readonly #sink = new BytesSink();
  readonly #writer: StreamWriter;

  /** Begins with the file header; with `nested` continues there instead. */
  constructor({ footers = true, nested }: { footers?: boolean; nested?: StreamWriter } = {}) {
    this.#writer = nested ?? new StreamWriter(this.#sink, { footers });
    if (nested === undefined) this.#writer.header();
  }

  /** Adds the configuration. */
  configuration(configuration: Partial<Configuration> = {}): this {
    this.#writer.configuration({ machine: "test", subsections: [], ...configuration });
    return this;
  }

  /** Adds a section and its footer. */
  section(
    type: SectionType,
    id: number,
    idstr: string,
    payload: SectionPayload,
    { instanceId = 0, versionId = 1 }: { instanceId?: number; versionId?: number } = {},
  ): this {
    this.#writer.section(type, { id, idstr, instanceId, versionId }, payload);
    return this;
  }

  /** Adds the START section of the RAM with one block of zero pages. */
  ram(name = "m", pages = 2, pageBytes = 4096): this {
    this.#writer.ram("start", 1, (ram) => {
      ram.blockList([{ name, usedLengthBytes: pages * pageBytes }]);
      ram.eos();
    });
    return this;
  }

  /** Adds a command. */
  command(command: Command): this {
    this.#writer.command(command);
    return this;
  }

  /** Adds a package: its command and what `build` writes. */
  package(build: (builder: StreamBuilder) => void): this {
    this.#writer.package((nested) => build(new StreamBuilder({ nested })));
    return this;
  }

  /** Adds EOF. */
  eof(): this {
    this.#writer.eof();
    return this;
  }

  /** Adds a description: JSON text, or what becomes it. */
  description(json: unknown): this {
    const text = typeof json === "string" ? json : JSON.stringify(json);
    this.#writer.vmdescription(new TextEncoder().encode(text));
    return this;
  }

  /** The stream. */
  bytes(): Uint8Array {
    this.#writer.flush();
    return this.#sink.bytes();
  }
}

/** A small stream with postcopy's commands, pages, discards, a package and devices that nothing describes. */
export function postcopyStream(): Uint8Array {
  const device = Uint8Array.from({ length: 40 }, (_, index) => index);
  return new StreamBuilder()
    .configuration({ machine: "postcopy" })
    .command({ name: "OPEN_RETURN_PATH" })
    .command({ name: "PING", value: 1 })
    .command({
      name: "POSTCOPY_ADVISE",
      pages: { pageSizeSummary: 4096, targetPageBytes: 4096 },
    })
    .ram("m", 4)
    .section("part", 1, "ram", (writer) => {
      for (let page = 0; page < 3; page++) {
        encodeZeroPage(writer, { block: page === 0 ? "m" : undefined, address: page * 4096 });
      }
      encodeRamEos(writer);
    })
    .command({ name: "SWITCHOVER_START" })
    .command({
      name: "POSTCOPY_RAM_DISCARD",
      block: "m",
      ranges: [{ startAddress: 0, lengthBytes: 4096 }, { startAddress: 8192, lengthBytes: 4096 }],
    })
    .package((inner) =>
      inner
        .command({ name: "POSTCOPY_LISTEN" })
        .section("full", 2, "one", device)
        .section("full", 3, "two", device, { instanceId: 1 })
        .command({ name: "PING", value: 3 })
        .command({ name: "POSTCOPY_RUN" })
    )
    .section("end", 1, "ram", encodeRamEos)
    .eof()
    .bytes();
}

/** A mapped-ram stream in little space: the pages stand on page borders, not at whole MiB. */
export function mappedStream(): Uint8Array {
  const pageBytes = 1024;
  const names = ["a", "b"];
  const pages = 4;
  const usedLengthBytes = pages * pageBytes;
  return new StreamBuilder()
    .configuration({
      subsections: [{ name: "configuration/capabilities", capabilities: ["mapped-ram"] }],
    })
    .section("start", 1, "ram", (writer) => {
      encodeRamWord(writer, names.length * usedLengthBytes, RAM_SAVE_FLAG.MEM_SIZE);
      for (const [index, name] of names.entries()) {
        const headerEnd = writer.offset + 1 + name.length + 8 + 28;
        const placed = placeMappedRam(headerEnd, usedLengthBytes, pageBytes);
        const pagesOffset = Math.ceil((headerEnd + 8) / pageBytes) * pageBytes;
        const entryOffset = writer.offset;
        const mapped = { ...placed, pagesOffset };
        encodeBlockEntry(writer, {
          name,
          index,
          usedLengthBytes,
          entryOffset,
          entryBytes: headerEnd - entryOffset,
          mapped,
        });
        const bitmap = new Uint8Array(8);
        setBitmapBit(bitmap, 1, true);
        writer.bytes(bitmap);
        writer.zeros(pagesOffset - writer.offset);
        writer.bytes(new Uint8Array(usedLengthBytes).fill(index + 1));
      }
      encodeRamEos(writer);
    }, { versionId: 4 })
    .section("end", 1, "ram", encodeRamEos)
    .section("full", 5, "dev", Uint8Array.of(1, 2, 3, 4))
    .eof()
    .description({
      page_size: pageBytes,
      devices: [{
        name: "dev",
        instance_id: 0,
        vmsd_name: "dev",
        version: 1,
        fields: [{ name: "x", type: "uint32", size: 4 }],
      }],
    })
    .bytes();
}

/** A PART of section 2 without records, with a mark where that is asked for. */
export function emptyPart(hasMark = false): Uint8Array {
  const mark = hasMark ? [0, 0, 0, 0, 0, 0, 2, 0] : [];
  return Uint8Array.of(2, 0, 0, 0, 2, ...mark, 0, 0, 0, 0, 0, 0, 0, 0x10, 0x7e, 0, 0, 0, 2);
}
