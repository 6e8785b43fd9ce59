/**
 * Reads a whole stream, from the file header to the last trailing byte, as items that tile it.
 *
 * ```text
 * stream  = header [configuration] { section [footer] | command [package] } EOF [vmdescription] [trailing]
 * package = { section [footer] | command } [EOF]
 * ```
 *
 * Device sections carry no length and the description that gives it stands behind them. So the description is looked for first: from
 * the input's end where that can be read, else forward from the first device section. What the forward decoding then meets proves it:
 * every device has to end at its footer, and the stream at the description.
 *
 * @module
 */

import { beginsFooter } from "./boundary.ts";
import { passBytes, passToEnd } from "./byte_runs.ts";
import { type Command, decodeCommand } from "./command.ts";
import {
  configuredCapabilities,
  configuredPageBytes,
  decodeConfiguration,
} from "./configuration.ts";
import { DeviceReader } from "./device.ts";
import {
  decodeCompatRecord,
  decodeFileHeader,
  type FileHeader,
  STREAM_VERSION_COMPAT,
} from "./header.ts";
import type { SectionItem, StreamItem } from "./items.ts";
import { DEFAULT_LIMITS, type Limits } from "./limits.ts";
import {
  isKnownPayload,
  newPayloadContext,
  type PayloadContext,
  readKnownPayload,
  type StreamVisitor,
} from "./payload.ts";
import { isPageBytes } from "./ram.ts";
import { sectionPieces } from "./section_pieces.ts";
import { SectionTable } from "./section_table.ts";
import { ByteReader, READER_BLOCK_BYTES } from "./reader.ts";
import {
  decodeFooter,
  SECTION_TYPE,
  type SectionIdentity,
  type SectionType,
  unknownType,
} from "./section.ts";
import type { ByteSource } from "./source.ts";
import { hex, quoteText } from "./text.ts";
import { decodeVmdescription, type Vmdescription } from "./vmdescription.ts";

/** How a stream is read. */
export interface StreamReaderOptions {
  /** Absolute offset of the stream in the source. Default 0. */
  readonly offset?: number;
  /** A description from elsewhere, for a stream that carries none. */
  readonly vmdescription?: Vmdescription;
  /** Who wants to see RAM records, bitmaps, discards. */
  readonly visitor?: StreamVisitor;
  /** Ceilings. Default {@link DEFAULT_LIMITS}. */
  readonly limits?: Limits;
  /** Size of the reader's block buffer in bytes; for tests of block borders. */
  readonly blockBytes?: number;
}

/** A section whose payload has begun. */
export interface OpenSection {
  /** The section. */
  readonly section: SectionIdentity;
  /** Absolute offset of the payload. */
  readonly payloadOffset: number;
}

const SECTION_TYPES = new Map<number, SectionType>([
  [SECTION_TYPE.START, "start"],
  [SECTION_TYPE.PART, "part"],
  [SECTION_TYPE.END, "end"],
  [SECTION_TYPE.FULL, "full"],
]);

/**
 * Reads a stream.
 *
 * @example
 * ```ts
 * import { BytesSource } from "./source.ts";
 * import { StreamReader } from "./stream.ts";
 *
 * const empty = new Uint8Array([0x51, 0x45, 0x56, 0x4d, 0, 0, 0, 3, 0]);
 * for (const item of new StreamReader(new BytesSource(empty)).items()) {
 *   console.log(item.offset, item.lengthBytes, item.kind); // 0 8 header, then 8 1 eof
 * }
 * ```
 */
export class StreamReader {
  /** RAM blocks, page size and CONTINUE memory of the main channel; filled while items are read. */
  readonly context: PayloadContext;
  readonly #reader: ByteReader;
  readonly #limits: Limits;
  readonly #devices: DeviceReader;
  readonly #sections: SectionTable;
  /** Whether sections have footers; unknown before the first section's end. */
  #footers: boolean | undefined;
  #depth = 0;
  /** The section whose payload or footer is being read. */
  #open: OpenSection | undefined;
  readonly #sourceEnd: number;
  #hasLookedAtEnd = false;

  /** Prepares to read from `source`. */
  constructor(source: ByteSource, options: StreamReaderOptions = {}) {
    this.#limits = options.limits ?? DEFAULT_LIMITS;
    this.#sections = new SectionTable(this.#limits.sections);
    const { offset = 0, blockBytes = READER_BLOCK_BYTES } = options;
    this.#reader = new ByteReader(source, { offset, blockBytes });
    this.#sourceEnd = this.#reader.limit(Number.MAX_SAFE_INTEGER);
    this.context = newPayloadContext(options.visitor ?? {}, this.#limits);
    this.#devices = new DeviceReader(this.#reader, this.#limits, options.vmdescription);
  }

  /** Whether the sections have footers; `undefined` while no section has been read. */
  get hasFooters(): boolean | undefined {
    return this.#footers;
  }

  /** Target page size in bytes, once it is known. */
  get pageBytes(): number | undefined {
    return this.context.ram.pageBytes;
  }

  /** Where the description of the device sections came from: the stream itself, elsewhere, or nowhere. */
  get descriptionOrigin(): "stream" | "given" | "none" {
    return this.#devices.origin;
  }

  /**
   * The items in order. An error ends the sequence: what came before it was right.
   *
   * @throws {FormatError}
   */
  *items(): Generator<StreamItem, void, undefined> {
    const start = this.#reader.offset;
    const header = decodeFileHeader(this.#reader);
    yield { kind: "header", header, ...this.#since(start) };
    if (header.version === STREAM_VERSION_COMPAT) {
      yield* this.#compatRecords(header);
    } else {
      yield* this.#configuration();
      this.#lookAtEnd();
      yield* this.#elements(undefined);
      yield* this.#vmdescription();
    }
    yield* this.#trailing();
  }

  /** The section that an error interrupted. */
  get openSection(): OpenSection | undefined {
    return this.#open;
  }

  /** The sections that were announced so far, by their ids. */
  get sections(): ReadonlyMap<number, SectionIdentity> {
    return this.#sections.all;
  }

  /** Ids that PART and END sections may refer to, so far. */
  get iterableIds(): ReadonlySet<number> {
    return this.#sections.iterableIds;
  }

  /**
   * Goes on after an error, at an offset where an element of the stream begins; what {@link items} had not given yet follows.
   *
   * @throws {FormatError}
   */
  *resumeAt(offset: number): Generator<StreamItem, void, undefined> {
    const reader = this.#reader;
    reader.path.length = 0;
    reader.restoreLimit(this.#sourceEnd);
    reader.seek(offset);
    this.#depth = 0;
    this.#open = undefined;
    this.#lookAtEnd();
    yield* this.#elements(undefined);
    yield* this.#vmdescription();
    yield* this.#trailing();
  }

  #lookAtEnd(): void {
    if (this.#hasLookedAtEnd) return;
    this.#hasLookedAtEnd = true;
    this.#devices.findAtEnd();
    this.#setPageBytes(this.#devices.pageBytes, "the vmdescription");
  }

  #since(offset: number): { offset: number; lengthBytes: number; depth: number } {
    return { offset, lengthBytes: this.#reader.offset - offset, depth: this.#depth };
  }

  /** Takes a page size that some part of the stream states; all of them have to agree. */
  #setPageBytes(pageBytes: number | undefined, origin: string): void {
    if (pageBytes === undefined) return;
    const { ram } = this.context;
    if (!isPageBytes(pageBytes) || (ram.pageBytes !== undefined && ram.pageBytes !== pageBytes)) {
      throw this.#reader.error("bad-page-size", `The target page size by ${origin} is wrong`, {
        expected: ram.pageBytes === undefined ? "256..65536" : String(ram.pageBytes),
        found: String(pageBytes),
        rule: "CFG-020",
      });
    }
    ram.pageBytes = pageBytes;
  }

  *#compatRecords(header: FileHeader): Generator<StreamItem, void, undefined> {
    const reader = this.#reader;
    const end = reader.offset + (header.compatTotalBytes ?? 0);
    const outer = reader.limit(end);
    while (reader.offset < end) {
      const start = reader.offset;
      const record = decodeCompatRecord(reader);
      const payloadOffset = reader.offset;
      this.context.visitor.compatRecord?.(reader, record);
      const rest = payloadOffset + record.lengthBytes - reader.offset;
      reader.skip(rest, `record ${quoteText(record.idstr)}`);
      yield { kind: "compat-record", record, payloadOffset, ...this.#since(start) };
    }
    reader.restoreLimit(outer);
  }

  *#configuration(): Generator<StreamItem, void, undefined> {
    const reader = this.#reader;
    if (reader.peekU8() !== SECTION_TYPE.CONFIGURATION) return;
    const start = reader.offset;
    reader.u8("configuration");
    reader.path.push("configuration");
    const configuration = decodeConfiguration(reader);
    reader.path.pop();
    const capabilities = configuredCapabilities(configuration);
    this.context.ram.form = {
      ignoreShared: capabilities.includes("x-ignore-shared"),
      mappedRam: capabilities.includes("mapped-ram"),
    };
    this.#setPageBytes(configuredPageBytes(configuration), "the configuration");
    yield { kind: "configuration", configuration, ...this.#since(start) };
  }

  /** Sections and commands up to an EOF byte, or to `end` in a package that ends with POSTCOPY_RUN. */
  *#elements(end: number | undefined): Generator<StreamItem, void, undefined> {
    const reader = this.#reader;
    for (;;) {
      const start = reader.offset;
      if (reader.atEnd()) throw reader.truncated(1, 0, "section type", "END-001");
      const type = reader.u8("section type");
      if (type === SECTION_TYPE.EOF) {
        yield { kind: "eof", ...this.#since(start) };
        return;
      }
      if (type === SECTION_TYPE.COMMAND) {
        const command = decodeCommand(reader);
        yield { kind: "command", command, ...this.#since(start) };
        yield* this.#obey(command);
        if (command.name === "POSTCOPY_RUN" && reader.offset === end) return;
      } else {
        const sectionType = SECTION_TYPES.get(type);
        if (sectionType === undefined) throw unknownType(reader, start, type, this.#footers);
        yield* this.#section(sectionType, start);
      }
      if (end !== undefined && reader.offset >= end) {
        throw reader.error("bad-package", "The nested stream of a package does not end properly", {
          expected: "POSTCOPY_RUN or an EOF byte at the package's end",
          rule: "CMD-010",
        });
      }
    }
  }

  /** What a command means for the decoding of what follows. */
  *#obey(command: Command): Generator<StreamItem, void, undefined> {
    const { ram, visitor } = this.context;
    if (command.name === "POSTCOPY_ADVISE" && command.pages !== undefined) {
      this.#setPageBytes(command.pages.targetPageBytes, "POSTCOPY_ADVISE");
      ram.form = { ...ram.form, pageSizeSummary: command.pages.pageSizeSummary };
    } else if (command.name === "POSTCOPY_RAM_DISCARD") {
      const block = ram.blocks.get(command.block);
      for (const { startAddress, lengthBytes } of command.ranges) {
        if (block === undefined || startAddress + lengthBytes > block.usedLengthBytes) {
          const what = "POSTCOPY_RAM_DISCARD of memory that isn't there";
          throw this.#reader.error("bad-command", what, {
            expected: "a range inside a block of the block list",
            found: `${quoteText(command.block)} ${hex(startAddress)}+${hex(lengthBytes)}`,
            rule: "CMD-008",
          });
        }
        // Without a page size no page has been sent yet, so there is none to drop.
        if (ram.pageBytes !== undefined) {
          visitor.discard?.(block, startAddress, lengthBytes, ram.pageBytes);
        }
      }
    } else if (command.name === "PACKAGED") {
      yield* this.#package(command.lengthBytes);
    }
  }

  *#package(lengthBytes: number): Generator<StreamItem, void, undefined> {
    const reader = this.#reader;
    if (lengthBytes === 0 || this.#depth >= this.#limits.packageDepth) {
      const isEmpty = lengthBytes === 0;
      throw reader.error(
        isEmpty ? "bad-package" : "limit-exceeded",
        `Cannot decode package: ${isEmpty ? "it is empty" : "too many inside each other"}`,
        isEmpty ? { rule: "CMD-009" } : {},
      );
    }
    const end = reader.offset + lengthBytes;
    const outer = reader.limit(end);
    this.#depth += 1;
    reader.path.push("package");
    yield* this.#elements(end);
    if (reader.offset < end) {
      const start = reader.offset;
      const { remaining } = reader;
      if (remaining !== undefined && remaining < end - start) {
        throw reader.truncated(end - start, remaining, "rest of the package", "CMD-009");
      }
      this.#pass(end - start, "rest of the package");
      yield { kind: "trailing", ...this.#since(start) };
    }
    reader.path.pop();
    this.#depth -= 1;
    reader.restoreLimit(outer);
  }

  *#section(type: SectionType, start: number): Generator<StreamItem, void, undefined> {
    const reader = this.#reader;
    const section = this.#sections.decode(reader, type);
    reader.path.push(`section ${section.id} ${quoteText(section.idstr)}`);
    const payloadOffset = reader.offset;
    this.#open = { section, payloadOffset };
    const read = isKnownPayload(section, type)
      ? this.#knownPayload(type, section)
      : this.#devices.read(section, {
        id: section.id,
        iterableIds: this.#sections.iterableIds,
        footers: this.#footers,
        depth: this.#depth,
      });
    const item: SectionItem = {
      kind: "section",
      type,
      section,
      payloadOffset,
      payloadEnd: reader.offset,
      ...read,
      ...this.#since(start),
    };
    this.#devices.defer(item);
    yield* sectionPieces(item);
    yield* this.#footer(section);
    this.#open = undefined;
    reader.path.pop();
  }

  #knownPayload(
    type: SectionType,
    section: SectionIdentity,
  ): Pick<SectionItem, "boundary" | "payload"> & { payload: NonNullable<SectionItem["payload"]> } {
    this.#reader.release();
    const payload = readKnownPayload(this.#reader, type, section, this.context);
    return { boundary: "known", payload };
  }

  *#footer(section: SectionIdentity): Generator<StreamItem, void, undefined> {
    const reader = this.#reader;
    this.#footers ??= beginsFooter(reader, {
      id: section.id,
      iterableIds: this.#sections.iterableIds,
    });
    if (!this.#footers) return;
    const start = reader.offset;
    decodeFooter(reader, section.id);
    yield { kind: "footer", section, ...this.#since(start) };
  }

  *#vmdescription(): Generator<StreamItem, void, undefined> {
    const reader = this.#reader;
    const start = reader.offset;
    if (reader.peekU8() !== SECTION_TYPE.VMDESCRIPTION) return this.#devices.checkArrival(start);
    reader.u8("vmdescription");
    reader.path.push("vmdescription");
    const section = decodeVmdescription(reader, this.#limits);
    const description = this.#devices.arrive(section);
    this.#setPageBytes(description.pageBytes, "the vmdescription");
    reader.path.pop();
    yield {
      kind: "vmdescription",
      textOffset: start + 5,
      text: section.text,
      description,
      ...this.#since(start),
    };
  }

  *#trailing(): Generator<StreamItem, void, undefined> {
    const reader = this.#reader;
    if (reader.atEnd()) return;
    const start = reader.offset;
    reader.release();
    this.#pass(reader.remaining, "trailing bytes");
    yield { kind: "trailing", ...this.#since(start) };
  }

  #pass(count: number | undefined, what: string): void {
    const { visitor } = this.context;
    const visit = visitor.trailing?.bind(visitor);
    if (count === undefined) passToEnd(this.#reader, this.#limits.trailingBytes, visit);
    else if (visit === undefined) this.#reader.skip(count, what);
    else passBytes(this.#reader, count, what, visit);
  }
}
