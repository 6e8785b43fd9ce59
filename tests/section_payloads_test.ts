/** The payloads of hash tables, storage attributes and keys, disks and VFIO devices: what is special about each. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import fc from "fast-check";
import {
  BLOCK_MIGRATION_BLOCK_BYTES,
  BLOCK_MIGRATION_FLAG,
  encodeBlockMigrationChunk,
  encodeBlockMigrationSection,
  readBlockMigration,
} from "../format/block_migration.ts";
import { RepeatedName } from "../format/chunk.ts";
import { encodeStorageKeysChunk, readStorageKeys } from "../format/s390_skeys.ts";
import {
  encodeStorageAttributesChunk,
  readStorageAttributes,
} from "../format/s390_storage_attributes.ts";
import {
  encodeSpaprHtabChunk,
  encodeSpaprHtabSection,
  readSpaprHtab,
  SPAPR_HTAB_NO_TABLE,
  type SpaprHtabState,
} from "../format/spapr_htab.ts";
import {
  decodeVfioDeviceBuffer,
  encodeVfioChunk,
  encodeVfioDeviceBuffer,
  encodeVfioSection,
  readVfio,
  VFIO_TAG,
  type VfioTagName,
} from "../format/vfio.ts";
import type { ByteReader } from "../format/reader.ts";
import type { SectionType } from "../format/section.ts";
import type { ByteWriter } from "../format/writer.ts";
import { annotated, failureOf, readerOf, written } from "./annotated.ts";

/** What `read` gives for all of the bytes. */
function whole<T>(hex: string, read: (reader: ByteReader) => T): T {
  const bytes = annotated(hex);
  const reader = readerOf(bytes);
  const result = read(reader);
  assertEquals(reader.offset, bytes.length);
  return result;
}

/** Each text must fail as it says, with `bad-payload`. */
function refused(read: (reader: ByteReader) => unknown, cases: readonly [string, string][]): void {
  for (const [hex, text] of cases) {
    const found = failureOf(() => read(readerOf(annotated(hex))));
    assertStringIncludes(found, text, hex);
    assertStringIncludes(found, "[bad-payload]", hex);
  }
}

function notEncodable(...writes: ((writer: ByteWriter) => void)[]): void {
  for (const write of writes) {
    assertStringIncludes(failureOf(() => written(write)), "[not-encodable]", String(write));
  }
}

const htab = (type: SectionType, state: SpaprHtabState = { tableEntries: undefined }) => {
  return (reader: ByteReader) => readSpaprHtab(reader, { type, state });
};

Deno.test("spapr/htab: headers by type of section", () => {
  const none = { chunks: 0, validEntries: 0, invalidEntries: 0, dataBytes: 0 };
  const state: SpaprHtabState = { tableEntries: undefined };
  assertEquals(whole("00 00 00 15", htab("start", state)), { header: 21, ...none });
  assertEquals(state.tableEntries, 131072);
  assertEquals(whole("00 00 00 00 00*8", htab("part", state)), { header: 0, ...none });
  assertEquals(whole("ff*4", htab("end", state)), { header: SPAPR_HTAB_NO_TABLE, ...none });
  assertEquals(whole("ff*4", htab("start", state)), { header: SPAPR_HTAB_NO_TABLE, ...none });
  assertEquals(state.tableEntries, undefined);
  whole("00 00 00 2e", htab("full", state));
  assertEquals(state.tableEntries, 2 ** 42);
  for (const header of [SPAPR_HTAB_NO_TABLE, 18, 46, 0]) {
    const bytes = written((writer) => encodeSpaprHtabSection(writer, header));
    const type = header === 0 ? "part" : "start";
    assertEquals(htab(type)(readerOf(bytes)).header, header);
  }
});

Deno.test("spapr/htab: wrong headers, and entries outside of the table", () => {
  refused(htab("start"), [
    ["00 00 00 00", "expected 0xffffffff or 18..46; found 0"],
    ["00 00 00 11", "at offset 0 "],
    ["00 00 00 2f", "found 0x2f"],
  ]);
  refused(htab("part"), [["00 00 00 15", "expected 0xffffffff or 0; found 0x15"]]);
  refused(htab("end"), [["80 00 00 00", "found 0x80000000"]]);
  const state = { tableEntries: 16384 };
  whole("00*4 00 00 3f fe 00 00 00 02 00*8", htab("part", state));
  refused(htab("part", state), [
    ["00*4 00 00 3f fe 00 00 00 03", "at offset 4 (0x4); in chunk 0"],
    ["00*4 00 00 00 00 ff ff 00 00", "expected an end of at most 16384 entries; found 65535"],
    ["00*4 ff*4 00 00 00 00", "found 4294967295"],
  ]);
});

Deno.test("spapr/htab: what has no form is not encoded", () => {
  const entry = { index: 0, validEntries: 1, invalidEntries: 0, data: new Uint8Array(16) };
  notEncodable(
    (writer) => encodeSpaprHtabSection(writer, 17),
    (writer) => encodeSpaprHtabSection(writer, 21, [entry]),
    (writer) =>
      encodeSpaprHtabSection(writer, 0, [{ ...entry, validEntries: 0, data: annotated("") }]),
    (writer) => encodeSpaprHtabChunk(writer, { ...entry, validEntries: 2 }),
    (writer) => encodeSpaprHtabChunk(writer, { ...entry, index: 2 ** 32 }),
  );
});

Deno.test("s390-storage_attributes: what an emulated guest sends", () => {
  const read = (reader: ByteReader) => readStorageAttributes(reader, {});
  const none = { chunks: 1, pages: 0, done: false, incomplete: false };
  assertEquals(whole("00*7 01", read), none);
  assertEquals(whole("00*7 08 00*7 01", read), { ...none, chunks: 2, done: true });
  assertEquals(whole("00*7 04", read), { ...none, incomplete: true });
});

Deno.test("s390-storage_attributes: an END section may end with DONE", () => {
  for (const next of ["7e 00 00 00 03", "04 00 00 00 05 06"]) {
    const reader = readerOf(annotated(`00*7 08 ${next}`));
    const summary = readStorageAttributes(reader, {});
    assertEquals(summary, { chunks: 1, pages: 0, done: true, incomplete: false });
    assertEquals(reader.offset, 8);
  }
});

Deno.test("s390-storage_attributes: wrong flags, and pages that the guest has not", () => {
  const read = (reader: ByteReader) => readStorageAttributes(reader, { guestPages: 4 });
  refused(read, [
    ["00*8", "one of 1, 2, 4 and 8 in the low 12 bits; found 0"],
    ["00*7 03", "found 3"],
    ["00*7 09", "found 9"],
    ["00*6 08 01", "found 0x801"],
    ["00*7 02 00*7 05", "at offset 8 (0x8); in chunk 0; expected at most 4 pages"],
    ["00*6 30 02 00*7 02", "at most 1 pages from this address on; found 2"],
    ["00*5 01 00 02 00*7 01", "at most 0 pages"],
  ]);
  whole("00*6 10 02 00*7 03 01 02 03 00*7 01", read);
  const wide = failureOf(() => whole("ff*7 02", read));
  assertStringIncludes(wide, "[out-of-range]");
  const data = new Uint8Array(1);
  notEncodable(
    (writer) => encodeStorageAttributesChunk(writer, { flag: 2, startAddress: 100, data }),
    (writer) => encodeStorageAttributesChunk(writer, { flag: 4097, startAddress: 0 }),
    (writer) => encodeStorageAttributesChunk(writer, { flag: 1, startAddress: 0, data }),
  );
});

Deno.test("s390-skeys: keys, their end, and failure", () => {
  const read = (reader: ByteReader) => readStorageKeys(reader, { guestPages: 4096 });
  const keys = "00*7 02 00*6 10 00 06*4096 00*7 01";
  assertEquals(annotated(keys).length, 4120);
  assertEquals(whole(keys, read), { chunks: 2, pages: 4096, incomplete: false });
  assertEquals(whole("00*7 01", read), { chunks: 1, pages: 0, incomplete: false });
  assertEquals(whole("00*7 04", read), { chunks: 1, pages: 0, incomplete: true });
  assertEquals(whole("00*7 05", read), { chunks: 1, pages: 0, incomplete: true });
  refused(read, [
    ["00*8", "expected 1, 2, 4 or 5 in the low 12 bits; found 0"],
    ["00*7 03", "found 3"],
    ["00*7 08", "found 8"],
    ["00*7 02 00*6 10 01", "at most 4096 pages from this address on; found 4097"],
  ]);
  const data = new Uint8Array(1);
  notEncodable(
    (writer) => encodeStorageKeysChunk(writer, { flags: 2, startAddress: 1, data }),
    (writer) => encodeStorageKeysChunk(writer, { flags: 4096, startAddress: 0 }),
    (writer) => encodeStorageKeysChunk(writer, { flags: 1, startAddress: 0, data }),
  );
});

Deno.test("block: a block of data keeps its 1 MiB, and the visitor may read them", () => {
  const data = new Uint8Array(BLOCK_MIGRATION_BLOCK_BYTES).map((_, index) => index % 251);
  const { DEVICE_BLOCK, EOS, PROGRESS } = BLOCK_MIGRATION_FLAG;
  const block = { kind: "block", flags: DEVICE_BLOCK, startSector: 2048, device: "v0" } as const;
  const end = { kind: "end", flags: EOS, startSector: 0 } as const;
  const bytes = written((writer) =>
    encodeBlockMigrationSection(writer, [
      { ...block, data },
      { kind: "progress", flags: PROGRESS, percent: 100 },
      end,
    ])
  );
  assertEquals(bytes.subarray(0, 11), annotated(`00 00 00 00 00 10 00 01 02 "v0"`));
  assertEquals(bytes.subarray(-16), annotated("00*6 c8 04 00*7 02"));
  const reader = readerOf(bytes);
  const summary = readBlockMigration(reader, (chunk) => {
    if (chunk.kind !== "block") return;
    assertEquals(reader.bytes(chunk.dataBytes, "disk block"), data);
  });
  const counters = { chunks: 3, blocks: 1, zeroBlocks: 0, percent: 100 };
  assertEquals(summary, { ...counters, dataBytes: BLOCK_MIGRATION_BLOCK_BYTES });
  const cut = bytes.subarray(0, BLOCK_MIGRATION_BLOCK_BYTES + 10);
  assertStringIncludes(failureOf(() => readBlockMigration(readerOf(cut))), "[truncated]");
  notEncodable(
    (writer) => encodeBlockMigrationChunk(writer, block),
    (writer) => encodeBlockMigrationChunk(writer, { ...block, flags: EOS, data }),
    (writer) => encodeBlockMigrationChunk(writer, { ...end, flags: 0x12 }),
    (writer) => encodeBlockMigrationChunk(writer, { ...end, data }),
    (writer) => encodeBlockMigrationSection(writer, []),
    (writer) => encodeBlockMigrationSection(writer, [end, end]),
  );
});

Deno.test("block: EOS may share its word with a body; other flags are refused", () => {
  const read = (reader: ByteReader) => readBlockMigration(reader);
  const summary = whole(`00*7 0b 02 "v0"`, read);
  assertEquals([summary.chunks, summary.blocks, summary.zeroBlocks], [1, 1, 1]);
  assertEquals(whole(`00*6 64 0d 01 "a" 00*7 02`, read).percent, undefined);
  refused(read, [
    ["00*8", "found 0"],
    ["00*7 08", "found 8"],
    ["00*7 12", "found 0x12"],
    ["00*6 01 02", "found 0x102"],
  ]);
});

Deno.test("names: repeated ones are the same, others are not mixed up", () => {
  const names = ["", "a", "a", "ab", "", "b", "b", "é"];
  const bytes = written((writer) => names.forEach((name) => writer.countedString(name, "name")));
  const reader = readerOf(bytes);
  const repeated = new RepeatedName();
  assertEquals(names.map(() => repeated.read(reader, "name")), names);
});

const tag = (name: VfioTagName) => `ff*4 ${VFIO_TAG[name].toString(16)}`;
const vfio = (type: SectionType, payloadBytes?: number) => (reader: ByteReader) =>
  readVfio(reader, payloadBytes === undefined ? { type } : { type, payloadBytes });

Deno.test("vfio: the sections of a device", () => {
  const none = { chunks: 2, dataBytes: 0, configBytes: undefined, initialDataSent: false };
  const end = tag("END_OF_STATE");
  assertEquals(whole(`${tag("DEV_SETUP_STATE")} ${end}`, vfio("start")), none);
  const data = `${tag("DEV_DATA_STATE")} 00*7 02 aa bb`;
  assertEquals(whole(`${data} ${end}`, vfio("end")), { ...none, dataBytes: 2 });
  const sent = whole(`${data} ${tag("DEV_INIT_DATA_SENT")}`, vfio("part"));
  assertEquals(sent, { ...none, dataBytes: 2, initialDataSent: true });
  assertEquals(whole(end, vfio("full")), { ...none, chunks: 1 });
  assertEquals(whole(end, vfio("full", 8)), { ...none, chunks: 1 });
});

Deno.test("vfio: a configuration reaches to the described end, whatever it contains", () => {
  const end = tag("END_OF_STATE");
  const config = `${tag("DEV_CONFIG_STATE")} 01 02 ${end} 03 ${end}`;
  const chunks: object[] = [];
  const bytes = annotated(config);
  const summary = readVfio(readerOf(bytes), { type: "full", payloadBytes: 27 }, (chunk) => {
    const data = bytes.slice(chunk.dataOffset, chunk.dataOffset + chunk.dataBytes);
    chunks.push({ tag: chunk.tag, data });
  });
  assertEquals(summary.configBytes, 11);
  assertEquals(written((writer) => encodeVfioSection(writer, chunks as never)), bytes);
  refused(vfio("full"), [[config, "where the configuration ends is not known"]]);
  refused(vfio("end", 27), [[config, "DEV_CONFIG_STATE only in a FULL section"]]);
  refused(vfio("full", 12), [[config, "an end at offset 12"]]);
  refused(vfio("full", 26), [[config, "unknown tag"]]);
  refused(vfio("full", 9), [[
    `${end} 00`,
    "expected an end at offset 9; found an end at offset 8",
  ]]);
});

Deno.test("vfio: wrong tags and wrong order", () => {
  const read = vfio("part");
  refused(read, [
    ["ff*4 ef 10 00 00", "found 0xffffffffef100000"],
    ["ff*4 ef 10 00 07", "unknown tag"],
    ["00*4 ef 10 00 01", "found 0x00000000ef100001"],
    [`${tag("DEV_SETUP_STATE")} ${tag("DEV_DATA_STATE")} 00*8`, "DEV_SETUP_STATE is not closed"],
  ]);
  const big = failureOf(() => read(readerOf(annotated(`${tag("DEV_DATA_STATE")} 00 0f ff*6`))));
  assertStringIncludes(big, "[truncated]");
  const data = new Uint8Array(1);
  notEncodable((writer) => encodeVfioChunk(writer, { tag: "END_OF_STATE", data }));
});

Deno.test("vfio: a multifd device buffer", () => {
  const hex = "00 00 00 00 00 00 00 07 00 00 00 01 aa bb cc";
  const buffer = whole(hex, (reader) => decodeVfioDeviceBuffer(reader, 15));
  assertEquals(buffer, { index: 7, flags: 1, offset: 0, dataOffset: 12, dataBytes: 3 });
  const data = annotated("aa bb cc");
  const bytes = written((writer) => encodeVfioDeviceBuffer(writer, { ...buffer, data }));
  assertEquals(bytes, annotated(hex));
  whole("00*12", (reader) => decodeVfioDeviceBuffer(reader, 12));
  refused((reader) => decodeVfioDeviceBuffer(reader, 11), [["00*12", "at least 12 bytes"]]);
  refused((reader) => decodeVfioDeviceBuffer(reader, 12), [[
    "00 00 00 01 00*8",
    "unknown version",
  ]]);
  const cut = failureOf(() => decodeVfioDeviceBuffer(readerOf(annotated(hex)), 16));
  assertStringIncludes(cut, "[truncated]");
});

Deno.test("spapr/htab: any list of chunks survives encoding and decoding", () => {
  const chunk = fc.record({
    index: fc.integer({ min: 1, max: 2 ** 32 - 1 }),
    entries: fc.uint8Array({ maxLength: 4 }),
    invalidEntries: fc.nat(65535),
  });
  fc.assert(fc.property(fc.array(chunk), (list) => {
    const chunks = list.map(({ index, entries, invalidEntries }) => {
      const data = new Uint8Array(entries.length * 16).fill(entries[0] ?? 0);
      return { index, invalidEntries, validEntries: entries.length, data };
    });
    const bytes = written((writer) => encodeSpaprHtabSection(writer, 0, chunks));
    const back: object[] = [];
    const reader = readerOf(bytes);
    readSpaprHtab(reader, { type: "part", state: { tableEntries: undefined } }, (found) => {
      const { index, validEntries, invalidEntries } = found;
      const data = reader.bytes(found.dataBytes, "entries");
      back.push({ index, invalidEntries, validEntries, data });
    });
    assertEquals(back, chunks);
  }));
});
