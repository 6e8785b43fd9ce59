/**
 * The configuration section: machine type, and what the destination must agree on.
 *
 * ```text
 *   0    1 u8    0x07
 *   1    4 be32  N, length of the machine type's name
 *   5    N       name
 * 5+N            subsections, each: u8 0x05, counted string name, be32 version (1), payload
 *                  configuration/target-page-bits  be32 log2 of the target page size
 *                  configuration/capabilities      be32 count, then so many counted strings
 *                  configuration/uuid              16 bytes
 * ```
 *
 * @module
 */

import type { ByteReader } from "./reader.ts";
import { SECTION_TYPE } from "./section.ts";
import { decodeText, encodeText, hex, quoteText } from "./text.ts";
import type { ByteWriter } from "./writer.ts";

/** Longest machine type name that is taken for one, in bytes; real ones have at most 20. */
export const MACHINE_NAME_MAX_BYTES = 1024;
/** Most capabilities in a configuration that are taken for real; QEMU serialises two. */
export const CAPABILITY_MAX_COUNT = 256;

/** log2 of the target page size, for targets where it varies. */
export interface TargetPageBitsSubsection {
  /** Which subsection. */
  readonly name: "configuration/target-page-bits";
  /** log2 of the target page size. */
  readonly targetPageBits: number;
}

/** The capabilities that change the stream: `x-ignore-shared`, `mapped-ram`. */
export interface CapabilitiesSubsection {
  /** Which subsection. */
  readonly name: "configuration/capabilities";
  /** Names in stream order. */
  readonly capabilities: readonly string[];
}

/** The VM's UUID, sent with the capability `validate-uuid`. */
export interface UuidSubsection {
  /** Which subsection. */
  readonly name: "configuration/uuid";
  /** 16 bytes in the order in which they are displayed. */
  readonly uuid: Uint8Array;
}

/** A subsection of the configuration. */
export type ConfigurationSubsection =
  | TargetPageBitsSubsection
  | CapabilitiesSubsection
  | UuidSubsection;

/** The configuration section (QEMU's `vmstate_configuration`). */
export interface Configuration {
  /** Name of the machine type, e.g. `pc-q35-10.0`. */
  readonly machine: string;
  /** Subsections in stream order. */
  readonly subsections: readonly ConfigurationSubsection[];
}

/** The capabilities that a configuration announces; none without one. */
export function configuredCapabilities(configuration: Configuration | undefined): string[] {
  const names = (configuration?.subsections ?? []).flatMap((subsection) =>
    subsection.name === "configuration/capabilities" ? subsection.capabilities : []
  );
  return [...new Set(names)];
}

/** The target page size that a configuration announces, in bytes, if it does. */
export function configuredPageBytes(configuration: Configuration | undefined): number | undefined {
  for (const subsection of configuration?.subsections ?? []) {
    if (subsection.name === "configuration/target-page-bits") return 2 ** subsection.targetPageBits;
  }
  return undefined;
}

/** A configuration with or without a capability. */
export function withCapability(
  { machine, subsections }: Configuration,
  capability: string,
  isSet: boolean,
): Configuration {
  const name = "configuration/capabilities";
  const capabilities = new Set(
    subsections.flatMap((each) => each.name === name ? each.capabilities : []),
  );
  if (isSet) capabilities.add(capability);
  else capabilities.delete(capability);
  const others: readonly ConfigurationSubsection[] = subsections.filter((each) =>
    each.name !== name
  );
  if (capabilities.size === 0) return { machine, subsections: others };
  const subsection = { name, capabilities: [...capabilities] } as const;
  const place = subsections.findIndex((each) => each.name === name);
  // QEMU writes the capabilities behind the page size and before the UUID.
  const at = place >= 0
    ? subsections.slice(0, place).filter((each) => each.name !== name).length
    : others.filter((each) => each.name === "configuration/target-page-bits").length;
  return { machine, subsections: others.toSpliced(at, 0, subsection) };
}

/** Decodes the configuration section behind its type byte. */
export function decodeConfiguration(reader: ByteReader): Configuration {
  const offset = reader.offset;
  const length = reader.u32("machine name length");
  if (length > MACHINE_NAME_MAX_BYTES) {
    throw reader.error("bad-configuration", "Cannot decode configuration: machine name too long", {
      offset,
      expected: `at most ${MACHINE_NAME_MAX_BYTES} bytes`,
      found: String(length),
      rule: "CFG-002",
    });
  }
  const machine = decodeText(reader.bytes(length, "machine name"));
  const subsections: ConfigurationSubsection[] = [];
  while (reader.peekU8() === SECTION_TYPE.SUBSECTION) {
    const subsection = decodeSubsection(reader);
    if (subsections.some((earlier) => earlier.name === subsection.name)) {
      throw reader.error("bad-configuration", "Cannot decode configuration: subsection repeated", {
        found: quoteText(subsection.name),
        rule: "CFG-010",
      });
    }
    subsections.push(subsection);
  }
  return { machine, subsections };
}

function decodeSubsection(reader: ByteReader): ConfigurationSubsection {
  const offset = reader.offset;
  reader.u8("configuration subsection");
  const name = reader.countedString("configuration subsection name");
  const version = reader.u32("configuration subsection version");
  if (version !== 1) {
    throw reader.error("bad-configuration", "Cannot decode configuration: subsection version", {
      offset: reader.offset - 4,
      expected: "1",
      found: String(version),
      rule: "CFG-009",
    });
  }
  switch (name) {
    case "configuration/target-page-bits":
      return { name, targetPageBits: decodeTargetPageBits(reader) };
    case "configuration/capabilities":
      return { name, capabilities: decodeCapabilities(reader) };
    case "configuration/uuid":
      return { name, uuid: reader.bytes(16, "uuid") };
    default:
      throw reader.error("bad-configuration", "Cannot decode configuration: unknown subsection", {
        offset,
        expected: "target-page-bits, capabilities or uuid",
        found: quoteText(name),
        rule: name.startsWith("configuration/") ? "CFG-007" : "CFG-008",
      });
  }
}

function decodeTargetPageBits(reader: ByteReader): number {
  const bits = reader.u32("target page bits");
  // QEMU's targets have 10 (ARM's smallest) to 16 bits.
  if (bits < 10 || bits > 16) {
    throw reader.error("bad-page-size", "Cannot decode configuration: target page bits", {
      offset: reader.offset - 4,
      expected: "10..16",
      found: String(bits),
      rule: "CFG-011",
    });
  }
  return bits;
}

function decodeCapabilities(reader: ByteReader): string[] {
  const count = reader.u32("capability count");
  if (count > CAPABILITY_MAX_COUNT) {
    throw reader.error("bad-configuration", "Cannot decode configuration: capability count", {
      offset: reader.offset - 4,
      expected: `at most ${CAPABILITY_MAX_COUNT}`,
      found: hex(count),
      rule: "CFG-013",
    });
  }
  return Array.from({ length: count }, () => reader.countedString("capability name"));
}

/** Encodes the configuration section, its type byte included. */
export function encodeConfiguration(writer: ByteWriter, configuration: Configuration): void {
  writer.u8(SECTION_TYPE.CONFIGURATION, "configuration");
  const machine = encodeText(configuration.machine);
  if (machine.length > MACHINE_NAME_MAX_BYTES) {
    throw writer.error(
      "Cannot encode configuration: machine name too long",
      `at most ${MACHINE_NAME_MAX_BYTES} bytes`,
      String(machine.length),
    );
  }
  writer.u32(machine.length, "machine name length");
  writer.bytes(machine);
  for (const subsection of configuration.subsections) encodeSubsection(writer, subsection);
}

function encodeSubsection(writer: ByteWriter, subsection: ConfigurationSubsection): void {
  writer.u8(SECTION_TYPE.SUBSECTION, "configuration subsection");
  writer.countedString(subsection.name, "configuration subsection name");
  writer.u32(1, "configuration subsection version");
  switch (subsection.name) {
    case "configuration/target-page-bits":
      return writer.u32(subsection.targetPageBits, "target page bits");
    case "configuration/capabilities":
      writer.u32(subsection.capabilities.length, "capability count");
      for (const name of subsection.capabilities) writer.countedString(name, "capability name");
      return;
    case "configuration/uuid":
      if (subsection.uuid.length !== 16) {
        throw writer.error("Cannot encode uuid", "16 bytes", String(subsection.uuid.length));
      }
      return writer.bytes(subsection.uuid);
  }
}
