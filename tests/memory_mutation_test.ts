/**
 * Damaged streams, read for their memory: what is read is whole pages, or a `FormatError`; never another exception, and the two ways to get
 * at the memory agree.
 */
import { assert, assertEquals } from "@std/assert";
import type { RandomAccessFile } from "../analyze/memory/block_writer.ts";
import { GuestMemory } from "../analyze/memory/guest_memory.ts";
import { type BlockFiles, RamExtractor } from "../analyze/memory/ram_extractor.ts";
import { readState } from "../analyze/state.ts";
import { inflate } from "../container/inflate.ts";
import { isFormatError } from "../format/error.ts";
import type { RamBlock } from "../format/ram.ts";
import { BytesSource } from "../format/source.ts";
import { mutate, victimOf } from "./mutations.ts";
import { checksum, Random } from "./reading.ts";
import { loadCase, loadStream } from "./testdata.ts";

const seed = Number(Deno.env.get("MIGSTREAM_SEED") ?? 20261121);

/** Damages a case may have; few, because each reading goes over all pages. */
const CASES: Readonly<Record<string, number>> = {
  "pc-live": 60,
  "pc-xbzrle": 100,
  "pc-compress-7.2": 100,
  "pc-mapped-live": 60,
  "pc-mapped-offset": 60,
  "pc-postcopy": 60,
  "arm-microbit": 300,
  "avr-uno": 300,
};

/** Most bytes of a block that are looked at: a damaged length may claim anything. */
const MAX_BYTES = 64 << 20;

/** Pages in memory, as they were written. */
class SparseFile implements RandomAccessFile {
  readonly #pieces = new Map<number, Uint8Array>();

  writeAt(position: number, bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; at += 256) {
      this.#pieces.set(position + at, bytes.slice(at, at + 256));
    }
  }

  readAt(position: number, into: Uint8Array): void {
    for (let at = 0; at < into.length; at += 256) {
      into.set(this.#pieces.get(position + at) ?? new Uint8Array(256), at);
    }
  }
}

/** Files of blocks, in memory. */
class MemoryFiles implements BlockFiles {
  readonly files = new Map<string, SparseFile>();

  memoryOf(block: RamBlock): RandomAccessFile {
    const file = new SparseFile();
    this.files.set(block.name, file);
    return file;
  }
}

/** A checksum of each block by GuestMemory, or the error. */
function byMemory(bytes: Uint8Array, offset: number): Map<string, number> | string {
  const source = new BytesSource(bytes);
  using memory = new GuestMemory(source, inflate);
  try {
    readState(source, { offset, visitor: memory });
    const sums = new Map<string, number>();
    for (const block of memory.blocks) {
      let end = 0;
      let sum = 0;
      for (const { first, count, kind } of memory.runs(block)) {
        assertEquals(first, end, "runs have no gaps");
        assert(count > 0);
        end = first + count;
        const length = Math.min(count * memory.pageBytes, MAX_BYTES);
        const content = new Uint8Array(length);
        memory.read(block, first * memory.pageBytes, content);
        sum = content.every((byte) => byte === 0) ? sum : checksum(content, sum + first + kind);
      }
      sums.set(block.name, sum);
    }
    return sums;
  } catch (error) {
    if (!isFormatError(error)) throw error;
    return error.code;
  }
}

/** Reads what the extractor wrote in the same runs as GuestMemory has them. */
function byExtractor(bytes: Uint8Array, offset: number): Map<string, number> | string {
  const source = new BytesSource(bytes);
  const files = new MemoryFiles();
  const extractor = new RamExtractor(files, inflate, { source });
  using memory = new GuestMemory(source, inflate);
  try {
    readState(source, { offset, visitor: extractor });
    for (const _ of extractor.copyMapped());
    readState(source, { offset, visitor: memory });
  } catch (error) {
    if (!isFormatError(error)) throw error;
    return error.code;
  }
  const sums = new Map<string, number>();
  for (const block of memory.blocks) {
    let sum = 0;
    for (const { first, count, kind } of memory.runs(block)) {
      const content = new Uint8Array(Math.min(count * memory.pageBytes, MAX_BYTES));
      files.files.get(block.name)?.readAt(first * memory.pageBytes, content);
      sum = content.every((byte) => byte === 0) ? sum : checksum(content, sum + first + kind);
    }
    sums.set(block.name, sum);
  }
  return sums;
}

for (const [name, count] of Object.entries(CASES)) {
  Deno.test(`memory: ${name}, ${count} damages, seed ${seed}`, () => {
    const offset = loadCase(name).streamOffset;
    const victim = victimOf(name, loadStream(name), offset);
    const random = new Random(seed);
    let read = 0;
    for (let index = 0; index < count; index++) {
      const { bytes, done } = mutate(victim, random);
      const label = `${name}, seed ${seed}, damage ${index} (${done})`;
      const memory = byMemory(bytes, offset);
      const extracted = byExtractor(bytes, offset);
      // Deltas are applied at different times, so that one may see damage that the other does not.
      if (typeof memory === "string" || typeof extracted === "string") continue;
      assertEquals(extracted, memory, label);
      read += 1;
    }
    assert(read > count / 20, `only ${read} of ${count} were read by both`);
  });
}
