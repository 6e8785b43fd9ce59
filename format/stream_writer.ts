/**
 * Writes a whole stream: the counterpart of the reader. Items go in, one by one; bytes come out.
 *
 * ```text
 * reader.items()   ->  writer.write(item)        header, configuration, devices, footers, commands, EOF, description
 * reader's visitor ->  writer.visitor            payloads of our own knowledge, chunk by chunk; bytes behind a stream
 * by hand          ->  writer.section(...) ...   the same encoders
 * ```
 *
 * Everything is encoded from decoded values, and every stream comes out as it went in: the items carry each choice that the format leaves
 * to the sender.
 *
 * @module
 */

import { type Command, encodeCommand } from "./command.ts";
import { type Configuration, encodeConfiguration } from "./configuration.ts";
import { isFormatError } from "./error.ts";
import {
  type CompatRecord,
  encodeCompatRecord,
  encodeFileHeader,
  type FileHeader,
  STREAM_VERSION,
} from "./header.ts";
import type { DeviceState, SectionItem, StreamItem } from "./items.ts";
import type { StreamVisitor } from "./payload.ts";
import { PayloadWriter } from "./payload_writer.ts";
import { RAM_SECTION_IDSTR, RAM_SECTION_VERSION } from "./ram.ts";
import { RamWriter } from "./ram_writer.ts";
import {
  encodeFooter,
  encodeSectionHeader,
  SECTION_TYPE,
  type SectionIdentity,
  type SectionType,
} from "./section.ts";
import { BufferedSink, type ByteSink, BytesSink } from "./sink.ts";
import { quoteText } from "./text.ts";
import { encodeVmdescription } from "./vmdescription.ts";
import { encodeVmstate } from "./vmstate_encode.ts";
import { vmstateValue } from "./vmstate_value.ts";
import type { ByteWriter } from "./writer.ts";

/** How a stream is written. */
export interface StreamWriterOptions {
  /** Absolute offset of the stream in the output; mapped-ram headers count from the output's start. Default 0. */
  readonly offset?: number;
  /** Whether sections made by hand have footers; those of items have what the items say. Default true. */
  readonly footers?: boolean;
}

/** The payload of a section made by hand: its bytes, or what encodes them. */
export type SectionPayload = Uint8Array | ((writer: ByteWriter) => void);

/**
 * Writes a stream.
 *
 * @example A stream is decoded and encoded
 * ```ts
 * import { BytesSink } from "./sink.ts";
 * import { BytesSource } from "./source.ts";
 * import { StreamReader } from "./stream.ts";
 * import { StreamWriter } from "./stream_writer.ts";
 *
 * const original = new Uint8Array([0x51, 0x45, 0x56, 0x4d, 0, 0, 0, 3, 0]);
 * const sink = new BytesSink();
 * const writer = new StreamWriter(sink);
 * const reader = new StreamReader(new BytesSource(original), { visitor: writer.visitor });
 * for (const item of reader.items()) writer.write(item);
 * writer.finish();
 * console.log(sink.bytes()); // the same nine bytes
 * ```
 *
 * @example A stream made by hand
 * ```ts
 * import { BytesSink } from "./sink.ts";
 * import { StreamWriter } from "./stream_writer.ts";
 *
 * const sink = new BytesSink();
 * const writer = new StreamWriter(sink);
 * writer.header();
 * writer.configuration({ machine: "pc-i440fx-10.0", subsections: [] });
 * writer.ram("start", 1, (ram) => {
 *   ram.blockList([{ name: "pc.ram", usedLengthBytes: 0x10000 }]);
 *   ram.zero("pc.ram", 0, 16, 4096);
 *   ram.eos();
 * });
 * writer.eof();
 * writer.finish();
 * console.log(sink.lengthBytes);
 * ```
 */
export class StreamWriter {
  readonly #out: BufferedSink;
  readonly #ram: RamWriter;
  readonly #payloads: PayloadWriter;
  readonly #footers: boolean;
  readonly #verbatim = new Set<SectionIdentity>();
  #encodedDevices = 0;
  /** The last item. */
  #item: StreamItem | undefined;

  /** Writes to `sink`. */
  constructor(sink: ByteSink, options: StreamWriterOptions = {}) {
    this.#out = new BufferedSink(sink, options.offset);
    this.#ram = new RamWriter(this.#out);
    this.#payloads = new PayloadWriter(this.#out, this.#ram);
    this.#footers = options.footers ?? true;
  }

  /** What the reader whose items are written must have as its visitor. */
  get visitor(): StreamVisitor {
    return this.#payloads;
  }

  /** Absolute offset of the next byte. */
  get offset(): number {
    return this.#out.offset;
  }

  /** What is being written, as in the path of errors. */
  get path(): readonly string[] {
    const item = this.#item;
    const section = this.#payloads.begun ??
      (item !== undefined && "section" in item ? item.section : undefined);
    if (section !== undefined) return [`section ${section.id} ${quoteText(section.idstr)}`];
    return item === undefined ? [] : [item.kind];
  }

  /** Number of device sections that were encoded from their values. */
  get encodedDevices(): number {
    return this.#encodedDevices;
  }

  /** The device sections whose bytes were written as they are, because nothing describes their values when they are written. */
  get verbatimDevices(): readonly SectionIdentity[] {
    return [...this.#verbatim];
  }

  /**
   * Writes an item of a reader that has {@link visitor}, before the next one is taken from it.
   *
   * @throws {FormatError} `not-encodable` for a value that does not fit its field
   */
  write(item: StreamItem): void {
    this.#item = item;
    switch (item.kind) {
      case "header":
        return this.header(item.header);
      case "configuration":
        return this.configuration(item.configuration);
      case "section":
        return this.#section(item);
      case "footer":
        return this.footer(item.section.id);
      case "command":
        return this.command(item.command);
      case "eof":
        return this.eof();
      case "vmdescription":
        return this.vmdescription(item.text);
      case "compat-record":
        return this.#payloads.endLoose(`record ${quoteText(item.record.idstr)}`);
      case "trailing":
        return this.#payloads.endLoose("trailing bytes");
      case "section-continued":
      case "bitmap":
      case "hole":
      case "pages":
        // They were written while the payload was read.
    }
  }

  #section(item: SectionItem): void {
    if (item.payload !== undefined) return this.#payloads.endPayload(item);
    const { type, section, device, bytes } = item;
    this.#out.encode((writer) => encodeSectionHeader(writer, type, section));
    if (device !== undefined && this.#device(device)) return;
    const content = device?.bytes ?? bytes;
    if (content === undefined) throw new Error(`Section ${section.id} has no payload`);
    this.#verbatim.add(section);
    this.#out.write(content);
  }

  /** Writes the state of a device by its description; `false` if its values can't be told as a tree. */
  #device({ description, state, bytes, reading }: DeviceState): boolean {
    try {
      const value = vmstateValue(state, bytes);
      this.#out.encode((writer) => encodeVmstate(writer, description.state, value, { reading }));
    } catch (error) {
      if (!isFormatError(error)) throw error;
      return false;
    }
    this.#encodedDevices += 1;
    return true;
  }

  /** Writes the file header. */
  header(header: FileHeader = { version: STREAM_VERSION }): void {
    this.#out.encode((writer) => encodeFileHeader(writer, header));
  }

  /** Writes the configuration. */
  configuration(configuration: Configuration): void {
    this.#out.encode((writer) => encodeConfiguration(writer, configuration));
  }

  /** Writes a section: its header, its payload and, unless the writer makes none, its footer. */
  section(type: SectionType, section: SectionIdentity, payload: SectionPayload): void {
    this.#out.encode((writer) => encodeSectionHeader(writer, type, section));
    if (payload instanceof Uint8Array) this.#out.write(payload);
    else this.#out.encode(payload);
    if (this.#footers) this.footer(section.id);
  }

  /** Writes a RAM section; `write` writes its records, the last one with EOS. */
  ram(type: SectionType, id: number, write: (ram: RamWriter) => void): void {
    const identity = { idstr: RAM_SECTION_IDSTR, instanceId: 0, versionId: RAM_SECTION_VERSION };
    this.#out.encode((writer) => encodeSectionHeader(writer, type, { id, ...identity }));
    write(this.#ram);
    if (this.#footers) this.footer(id);
  }

  /** Writes a footer. */
  footer(id: number): void {
    this.#out.encode((writer) => encodeFooter(writer, id));
  }

  /** Writes a command. What a PACKAGED command announces is to be written next; {@link package} does both. */
  command(command: Command): void {
    this.#out.encode((writer) => encodeCommand(writer, command));
  }

  /** Writes a PACKAGED command and the nested stream, which `write` writes. It is held in memory, because its length comes first. */
  package(write: (nested: StreamWriter) => void): void {
    const sink = new BytesSink();
    const nested = new StreamWriter(sink, { footers: this.#footers });
    write(nested);
    nested.finish();
    this.command({ name: "PACKAGED", lengthBytes: sink.lengthBytes });
    this.#out.write(sink.bytes());
  }

  /** Writes the byte that ends a stream or a nested stream. */
  eof(): void {
    this.#out.encode((writer) => writer.u8(SECTION_TYPE.EOF, "EOF"));
  }

  /** Writes a vmdescription: JSON text. */
  vmdescription(text: Uint8Array): void {
    this.#out.encode((writer) => encodeVmdescription(writer, text));
  }

  /** Writes a record of the obsolete stream version 2. */
  compatRecord(record: Omit<CompatRecord, "lengthBytes">, bytes: Uint8Array): void {
    const { length: lengthBytes } = bytes;
    this.#out.encode((writer) => encodeCompatRecord(writer, { ...record, lengthBytes }));
    this.#out.write(bytes);
  }

  /** Writes bytes behind a stream. */
  trailing(bytes: Uint8Array): void {
    this.#out.write(bytes);
  }

  /** Passes everything on that was written so far. */
  flush(): void {
    this.#out.flush();
  }

  /** Ends the stream. */
  finish(): void {
    this.flush();
  }
}
