import { encodeConfiguration } from "../format/configuration.ts";
import { placeMappedRam } from "../format/mapped_ram.ts";
import { encodeRamEos, encodeRamWord, RAM_SAVE_FLAG, type RamBlock } from "../format/ram.ts";
import { encodeBlockEntry } from "../format/ram_blocks.ts";
import { ByteWriter } from "../format/writer.ts";
import { assertEquals } from "@std/assert";
import { type Break, brokenBy, testBreaks, validateBytes, Victim } from "./breaking.ts";
import { mappedStream, StreamBuilder } from "./streams.ts";

/** Offsets of a block's header and of what it points to. */
interface Place {
  readonly block: RamBlock;
  readonly header: number;
  readonly bitmap: number;
  readonly pages: number;
}

function place(victim: Victim, index: number): Place {
  const { payload } = victim.section("start", "ram");
  const block = payload?.kind === "ram" ? payload.summary.blocks?.[index] : undefined;
  if (block?.mapped === undefined) throw new Error("no such block");
  const header = block.entryOffset + block.entryBytes - 28;
  const { bitmapOffset: bitmap, pagesOffset: pages } = block.mapped;
  return { block, header, bitmap, pages };
}

/** Puts a record before the EOS word of PART. */
function insert(victim: Victim, build: (writer: ByteWriter) => void): Uint8Array {
  const writer = new ByteWriter();
  build(writer);
  return victim.splice(victim.section("part", "ram").payloadOffset, 0, writer.finish());
}

function withCapabilities(victim: Victim, ...capabilities: string[]): Uint8Array {
  const { configuration, offset, lengthBytes } = victim.configuration;
  const writer = new ByteWriter();
  const name = "configuration/capabilities";
  const subsections = capabilities.length === 0 ? [] : [{ name, capabilities } as const];
  encodeConfiguration(writer, { ...configuration, subsections });
  return victim.splice(offset, lengthBytes, writer.finish());
}

/** What releases before 11.0 write with both capabilities: guest addresses, and room for all blocks. */
function oldIgnoreShared(): Uint8Array {
  const usedLengthBytes = 0x10000;
  const capabilities = ["x-ignore-shared", "mapped-ram"];
  return new StreamBuilder()
    .configuration({
      machine: "pc-i440fx-10.0",
      subsections: [{ name: "configuration/capabilities", capabilities }],
    })
    .section("start", 1, "ram", (writer) => {
      encodeRamWord(writer, usedLengthBytes, RAM_SAVE_FLAG.MEM_SIZE);
      const entryOffset = writer.offset;
      const entryBytes = 2 + 8 + 8 + 28;
      const mapped = placeMappedRam(entryOffset + entryBytes, usedLengthBytes, 4096);
      const block = { name: "m", index: 0, usedLengthBytes, entryOffset, entryBytes };
      encodeBlockEntry(writer, { ...block, guestAddress: 0, mapped });
      writer.zeros(mapped.pagesOffset + usedLengthBytes - writer.offset);
      encodeRamEos(writer);
    }, { versionId: 4 })
    .section("end", 1, "ram", encodeRamEos)
    .eof()
    .description({ page_size: 4096, devices: [] })
    .bytes();
}

/** Swaps the bytes of a bitmap's words. */
function swapBitmap(victim: Victim, index: number): Uint8Array {
  const { bitmap, block } = place(victim, index);
  const words = Math.ceil(block.usedLengthBytes / 4096 / 64);
  for (let at = bitmap; at < bitmap + words * 8; at += 8) {
    victim.bytes.subarray(at, at + 8).reverse();
  }
  return victim.bytes;
}

const from = "pc-mapped";

const BREAKS: readonly Break[] = [
  { rule: "MAP-001", from, break: (v) => v.put32(place(v, 1).header, 2) },
  { rule: "MAP-001", from, how: "zero", break: (v) => v.put32(place(v, 0).header, 0) },
  { rule: "MAP-002", from, break: (v) => v.put32(place(v, 0).header + 8, 8192) },
  { rule: "MAP-002", from, how: "zero", break: (v) => v.put32(place(v, 1).header + 8, 0) },
  {
    rule: "MAP-003",
    from,
    how: "behind the file",
    break: (v) => v.put32(place(v, 0).header + 12, 1),
  },
  {
    rule: "MAP-003",
    from,
    how: "beyond 2^53",
    break: (v) => v.put(place(v, 0).header + 12, 0x80),
  },
  {
    rule: "MAP-003",
    from,
    how: "cut",
    break: (v) => v.bytes.slice(0, place(v, 1).bitmap + 1),
  },
  {
    rule: "MAP-004",
    from,
    how: "behind",
    break: (v) => v.put32(place(v, 0).header + 16, place(v, 0).bitmap + 8),
  },
  {
    rule: "MAP-004",
    from,
    how: "before",
    break: (v) => v.put32(place(v, 0).header + 16, place(v, 0).bitmap - 8),
  },
  {
    rule: "MAP-004",
    from,
    how: "in the pages",
    break: (v) => v.put32(place(v, 0).header + 16, place(v, 0).pages + 4096),
  },
  {
    rule: "MAP-005",
    from,
    break: (v) => v.put32(place(v, 1).header + 24, place(v, 1).pages + 1),
  },
  { rule: "MAP-006", from, break: mappedStream, also: ["SEC-019", "SEC-020"] },
  { rule: "MAP-007", from, break: (v) => v.put32(place(v, 0).header + 24, 0) },
  {
    rule: "MAP-008",
    from,
    break: (v) => v.bytes.slice(0, place(v, 2).pages + 4096),
    also: ["STR-005"],
  },
  {
    rule: "MAP-008",
    from,
    how: "beyond 2^53",
    break: (v) => v.put(place(v, 0).header + 20, 0x80),
  },
  { rule: "MAP-009", from, break: (v) => v.put(place(v, 2).bitmap + 7, 0x80) },
  {
    rule: "MAP-011",
    from,
    how: "bitmaps",
    break: (v) => v.put32(place(v, 1).header + 16, place(v, 0).bitmap),
  },
  {
    rule: "MAP-011",
    from,
    how: "pages",
    break: (v) => v.put32(place(v, 1).header + 24, place(v, 0).pages),
  },
  {
    rule: "MAP-013",
    from,
    how: "a page",
    break: (v) =>
      insert(v, (writer) => {
        encodeRamWord(writer, 0, RAM_SAVE_FLAG.ZERO, "pc.ram");
        writer.u8(0, "fill");
      }),
  },
  {
    rule: "MAP-013",
    from,
    how: "a mark",
    break: (v) => insert(v, (writer) => encodeRamWord(writer, 0, RAM_SAVE_FLAG.MULTIFD_FLUSH)),
  },
  {
    rule: "MAP-014",
    from,
    break: (v) => v.put32(place(v, 0).header + 24, place(v, 0).pages + 0x100000),
  },
  {
    rule: "MAP-015",
    from,
    break: (v) => v.put(place(v, 1).header + 12, ...new Uint8Array(16)),
  },
  { rule: "MAP-016", from, break: oldIgnoreShared, also: ["CMD-014", "END-002"] },
  {
    rule: "MAP-017",
    from,
    slack: true,
    break: (v) => {
      const { bitmap, pages } = place(v, 0);
      const page = [...v.bytes.subarray(bitmap, bitmap + 32)].findIndex((byte) => byte === 0) * 8;
      return v.put(pages + page * 4096 + 100, 1);
    },
  },
  {
    rule: "MAP-018",
    from,
    // Anything of a length of its own before the list moves all that is behind.
    break: (v) => v.splice(v.section("start", "ram").offset, 0, [8, 0, 1, 0, 0]),
  },
  {
    rule: "MAP-019",
    from,
    break: (v) => insert(v, (writer) => encodeRamWord(writer, 0, RAM_SAVE_FLAG.MEM_SIZE)),
    also: ["RAM-001", "RAM-008"],
  },
  { rule: "MAP-020", from, break: (v) => withCapabilities(v) },
  {
    rule: "MAP-021",
    from,
    break: (v) => v.put(place(v, 1).block.entryOffset + 1, ...new TextEncoder().encode("pc.ram")),
  },
  { rule: "MAP-022", from, break: (v) => swapBitmap(v, 2) },
];

testBreaks(["MAP"], BREAKS, ["MAP-010", "MAP-012", "MAP-023"]);

Deno.test("rules: one wrong mapped-ram header does not hide what is wrong with the next ones", () => {
  const victim = new Victim(from);
  victim.put32(place(victim, 0).header, 7);
  victim.put32(place(victim, 1).header + 24, place(victim, 1).pages + 1);
  victim.put(place(victim, 2).bitmap + 7, 0x80);
  victim.put32(place(victim, 2).header + 16, 0);
  const end = victim.section("end", "ram").payloadEnd - 8;
  victim.put(end + 7, RAM_SAVE_FLAG.EOS | RAM_SAVE_FLAG.CONTINUE);
  const broken = brokenBy(validateBytes(victim.bytes));
  assertEquals(broken, ["MAP-001", "MAP-004", "MAP-005", "MAP-009", "RAM-021"]);
});

Deno.test("rules: slack is looked at on request only", () => {
  const { bytes } = new Victim("pc-mapped-live");
  assertEquals(brokenBy(validateBytes(bytes)), []);
});
