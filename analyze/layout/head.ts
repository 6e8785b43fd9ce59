/**
 * How the layout names sections, and what it finds out about one before its item is there.
 *
 * @module
 */

import { isFormatError } from "../../format/error.ts";
import type { StreamItem } from "../../format/items.ts";
import { ByteReader } from "../../format/reader.ts";
import {
  decodeSectionIdentity,
  SECTION_TYPE,
  type SectionIdentity,
  type SectionType,
} from "../../format/section.ts";
import type { ByteSource } from "../../format/source.ts";
import { quoteText } from "../../format/text.ts";

/** What a section's header says: all of an identity in START and FULL, else the id. */
export type HeadIdentity = Pick<SectionIdentity, "id"> & Partial<SectionIdentity>;

/** A section's header. */
export interface SectionHead {
  /** START, PART, END or FULL. */
  readonly type: SectionType;
  /** What it says. */
  readonly section: HeadIdentity;
  /** Absolute offset behind it. */
  readonly end: number;
}

const TYPES = new Map<number | undefined, SectionType>([
  [SECTION_TYPE.START, "start"],
  [SECTION_TYPE.PART, "part"],
  [SECTION_TYPE.END, "end"],
  [SECTION_TYPE.FULL, "full"],
]);

/** A type byte, an id, a counted string, an instance and a version. */
const HEAD_MAX_BYTES = 14 + 255;

/**
 * The section header at `offset`; `undefined` if there is none, or if the source can't be read again. A section's item comes only when
 * all of it was read, which is too late for those who look at its records meanwhile.
 */
export function sectionHeadAt(source: ByteSource, offset: number): SectionHead | undefined {
  if (!source.seekable) return undefined;
  const reader = new ByteReader(source, { offset, blockBytes: HEAD_MAX_BYTES });
  const type = TYPES.get(reader.peekU8());
  if (type === undefined) return undefined;
  reader.u8("section type");
  try {
    const section = type === "start" || type === "full"
      ? decodeSectionIdentity(reader)
      : { id: reader.u32("section id") };
    return { type, section, end: reader.offset };
  } catch (error) {
    if (isFormatError(error)) return undefined;
    throw error;
  }
}

/** A section's name for people, without control characters: `section 3 "cpu"`. */
export function sectionName(section: HeadIdentity): string {
  return section.idstr === undefined
    ? `section ${section.id}`
    : `section ${section.id} ${quoteText(section.idstr)}`;
}

/** As {@link sectionName}, with the instance where it is known: `section 3 "cpu" (instance 0)`. */
export function sectionInstanceName(section: HeadIdentity): string {
  const name = sectionName(section);
  return section.instanceId === undefined ? name : `${name} (instance ${section.instanceId})`;
}

/** A section's header in a few words. */
export function describeHead(type: SectionType, section: HeadIdentity): string {
  const name = sectionName(section);
  const instance = section.instanceId;
  return type === "part" || type === "end" || instance === undefined
    ? `${type.toUpperCase()} ${name}`
    : `${type.toUpperCase()} ${name}, instance ${instance}, version ${section.versionId}`;
}

/** How deep in packages an offset is; asked in ascending order. */
export class PackageDepth {
  /** Absolute offsets behind the open packages, from the outside in. */
  readonly #ends: number[] = [];

  /** Takes notice of an item that may open a package. */
  enter(item: StreamItem): void {
    if (item.kind !== "command" || item.command.name !== "PACKAGED") return;
    this.#ends.push(item.offset + item.lengthBytes + item.command.lengthBytes);
  }

  /** The number of packages around `offset`. */
  at(offset: number): number {
    while (this.#ends.length > 0 && this.#ends.at(-1)! <= offset) this.#ends.pop();
    return this.#ends.length;
  }
}
