/**
 * Section type bytes, section headers and footers.
 *
 * ```text
 * START, FULL                          PART, END
 *   0    1 u8    0x01 or 0x04            0  1 u8    0x02 or 0x03
 *   1    4 be32  section id              1  4 be32  section id of an earlier START
 *   5  1+L       counted string idstr
 * 6+L    4 be32  instance id           footer (after every section, or after none)
 * 10+L   4 be32  version id              0  1 u8    0x7e
 * 14+L           payload                 1  4 be32  section id
 * ```
 *
 * @module
 */

import type { FormatError } from "./error.ts";
import type { ByteReader } from "./reader.ts";
import { hex } from "./text.ts";
import type { ByteWriter } from "./writer.ts";

/** The type bytes at section level and inside vmstate payloads (`QEMU_VM_*`). */
export const SECTION_TYPE = {
  EOF: 0x00,
  START: 0x01,
  PART: 0x02,
  END: 0x03,
  FULL: 0x04,
  SUBSECTION: 0x05,
  VMDESCRIPTION: 0x06,
  CONFIGURATION: 0x07,
  COMMAND: 0x08,
  FOOTER: 0x7e,
} as const;

/** The rules about bytes that are a type elsewhere. */
const UNKNOWN_TYPE_RULES = new Map<number, string>([
  [SECTION_TYPE.VMDESCRIPTION, "END-004"],
  [SECTION_TYPE.CONFIGURATION, "CFG-006"],
  [SECTION_TYPE.FOOTER, "SEC-015"],
]);

/** The error for a byte at `offset` that is no type where a section may begin; `footers` tells whether sections have them, if that is known. */
export function unknownType(
  reader: ByteReader,
  offset: number,
  type: number,
  footers: boolean | undefined,
): FormatError {
  return reader.error("bad-section", "Cannot decode section: unknown type byte", {
    offset,
    expected: footers === false
      ? "0, 1, 2, 3, 4 or 8 (this stream has no footers)"
      : "0, 1, 2, 3, 4 or 8",
    found: hex(type, 2),
    rule: UNKNOWN_TYPE_RULES.get(type) ?? "SEC-001",
  });
}

/** How a section takes part in its entry: first, further and last section of an iterable entry, or a device's only one. */
export type SectionType = "start" | "part" | "end" | "full";

const TYPE_BYTES = {
  start: SECTION_TYPE.START,
  part: SECTION_TYPE.PART,
  end: SECTION_TYPE.END,
  full: SECTION_TYPE.FULL,
} as const;

/** What a START or FULL section announces; PART and END refer to it by its id. */
export interface SectionIdentity {
  /** Number that the source gave the entry; means nothing outside of the stream. */
  readonly id: number;
  /** Name of the entry: a vmstate name, with the device's path before it where it has one. */
  readonly idstr: string;
  /** Distinguishes entries of equal name. */
  readonly instanceId: number;
  /** Version of the entry's format. */
  readonly versionId: number;
}

/** Decodes the header of a START or FULL section behind its type byte. */
export function decodeSectionIdentity(reader: ByteReader): SectionIdentity {
  const id = reader.u32("section id");
  const offset = reader.offset;
  const idstr = reader.countedString("section idstr");
  if (idstr === "") {
    throw reader.error("bad-section", "Cannot decode section header: the idstr is empty", {
      offset,
      expected: "a length of 1..255",
      found: "0",
      rule: "SEC-002",
    });
  }
  const instanceId = reader.u32("section instance id");
  const versionId = reader.u32("section version id");
  return { id, idstr, instanceId, versionId };
}

/** Encodes the header of a section of any type, its type byte included. */
export function encodeSectionHeader(
  writer: ByteWriter,
  type: SectionType,
  identity: SectionIdentity,
): void {
  writer.u8(TYPE_BYTES[type], "section type");
  writer.u32(identity.id, "section id");
  if (type === "part" || type === "end") return;
  if (identity.idstr === "") {
    throw writer.error("Cannot encode section header: the idstr is empty", "1..255 bytes", "0");
  }
  writer.countedString(identity.idstr, "section idstr");
  writer.u32(identity.instanceId, "section instance id");
  writer.u32(identity.versionId, "section version id");
}

/** Bytes of a footer. */
export const FOOTER_BYTES = 5;

/** Decodes a footer, which must name the section `id`. */
export function decodeFooter(reader: ByteReader, id: number): void {
  const offset = reader.offset;
  const marker = reader.u8("section footer");
  if (marker !== SECTION_TYPE.FOOTER) {
    throw reader.error("bad-footer", "Cannot decode section footer: wrong marker", {
      offset,
      expected: hex(SECTION_TYPE.FOOTER, 2),
      found: hex(marker, 2),
      rule: "SEC-016",
    });
  }
  const found = reader.u32("section id in footer");
  if (found !== id) {
    throw reader.error("bad-footer", "Cannot decode section footer: it names another section", {
      offset: offset + 1,
      expected: `section id ${id}`,
      found: String(found),
      rule: "SEC-017",
    });
  }
}

/** Encodes a footer. */
export function encodeFooter(writer: ByteWriter, id: number): void {
  writer.u8(SECTION_TYPE.FOOTER, "footer marker");
  writer.u32(id, "section id in footer");
}
