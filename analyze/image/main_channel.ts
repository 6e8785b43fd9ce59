/**
 * The main channel of a migration, or a whole classic stream, made from an image: the devices' state as it is, the memory as it was in the
 * end, page by page, here or on multifd channels.
 *
 * ```text
 * header, configuration       without the capability mapped-ram
 * [OPEN_RETURN_PATH]          so that a destination says in the end whether it has the guest
 * START ram                   the block list, [mark]
 * PART ram                    all pages, [mark]
 * [END ram                    [mark]]
 * everything else             byte for byte, where it stands in the image
 * ```
 *
 * With multifd, content is in the channels; zero pages are on the main channel, where every release takes them. A mark is a MULTIFD_FLUSH
 * word, or for machines up to 8.0 the end of each RAM section.
 *
 * @module
 */

import { encodeCommand } from "../../format/command.ts";
import { encodeConfiguration, withCapability } from "../../format/configuration.ts";
import { encodeFileHeader, STREAM_VERSION } from "../../format/header.ts";
import {
  encodeMultifdFlush,
  encodePage,
  encodeRamEos,
  encodeRamWord,
  encodeZeroPage,
  RAM_SAVE_FLAG,
  type RamBlock,
  type RamPageTarget,
} from "../../format/ram.ts";
import { encodeBlockEntry } from "../../format/ram_blocks.ts";
import { encodeFooter, encodeSectionHeader } from "../../format/section.ts";
import { ByteWriter } from "../../format/writer.ts";
import { type GuestImage, partPieces, type RamPart } from "./image.ts";
import { isZero, type PageChunk, pageChunks, zeroRuns } from "./pages.ts";
import type { Piece } from "./pieces.ts";
import { encodeSmallDelta, isSmallDelta } from "./zero_delta.ts";

/** Where the multifd channels and the main channel wait for each other. */
export type MarkKind = "round" | "section";

/** First release whose machine types have marks of their own. */
const ROUND_MARKS_SINCE = [8, 1] as const;

/** How the destination of a machine type expects marks, unless it was told otherwise. */
export function marksOfMachine(machine: string | undefined): MarkKind {
  const version = /-(\d+)\.(\d+)$/.exec(machine ?? "");
  // Types without a version are those of the newest release.
  if (version === null) return "round";
  const [major, minor] = [Number(version[1]), Number(version[2])];
  const [sinceMajor, sinceMinor] = ROUND_MARKS_SINCE;
  return major > sinceMajor || (major === sinceMajor && minor >= sinceMinor) ? "round" : "section";
}

/** The number of marks that {@link mainPieces} sets for an image: one in each RAM section; some streams have several ENDs. */
export function markCount({ parts }: GuestImage): number {
  return Math.max(2, parts.filter(({ kind }) => kind === "ram").length);
}

/** How the main channel is made. */
export interface MainChannelOptions {
  /** Set for a migration over multifd channels: where they wait. The pages' contents are then not here. */
  readonly marks?: MarkKind | undefined;
  /** Whether the destination is asked to talk back; not in a file, where nobody listens. */
  readonly returnPath?: boolean;
  /** Whether pages that are nearly zero are sent as XBZRLE deltas on zero pages. */
  readonly xbzrle?: boolean;
}

/** Pages that are read at once. */
const CHUNK_PAGES = 64;

/** The pieces of the main channel. */
export function mainPieces(
  image: GuestImage,
  options: MainChannelOptions = {},
): Generator<Piece, void, undefined> {
  return new MainChannel(image, options).pieces();
}

class MainChannel {
  readonly #image: GuestImage;
  readonly #options: MainChannelOptions;
  readonly #writer = new ByteWriter();
  /** The block that CONTINUE refers to. */
  #last: RamBlock | undefined;

  constructor(image: GuestImage, options: MainChannelOptions) {
    this.#image = image;
    this.#options = options;
  }

  /** What `write` writes, in a buffer that is used again. */
  #piece(what: string, write: (writer: ByteWriter) => void): Piece {
    this.#writer.clear();
    write(this.#writer);
    return { bytes: this.#writer.written, what };
  }

  *pieces(): Generator<Piece, void, undefined> {
    const { configuration, parts } = this.#image;
    yield this.#piece("header", (writer) => {
      encodeFileHeader(writer, { version: STREAM_VERSION });
      if (configuration !== undefined) {
        encodeConfiguration(writer, withCapability(configuration, "mapped-ram", false));
      }
      if (this.#options.returnPath === true) encodeCommand(writer, { name: "OPEN_RETURN_PATH" });
    });
    for (const part of parts) {
      if (part.kind === "bytes") yield* partPieces(part);
      else if (part.type === "start") yield this.#start(part);
      else if (part.type === "part") yield* this.#pages(part);
      else yield this.#ramSection(part, () => {});
    }
  }

  /** A RAM section whose records `write` writes. */
  #ramSection(part: RamPart, write: (writer: ByteWriter) => void): Piece {
    return this.#piece(ramLabel(part), (writer) => {
      encodeSectionHeader(writer, part.type, part.section);
      write(writer);
      this.#endRecords(part, writer);
    });
  }

  #endRecords({ section }: RamPart, writer: ByteWriter): void {
    if (this.#options.marks === "round") encodeMultifdFlush(writer);
    encodeRamEos(writer);
    if (this.#image.hasFooters) encodeFooter(writer, section.id);
  }

  #start(part: RamPart): Piece {
    const { blocks } = this.#image.memory;
    return this.#ramSection(part, (writer) => {
      const totalBytes = blocks.reduce((sum, block) => sum + block.usedLengthBytes, 0);
      encodeRamWord(writer, totalBytes, RAM_SAVE_FLAG.MEM_SIZE);
      for (const block of blocks) encodeBlockEntry(writer, classicEntry(block));
    });
  }

  /** The section with all pages, or with multifd with the zero pages. */
  *#pages(part: RamPart): Generator<Piece, void, undefined> {
    const what = ramLabel(part);
    yield this.#piece(what, (writer) => encodeSectionHeader(writer, "part", part.section));
    if (this.#options.marks === undefined) {
      yield* this.#allPages(what);
      if (this.#options.xbzrle === true) {
        // Another round, because a page comes once in each.
        yield this.#piece(what, (writer) => this.#endRecords(part, writer));
        yield this.#piece(what, (writer) => encodeSectionHeader(writer, "part", part.section));
        yield* this.#deltas(what);
      }
    } else yield* this.#zeroPages(what);
    yield this.#piece(what, (writer) => this.#endRecords(part, writer));
  }

  #target(block: RamBlock, address: number): RamPageTarget {
    const name = block === this.#last ? undefined : block.name;
    this.#last = block;
    return { block: name, address };
  }

  *#zeroPages(what: string): Generator<Piece, void, undefined> {
    yield* this.#records(what, zeroRuns(this.#image.memory), (writer, { block, first, count }) => {
      this.#zeros(writer, block, first, count);
    });
  }

  /** The records that `encode` makes of each part of the memory, some hundred KiB a piece. */
  *#records<Part>(
    what: string,
    parts: Iterable<Part>,
    encode: (writer: ByteWriter, part: Part) => void,
  ): Generator<Piece, void, undefined> {
    const writer = this.#writer;
    writer.clear();
    for (const part of parts) {
      encode(writer, part);
      if (writer.lengthBytes < PIECE_BYTES) continue;
      yield { bytes: writer.written, what };
      writer.clear();
    }
    if (writer.lengthBytes > 0) yield { bytes: writer.written, what };
  }

  #zeros(writer: ByteWriter, block: RamBlock, first: number, count: number): void {
    const { pageBytes } = this.#image.memory;
    for (let page = first; page < first + count; page++) {
      encodeZeroPage(writer, this.#target(block, page * pageBytes));
    }
  }

  *#allPages(what: string): Generator<Piece, void, undefined> {
    const { memory } = this.#image;
    yield* this.#records(what, pageChunks(memory, CHUNK_PAGES), (writer, chunk) => {
      const { block, first, count } = chunk;
      if (chunk.content === undefined) return this.#zeros(writer, block, first, count);
      for (const { address, page } of this.#pagesOf(chunk)) {
        const target = this.#target(block, address);
        if (isZero(page) || this.#isDelta(page)) encodeZeroPage(writer, target);
        else encodePage(writer, target, page);
      }
    });
  }

  *#pagesOf(
    { first, count, content }: PageChunk,
  ): Generator<{ address: number; page: Uint8Array }, void, undefined> {
    const { pageBytes } = this.#image.memory;
    if (content === undefined) return;
    for (let index = 0; index < count; index++) {
      const page = content.subarray(index * pageBytes, (index + 1) * pageBytes);
      yield { address: (first + index) * pageBytes, page };
    }
  }

  #isDelta(page: Uint8Array): boolean {
    return this.#options.xbzrle === true && isSmallDelta(page);
  }

  *#deltas(what: string): Generator<Piece, void, undefined> {
    yield* this.#records(what, pageChunks(this.#image.memory, CHUNK_PAGES), (writer, chunk) => {
      for (const { address, page } of this.#pagesOf(chunk)) {
        if (isZero(page) || !isSmallDelta(page)) continue;
        encodeSmallDelta(writer, this.#target(chunk.block, address), page);
      }
    });
  }
}

/** Bytes from which on a piece is complete. */
const PIECE_BYTES = 256 * 1024;

function ramLabel({ section }: RamPart): string {
  return `section ${section.id} "${section.idstr}"`;
}

/** The entry of a block as it is without mapped-ram and without postcopy. */
function classicEntry(
  { mapped: _mapped, hostPageBytes: _hostPageBytes, ...block }: RamBlock,
): RamBlock {
  return block;
}
