import { type Command, encodeCommand } from "../format/command.ts";
import { GLOBAL_STATE_IDSTR } from "../format/global_state.ts";
import { encodeRamEos } from "../format/ram.ts";
import { encodeFooter, encodeSectionHeader, type SectionIdentity } from "../format/section.ts";
import { ByteWriter } from "../format/writer.ts";
import { type Break, testBreaks, type Victim } from "./breaking.ts";

function commandBytes(command: Command): Uint8Array {
  const writer = new ByteWriter();
  encodeCommand(writer, command);
  return writer.finish();
}

/** A section with a footer. */
function sectionBytes(
  type: "part" | "end" | "full",
  section: SectionIdentity,
  payload: Uint8Array,
): Uint8Array {
  const writer = new ByteWriter();
  encodeSectionHeader(writer, type, section);
  writer.bytes(payload);
  encodeFooter(writer, section.id);
  return writer.finish();
}

/** A section of the RAM without pages. */
function emptyRamPart(section: SectionIdentity): Uint8Array {
  const writer = new ByteWriter();
  encodeRamEos(writer);
  return sectionBytes("part", section, writer.finish());
}

/** Offset of the EOF. */
function eof(victim: Victim): number {
  return victim.first("eof").offset;
}

/** Puts a command in front of the END of the RAM. */
function insertCommand(victim: Victim, command: Command): Uint8Array {
  return victim.splice(victim.section("end", "ram").offset, 0, commandBytes(command));
}

/** Moves a section somewhere behind it. */
function move(victim: Victim, type: "end" | "full", idstr: string, to: number): Uint8Array {
  const item = victim.section(type, idstr);
  const bytes = victim.bytesOf(item);
  victim.splice(to, 0, bytes);
  return victim.remove(item);
}

const SECTION_BREAKS: readonly Break[] = [
  { rule: "SEC-001", from: "pc", break: (v) => v.put(v.section("full", "dma").offset, 0x0b) },
  { rule: "SEC-002", from: "pc", break: (v) => v.put(v.section("full", "dma").offset + 5, 0) },
  {
    rule: "SEC-003",
    from: "pc",
    break: (victim) => {
      victim.put(victim.section("full", "i8254").offset + 7, 1);
      return victim.describe((text) => text.replaceAll('"i8254"', String.raw`"i\u0001254"`));
    },
  },
  { rule: "SEC-004", from: "pc", break: (v) => v.put32(v.section("part", "ram").offset + 1, 4711) },
  {
    rule: "SEC-005",
    from: "pc",
    break: (victim) => {
      const { section, payloadOffset, payloadEnd } = victim.section("full", "timer");
      const payload = victim.bytes.slice(payloadOffset, payloadEnd);
      return victim.splice(eof(victim), 0, sectionBytes("part", section, payload));
    },
  },
  {
    rule: "SEC-006",
    from: "pc",
    break: (victim) => {
      const item = victim.section("full", "i8254");
      const { id } = victim.section("full", "timer").section;
      victim.put32(item.offset + 1, id);
      return victim.put32(item.payloadEnd + 1, id);
    },
  },
  {
    rule: "SEC-007",
    from: "pc",
    break: (victim) => {
      const item = victim.section("full", "i8254");
      return victim.splice(victim.endOf(item), 0, victim.bytesOf(item));
    },
    also: ["VMD-001"],
  },
  {
    rule: "SEC-008",
    from: "pc",
    break: (victim) => victim.put(victim.section("full", "i8254").offset, 1),
    also: ["SEC-009"],
  },
  { rule: "SEC-009", from: "pc", break: (victim) => victim.remove(victim.section("end", "ram")) },
  {
    rule: "SEC-010",
    from: "pc",
    break: (victim) => {
      const end = victim.section("end", "ram");
      return victim.splice(victim.endOf(end), 0, emptyRamPart(end.section));
    },
  },
  { rule: "SEC-011", from: "pc", break: (victim) => move(victim, "end", "ram", eof(victim)) },
  {
    rule: "SEC-013",
    from: "pc",
    break: (victim) => victim.put32(victim.section("start", "ram").payloadOffset - 4, 5),
  },
  {
    rule: "SEC-015",
    from: "pc",
    how: "a device has none",
    break: (victim) => {
      const { payloadEnd } = victim.section("full", "i8254");
      return victim.splice(payloadEnd, 5);
    },
  },
  {
    rule: "SEC-015",
    from: "pc-no-footer",
    how: "a device has one",
    break: (victim) => {
      const { payloadEnd, section } = victim.section("full", "i8254");
      const writer = new ByteWriter();
      encodeFooter(writer, section.id);
      return victim.splice(payloadEnd, 0, writer.finish());
    },
    also: ["SEC-018"],
  },
  {
    rule: "SEC-016",
    from: "pc",
    how: "of a device",
    break: (victim) => victim.put(victim.section("full", "i8254").payloadEnd, 0x7f),
  },
  {
    rule: "SEC-016",
    from: "pc",
    how: "the first",
    break: (victim) => victim.put(victim.section("start", "ram").payloadEnd, 0x7f),
  },
  {
    rule: "SEC-016",
    from: "pc-no-vmdesc",
    how: "of a device that nothing describes",
    break: (victim) => victim.put(victim.section("full", "i8254").payloadEnd, 0x7f),
  },
  {
    rule: "SEC-017",
    from: "pc",
    how: "of a device",
    break: (victim) => victim.put32(victim.section("full", "i8254").payloadEnd + 1, 4711),
  },
  {
    rule: "SEC-017",
    from: "pc",
    how: "of the RAM",
    break: (victim) => victim.put32(victim.section("part", "ram").payloadEnd + 1, 4711),
  },
  { rule: "SEC-018", from: "pc-no-footer", break: ({ bytes }) => bytes },
  {
    rule: "SEC-019",
    from: "pc",
    break: (victim) => victim.remove(victim.section("full", "timer")),
    also: ["VMD-001"],
  },
  {
    rule: "SEC-019",
    from: "pc",
    how: "cpu_common",
    break: (victim) => victim.remove(victim.section("full", "cpu_common")),
    also: ["VMD-001"],
  },
  {
    rule: "SEC-020",
    from: "pc",
    break: (victim) => victim.remove(victim.section("full", GLOBAL_STATE_IDSTR)),
    also: ["VMD-001"],
  },
  {
    rule: "SEC-021",
    from: "pc",
    break: (victim) => move(victim, "full", "i8254", eof(victim)),
    also: ["VMD-001"],
  },
  {
    rule: "SEC-022",
    from: "pc",
    break: (v) => v.put(v.section("full", GLOBAL_STATE_IDSTR).payloadOffset + 4, 0x58),
  },
  {
    rule: "SEC-022",
    from: "pc",
    how: "without end",
    break: (victim) => {
      const { payloadOffset } = victim.section("full", GLOBAL_STATE_IDSTR);
      return victim.put(payloadOffset + 4, ...new Uint8Array(100).fill(0x41));
    },
  },
  {
    rule: "SEC-023",
    from: "pc",
    how: "size",
    break: (v) => v.put32(v.section("full", GLOBAL_STATE_IDSTR).payloadOffset, 99),
  },
  {
    rule: "SEC-023",
    from: "pc",
    how: "padding",
    break: (v) => v.put(v.section("full", GLOBAL_STATE_IDSTR).payloadOffset + 30, 1),
  },
];

const COMMAND_BREAKS: readonly Break[] = [
  {
    rule: "CMD-001",
    from: "pc",
    break: (v) => v.put(v.command("SWITCHOVER_START").offset + 2, 99),
  },
  { rule: "CMD-002", from: "pc", break: (v) => v.put(v.command("SWITCHOVER_START").offset + 4, 1) },
  {
    rule: "CMD-003",
    from: "pc-postcopy",
    how: "length",
    break: (v) => v.put(v.command("POSTCOPY_ADVISE").offset + 4, 8),
  },
  {
    rule: "CMD-003",
    from: "pc-postcopy",
    how: "twice",
    break: (victim) => {
      const item = victim.command("POSTCOPY_ADVISE");
      return victim.splice(item.offset, 0, victim.bytesOf(item));
    },
  },
  {
    rule: "CMD-003",
    from: "pc",
    how: "late",
    break: (victim) => insertCommand(victim, { name: "POSTCOPY_ADVISE" }),
  },
  {
    rule: "CMD-004",
    from: "pc-returnpath-file",
    break: (victim) => victim.remove(victim.command("OPEN_RETURN_PATH")),
  },
  {
    rule: "CMD-005",
    from: "pc-returnpath-file",
    break: (victim) => insertCommand(victim, { name: "OPEN_RETURN_PATH" }),
  },
  {
    rule: "CMD-006",
    from: "pc",
    break: (victim) => insertCommand(victim, { name: "POSTCOPY_LISTEN" }),
  },
  {
    rule: "CMD-006",
    from: "pc-postcopy",
    how: "RUN without LISTEN",
    break: (victim) => {
      const { offset } = victim.command("PACKAGED");
      const lengthAt = offset + 5;
      const view = new DataView(victim.bytes.buffer);
      victim.put32(lengthAt, view.getUint32(lengthAt) - 5);
      return victim.remove(victim.command("POSTCOPY_LISTEN"));
    },
  },
  {
    rule: "CMD-007",
    from: "pc-postcopy",
    break: (v) => v.put(v.command("POSTCOPY_RAM_DISCARD").offset + 5, 1),
  },
  {
    rule: "CMD-008",
    from: "pc-postcopy",
    how: "outside",
    break: (victim) => {
      const { offset, lengthBytes } = victim.command("POSTCOPY_RAM_DISCARD");
      return victim.put(offset + lengthBytes - 5, 0xff);
    },
  },
  {
    rule: "CMD-008",
    from: "pc-postcopy",
    how: "a part of a page",
    break: (victim) => {
      const { offset, lengthBytes } = victim.command("POSTCOPY_RAM_DISCARD");
      return victim.put(offset + lengthBytes - 1, 8);
    },
  },
  {
    rule: "CMD-009",
    from: "pc-postcopy",
    how: "empty",
    break: (v) => v.put32(v.command("PACKAGED").offset + 5, 0),
  },
  {
    rule: "CMD-009",
    from: "pc-postcopy",
    how: "too long",
    break: (v) => v.put32(v.command("PACKAGED").offset + 5, 0x7fffffff),
    also: ["CMD-011"],
  },
  {
    rule: "CMD-010",
    from: "pc-postcopy",
    how: "too short by a command",
    break: (victim) => {
      const at = victim.command("PACKAGED").offset + 5;
      return victim.put32(at, new DataView(victim.bytes.buffer).getUint32(at) - 5);
    },
  },
  {
    rule: "CMD-010",
    from: "pc-postcopy",
    how: "too short by a byte",
    break: (victim) => {
      const at = victim.command("PACKAGED").offset + 5;
      return victim.put32(at, new DataView(victim.bytes.buffer).getUint32(at) - 1);
    },
  },
  {
    rule: "CMD-010",
    from: "pc",
    how: "bytes behind its EOF",
    break: (victim) => {
      const { offset } = victim.section("end", "ram");
      const command = commandBytes({ name: "PACKAGED", lengthBytes: 3 });
      return victim.splice(offset, 0, [...command, 0, 1, 2]);
    },
  },
  {
    rule: "CMD-011",
    from: "pc",
    break: (victim) => {
      const { section, offset } = victim.section("end", "ram");
      const part = [...emptyRamPart(section), 0];
      const command = commandBytes({ name: "PACKAGED", lengthBytes: part.length });
      return victim.splice(offset, 0, [...command, ...part]);
    },
  },
  {
    rule: "CMD-012",
    from: "pc",
    break: (victim) => insertCommand(victim, { name: "POSTCOPY_RESUME" }),
  },
  {
    rule: "CMD-013",
    from: "pc",
    how: "unknown block",
    break: (victim) => insertCommand(victim, { name: "RECV_BITMAP", block: "nobody" }),
    also: ["CMD-012"],
  },
  {
    rule: "CMD-013",
    from: "pc",
    how: "length",
    break: (victim) => {
      const command = commandBytes({ name: "RECV_BITMAP", block: "pc.ram" });
      command[4]! += 1;
      return victim.splice(victim.section("end", "ram").offset, 0, [...command, 0]);
    },
  },
  { rule: "CMD-014", from: "pc", break: (v) => v.remove(v.command("SWITCHOVER_START")) },
  {
    rule: "CMD-014",
    from: "pc",
    how: "twice",
    break: (victim) => insertCommand(victim, { name: "SWITCHOVER_START" }),
  },
  {
    rule: "CMD-014",
    from: "pc-7.2",
    how: "before there was any",
    break: (victim) => insertCommand(victim, { name: "SWITCHOVER_START" }),
  },
  {
    rule: "CMD-015",
    from: "pc",
    break: (victim) => insertCommand(victim, { name: "ENABLE_COLO" }),
  },
  {
    rule: "CMD-016",
    from: "pc-postcopy",
    break: (victim) => {
      const identity = { id: 4711, idstr: "late", instanceId: 0, versionId: 1 };
      const section = sectionBytes("full", identity, new Uint8Array(8));
      return victim.splice(victim.endOf(victim.command("POSTCOPY_RUN")), 0, section);
    },
    also: ["SEC-021"],
  },
];

testBreaks(["SEC", "CMD"], [...SECTION_BREAKS, ...COMMAND_BREAKS], ["SEC-012", "SEC-014"]);
