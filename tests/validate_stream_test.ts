import {
  type Configuration,
  type ConfigurationSubsection,
  encodeConfiguration,
} from "../format/configuration.ts";
import { ByteWriter } from "../format/writer.ts";
import { type Break, testBreaks, type Victim } from "./breaking.ts";

/** Writes another configuration in place of the one that is there. */
function configure(
  victim: Victim,
  change: (configuration: Configuration) => Partial<Configuration>,
): Uint8Array {
  const { configuration, offset, lengthBytes } = victim.configuration;
  const writer = new ByteWriter();
  encodeConfiguration(writer, { ...configuration, ...change(configuration) });
  return victim.splice(offset, lengthBytes, writer.finish());
}

function withCapabilities(...capabilities: string[]): ConfigurationSubsection {
  return { name: "configuration/capabilities", capabilities };
}

/** Offset of the first subsection. */
function subsectionOffset({ configuration }: Victim): number {
  return configuration.offset + 5 + configuration.configuration.machine.length;
}

/** Offset of the number behind the head of the first subsection. */
function valueOffset(victim: Victim): number {
  const name = victim.configuration.configuration.subsections[0]!.name;
  return subsectionOffset(victim) + 2 + name.length + 4;
}

const BREAKS: readonly Break[] = [
  { rule: "STR-001", from: "pc", break: (victim) => victim.put(0, 0x50) },
  { rule: "STR-002", from: "pc", break: (victim) => victim.put(7, 4) },
  {
    rule: "STR-002",
    from: "none",
    how: "obsolete",
    break: () => new Uint8Array([0x51, 0x45, 0x56, 0x4d, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0]),
  },
  { rule: "STR-003", from: "pc", break: ({ bytes }) => bytes.slice(0, 8) },
  { rule: "STR-003", from: "pc", how: "nothing", break: ({ bytes }) => bytes.slice(0, 0) },
  { rule: "STR-004", from: "pc-offset", offset: 0x1234, break: ({ bytes }) => bytes },
  {
    rule: "STR-005",
    from: "pc",
    how: "in the RAM",
    break: (victim) => victim.bytes.slice(0, victim.section("part", "ram").payloadEnd - 4000),
  },
  {
    rule: "STR-005",
    from: "pc",
    how: "in a device",
    break: (victim) => victim.bytes.slice(0, victim.section("full", "cpu").payloadEnd - 10),
  },
  { rule: "CFG-001", from: "pc", break: (victim) => victim.remove(victim.configuration) },
  {
    rule: "CFG-002",
    from: "pc",
    break: (victim) => configure(victim, () => ({ machine: "m".repeat(256) })),
  },
  {
    rule: "CFG-002",
    from: "pc",
    how: "beyond everything",
    break: (victim) => victim.put32(victim.configuration.offset + 1, 0xffffffff),
  },
  { rule: "CFG-003", from: "pc", break: (victim) => configure(victim, () => ({ machine: "" })) },
  { rule: "CFG-004", from: "pc", break: (victim) => configure(victim, () => ({ machine: "pc" })) },
  {
    rule: "CFG-006",
    from: "pc",
    break: (victim) =>
      victim.splice(victim.endOf(victim.configuration), 0, victim.bytesOf(victim.configuration)),
  },
  {
    rule: "CFG-007",
    from: "pc-uuid",
    break: (victim) => victim.put(subsectionOffset(victim) + 2 + 15, 0x58),
  },
  {
    rule: "CFG-008",
    from: "pc-uuid",
    break: (victim) => victim.put(subsectionOffset(victim) + 2, 0x58),
  },
  { rule: "CFG-009", from: "pc-uuid", break: (victim) => victim.put(valueOffset(victim) - 1, 2) },
  {
    rule: "CFG-010",
    from: "aarch64-virt",
    break: (victim) =>
      configure(victim, ({ subsections }) => ({
        subsections: [{ name: "configuration/uuid", uuid: new Uint8Array(16) }, ...subsections],
      })),
  },
  {
    rule: "CFG-010",
    from: "aarch64-virt",
    how: "twice",
    break: (victim) =>
      configure(victim, ({ subsections }) => ({ subsections: [...subsections, ...subsections] })),
  },
  { rule: "CFG-011", from: "aarch64-virt", break: (v) => v.put32(valueOffset(v), 17) },
  {
    rule: "CFG-012",
    from: "aarch64-virt",
    break: (victim) => configure(victim, () => ({ subsections: [] })),
  },
  {
    rule: "CFG-013",
    from: "pc-ignore-shared",
    how: "too many",
    break: (victim) => victim.put32(valueOffset(victim), 2),
  },
  {
    rule: "CFG-013",
    from: "pc-ignore-shared",
    how: "too few",
    break: (victim) => victim.put32(valueOffset(victim), 0),
    also: ["CFG-014"],
  },
  {
    rule: "CFG-013",
    from: "pc-ignore-shared",
    how: "beyond everything",
    break: (victim) => victim.put32(valueOffset(victim), 0xffffffff),
  },
  {
    rule: "CFG-014",
    from: "pc",
    break: (victim) => configure(victim, () => ({ subsections: [withCapabilities()] })),
  },
  {
    rule: "CFG-015",
    from: "pc",
    break: (victim) => configure(victim, () => ({ subsections: [withCapabilities("telepathy")] })),
  },
  {
    rule: "CFG-016",
    from: "pc",
    break: (victim) => configure(victim, () => ({ subsections: [withCapabilities("xbzrle")] })),
  },
  {
    rule: "CFG-017",
    from: "pc-ignore-shared",
    break: (victim) =>
      configure(victim, () => ({
        subsections: [withCapabilities("x-ignore-shared", "x-ignore-shared")],
      })),
  },
  {
    rule: "CFG-020",
    from: "aarch64-virt",
    break: (victim) =>
      victim.describe((text) => text.replace('"page_size": 4096', '"page_size": 8192')),
  },
];

testBreaks(["STR", "CFG"], BREAKS, ["CFG-005", "CFG-018", "CFG-019"]);
