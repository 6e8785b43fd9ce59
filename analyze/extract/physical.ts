/**
 * Writes a guest's physical memory to one file: as ELF core, as LiME image, or as it is, with holes.
 *
 * @module
 */

import type { RandomAccessFile } from "../memory/block_writer.ts";
import { type ElfNote, encodeElfCoreHead } from "../../format/elf_core.ts";
import { encodeLimeHeader, LIME_HEADER_BYTES } from "../../format/lime.ts";
import type { CpuState } from "../registers/mod.ts";
import type { MemoryView } from "../memory/memory_view.ts";
import { PAGE_KIND } from "../memory/page_table.ts";
import type { PhysicalMap, PhysicalRange } from "../memory/physical_map.ts";
import { cpuNotes } from "./cpu_notes.ts";

/** The forms in which physical memory is written. */
export const PHYSICAL_FORMATS = ["elf", "lime", "raw-physical"] as const;

/** A form in which physical memory is written. */
export type PhysicalFormat = typeof PHYSICAL_FORMATS[number];

/** A file whose size can be set. */
export interface SizedFile extends RandomAccessFile {
  /** Makes the file this long; what is not written is a hole. */
  setSize(sizeBytes: number): void;
}

/** What is written. */
export interface PhysicalImage {
  /** The memory. */
  readonly memory: MemoryView;
  /** Where it stands. */
  readonly map: PhysicalMap;
  /** The processors, for an ELF core's notes. */
  readonly cpus: readonly CpuState[];
  /** Further notes of an ELF core. */
  readonly notes?: readonly ElfNote[];
}

/** Where a range stands in the file. */
interface Placed {
  readonly range: PhysicalRange;
  readonly fileOffset: number;
}

/** Bytes read and written at once. */
const CHUNK_BYTES = 1 << 20;

/** Bytes written between two steps. */
const STEP_BYTES = 16 << 20;

/** A file whose heads are written. */
export interface BegunImage {
  /** Copies the memory; yields the number of bytes of memory passed so far, now and then. */
  readonly copy: Generator<number, void, undefined>;
  /** Size of the file. */
  readonly fileBytes: number;
  /** What deserves attention. */
  readonly notes: readonly string[];
}

/** Lays the file out, writes its heads, and gives what is left to do and what deserves attention. */
export function beginPhysical(
  image: PhysicalImage,
  format: PhysicalFormat,
  file: SizedFile,
): BegunImage {
  const { placed, fileBytes, notes } = LAYOUTS[format](image, file);
  file.setSize(fileBytes);
  return { copy: copyRanges(image.memory, placed, file), fileBytes, notes };
}

/** Bytes of the ranges of a map. */
export function mappedBytes(map: PhysicalMap): number {
  return map.ranges.reduce((sum, { lengthBytes }) => sum + lengthBytes, 0);
}

type Layout = (
  image: PhysicalImage,
  file: SizedFile,
) => {
  readonly placed: readonly Placed[];
  readonly fileBytes: number;
  readonly notes: readonly string[];
};

const LAYOUTS: Readonly<Record<PhysicalFormat, Layout>> = {
  "elf": ({ map, cpus, notes: more = [] }, file) => {
    const { missing, ...core } = cpuNotes(cpus);
    const all = [...core.notes, ...more];
    const head = encodeElfCoreHead({ ...core, notes: all, ranges: map.ranges });
    file.writeAt(0, head.bytes);
    const placed = map.ranges.map((range, index) => ({
      range,
      fileOffset: head.ranges[index]!.fileOffset,
    }));
    const notes = missing === undefined ? [] : [`no registers: ${missing}`];
    return { placed, fileBytes: head.fileBytes, notes };
  },
  "lime": ({ map }, file) => {
    let end = 0;
    const placed = map.ranges.map((range) => {
      const fileOffset = end + LIME_HEADER_BYTES;
      end = fileOffset + range.lengthBytes;
      return { range, fileOffset };
    });
    for (const { range, fileOffset } of placed) {
      file.writeAt(fileOffset - LIME_HEADER_BYTES, encodeLimeHeader(range));
    }
    return { placed, fileBytes: end, notes: [] };
  },
  "raw-physical": ({ map }) => ({
    placed: map.ranges.map((range) => ({ range, fileOffset: range.guestAddress })),
    fileBytes: map.endAddress,
    notes: [],
  }),
};

/** Copies the ranges, what is zero left out; yields the number of bytes of memory passed so far, now and then. */
function* copyRanges(
  memory: MemoryView,
  placed: readonly Placed[],
  file: RandomAccessFile,
): Generator<number, void, undefined> {
  const buffer = new Uint8Array(CHUNK_BYTES);
  let passed = 0;
  let written = 0;
  for (const { range, fileOffset } of placed) {
    for (const { address, lengthBytes } of contents(memory, range)) {
      for (let done = 0; done < lengthBytes;) {
        const part = buffer.subarray(0, Math.min(CHUNK_BYTES, lengthBytes - done));
        memory.read(range.block, address + done, part);
        file.writeAt(fileOffset + address + done - range.blockAddress, part);
        done += part.length;
        written += part.length;
        if (written >= STEP_BYTES) {
          written = 0;
          yield passed + address + done - range.blockAddress;
        }
      }
    }
    passed += range.lengthBytes;
    yield passed;
  }
}

/** The parts of a range that may be something else than zeros, by address in the block. */
function* contents(
  memory: MemoryView,
  range: PhysicalRange,
): Generator<{ address: number; lengthBytes: number }> {
  const end = range.blockAddress + range.lengthBytes;
  for (const { first, count, kind } of memory.runs(range.block)) {
    const from = Math.max(first * memory.pageBytes, range.blockAddress);
    const to = Math.min((first + count) * memory.pageBytes, end);
    const isZero = kind === PAGE_KIND.ABSENT || kind === PAGE_KIND.ZERO;
    if (to > from && !isZero) yield { address: from, lengthBytes: to - from };
  }
}
