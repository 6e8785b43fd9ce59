/**
 * An image out of the items of a stream that was read.
 *
 * A stream of postcopy becomes one of precopy: its package is unpacked, its commands are left out. All rounds of a live migration become
 * one: what counts is how the memory was in the end.
 *
 * @module
 */

import type { Configuration } from "../../format/configuration.ts";
import type { CommandItem, SectionItem, StreamItem } from "../../format/items.ts";
import { RAM_SECTION_IDSTR } from "../../format/ram.ts";
import type { SectionIdentity } from "../../format/section.ts";
import type { ByteSource } from "../../format/source.ts";
import { encodeVmdescription } from "../../format/vmdescription.ts";
import { ByteWriter } from "../../format/writer.ts";
import type { MemoryView } from "../memory/memory_view.ts";
import type { BytesPart, GuestImage, ImagePart } from "./image.ts";
import { labelOf } from "./pieces.ts";

/** What an image is made from. */
export interface ReadImage {
  /** The bytes. */
  readonly source: ByteSource;
  /** What they are, in order. */
  readonly items: readonly StreamItem[];
  /** Whether sections have footers. */
  readonly hasFooters: boolean;
  /** The memory. */
  readonly memory: MemoryView;
}

/** How an image differs from the stream. */
export interface ImageChanges {
  /** Name of the machine type. */
  readonly machine?: string | undefined;
  /** Sections that are left out. */
  readonly dropped?: ReadonlySet<SectionIdentity> | undefined;
  /** New payloads of device sections. */
  readonly payloads?: ReadonlyMap<SectionItem, Uint8Array> | undefined;
  /** The text of the description; `null` for none. */
  readonly vmdescription?: Uint8Array | null | undefined;
  /** Whether there is a description in any case: over a socket, a destination takes its absence for a broken connection. */
  readonly needsDescription?: boolean;
}

/** A description of nothing: who asks for one doesn't look at it. */
const NO_DESCRIPTION = new TextEncoder().encode('{"devices": []}');

/**
 * Makes an image of what was read.
 *
 * @example A stream of another machine type
 * ```ts
 * import { imageBytes, imageOf, loadImage, openInput } from "@migstream/migstream";
 *
 * using input = await openInput("testdata/pc.mig");
 * using loaded = loadImage(input);
 * const image = imageOf(loaded, { machine: "pc-i440fx-9.2" });
 * console.log(imageBytes(image).length);
 * ```
 */
export function imageOf(read: ReadImage, changes: ImageChanges = {}): GuestImage {
  return {
    configuration: newConfiguration(read.items, changes),
    hasFooters: read.hasFooters,
    memory: read.memory,
    parts: imageParts(read, changes),
  };
}

/** The configuration of an image; `undefined` for a stream without one. */
export function newConfiguration(
  items: readonly StreamItem[],
  { machine }: ImageChanges,
): Configuration | undefined {
  const configuration = items.find((item) => item.kind === "configuration")?.configuration;
  return configuration && { ...configuration, machine: machine ?? configuration.machine };
}

/** The parts that items become; also of a stream that has not come to its end. */
export function imageParts(
  { source, items }: Pick<ReadImage, "source" | "items">,
  changes: ImageChanges,
): ImagePart[] {
  const collector = new PartCollector(source, changes);
  for (const item of items) collector.take(item);
  return collector.finish();
}

class PartCollector {
  readonly #source: ByteSource;
  readonly #changes: ImageChanges;
  readonly #parts: ImagePart[] = [];
  #hasPages = false;
  #hasDescription = false;
  /** Bytes of the source that are gathered: some streams have tens of thousands of empty sections. */
  #open: { what: string; offset: number; end: number } | undefined;

  constructor(source: ByteSource, changes: ImageChanges) {
    this.#source = source;
    this.#changes = changes;
  }

  finish(): ImagePart[] {
    this.#close();
    if (this.#changes.needsDescription === true && !this.#hasDescription) {
      this.#parts.push(descriptionPart(NO_DESCRIPTION));
    }
    return this.#parts;
  }

  #close(): void {
    if (this.#open === undefined) return;
    const { what, offset, end } = this.#open;
    this.#parts.push({ kind: "bytes", what, content: { source: this.#source, offset, end } });
    this.#open = undefined;
  }

  #add(part: ImagePart): void {
    this.#close();
    this.#parts.push(part);
  }

  #keep(item: StreamItem, lengthBytes = item.lengthBytes): void {
    const end = item.offset + lengthBytes;
    if (this.#open?.end === item.offset) this.#open.end = end;
    else {
      this.#close();
      this.#open = { what: labelOf(item), offset: item.offset, end };
    }
  }

  take(item: StreamItem): void {
    switch (item.kind) {
      case "section":
        return this.#section(item);
      case "footer":
        if (item.section.idstr !== RAM_SECTION_IDSTR && !this.#isDropped(item)) this.#keep(item);
        return;
      case "eof":
        if (item.depth === 0) this.#keep(item);
        return;
      case "command":
        if (isKept(item)) this.#keep(item);
        return;
      case "vmdescription":
        return this.#description(item);
    }
  }

  #isDropped({ section }: { readonly section: SectionIdentity }): boolean {
    return this.#changes.dropped?.has(section) === true;
  }

  #section(item: SectionItem): void {
    const { section, type } = item;
    if (section.idstr === RAM_SECTION_IDSTR) {
      // A background snapshot has no END, and some streams no PART.
      const isPlace = type === "start" || !this.#hasPages;
      if (isPlace) this.#add({ kind: "ram", type: type === "start" ? "start" : "part", section });
      this.#hasPages ||= type !== "start";
      if (type === "end") this.#add({ kind: "ram", type: "end", section });
      return;
    }
    if (this.#isDropped(item)) return;
    const payload = this.#changes.payloads?.get(item);
    if (payload === undefined) return this.#keep(item);
    this.#keep(item, item.payloadOffset - item.offset);
    this.#add({ kind: "bytes", what: labelOf(item), content: payload });
  }

  #description(item: StreamItem): void {
    const { vmdescription } = this.#changes;
    this.#hasDescription = vmdescription !== null;
    if (vmdescription === undefined) this.#keep(item);
    else if (vmdescription !== null) this.#add(descriptionPart(vmdescription));
  }
}

function descriptionPart(text: Uint8Array): BytesPart {
  const writer = new ByteWriter();
  encodeVmdescription(writer, text);
  return { kind: "bytes", what: "vmdescription", content: writer.finish() };
}

/** Commands that say something about the guest, and not about the way in which it came. */
function isKept({ command }: CommandItem): boolean {
  return command.name === "SWITCHOVER_START" ||
    (command.name === "POSTCOPY_ADVISE" && command.pages === undefined);
}
