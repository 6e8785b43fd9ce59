/**
 * Streams built with the encoders, for what no recorded stream has, or has only in a large file.
 *
 * @module
 */

import { type Command, encodeCommand } from "../format/command.ts";
import { type Configuration, encodeConfiguration } from "../format/configuration.ts";
import { encodeFileHeader } from "../format/header.ts";
import { placeMappedRam, setBitmapBit } from "../format/mapped_ram.ts";
import { encodeRamEos, encodeRamWord, encodeZeroPage, RAM_SAVE_FLAG } from "../format/ram.ts";
import { encodeBlockEntry } from "../format/ram_blocks.ts";
import { encodeFooter, encodeSectionHeader, type SectionType } from "../format/section.ts";
import { encodeVmdescription } from "../format/vmdescription.ts";
import { ByteWriter } from "../format/writer.ts";

/** Writes a stream piece by piece. */
export class StreamBuilder {
  /** What was written. */
  readonly writer: ByteWriter = new ByteWriter();
  readonly #footers: boolean;

  /** Begins with the file header. */
  constructor({ footers = true }: { footers?: boolean } = {}) {
    this.#footers = footers;
    encodeFileHeader(this.writer, { version: 3 });
  }

  /** Adds the configuration. */
  configuration(configuration: Partial<Configuration> = {}): this {
    encodeConfiguration(this.writer, { machine: "test", subsections: [], ...configuration });
    return this;
  }

  /** Adds a section and its footer. */
  section(
    type: SectionType,
    id: number,
    idstr: string,
    payload: Uint8Array | ((writer: ByteWriter) => void),
    { instanceId = 0, versionId = 1 }: { instanceId?: number; versionId?: number } = {},
  ): this {
    encodeSectionHeader(this.writer, type, { id, idstr, instanceId, versionId });
    if (payload instanceof Uint8Array) this.writer.bytes(payload);
    else payload(this.writer);
    if (this.#footers) encodeFooter(this.writer, id);
    return this;
  }

  /** Adds the START section of the RAM with one block of zero pages. */
  ram(name = "m", pages = 2, pageBytes = 4096): this {
    const usedLengthBytes = pages * pageBytes;
    return this.section("start", 1, "ram", (writer) => {
      encodeRamWord(writer, usedLengthBytes, RAM_SAVE_FLAG.MEM_SIZE);
      encodeBlockEntry(writer, {
        name,
        index: 0,
        usedLengthBytes,
        entryOffset: writer.offset,
        entryBytes: 0,
      });
      encodeRamEos(writer);
    }, { versionId: 4 });
  }

  /** Adds a command. */
  command(command: Command): this {
    encodeCommand(this.writer, command);
    return this;
  }

  /** Adds a package: its command and what `build` writes. */
  package(build: (builder: StreamBuilder) => void): this {
    const inner = new StreamBuilder({ footers: this.#footers });
    build(inner);
    const bytes = inner.writer.finish().subarray(8);
    this.command({ name: "PACKAGED", lengthBytes: bytes.length });
    this.writer.bytes(bytes);
    return this;
  }

  /** Adds EOF. */
  eof(): this {
    this.writer.u8(0, "EOF");
    return this;
  }

  /** Adds a description: JSON text, or what becomes it. */
  description(json: unknown): this {
    const text = typeof json === "string" ? json : JSON.stringify(json);
    encodeVmdescription(this.writer, new TextEncoder().encode(text));
    return this;
  }

  /** The stream. */
  bytes(): Uint8Array {
    return this.writer.finish();
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
