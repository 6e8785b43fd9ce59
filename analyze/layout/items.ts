/**
 * A byte of an item that is not made of RAM records: which of its fields it belongs to.
 *
 * @module
 */

import { decodeCommand, describeCommand } from "../../format/command.ts";
import { decodeConfiguration } from "../../format/configuration.ts";
import { decodeCompatRecord, decodeFileHeader } from "../../format/header.ts";
import type { SectionItem, StreamItem, VmdescriptionItem } from "../../format/items.ts";
import { type PayloadContext, readKnownPayload } from "../../format/payload.ts";
import type { ByteReader } from "../../format/reader.ts";
import { decodeFooter, decodeSectionIdentity } from "../../format/section.ts";
import type { ByteSource } from "../../format/source.ts";
import { hex, quoteText } from "../../format/text.ts";
import { explainDevice } from "./device.ts";
import { describeHead, type SectionHead, sectionInstanceName } from "./head.ts";
import { jsonPathAt } from "./json.ts";
import { describeItem } from "./parts.ts";
import { type TracedField, traceFields } from "./trace.ts";
import { integerText, type Trail } from "./trail.ts";

/** What a configuration's subsection begins with, as the decoder calls it. */
const SUBSECTION_TYPE = "configuration subsection";
/** And what its name is called. */
const SUBSECTION_NAME = "configuration subsection name";

/** Goes down to the field of an item that the target lies in, and says what is more to say than its value. */
export function explainItem(
  trail: Trail,
  source: ByteSource,
  item: StreamItem,
  context: PayloadContext,
): string {
  const { offset, lengthBytes } = item;
  if (item.kind === "section") return explainSection(trail, source, item, context);
  const { path, description } = describeItem(item);
  if (item.kind === "footer") {
    const name = sectionInstanceName(item.section);
    trail.enter(name, offset, lengthBytes, "footer");
    return explainTraced(trail, source, offset, (reader) => decodeFooter(reader, item.section.id));
  }
  trail.enter(path, offset, lengthBytes, description);
  switch (item.kind) {
    case "header":
      return explainTraced(trail, source, offset, decodeFileHeader);
    case "configuration":
      return explainConfiguration(trail, source, offset);
    case "command":
      explainTraced(trail, source, offset, behindType("command type", decodeCommand));
      return describeCommand(item.command);
    case "compat-record":
      return explainTraced(trail, source, offset, decodeCompatRecord);
    case "vmdescription":
      return explainVmdescription(trail, item);
    default:
      return "";
  }
}

/** Structures whose type byte the stream's reader has read before their decoder begins. */
function behindType(name: string, decode: (reader: ByteReader) => unknown) {
  return (reader: ByteReader): unknown => {
    reader.u8(name);
    return decode(reader);
  };
}

function enterTraced(trail: Trail, fields: readonly TracedField[]): void {
  const field = fields.find((each) => trail.isIn(each.offset, each.lengthBytes));
  if (field !== undefined) trail.enter(field.name, field.offset, field.lengthBytes, field.value);
}

function explainTraced(
  trail: Trail,
  source: ByteSource,
  offset: number,
  decode: (reader: ByteReader) => unknown,
): string {
  enterTraced(trail, traceFields(source, offset, decode));
  return "";
}

/** As {@link explainItem} for the header of a section at `offset`. */
export function explainHead(
  trail: Trail,
  source: ByteSource,
  head: SectionHead,
  offset: number,
): void {
  const { type, section, end } = head;
  const value = `${describeHead(type, section)}, header`;
  trail.enter(sectionInstanceName(section), offset, end - offset, value);
  const decode = (reader: ByteReader): unknown =>
    type === "start" || type === "full" ? decodeSectionIdentity(reader) : reader.u32("section id");
  enterTraced(trail, traceFields(source, offset, behindType("section type", decode)));
}

/** As {@link explainItem} for a structure at `offset` that is damaged at `end`: in its payload, if it is a section. */
export function explainDamaged(
  trail: Trail,
  head: SectionHead | undefined,
  offset: number,
  end: number,
): void {
  const value = `damaged at ${hex(end)}`;
  if (head === undefined) return trail.enter("damaged structure", offset, end - offset, value);
  const { type, section } = head;
  trail.enter(sectionInstanceName(section), offset, end - offset, describeHead(type, section));
  trail.enter("payload", head.end, end - head.end, value);
}

function explainSection(
  trail: Trail,
  source: ByteSource,
  item: SectionItem,
  context: PayloadContext,
): string {
  const { offset, type, section, payloadOffset, payloadEnd } = item;
  if (trail.target < payloadOffset) {
    explainHead(trail, source, { type, section, end: payloadOffset }, offset);
    return "";
  }
  const head = describeHead(type, section);
  trail.enter(sectionInstanceName(section), offset, payloadEnd - offset, head);
  const lengthBytes = payloadEnd - payloadOffset;
  if (item.device !== undefined) {
    trail.pass("payload", payloadOffset, lengthBytes, "device state");
    explainDevice(trail, item.device);
    return "";
  }
  if (item.payload === undefined) {
    trail.enter("payload", payloadOffset, lengthBytes, "not described");
    return "";
  }
  trail.enter("payload", payloadOffset, lengthBytes, quoteText(item.payload.kind));
  const decode = (reader: ByteReader) => readKnownPayload(reader, type, section, context);
  const { target } = trail;
  enterTraced(trail, traceFields(source, payloadOffset, decode, { end: payloadEnd, target }));
  return "";
}

function explainConfiguration(trail: Trail, source: ByteSource, offset: number): string {
  const decode = behindType("configuration type", decodeConfiguration);
  const fields = traceFields(source, offset, decode);
  const starts = fields.flatMap((field, index) => isNamed(field, SUBSECTION_TYPE) ? [index] : []);
  starts.forEach((start, number) => {
    const group = fields.slice(start, starts[number + 1]);
    const from = group[0]!.offset;
    const last = group.at(-1)!;
    const lengthBytes = last.offset + last.lengthBytes - from;
    if (!trail.isIn(from, lengthBytes)) return;
    const name = group.find((field) => isNamed(field, SUBSECTION_NAME))?.value ?? "";
    trail.enter(`subsection ${name}`, from, lengthBytes, "");
  });
  enterTraced(trail, fields);
  return "";
}

/** Whether a field has that name, or that name and a number. */
function isNamed(field: TracedField, name: string): boolean {
  return field.name === name || field.name.startsWith(`${name} [`);
}

function explainVmdescription(trail: Trail, item: VmdescriptionItem): string {
  const { offset, text, textOffset } = item;
  trail.enterOneOf(offset, [
    ["vmdescription type", 1, "6"],
    ["length of the text", 4, integerText(text.length)],
    ["JSON text", text.length, ""],
  ]);
  if (trail.target < textOffset) return "";
  const path = jsonPathAt(text, trail.target - textOffset);
  if (path === "") return "";
  trail.path.push(path);
  return `part of ${path}`;
}
