/**
 * Makes a migration anew out of any image: the devices' state as it stands there, the memory as it was in the end, sent page by page, on
 * the main channel or over multifd channels.
 *
 * ```text
 * header, configuration       without the capability mapped-ram
 * OPEN_RETURN_PATH            so that the destination says in the end whether it has the guest
 * START ram                   the block list, [mark]
 * PART ram                    all pages, [mark]: in place of the first one of the image
 * [END ram                    [mark]]
 * everything else             byte for byte, where it stands in the image
 * ```
 *
 * A stream of postcopy becomes one of precopy: its package is unpacked, its commands are left out. With multifd, content is in the
 * channels; zero pages are on the main channel, where every release takes them. A mark is a MULTIFD_FLUSH word, or for machines up to
 * 8.0 the end of each RAM section.
 *
 * @module
 */

import type { MemoryView } from "../analyze/memory/memory_view.ts";
import { encodeCommand } from "../format/command.ts";
import { type Configuration, encodeConfiguration } from "../format/configuration.ts";
import type { SectionItem, StreamItem } from "../format/items.ts";
import {
  encodeMultifdFlush,
  encodePage,
  encodeRamEos,
  encodeRamWord,
  encodeZeroPage,
  RAM_SAVE_FLAG,
  RAM_SECTION_IDSTR,
  type RamBlock,
} from "../format/ram.ts";
import { encodeBlockEntry } from "../format/ram_blocks.ts";
import { encodeFooter, encodeSectionHeader, type SectionType } from "../format/section.ts";
import type { ByteSource } from "../format/source.ts";
import { encodeVmdescription } from "../format/vmdescription.ts";
import { ByteWriter } from "../format/writer.ts";
import { contentBatches, zeroRuns } from "./pages.ts";
import { itemPieces, labelOf, type Piece } from "./pieces.ts";

/** Where the multifd channels and the main channel wait for each other. */
export type MarkKind = "round" | "section";

/** What a migration is made from. */
export interface Image {
  /** The bytes. */
  readonly source: ByteSource;
  /** What they are, in order. */
  readonly items: readonly StreamItem[];
  /** Whether sections have footers. */
  readonly hasFooters: boolean;
  /** The memory. */
  readonly memory: MemoryView;
}

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

/** The number of marks that {@link mainPieces} sets for an image. */
export function markCount({ items }: Image): number {
  return items.some((item) => isRam(item) && item.type === "end") ? 3 : 2;
}

function isRam(item: StreamItem): item is SectionItem {
  return item.kind === "section" && item.section.idstr === RAM_SECTION_IDSTR;
}

/** Pages of one piece of the main channel. */
const PIECE_PAGES = 64;

/** The pieces of the main channel. `marks` is set for a migration over multifd channels. */
export function* mainPieces(
  image: Image,
  marks: MarkKind | undefined,
): Generator<Piece, void, undefined> {
  let pagesSent = false;
  let isOpened = false;
  const kept: StreamItem[] = [];
  const keptPieces = () => itemPieces(image.source, kept.splice(0));
  for (const item of image.items) {
    if (!isOpened && item.kind !== "header") {
      isOpened = true;
      yield* keptPieces();
      yield* openingPieces(item);
    }
    if (isRam(item)) {
      yield* keptPieces();
      if (item.type === "start") yield startPiece(image, item, marks);
      else if (!pagesSent) yield* pagesSection(image, item, marks);
      pagesSent ||= item.type !== "start";
      if (item.type === "end") yield sectionPiece(image, item, marks, () => {});
    } else if (isKept(item)) kept.push(item);
  }
  yield* keptPieces();
  if (lacksDescription(image)) {
    yield piece("vmdescription", (writer) => encodeVmdescription(writer, NO_DESCRIPTION));
  }
}

/** What stands behind the header; `item` is what stands there in the image. */
function* openingPieces(item: StreamItem): Generator<Piece, void, undefined> {
  if (item.kind === "configuration") yield configurationPiece(item.configuration);
  yield piece("OPEN_RETURN_PATH", (writer) => {
    encodeCommand(writer, { name: "OPEN_RETURN_PATH" });
  });
}

/** A description of nothing: the destination asks for one and doesn't look at it. */
const NO_DESCRIPTION = new TextEncoder().encode('{"devices": []}');

/** Postcopy has no description where precopy has one, and the destination takes its absence for a broken connection. */
function lacksDescription({ items }: Image): boolean {
  return items.every(({ kind }) => kind !== "vmdescription") &&
    items.some((item) => item.kind === "command" && item.command.name === "POSTCOPY_RUN");
}

/** What goes over as it is. */
function isKept(item: StreamItem): boolean {
  switch (item.kind) {
    case "header":
    case "section":
    case "vmdescription":
      return true;
    case "footer":
      return item.section.idstr !== RAM_SECTION_IDSTR;
    case "eof":
      return item.depth === 0;
    case "command":
      return item.command.name === "SWITCHOVER_START" ||
        (item.command.name === "POSTCOPY_ADVISE" && item.command.pages === undefined);
    default:
      return false;
  }
}

function piece(what: string, write: (writer: ByteWriter) => void): Piece {
  const writer = new ByteWriter();
  write(writer);
  return { bytes: writer.finish(), what };
}

function configurationPiece({ machine, subsections }: Configuration): Piece {
  const kept = subsections.map((subsection) =>
    subsection.name === "configuration/capabilities"
      ? {
        ...subsection,
        capabilities: subsection.capabilities.filter((name) => name !== "mapped-ram"),
      }
      : subsection
  ).filter((subsection) =>
    subsection.name !== "configuration/capabilities" || subsection.capabilities.length > 0
  );
  return piece("configuration", (writer) => {
    encodeConfiguration(writer, { machine, subsections: kept });
  });
}

/** A RAM section whose records `write` writes. */
function sectionPiece(
  image: Image,
  item: SectionItem,
  marks: MarkKind | undefined,
  write: (writer: ByteWriter) => void,
): Piece {
  return piece(labelOf(item), (writer) => {
    encodeSectionHeader(writer, item.type, item.section);
    write(writer);
    endRecords(image, item, marks, writer);
  });
}

function endRecords(
  { hasFooters }: Image,
  { section }: SectionItem,
  marks: MarkKind | undefined,
  writer: ByteWriter,
): void {
  if (marks === "round") encodeMultifdFlush(writer);
  encodeRamEos(writer);
  if (hasFooters) encodeFooter(writer, section.id);
}

function startPiece(image: Image, item: SectionItem, marks: MarkKind | undefined): Piece {
  const blocks = ramBlocks(item);
  return sectionPiece(image, item, marks, (writer) => {
    const totalBytes = blocks.reduce((sum, block) => sum + block.usedLengthBytes, 0);
    encodeRamWord(writer, totalBytes, RAM_SAVE_FLAG.MEM_SIZE);
    for (const { mapped: _mapped, hostPageBytes: _hostPageBytes, ...block } of blocks) {
      encodeBlockEntry(writer, block);
    }
  });
}

function ramBlocks({ payload }: SectionItem): readonly RamBlock[] {
  return payload?.kind === "ram" ? payload.summary.blocks ?? [] : [];
}

/** A PART with all pages, or with multifd with the zero pages. */
function* pagesSection(
  image: Image,
  item: SectionItem,
  marks: MarkKind | undefined,
): Generator<Piece, void, undefined> {
  const { memory } = image;
  const what = labelOf(item);
  const type: SectionType = "part";
  yield piece(what, (writer) => encodeSectionHeader(writer, type, item.section));
  let last: RamBlock | undefined;
  const targetOf = (block: RamBlock, address: number) => {
    const name = block === last ? undefined : block.name;
    last = block;
    return { block: name, address };
  };
  for (const { block, first, count } of zeroRuns(memory)) {
    for (let done = 0; done < count; done += PIECE_PAGES) {
      yield piece(what, (writer) => {
        for (let page = first + done; page < first + Math.min(count, done + PIECE_PAGES); page++) {
          encodeZeroPage(writer, targetOf(block, page * memory.pageBytes));
        }
      });
    }
  }
  if (marks === undefined) {
    for (const { block, addresses, content } of contentBatches(memory, PIECE_PAGES)) {
      yield piece(what, (writer) => {
        for (const [index, address] of addresses.entries()) {
          const start = index * memory.pageBytes;
          const page = content.subarray(start, start + memory.pageBytes);
          encodePage(writer, targetOf(block, address), page);
        }
      });
    }
  }
  yield piece(what, (writer) => endRecords(image, item, marks, writer));
}
