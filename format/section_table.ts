/**
 * The entries that a stream has announced: a PART or END says nothing but the id of one.
 *
 * @module
 */

import type { ByteReader } from "./reader.ts";
import { decodeSectionIdentity, type SectionIdentity, type SectionType } from "./section.ts";

/** Entries by their section ids. */
export class SectionTable {
  readonly #sections = new Map<number, SectionIdentity>();
  readonly #iterableIds = new Set<number>();
  readonly #most: number;

  /** An empty table for at most so many entries. */
  constructor(most: number) {
    this.#most = most;
  }

  /** All entries so far. */
  get all(): ReadonlyMap<number, SectionIdentity> {
    return this.#sections;
  }

  /** Ids that PART and END sections may refer to, so far. */
  get iterableIds(): ReadonlySet<number> {
    return this.#iterableIds;
  }

  /**
   * Decodes what stands behind the type byte of a section: of a START or FULL all of the identity, of a PART or END the id.
   *
   * @throws {FormatError} `bad-section` for an id that no entry has, `limit-exceeded` for too many entries
   */
  decode(reader: ByteReader, type: SectionType): SectionIdentity {
    if (type !== "start" && type !== "full") return this.#find(reader, type);
    if (this.#sections.size >= this.#most) {
      throw reader.error("limit-exceeded", "Too many sections", {
        expected: `at most ${this.#most}`,
      });
    }
    const section = decodeSectionIdentity(reader);
    this.#sections.set(section.id, section);
    if (type === "start") this.#iterableIds.add(section.id);
    return section;
  }

  #find(reader: ByteReader, type: SectionType): SectionIdentity {
    const id = reader.u32("section id");
    const section = this.#sections.get(id);
    if (section !== undefined) return section;
    const message = `Cannot decode section: ${type.toUpperCase()} of unknown id`;
    throw reader.error("bad-section", message, {
      offset: reader.offset - 4,
      expected: "the id of an earlier START section",
      found: String(id),
      rule: "SEC-004",
    });
  }
}
