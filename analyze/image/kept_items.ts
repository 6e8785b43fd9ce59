/**
 * The bytes of items that come out of a pipe, which gives nothing twice: everything but the RAM, to be written later. They are encoded again
 * from what the reader tells of them.
 *
 * @module
 */

import { PIPE_MEMORY_BYTES } from "../../container/pipe.ts";
import { spillTo, type TemporaryFile } from "../../container/temporary_file.ts";
import type { SectionItem, StreamItem } from "../../format/items.ts";
import type { StreamVisitor } from "../../format/payload.ts";
import { RAM_SECTION_IDSTR } from "../../format/ram.ts";
import type { SectionIdentity, SectionType } from "../../format/section.ts";
import type { ByteSink } from "../../format/sink.ts";
import type { ByteSource } from "../../format/source.ts";
import { StreamWriter } from "../../format/stream_writer.ts";

/** Where the bytes of an item stand. */
interface KeptItem {
  readonly offset: number;
  readonly end: number;
  readonly storedAt: number;
}

/** Keeps items, and gives their bytes at the offsets that they have in the input. */
export class KeptItems implements ByteSource, Disposable {
  /** Unknown: only some of the input is here. */
  readonly sizeBytes = undefined;
  /** Always true. */
  readonly seekable = true;
  readonly #store = new Store();
  readonly #writer = new StreamWriter(this.#store, { footers: false });
  /** In the order of their offsets. */
  readonly #kept: KeptItem[] = [];
  /** Offset in the store behind the last item. */
  #end = 0;

  /** What the visitor of the stream's reader passes on, but for the RAM. */
  get visitor(): StreamVisitor {
    return this.#writer.visitor;
  }

  /** Takes an item before the next one comes. */
  take(item: StreamItem): void {
    switch (item.kind) {
      case "section":
        if (item.section.idstr === RAM_SECTION_IDSTR) return;
        this.#section(item);
        break;
      case "footer":
      case "command":
      case "eof":
      case "vmdescription":
        this.#writer.write(item);
        break;
      default:
        return;
    }
    const { offset, lengthBytes } = item;
    this.#kept.push({ offset, end: offset + lengthBytes, storedAt: this.#end });
    this.#end = this.#writer.offset;
  }

  #section(item: SectionItem): void {
    const { type, section, payload, device } = item;
    const bytes = device?.bytes ?? item.bytes;
    if (payload === undefined && bytes !== undefined) this.#writer.section(type, section, bytes);
    else this.#writer.write(item);
  }

  /** Reads bytes of an item that was taken. */
  readAt(offset: number, into: Uint8Array): number {
    this.#writer.flush();
    const item = this.#at(offset);
    if (item === undefined) return 0;
    const { storedAt, end } = item;
    return this.#store.readAt(
      storedAt + offset - item.offset,
      into.subarray(0, end - offset),
    );
  }

  #at(offset: number): KeptItem | undefined {
    let [low, high] = [0, this.#kept.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#kept[middle]!.end <= offset) low = middle + 1;
      else high = middle;
    }
    const item = this.#kept[low];
    return item !== undefined && item.offset <= offset ? item : undefined;
  }

  /** Removes the temporary file. */
  [Symbol.dispose](): void {
    this.#store[Symbol.dispose]();
  }
}

/** A visitor that shows the RAM to `ram` and all other payloads to `others`. */
export function visitorOf(ram: StreamVisitor, others: StreamVisitor): StreamVisitor {
  return {
    section: (type, offset, section) => ram.section?.(type, offset, section),
    blockList: (blocks) => ram.blockList?.(blocks),
    run: (run, pageBytes) => ram.run?.(run, pageBytes),
    discard: (block, address, lengthBytes, pageBytes) =>
      ram.discard?.(block, address, lengthBytes, pageBytes),
    bitmap: (block, bitmap) => ram.bitmap?.(block, bitmap),
    pages: (block, reader) => ram.pages?.(block, reader),
    payload: (type: SectionType, section: SectionIdentity) => {
      if (section.idstr !== RAM_SECTION_IDSTR) others.payload?.(type, section);
    },
    dirtyBitmap: (reader, chunk) => others.dirtyBitmap?.(reader, chunk),
    hashTable: (reader, chunk) => others.hashTable?.(reader, chunk),
    storageAttributes: (reader, chunk) => others.storageAttributes?.(reader, chunk),
    diskBlock: (reader, chunk) => others.diskBlock?.(reader, chunk),
    vfio: (reader, chunk) => others.vfio?.(reader, chunk),
    pbsState: (reader, place) => others.pbsState?.(reader, place),
  };
}

/** Bytes in memory, and in a temporary file where they become too many. */
class Store implements ByteSink, Disposable {
  #memory = new Uint8Array(1 << 16);
  #file: TemporaryFile | undefined;
  #length = 0;

  write(bytes: Uint8Array): void {
    const end = this.#length + bytes.length;
    if (this.#file === undefined && end > PIPE_MEMORY_BYTES) {
      this.#file = spillTo("Too much of the pipe has to be kept", PIPE_MEMORY_BYTES, 0);
      this.#file.writeAt(0, this.#memory.subarray(0, this.#length));
      this.#memory = new Uint8Array(0);
    }
    if (this.#file === undefined) this.#room(end).set(bytes, this.#length);
    else this.#file.writeAt(this.#length, bytes);
    this.#length = end;
  }

  #room(lengthBytes: number): Uint8Array {
    if (lengthBytes > this.#memory.length) {
      const grown = new Uint8Array(Math.max(lengthBytes, 2 * this.#memory.length));
      grown.set(this.#memory);
      this.#memory = grown;
    }
    return this.#memory;
  }

  hole(lengthBytes: number): void {
    const zeros = new Uint8Array(Math.min(lengthBytes, 1 << 16));
    for (let done = 0; done < lengthBytes; done += zeros.length) {
      this.write(zeros.subarray(0, lengthBytes - done));
    }
  }

  readAt(position: number, into: Uint8Array): number {
    if (this.#file !== undefined) return this.#file.readAt(position, into);
    into.set(this.#memory.subarray(position, position + into.length));
    return into.length;
  }

  [Symbol.dispose](): void {
    this.#file?.[Symbol.dispose]();
  }
}
