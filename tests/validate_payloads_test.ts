import { encodeFooter, encodeSectionHeader } from "../format/section.ts";
import { encodeVfioSection, type VfioChunk } from "../format/vfio.ts";
import { ByteWriter } from "../format/writer.ts";
import { assertEquals } from "@std/assert";
import { type Break, brokenBy, testBreaks, validateBytes, Victim } from "./breaking.ts";
import { chunks } from "./ram_records.ts";

/** The first chunk of dirty bitmaps of a kind. */
function dirty(victim: Victim, wanted: "start" | "bits" | "complete"): number {
  const found = chunks(victim, "dirtyBitmap").find(({ kind }) => kind === wanted);
  if (found === undefined) throw new Error("no such chunk");
  return found.offset;
}

/** The offset behind the two names of a chunk that has them and flags of one byte. */
function behindNames({ bytes }: Victim, chunk: number): number {
  const second = chunk + 2 + bytes[chunk + 1]!;
  return second + 1 + bytes[second]!;
}

function bits(victim: Victim): number {
  const found = chunks(victim, "dirtyBitmap").find(({ dataBytes }) => dataBytes > 0);
  if (found === undefined) throw new Error("no bits");
  return found.dataOffset;
}

/** The first block of a disk with data or, if there is none, without. */
function disk(victim: Victim): { offset: number; dataOffset: number; dataBytes: number } {
  const all = chunks(victim, "diskBlock").filter(({ kind }) => kind === "block");
  return all.find(({ dataBytes }) => dataBytes > 0) ?? all[0]!;
}

/** Adds a word before the word that ends an END section of storage attributes. */
function addAttributes(victim: Victim, ...bytes: number[]): Uint8Array {
  const { payloadOffset } = victim.section("part", "s390-storage_attributes");
  return victim.splice(payloadOffset, 0, bytes);
}

/** Adds the live sections of a device behind those of the RAM. */
function addVfio(victim: Victim, tags: readonly VfioChunk[]): Uint8Array {
  const identity = { id: 700, idstr: "0000:00:05.0/vfio", instanceId: 0, versionId: 1 };
  for (const type of ["end", "start"] as const) {
    const writer = new ByteWriter();
    encodeSectionHeader(writer, type, identity);
    encodeVfioSection(writer, type === "start" ? tags : [{ tag: "END_OF_STATE" }]);
    encodeFooter(writer, identity.id);
    victim.splice(victim.endOf(victim.section(type, "ram")), 0, writer.finish());
  }
  return victim.bytes;
}

const SETUP: readonly VfioChunk[] = [{ tag: "DEV_SETUP_STATE" }, { tag: "END_OF_STATE" }];

const BREAKS: readonly Break[] = [
  { rule: "DBM-001", from: "pc-dirty-bitmaps", break: (v) => v.put(dirty(v, "complete"), 0x60) },
  {
    rule: "DBM-002",
    from: "pc-dirty-bitmaps",
    break: (v) => {
      const start = dirty(v, "start");
      v.put(start, 0x10);
      return v.splice(start + 1, behindNames(v, start) - start - 1);
    },
  },
  {
    rule: "DBM-003",
    from: "pc-dirty-bitmaps",
    break: (v) => v.put32(behindNames(v, dirty(v, "start")), 768),
  },
  {
    rule: "DBM-004",
    from: "pc-dirty-bitmaps",
    break: (v) => v.put(behindNames(v, dirty(v, "start")) + 4, 8),
  },
  { rule: "DBM-005", from: "pc-dirty-bitmaps", break: (v) => v.put32(bits(v) - 4, 10241) },
  { rule: "DBM-006", from: "pc-dirty-bitmaps", break: (v) => v.put32(bits(v) - 4, 10240) },
  {
    rule: "DBM-007",
    from: "pc-dirty-bitmaps",
    break: (v) => {
      const all = chunks(v, "dirtyBitmap");
      const index = all.findIndex(({ kind }) => kind === "complete");
      const { offset } = all[index]!;
      return v.splice(offset, all[index + 1]!.offset - offset);
    },
  },
  {
    rule: "HTB-001",
    from: "ppc64-pseries",
    break: (v) => v.put32(v.section("start", "spapr/htab").payloadOffset, 47),
  },
  {
    rule: "HTB-002",
    from: "ppc64-pseries",
    break: (v) => v.put32(chunks(v, "hashTable")[0]!.offset, 0x10000000),
  },
  {
    rule: "HTB-003",
    from: "ppc64-pseries",
    break: (v) => v.splice(v.section("part", "spapr/htab").payloadEnd - 8, 8),
  },
  {
    rule: "SAT-001",
    from: "s390x",
    how: "flags",
    break: (v) => v.put(v.section("part", "s390-storage_attributes").payloadOffset + 7, 3),
  },
  {
    rule: "SAT-001",
    from: "s390x",
    how: "pages",
    break: (v) => addAttributes(v, 0, 0, 0, 0, 0x40, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 1, 0),
  },
  {
    rule: "SAT-001",
    from: "s390x",
    how: "no end",
    break: (v) => v.splice(v.section("part", "s390-storage_attributes").payloadOffset, 8),
  },
  {
    rule: "SAT-002",
    from: "s390x",
    break: (v) => v.put(v.section("part", "s390-storage_attributes").payloadOffset + 7, 4),
  },
  {
    rule: "SAT-003",
    from: "s390x",
    break: (v) => v.put(v.section("full", "s390-skeys").payloadOffset + 7, 9),
  },
  {
    rule: "SAT-004",
    from: "s390x",
    break: (v) => v.put(v.section("full", "s390-skeys").payloadEnd - 1, 5),
  },
  { rule: "BLK-001", from: "pc-block-7.2", break: (v) => v.put(disk(v).offset + 7, 0x11) },
  {
    rule: "BLK-001",
    from: "pc-block-7.2",
    how: "no end",
    break: (v) => v.splice(v.section("start", "block").payloadEnd - 8, 8),
  },
  {
    rule: "BLK-002",
    from: "pc-block-7.2",
    break: (v) => {
      const { dataOffset, dataBytes } = disk(v);
      return v.splice(dataOffset + dataBytes, 0, [0xaa, 0xbb, 0xcc]);
    },
  },
  {
    rule: "VFI-001",
    from: "pc",
    how: "not closed",
    break: (v) => addVfio(v, [...SETUP.slice(0, 1), { tag: "DEV_DATA_STATE" }]),
  },
];

testBreaks(["DBM", "HTB", "SAT", "BLK", "VFI"], BREAKS, ["DBM-008"]);

Deno.test("rules: a live section of VFIO breaks none", () => {
  assertEquals(brokenBy(validateBytes(addVfio(new Victim("pc"), SETUP))), []);
});

Deno.test("rules: what comes behind a damaged chunk is checked, too", () => {
  const victim = new Victim("s390x");
  victim.put(victim.section("part", "s390-storage_attributes").payloadOffset + 7, 3);
  victim.put(victim.section("full", "s390-skeys").payloadEnd - 1, 5);
  assertEquals(brokenBy(validateBytes(victim.bytes)), ["SAT-001", "SAT-004"]);
});
