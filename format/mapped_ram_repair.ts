/**
 * Finds out where bitmap and pages of a mapped-ram block stand whose header is wrong, so that one wrong header does not hide all that is
 * behind it.
 *
 * ```text
 * entry k | bitmap | hole | pages | entry k + 1        the next entry, or the word behind the list, proves a place
 * ```
 *
 * @module
 */

import type { FormatError } from "./error.ts";
import {
  bitmapBytes,
  type Complain,
  MAPPED_RAM_TOO_LARGE,
  type MappedRamHeader,
  mappedRamProblems,
  placeMappedRam,
} from "./mapped_ram.ts";
import type { RamBlock } from "./ram.ts";
import { goesOnAt } from "./ram_diagnosis.ts";
import type { ByteReader } from "./reader.ts";
import { hex } from "./text.ts";

/** Sizes that tell where a list goes on. */
export interface EntrySizes {
  /** Bytes of the block's memory. */
  readonly usedLengthBytes: number;
  /** Bytes of the blocks behind it. */
  readonly left: number;
}

/**
 * Tests a header at whose end the cursor stands, says what is wrong with it, and returns one with offsets that can be read: its own, or
 * those where QEMU would have put bitmap and pages, or those of a file that was moved.
 *
 * @throws {FormatError} `bad-mapped-ram` if no place fits.
 */
export function repairMappedRam(
  reader: ByteReader,
  header: MappedRamHeader,
  sizes: EntrySizes,
  blocks: ReadonlyMap<string, RamBlock>,
  complain: Complain,
): MappedRamHeader {
  const { usedLengthBytes, left } = sizes;
  const headerEnd = reader.offset;
  const goesOn = ({ pagesOffset }: MappedRamHeader) => {
    const next = pagesOffset + usedLengthBytes;
    return Number.isSafeInteger(next) && goesOnAt(reader, next, left);
  };
  const problems = mappedRamProblems(reader, header, usedLengthBytes);
  if (problems.length === 0 && goesOn(header)) return header;
  const moved = movedHeader(header, headerEnd);
  if (moved !== undefined && goesOn(moved)) {
    // All blocks moved as far as the first one.
    if (blocks.size === 0) complain(movedError(reader, headerEnd - header.bitmapOffset));
    return moved;
  }
  for (const problem of problems) {
    // That was said when the number was read.
    const isSaid = problem.code === "out-of-range" && header.pagesOffset === MAPPED_RAM_TOO_LARGE;
    if (!isSaid) complain(withOverlap(reader, problem, header, sizes, blocks));
  }
  const usual = placeMappedRam(headerEnd, usedLengthBytes, header.pageBytes);
  const own = { ...usual, pagesOffset: header.pagesOffset };
  const isOwn = !problems.some(({ offset }) => offset === headerEnd - 8) && goesOn(own);
  if (isOwn) return own;
  if (!goesOn(usual)) {
    // The list goes on where the header says, but with something else that is damaged.
    if (problems.length === 0) return header;
    throw nextError(reader, header, sizes);
  }
  if (problems.length === 0) complain(nextError(reader, header, sizes));
  return usual;
}

/** The header of a stream that was moved in its file, as its bitmap then stands directly behind it. */
function movedHeader(header: MappedRamHeader, headerEnd: number): MappedRamHeader | undefined {
  const distance = headerEnd - header.bitmapOffset;
  const pagesOffset = header.pagesOffset + distance;
  const isMoved = distance !== 0 && pagesOffset >= headerEnd;
  return isMoved ? { ...header, bitmapOffset: headerEnd, pagesOffset } : undefined;
}

function movedError(reader: ByteReader, distance: number): FormatError {
  return reader.error(
    "bad-mapped-ram",
    "The offsets of a mapped-ram stream are those of another place",
    {
      offset: reader.offset - 16,
      expected: `bitmap_offset ${hex(reader.offset)}, the header's end`,
      found: `an offset that is ${Math.abs(distance)} bytes ${
        distance > 0 ? "before" : "behind"
      } it`,
      rule: "MAP-018",
    },
  );
}

function nextError(reader: ByteReader, header: MappedRamHeader, sizes: EntrySizes): FormatError {
  const at = hex(header.pagesOffset + sizes.usedLengthBytes);
  return reader.error("bad-mapped-ram", "The block list does not go on behind the block's pages", {
    offset: reader.offset - 8,
    expected: `${sizes.left === 0 ? "the end of the list" : "an entry"} at offset ${at}`,
    rule: "MAP-014",
  });
}

/** A bitmap that reaches into the pages, or behind the file, while these stand where they should. */
function farBitmap(reader: ByteReader, header: MappedRamHeader, sizes: EntrySizes): FormatError {
  const { bitmapOffset, pageBytes } = header;
  const end = bitmapOffset + bitmapBytes(sizes.usedLengthBytes / pageBytes);
  const isInside = end <= (reader.source.sizeBytes ?? Infinity);
  return reader.error("bad-mapped-ram", "Cannot decode mapped-ram header: bitmap_offset", {
    offset: reader.offset - 16,
    expected: `${hex(reader.offset)}, the header's end`,
    found: hex(bitmapOffset),
    rule: isInside ? "MAP-004" : "MAP-003",
  });
}

/** An offset that leads into what belongs to another block breaks a rule of its own. */
function withOverlap(
  reader: ByteReader,
  problem: FormatError,
  header: MappedRamHeader,
  sizes: EntrySizes,
  blocks: ReadonlyMap<string, RamBlock>,
): FormatError {
  const isBitmap = problem.rule === "MAP-004";
  if (!isBitmap && problem.rule !== "MAP-007") return problem;
  const placed = placeMappedRam(reader.offset, sizes.usedLengthBytes, header.pageBytes);
  if (!isBitmap && header.pagesOffset >= placed.pagesOffset) {
    return farBitmap(reader, header, sizes);
  }
  const start = isBitmap ? header.bitmapOffset : header.pagesOffset;
  const end = start +
    (isBitmap ? bitmapBytes(sizes.usedLengthBytes / header.pageBytes) : sizes.usedLengthBytes);
  for (const { name, entryOffset, usedLengthBytes, mapped } of blocks.values()) {
    if (mapped === undefined || end <= entryOffset) continue;
    if (start >= mapped.pagesOffset + usedLengthBytes) continue;
    const { offset, expected, found } = problem;
    const what = isBitmap ? "bitmap" : "pages";
    return reader.error(
      "bad-mapped-ram",
      `The ${what} overlap what belongs to block ${JSON.stringify(name)}`,
      {
        offset,
        ...(expected === undefined ? {} : { expected }),
        found: found ?? hex(start),
        rule: "MAP-011",
      },
    );
  }
  return problem;
}
