/**
 * Files of physical memory: ELF cores, of QEMU and of our own, and plain ones.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { Buffer } from "node:buffer";

/** Guest-physical addresses. */
export interface AddressRange {
  /** The first one. */
  readonly guestAddress: number;
  /** How many. */
  readonly lengthBytes: number;
}

/** Addresses that a file has the memory of. */
export interface FileRange extends AddressRange {
  /** Where it stands in the file. */
  readonly fileOffset: number;
}

/** A note of an ELF core. */
export interface CoreNote {
  /** Whose it is. */
  readonly owner: string;
  /** Its type. */
  readonly type: number;
  /** Its content, in hexadecimal digits. */
  readonly content: string;
}

/** A file with physical memory. */
export class MemoryFile implements Disposable {
  /** The addresses that it has, as its headers list them. */
  readonly ranges: readonly FileRange[];
  readonly #file: Deno.FsFile;

  /** Opens a file. */
  constructor(path: string, ranges: readonly FileRange[]) {
    this.#file = Deno.openSync(path);
    this.ranges = ranges;
  }

  /** Reads memory, all of which has to be there. */
  read(guestAddress: number, into: Uint8Array): void {
    for (let done = 0; done < into.length;) {
      const at = guestAddress + done;
      const range = this.ranges.find((each) =>
        at >= each.guestAddress && at < each.guestAddress + each.lengthBytes
      );
      assert(range !== undefined, `0x${at.toString(16)} is not in the file`);
      const left = range.guestAddress + range.lengthBytes - at;
      const part = into.subarray(done, Math.min(into.length, done + left));
      this.#file.seekSync(range.fileOffset + at - range.guestAddress, Deno.SeekMode.Start);
      const count = this.#file.readSync(part);
      assert(count !== null, `the file ends before 0x${at.toString(16)}`);
      done += count;
    }
  }

  /** Closes the file. */
  [Symbol.dispose](): void {
    this.#file.close();
  }
}

/** An ELF core file of 64 bits. */
export class CoreFile extends MemoryFile {
  /** Instruction set. */
  readonly machine: number;
  /** The notes. */
  readonly notes: readonly CoreNote[];

  private constructor(path: string, view: DataView, little: boolean) {
    const headers = programHeaders(view, little);
    super(path, headers.filter(({ type, lengthBytes }) => type === PT_LOAD && lengthBytes > 0));
    this.machine = view.getUint16(18, little);
    this.notes = headers.filter(({ type }) => type === PT_NOTE).flatMap(
      ({ fileOffset, lengthBytes }) => notesIn(view, fileOffset, lengthBytes, little),
    );
  }

  /** Opens a core file. */
  static open(path: string): CoreFile {
    const head = new Uint8Array(HEAD_BYTES);
    using file = Deno.openSync(path);
    const count = file.readSync(head) ?? 0;
    assertEquals(head.slice(0, 5), Uint8Array.of(0x7f, 0x45, 0x4c, 0x46, 2), "no 64-bit ELF");
    return new CoreFile(path, new DataView(head.buffer, 0, count), head[5] === 1);
  }
}

/** The headers and notes of a few processors. */
const HEAD_BYTES = 0x10000;
const PT_LOAD = 1;
const PT_NOTE = 4;
const PROGRAM_HEADER_BYTES = 56;

function programHeaders(view: DataView, little: boolean): (FileRange & { type: number })[] {
  const start = Number(view.getBigUint64(32, little));
  return Array.from({ length: view.getUint16(56, little) }, (_, index) => {
    const at = start + index * PROGRAM_HEADER_BYTES;
    const field = (offset: number) => Number(view.getBigUint64(at + offset, little));
    return {
      type: view.getUint32(at, little),
      fileOffset: field(8),
      guestAddress: field(24),
      lengthBytes: field(32),
    };
  });
}

function notesIn(view: DataView, start: number, length: number, little: boolean): CoreNote[] {
  const notes: CoreNote[] = [];
  for (let at = start; at < start + length;) {
    const nameBytes = view.getUint32(at, little);
    const contentBytes = view.getUint32(at + 4, little);
    const name = bytesAt(view, at + 12, nameBytes - 1);
    const contentAt = at + 12 + Math.ceil(nameBytes / 4) * 4;
    notes.push({
      owner: new TextDecoder().decode(name),
      type: view.getUint32(at + 8, little),
      content: bytesAt(view, contentAt, contentBytes).toHex(),
    });
    at = contentAt + Math.ceil(contentBytes / 4) * 4;
  }
  return notes;
}

function bytesAt(view: DataView, at: number, length: number): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset + at, length);
}

/** The ranges in order, those that touch made one, as texts `first-last`. */
export function addressTexts(ranges: readonly AddressRange[]): string[] {
  const merged: { start: number; end: number }[] = [];
  for (const { guestAddress, lengthBytes } of ranges.toSorted(byAddress)) {
    const last = merged.at(-1);
    if (last?.end === guestAddress) last.end += lengthBytes;
    else merged.push({ start: guestAddress, end: guestAddress + lengthBytes });
  }
  return merged.map(({ start, end }) => `${start.toString(16)}-${(end - 1).toString(16)}`);
}

function byAddress(a: AddressRange, b: AddressRange): number {
  return a.guestAddress - b.guestAddress;
}

const CHUNK_BYTES = 1 << 20;

/** Compares memory in a range of addresses. */
export function assertSameMemory(
  actual: MemoryFile,
  expected: MemoryFile,
  { guestAddress, lengthBytes }: AddressRange,
): void {
  const ours = new Uint8Array(Math.min(CHUNK_BYTES, lengthBytes));
  const theirs = new Uint8Array(ours.length);
  for (let done = 0; done < lengthBytes;) {
    const count = Math.min(ours.length, lengthBytes - done);
    actual.read(guestAddress + done, ours.subarray(0, count));
    expected.read(guestAddress + done, theirs.subarray(0, count));
    if (Buffer.compare(ours, theirs) !== 0) {
      const at = guestAddress + done + ours.findIndex((byte, index) => byte !== theirs[index]);
      throw new Error(`memory differs at 0x${at.toString(16)}`);
    }
    done += count;
  }
}
