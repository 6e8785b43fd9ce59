import { encodeConfiguration } from "../format/configuration.ts";
import { RAM_SAVE_FLAG, type RamBlock } from "../format/ram.ts";
import { ByteWriter } from "../format/writer.ts";
import { assertEquals } from "@std/assert";
import { type Break, brokenBy, testBreaks, validateBytes, Victim } from "./breaking.ts";
import { type RamRecord, ramRecord, ramRecords } from "./ram_records.ts";

/** A word as bytes. */
function word(value: number): number[] {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(value));
  return [...bytes];
}

function list(victim: Victim): RamRecord {
  return ramRecord(victim, ({ kind }) => kind === "block-list");
}

function blocks(victim: Victim): readonly RamBlock[] {
  const { payload } = victim.section("start", "ram");
  return payload?.kind === "ram" ? payload.summary.blocks ?? [] : [];
}

function lastBlock(victim: Victim): RamBlock {
  return blocks(victim).at(-1)!;
}

/** Adds to the total of the block list. */
function addToTotal(victim: Victim, bytes: number): Uint8Array {
  const { offset } = list(victim);
  const total = new DataView(victim.bytes.buffer).getUint32(offset + 4);
  return victim.put32(offset + 4, total + bytes);
}

/** The EOS word of the first PART. */
function partEnd(victim: Victim): number {
  return victim.section("part", "ram").payloadEnd - 8;
}

function firstPage(victim: Victim): RamRecord {
  return ramRecord(victim, ({ kind }) => kind === "page");
}

function delta(victim: Victim): RamRecord {
  return ramRecord(
    victim,
    ({ kind, dataOffset, dataBytes }) =>
      kind === "xbzrle" && victim.bytes[dataOffset]! < 0x80 && dataBytes > 8,
  );
}

function compressed(victim: Victim): RamRecord {
  return ramRecord(victim, ({ kind }) => kind === "compressed");
}

/** The first record in the postcopy phase. */
function latePage(victim: Victim): RamRecord {
  const run = victim.command("POSTCOPY_RUN");
  return ramRecord(victim, ({ offset, block }) => offset > run.offset && block !== undefined);
}

function withCapabilities(victim: Victim, ...capabilities: string[]): Uint8Array {
  const { configuration, offset, lengthBytes } = victim.configuration;
  const writer = new ByteWriter();
  const subsection = { name: "configuration/capabilities", capabilities } as const;
  const subsections = capabilities.length === 0 ? [] : [subsection];
  encodeConfiguration(writer, { ...configuration, subsections });
  return victim.splice(offset, lengthBytes, writer.finish());
}

const BREAKS: readonly Break[] = [
  {
    rule: "RAM-001",
    from: "pc",
    how: "another word first",
    break: (v) => v.splice(list(v).offset, 0, word(RAM_SAVE_FLAG.MULTIFD_FLUSH)),
    also: ["RAM-024"],
  },
  {
    rule: "RAM-001",
    from: "pc",
    how: "a second list",
    break: (v) => {
      const { offset, lengthBytes } = list(v);
      const copy = v.bytes.slice(offset, offset + lengthBytes);
      return v.splice(v.section("part", "ram").payloadOffset, 0, copy);
    },
  },
  {
    rule: "RAM-001",
    from: "pc",
    how: "no list",
    break: (v) => {
      const { offset, lengthBytes } = list(v);
      return v.splice(offset, lengthBytes);
    },
  },
  {
    rule: "RAM-002",
    from: "pc",
    how: "too large",
    break: (v) => addToTotal(v, 0x10000),
  },
  {
    rule: "RAM-002",
    from: "pc",
    how: "too small",
    break: (v) => addToTotal(v, -lastBlock(v).usedLengthBytes),
    also: ["RAM-027"],
  },
  {
    rule: "RAM-003",
    from: "pc",
    break: (v) => {
      const { entryOffset, entryBytes, usedLengthBytes } = lastBlock(v);
      return v.put32(entryOffset + entryBytes - 4, usedLengthBytes + 4096);
    },
    also: ["RAM-027"],
  },
  {
    rule: "RAM-004",
    from: "pc",
    how: "twice",
    break: (v) => {
      const { entryOffset, entryBytes, usedLengthBytes } = lastBlock(v);
      addToTotal(v, usedLengthBytes);
      const copy = v.bytes.slice(entryOffset, entryOffset + entryBytes);
      return v.splice(entryOffset, 0, copy);
    },
  },
  {
    rule: "RAM-004",
    from: "pc",
    how: "no name",
    break: (v) => {
      const { entryOffset, name } = blocks(v)[3]!;
      return v.splice(entryOffset, name.length + 1, [0]);
    },
    also: ["RAM-027"],
  },
  {
    rule: "RAM-005",
    from: "pc",
    break: (v) => {
      const { entryOffset, entryBytes, usedLengthBytes } = blocks(v)[3]!;
      return v.put32(entryOffset + entryBytes - 4, usedLengthBytes - 256);
    },
    also: ["RAM-027"],
  },
  { rule: "RAM-008", from: "none", break: ({ bytes }) => bytes },
  {
    rule: "RAM-009",
    from: "pc",
    how: "an address too much",
    break: (v) => {
      const { entryOffset, entryBytes } = blocks(v)[0]!;
      return v.splice(entryOffset + entryBytes, 0, word(0));
    },
    also: ["RAM-027"],
  },
  {
    rule: "RAM-009",
    from: "pc",
    how: "no address",
    break: (v) => withCapabilities(v, "x-ignore-shared"),
    also: ["RAM-001"],
  },
  {
    rule: "RAM-012",
    from: "pc-postcopy",
    break: (v) => {
      const { entryOffset, entryBytes } = blocks(v)[0]!;
      return v.splice(entryOffset + entryBytes, 0, word(0x200000));
    },
    also: ["RAM-027"],
  },
  {
    rule: "RAM-020",
    from: "pc",
    break: (v) => v.put(firstPage(v).offset + 7, RAM_SAVE_FLAG.PAGE | RAM_SAVE_FLAG.ZERO),
  },
  {
    rule: "RAM-021",
    from: "pc",
    break: (v) => v.put(partEnd(v) + 7, RAM_SAVE_FLAG.EOS | RAM_SAVE_FLAG.CONTINUE),
  },
  { rule: "RAM-022", from: "pc", break: (v) => v.put(partEnd(v) + 4, 1) },
  {
    rule: "RAM-023",
    from: "pc",
    break: (v) => v.splice(partEnd(v), 0, word(RAM_SAVE_FLAG.HOOK)),
  },
  {
    rule: "RAM-024",
    from: "pc",
    break: (v) => v.splice(partEnd(v), 0, word(RAM_SAVE_FLAG.MULTIFD_FLUSH)),
  },
  {
    rule: "RAM-025",
    from: "pc-compress-7.2",
    break: (v) => {
      const { offset, configuration: { machine } } = v.configuration;
      return v.put(offset + 5 + machine.indexOf("7.2"), 0x39);
    },
  },
  {
    rule: "RAM-026",
    from: "pc",
    break: (v) => {
      const { offset, block } = ramRecord(v, ({ block }) => block !== undefined);
      v.put(offset + 7, v.bytes[offset + 7]! | RAM_SAVE_FLAG.CONTINUE);
      return v.splice(offset + 8, 1 + block!.name.length);
    },
  },
  {
    rule: "RAM-027",
    from: "pc",
    break: (v) => v.put(ramRecord(v, ({ block }) => block !== undefined).offset + 9, 0x58),
  },
  { rule: "RAM-028", from: "pc", break: (v) => v.put(firstPage(v).offset + 3, 1) },
  {
    rule: "RAM-028",
    from: "pc",
    how: "beyond 2^53",
    break: (v) => v.put(firstPage(v).offset, 1),
  },
  {
    rule: "RAM-029",
    from: "pc",
    break: (v) => {
      const { offset, lengthBytes } = ramRecord(v, ({ kind }) => kind === "zero");
      return v.put(offset + lengthBytes - 1, 7);
    },
  },
  {
    rule: "RAM-030",
    from: "pc",
    how: "too short",
    break: (v) =>
      v.splice(
        ramRecord(v, ({ isFollowed, kind }) => kind === "page" && isFollowed).dataOffset + 50,
        100,
      ),
  },
  {
    rule: "RAM-030",
    from: "pc",
    how: "too long",
    break: (v) =>
      v.splice(
        ramRecord(v, ({ isFollowed, kind }) => kind === "page" && isFollowed).dataOffset + 50,
        0,
        new Uint8Array(30).fill(0xee),
      ),
  },
  { rule: "RAM-031", from: "pc", break: (v) => v.splice(partEnd(v), 8) },
  {
    rule: "RAM-032",
    from: "pc",
    break: (v) => {
      const { offset, lengthBytes } = ramRecord(
        v,
        ({ kind, continues }) => kind === "zero" && continues,
      );
      return v.splice(offset, lengthBytes);
    },
  },
  {
    rule: "RAM-034",
    from: "pc",
    break: (v) => {
      const { offset, lengthBytes } = ramRecord(
        v,
        ({ kind, continues }) => kind === "zero" && continues,
      );
      return v.splice(offset, 0, v.bytes.slice(offset, offset + lengthBytes));
    },
  },
  {
    rule: "RAM-040",
    from: "pc-xbzrle",
    break: (v) => v.put(delta(v).dataOffset - 3, 2),
    also: ["RAM-034"],
  },
  {
    rule: "RAM-041",
    from: "pc-xbzrle",
    break: (v) => v.put(delta(v).dataOffset - 2, 0x20),
    also: ["RAM-034"],
  },
  {
    rule: "RAM-042",
    from: "pc-xbzrle",
    break: (v) => {
      const { dataOffset, dataBytes } = delta(v);
      v.put(dataOffset - 2, 0, 0);
      return v.splice(dataOffset, dataBytes);
    },
    also: ["RAM-034"],
  },
  {
    rule: "RAM-043",
    from: "pc-xbzrle",
    break: (v) => v.put(delta(v).dataOffset + 1, 0),
    also: ["RAM-034"],
  },
  {
    rule: "RAM-044",
    from: "pc-xbzrle",
    break: (v) => v.put(delta(v).dataOffset, 0xff, 0xff),
    also: ["RAM-034"],
  },
  {
    rule: "RAM-045",
    from: "pc",
    break: (v) => {
      const { offset, lengthBytes } = ramRecord(
        v,
        ({ kind, continues }) => kind === "zero" && continues,
      );
      v.put(offset + 7, RAM_SAVE_FLAG.XBZRLE | RAM_SAVE_FLAG.CONTINUE);
      return v.splice(offset + 8, lengthBytes - 8, [1, 0, 3, 0, 1, 0xaa]);
    },
  },
  {
    rule: "RAM-046",
    from: "pc-postcopy",
    break: (v) => {
      const { offset } = ramRecord(
        v,
        (record, index, all) =>
          record.kind === "eos" && all[index - 1]!.offset > latePage(v).offset,
      );
      return v.splice(offset, 0, [...word(0x60), 1, 0, 3, 0, 1, 0xaa]);
    },
  },
  {
    rule: "RAM-050",
    from: "pc-compress-7.2",
    how: "length",
    break: (v) => v.put32(compressed(v).dataOffset - 4, 0),
  },
  {
    rule: "RAM-050",
    from: "pc-compress-7.2",
    how: "content",
    break: (v) => v.put(compressed(v).dataOffset + compressed(v).dataBytes - 1, 0x12),
  },
  {
    rule: "RAM-060",
    from: "pc-postcopy",
    break: (v) => v.splice(latePage(v).offset, 0, word(RAM_SAVE_FLAG.MULTIFD_FLUSH)),
  },
  {
    rule: "RAM-061",
    from: "pc-postcopy",
    // The destination's pages are twice as large.
    break: (v) => {
      const { offset, lengthBytes } = v.command("POSTCOPY_ADVISE");
      return v.put32(offset + lengthBytes - 12, 0x2000);
    },
    also: ["CMD-008"],
  },
];

testBreaks(["RAM"], BREAKS, [
  "RAM-006",
  "RAM-007",
  "RAM-010",
  "RAM-011",
  "RAM-033",
  "RAM-062",
]);

Deno.test("rules: what comes behind a damaged RAM section is checked, too", () => {
  const victim = new Victim("pc");
  const end = victim.section("end", "ram").payloadEnd - 8;
  victim.put(firstPage(victim).offset + 7, 0);
  victim.put(end + 7, RAM_SAVE_FLAG.EOS | RAM_SAVE_FLAG.CONTINUE);
  assertEquals(brokenBy(validateBytes(victim.bytes)), ["RAM-020", "RAM-021"]);
});

Deno.test("rules: a record of a damaged list's known blocks is no finding", () => {
  const victim = new Victim("pc");
  const known = blocks(victim)[0]!;
  addToTotal(victim, 0x10000);
  const records = ramRecords(new Victim("pc")).filter(({ block }) => block?.name === known.name);
  assertEquals(records.length > 0, true);
  assertEquals(brokenBy(validateBytes(victim.bytes)), ["RAM-002"]);
});
