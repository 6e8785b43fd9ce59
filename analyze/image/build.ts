/**
 * Builds an image from nothing: machine type, memory, devices. Lengths, ids, footers and the description follow from that, and the bitmap,
 * offsets and alignment of mapped-ram when it is written.
 *
 * @example A stream that QEMU's machine `none` loads
 * ```ts
 * import { buildImage } from "./build.ts";
 * import { imageBytes } from "./save.ts";
 *
 * const image = buildImage({ machine: "none" });
 * console.log(imageBytes(image).length);
 * ```
 *
 * @example Memory from a function, a device from values
 * ```ts
 * import { buildImage } from "./build.ts";
 *
 * const counter = { name: "counter", type: "uint32", sizeBytes: 4, inline: [] };
 * const image = buildImage({
 *   machine: "pc-i440fx-10.0",
 *   blocks: [{
 *     name: "pc.ram",
 *     sizeBytes: 64 * 2 ** 30,
 *     content: [
 *       { address: 0x7c00, bytes: Uint8Array.of(0xeb, 0xfe) },
 *       { address: 2 ** 30, lengthBytes: 2 ** 20, read: (_address, into) => into.fill(0xaa) },
 *     ],
 *   }],
 *   sections: [{
 *     idstr: "counter",
 *     description: { vmsdName: "counter", version: 1, fields: [counter], subsections: [] },
 *     values: { counter: 42 },
 *   }],
 * });
 * console.log(image.parts.length);
 * ```
 *
 * @module
 */

import { encodeCommand } from "../../format/command.ts";
import {
  type Configuration,
  type ConfigurationSubsection,
  encodeConfiguration,
} from "../../format/configuration.ts";
import { FormatError } from "../../format/error.ts";
import { RAM_SECTION_IDSTR } from "../../format/ram.ts";
import { encodeFooter, encodeSectionHeader, SECTION_TYPE } from "../../format/section.ts";
import { quoteText } from "../../format/text.ts";
import { encodeVmdescription, type VmsdDescription } from "../../format/vmdescription.ts";
import { vmdescriptionText } from "../../format/vmdescription_text.ts";
import { encodeVmstate } from "../../format/vmstate_encode.ts";
import type { VmstateValue } from "../../format/vmstate_value.ts";
import { ByteWriter } from "../../format/writer.ts";
import { type BlockPlan, BuiltMemory } from "./built_memory.ts";
import { type BytesPart, type GuestImage, type ImagePart, ramSectionIdentity } from "./image.ts";

/** What all device sections have. */
export interface SectionPlanBase {
  /** Name (idstr). */
  readonly idstr: string;
  /** Instance id. Default 0. */
  readonly instanceId?: number;
}

/** A device section by its description and values. */
export interface DevicePlan extends SectionPlanBase {
  /** What it consists of; the section has its version. */
  readonly description: VmsdDescription;
  /** The values; what is left out is zero. */
  readonly values?: VmstateValue;
}

/** A device section given as bytes; the vmdescription says nothing of it, or calls it a buffer. */
export interface RawSectionPlan extends SectionPlanBase {
  /** Version. Default 1. */
  readonly versionId?: number;
  /** The payload. */
  readonly bytes: Uint8Array;
}

/** An image to be built. */
export interface ImagePlan {
  /** Name of the machine type; without one there is no configuration section. */
  readonly machine?: string;
  /** log2 of the target page size, for targets where it varies. */
  readonly targetPageBits?: number;
  /** The VM's UUID in 16 bytes, as the capability validate-uuid sends it. */
  readonly uuid?: Uint8Array;
  /** Capabilities that the configuration announces; `mapped-ram` comes with that form. With `x-ignore-shared` all blocks have addresses. */
  readonly capabilities?: readonly string[];
  /** Target page size in bytes. Default: what the bits say, or 4096. */
  readonly pageBytes?: number;
  /** The RAM blocks in list order. */
  readonly blocks?: readonly BlockPlan[];
  /** The devices in stream order. */
  readonly sections?: readonly (DevicePlan | RawSectionPlan)[];
  /** Whether sections have footers. Default true. */
  readonly footers?: boolean;
  /** Whether there is a vmdescription. Default true. */
  readonly vmdescription?: boolean;
  /** Whether SWITCHOVER_START stands before the devices. Default: as the machine type's release does. */
  readonly switchover?: boolean;
}

/** Target page size of most targets. */
const DEFAULT_PAGE_BYTES = 4096;
/** The log2 of what a target page size that varies can be. */
const TARGET_PAGE_BITS = { min: 10, max: 16 } as const;
/** Id of the RAM section; the devices have those behind it. */
const RAM_SECTION_ID = 1;
/** First release whose machine types have SWITCHOVER_START. */
const SWITCHOVER_SINCE = 10;

/**
 * Builds an image.
 *
 * @example
 * ```ts
 * import { buildImage, imageBytes } from "@migstream/migstream";
 *
 * const image = buildImage({
 *   machine: "pc-i440fx-10.0",
 *   blocks: [{ name: "pc.ram", sizeBytes: 0x10000, content: Uint8Array.of(0xeb, 0xfe) }],
 * });
 * console.log(imageBytes(image).length);
 * ```
 *
 * @throws {FormatError} `not-encodable` for what no stream can hold; nothing was written then
 */
export function buildImage(plan: ImagePlan): GuestImage {
  const { machine, footers: hasFooters = true } = plan;
  const pageBytes = pageBytesOf(plan);
  const configuration = configurationOf(plan);
  checkAddresses(plan);
  const memory = new BuiltMemory(plan.blocks ?? [], pageBytes);
  const sections = plan.sections ?? [];
  checkSections(sections);
  const ram = ramSectionIdentity(RAM_SECTION_ID);
  const parts: ImagePart[] = [
    { kind: "ram", type: "start", section: ram },
    { kind: "ram", type: "part", section: ram },
  ];
  if (plan.switchover ?? hasSwitchover(machine)) {
    parts.push(bytesPart("SWITCHOVER_START", (writer) => {
      encodeCommand(writer, { name: "SWITCHOVER_START" });
    }));
  }
  parts.push({ kind: "ram", type: "end", section: ram });
  for (const [index, section] of sections.entries()) {
    parts.push(sectionPart(section, RAM_SECTION_ID + 1 + index, hasFooters));
  }
  parts.push(bytesPart("eof", (writer) => writer.u8(SECTION_TYPE.EOF, "EOF")));
  if (plan.vmdescription !== false) {
    const devices = sections.map((section) => ({
      name: section.idstr,
      instanceId: section.instanceId ?? 0,
      state: descriptionOf(section),
    }));
    const text = vmdescriptionText({ pageBytes, devices });
    parts.push(bytesPart("vmdescription", (writer) => encodeVmdescription(writer, text)));
  }
  return { configuration, hasFooters, parts, memory };
}

function notEncodable(what: string, expected: string, found: string): FormatError {
  const message = `Cannot build an image: ${what}`;
  return new FormatError("not-encodable", message, { offset: 0, expected, found });
}

function pageBytesOf({ pageBytes, targetPageBits }: ImagePlan): number {
  if (targetPageBits === undefined) return pageBytes ?? DEFAULT_PAGE_BYTES;
  const { min, max } = TARGET_PAGE_BITS;
  if (!Number.isInteger(targetPageBits) || targetPageBits < min || targetPageBits > max) {
    throw notEncodable("the target page bits", `${min} to ${max}`, String(targetPageBits));
  }
  const announced = 2 ** targetPageBits;
  if (pageBytes !== undefined && pageBytes !== announced) {
    throw notEncodable("the target page size", `${announced}, as the bits say`, String(pageBytes));
  }
  return announced;
}

/** With x-ignore-shared every block has its address in the stream, without it none. */
function checkAddresses({ blocks = [], capabilities = [] }: ImagePlan): void {
  const isAnnounced = capabilities.includes("x-ignore-shared");
  for (const { name, guestAddress } of blocks) {
    if ((guestAddress !== undefined) === isAnnounced) continue;
    const expected = `${isAnnounced ? "one" : "none"}, as x-ignore-shared says`;
    const found = isAnnounced ? "none" : String(guestAddress);
    throw notEncodable(`the guest-physical address of ${quoteText(name)}`, expected, found);
  }
}

function configurationOf(plan: ImagePlan): Configuration | undefined {
  const { machine, targetPageBits, capabilities = [], uuid } = plan;
  if (machine === undefined || machine === "") {
    const needsOne = machine ?? targetPageBits ?? uuid ?? capabilities[0];
    if (needsOne === undefined) return undefined;
    throw notEncodable("there is no machine type", "the name of one", "what needs a configuration");
  }
  const subsections: ConfigurationSubsection[] = [];
  if (targetPageBits !== undefined) {
    subsections.push({ name: "configuration/target-page-bits", targetPageBits });
  }
  if (capabilities.length > 0) {
    subsections.push({ name: "configuration/capabilities", capabilities });
  }
  if (uuid !== undefined) subsections.push({ name: "configuration/uuid", uuid });
  // What doesn't fit is found here, and not when half of a file is written.
  encodeConfiguration(new ByteWriter(), { machine, subsections });
  return { machine, subsections };
}

function hasSwitchover(machine: string | undefined): boolean {
  const version = /-(\d+)\.\d+$/.exec(machine ?? "");
  return version !== null && Number(version[1]) >= SWITCHOVER_SINCE;
}

function checkSections(sections: readonly SectionPlanBase[]): void {
  const known = new Set<string>();
  for (const { idstr, instanceId = 0 } of sections) {
    const name = `${idstr}/${instanceId}`;
    if (idstr === RAM_SECTION_IDSTR) {
      throw notEncodable("a section of the RAM", "blocks, from which it is made", quoteText(name));
    }
    if (idstr === "" || known.has(name)) {
      throw notEncodable("a section", "a name, and an instance of its own", quoteText(name));
    }
    known.add(name);
  }
}

function bytesPart(what: string, write: (writer: ByteWriter) => void): BytesPart {
  const writer = new ByteWriter();
  write(writer);
  return { kind: "bytes", what, content: writer.finish() };
}

function sectionPart(
  plan: DevicePlan | RawSectionPlan,
  id: number,
  hasFooters: boolean,
): BytesPart {
  const { idstr, instanceId = 0 } = plan;
  const isRaw = "bytes" in plan;
  const versionId = isRaw ? plan.versionId ?? 1 : plan.description.version;
  return bytesPart(`section ${id} "${idstr}"`, (writer) => {
    encodeSectionHeader(writer, "full", { id, idstr, instanceId, versionId });
    if (isRaw) writer.bytes(plan.bytes);
    else encodeVmstate(writer, plan.description, plan.values ?? {}, { path: [idstr] });
    if (hasFooters) encodeFooter(writer, id);
  });
}

/** A section given as bytes is described as QEMU describes a device that has no description. */
function descriptionOf(plan: DevicePlan | RawSectionPlan): VmsdDescription {
  if ("description" in plan) return plan.description;
  const field = { name: "data", type: "buffer", sizeBytes: plan.bytes.length, inline: [] };
  return { vmsdName: "", version: 0, fields: [field], subsections: [] };
}
