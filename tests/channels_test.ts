/**
 * Captured migrations of several channels: one memory, in the order that the synchronisation marks define.
 */
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { createHash } from "node:crypto";
import { zstdCompressSync } from "node:zlib";
import type { LayoutRow } from "../analyze/layout/row.ts";
import { layoutChannels } from "../analyze/layout/channels.ts";
import { readInfo } from "../analyze/info.ts";
import { readGuestMemory } from "../analyze/memory/open_memory.ts";
import { openInput } from "../container/open.ts";
import { FormatError } from "../format/error.ts";
import { encodeInitialPacket } from "../format/multifd/initial_packet.ts";
import { encodeRamPacket, type MultifdRamFields } from "../format/multifd/packet.ts";
import {
  encodeMultifdFlush,
  encodePage,
  encodeRamEos,
  encodeRamWord,
  encodeZeroPage,
  RAM_SAVE_FLAG,
} from "../format/ram.ts";
import { encodeBlockEntry } from "../format/ram_blocks.ts";
import { ByteWriter } from "../format/writer.ts";
import { migstream, withFolder } from "./process.ts";
import { mutate, type Victim } from "./mutations.ts";
import { Random } from "./reading.ts";
import { StreamBuilder } from "./streams.ts";
import { loadCase, loadStream, loadTruth } from "./testdata.ts";

const PAGE_BYTES = 4096;
const CASES = ["pc-multifd", "pc-multifd-zlib", "pc-multifd-zstd", "pc-multifd-7.2", "pc-preempt"];

const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

/** Writes all files of a case into a folder, under names that say nothing. */
function putCase(folder: string, name: string): void {
  for (const [index, file] of loadCase(name).files.entries()) {
    Deno.writeFileSync(`${folder}/${String.fromCharCode(122 - index)}`, loadStream(name, file));
  }
}

for (const name of CASES) {
  Deno.test(`channels: ${name}, the memory is what the running QEMU had`, async () => {
    await withFolder(async (folder) => {
      putCase(folder, name);
      using input = await openInput(folder);
      using guest = readGuestMemory(input);
      assertEquals(guest.missingChannels, undefined);
      const { memory } = guest;
      for (const block of memory.blocks) {
        const bytes = new Uint8Array(block.usedLengthBytes);
        memory.read(block, 0, bytes);
        const truth = loadTruth(name).ramBlocks.find((each) => each.name === block.name)!;
        if (truth.sha256 !== undefined) assertEquals(sha256(bytes), truth.sha256, block.name);
      }
      const out = `${folder}/out`;
      const args = ["extract", folder, "--out", out, "--sha256"];
      const { code, err } = await migstream(args, { permissions: ["-R", "-W"] });
      assertEquals([code, err], [0, ""]);
      const index = JSON.parse(Deno.readTextFileSync(`${out}/ram.json`));
      for (const { name: block, sha256 } of index.blocks) {
        const truth = loadTruth(name).ramBlocks.find((each) => each.name === block)!;
        if (truth.sha256 !== undefined) assertEquals(sha256, truth.sha256, block);
      }
    });
  });

  Deno.test(`channels: ${name}, the layout tiles each of them`, async () => {
    await withFolder(async (folder) => {
      putCase(folder, name);
      using input = await openInput(folder);
      const ends = new Map<string, number>();
      layoutChannels(input, {}, ({ channel = "", offset, lengthBytes }: LayoutRow) => {
        assertEquals(offset, ends.get(channel) ?? 0, channel);
        ends.set(channel, offset + lengthBytes);
      });
      const sizes = (input.pageChannels?.channels ?? []).map(({ source }) => source.sizeBytes);
      assertEquals([...ends.values()], sizes);
      assert(sizes.length > 0);
    });
  });
}

Deno.test("channels: info says what went over each", async () => {
  await withFolder(async (folder) => {
    putCase(folder, "pc-multifd-zlib");
    Deno.writeTextFileSync(`${folder}/capture.json`, '{\n  "format": "migstream-capture"\n}\n');
    using input = await openInput(folder);
    const { info } = readInfo(input);
    assertEquals(info.input.channels?.map(({ role }) => role), ["multifd", "multifd"]);
    const { pageChannels, ramBlocks, notes } = info;
    const marks = pageChannels!.syncMarks;
    assert(marks >= 3);
    assertEquals(pageChannels!.markedBy, "flush");
    assertEquals(pageChannels?.channels.map(({ channelId }) => channelId), [0, 1]);
    for (const { method, syncs, ratio, payloadBytes } of pageChannels!.channels) {
      assertEquals([method, syncs], ["zlib", marks]);
      assert(ratio! > 1 && payloadBytes > 0);
    }
    const pages = pageChannels!.channels.reduce((sum, each) => sum + each.normalPages, 0);
    // A running guest: pages were sent again.
    assertEquals(pages - ramBlocks.reduce((sum, { pages }) => sum + pages!.normal, 0) > 0, true);
    assertEquals(ramBlocks.map(({ pages }) => pages!.absent).some((absent) => absent > 0), false);
    assertEquals(notes, []);
  });
});

Deno.test("channels: compressed files of channels, and only some of them", async () => {
  await withFolder(async (folder) => {
    const [main, first, second] = loadCase("pc-multifd").files;
    for (const file of [main, first, second]) {
      const bytes = zstdCompressSync(loadStream("pc-multifd", file!));
      Deno.writeFileSync(`${folder}/${file!.file}`, bytes);
    }
    const { code, out } = await migstream(["read", folder, "--block", "pc.bios", "--length", "1"]);
    assertEquals(code, 0, out);
    Deno.removeSync(`${folder}/${first!.file}`);
    using input = await openInput(folder);
    const { info } = readInfo(input);
    assertStringIncludes(info.notes.join(), "multifd channel 0 is not there");
  });
});

/** A round of a built migration: records on the main channel, and packets by channel. */
interface Round {
  readonly main?: (writer: ByteWriter) => void;
  readonly packets?: readonly (readonly Omit<MultifdRamFields, "block">[])[];
}

/** Files of a migration with a block `m` of 8 pages. Each round but the last ends with a mark. */
function buildCapture(rounds: readonly Round[], legacy = false): Uint8Array[] {
  const channels = rounds[0]!.packets?.length ?? 1;
  const writers = Array.from({ length: channels }, (_, channelId) => {
    const writer = new ByteWriter();
    encodeInitialPacket(writer, { channelId });
    return writer;
  });
  const stream = new StreamBuilder().configuration({
    machine: "test",
    subsections: [{ name: "configuration/target-page-bits", targetPageBits: 12 }],
  });
  // The first section has the list and a mark, as QEMU's has.
  stream.ram("m", 8);
  let main = stream.bytes();
  if (!legacy) main = withFlush(main);
  const parts = new StreamBuilder();
  const sync = () => {
    for (const writer of writers) {
      encodeRamPacket(writer, { packetNumber: 1000, isSync: true }, PAGE_BYTES);
    }
  };
  sync();
  for (const { main: records, packets } of rounds) {
    parts.section("part", 1, "ram", (writer) => {
      records?.(writer);
      if (!legacy) encodeMultifdFlush(writer);
      encodeRamEos(writer);
    });
    for (const [index, writer] of writers.entries()) {
      for (const fields of packets?.[index] ?? []) {
        const isEmpty = (fields.normal?.length ?? 0) + (fields.zero?.length ?? 0) === 0;
        encodeRamPacket(writer, { ...fields, ...(isEmpty ? {} : { block: "m" }) }, PAGE_BYTES);
      }
    }
    sync();
  }
  const rest = parts.eof().bytes().subarray(8);
  const whole = new Uint8Array(main.length + rest.length);
  whole.set(main);
  whole.set(rest, main.length);
  return [whole, ...writers.map((writer) => writer.finish())];
}

/** Puts a mark before the EOS word of the only section. */
function withFlush(main: Uint8Array): Uint8Array {
  const end = main.length - 5 - 8;
  const mark = new ByteWriter();
  encodeMultifdFlush(mark);
  const result = new Uint8Array(main.length + 8);
  result.set(main.subarray(0, end));
  result.set(mark.finish(), end);
  result.set(main.subarray(end), end + 8);
  return result;
}

function page(value: number): Uint8Array {
  return new Uint8Array(PAGE_BYTES).fill(value);
}

/** A packet with one page. */
function sent(packetNumber: number, index: number, value: number): Omit<MultifdRamFields, "block"> {
  return { packetNumber, normal: [index * PAGE_BYTES], payload: page(value) };
}

function putFiles(folder: string, files: readonly Uint8Array[]): string[] {
  return files.map((bytes, index) => {
    Deno.writeFileSync(`${folder}/${index}`, bytes);
    return `${folder}/${index}`;
  });
}

/** The first bytes of the pages, after all channels were read. */
async function pagesOf(
  files: readonly Uint8Array[],
): Promise<{ pages: number[]; notes: string[] }> {
  let result: { pages: number[]; notes: string[] } | undefined;
  await withFolder(async (folder) => {
    using input = await openInput(putFiles(folder, files));
    using guest = readGuestMemory(input);
    const bytes = new Uint8Array(8 * PAGE_BYTES);
    guest.memory.read(guest.memory.blocks[0]!, 0, bytes);
    const pages = Array.from({ length: 8 }, (_, index) => bytes[index * PAGE_BYTES]!);
    result = { pages, notes: [...(guest.channels?.notes ?? [])] };
  });
  return result!;
}

Deno.test("channels: a later round wins, whichever channel it came on", async () => {
  const rounds: Round[] = [
    { packets: [[sent(0, 0, 1), sent(2, 1, 2)], [sent(1, 2, 3)]] },
    {
      packets: [[sent(3, 2, 4)], [sent(4, 0, 5)]],
      main: (writer) => encodeZeroPage(writer, { block: "m", address: PAGE_BYTES }),
    },
  ];
  for (const legacy of [false, true]) {
    const files = buildCapture(rounds, legacy);
    assertEquals(await pagesOf(files), { pages: [5, 0, 4, 0, 0, 0, 0, 0], notes: [] });
    // The order of the files means nothing.
    assertEquals((await pagesOf(files.toReversed())).pages, [5, 0, 4, 0, 0, 0, 0, 0]);
  }
});

Deno.test("channels: inside a round the packets' numbers order them, and what comes twice is reported", async () => {
  const files = buildCapture([{ packets: [[sent(9, 0, 1)], [sent(2, 0, 2), sent(3, 1, 3)]] }]);
  const { pages, notes } = await pagesOf(files);
  assertEquals(pages.slice(0, 2), [1, 3]);
  assertEquals(notes.length, 1);
  assertStringIncludes(notes[0]!, "1 page(s) came twice between two synchronisation marks");
});

Deno.test("channels: zero pages in packets, several pages in any order", async () => {
  const many = { packetNumber: 0, normal: [0x3000, 0, 0x1000], zero: [0x7000, 0x2000] };
  const payload = new Uint8Array(3 * PAGE_BYTES);
  for (const [index, value] of [4, 1, 2].entries()) payload.set(page(value), index * PAGE_BYTES);
  const files = buildCapture([
    { packets: [[sent(0, 7, 9), sent(1, 2, 9)]] },
    { packets: [[{ ...many, payload }]] },
  ]);
  assertEquals((await pagesOf(files)).pages, [1, 2, 0, 4, 0, 0, 0, 0]);
  await withFolder(async (folder) => {
    putFiles(folder, files);
    const args = ["extract", folder, "--out", `${folder}/out`];
    assertEquals((await migstream(args, { permissions: ["-R", "-W"] })).code, 0);
    const bytes = Deno.readFileSync(`${folder}/out/m`);
    const pages = Array.from({ length: 8 }, (_, index) => bytes[index * PAGE_BYTES]);
    assertEquals(pages, [1, 2, 0, 4, 0, 0, 0, 0]);
  });
});

Deno.test("channels: a channel that ends too early, and packets behind the last mark", async () => {
  const files = buildCapture([{ packets: [[sent(0, 0, 1)], [sent(1, 1, 2)]] }]);
  const short = [files[0]!, files[1]!, files[2]!.subarray(0, files[2]!.length - 1344)];
  const error = await assertRejects(() => pagesOf(short), FormatError);
  assertEquals(error.code, "bad-multifd");
  assertEquals(error.path, ["multifd channel 1"]);
  assertStringIncludes(error.describe(), "expected SYNC packet 2");
  const cut = [files[0]!, files[1]!, files[2]!.subarray(0, files[2]!.length - 1)];
  assertEquals((await assertRejects(() => pagesOf(cut), FormatError)).code, "truncated");

  const late = new ByteWriter();
  encodeRamPacket(late, { ...sent(5, 4, 7), block: "m" }, PAGE_BYTES);
  const more = new Uint8Array([...files[2]!, ...late.finish()]);
  const { pages, notes } = await pagesOf([files[0]!, files[1]!, more]);
  assertEquals(pages.slice(0, 5), [1, 2, 0, 0, 7]);
  assertEquals(notes, ["1 packet(s) with pages behind the last synchronisation mark"]);
});

Deno.test("channels: a preempt channel has pages and nothing else", async () => {
  const main = new StreamBuilder().configuration({
    machine: "test",
    subsections: [{ name: "configuration/target-page-bits", targetPageBits: 12 }],
  }).ram("m", 8).eof().bytes();
  const channel = (write: (writer: ByteWriter) => void) => {
    const writer = new ByteWriter();
    encodePage(writer, { block: "m", address: 0 }, page(1));
    write(writer);
    return [main, writer.finish()];
  };
  const good = channel((writer) => encodeZeroPage(writer, { block: undefined, address: 4096 }));
  assertEquals((await pagesOf(good)).pages.slice(0, 2), [1, 0]);
  // The channels of QEMU 7.2 end with a word.
  assertEquals((await pagesOf(channel(encodeRamEos))).pages[0], 1);
  const error = await assertRejects(() => pagesOf(channel(encodeMultifdFlush)), FormatError);
  assertEquals([error.code, error.path], ["bad-ram-record", ["preempt channel"]]);
});

Deno.test("channels: the page size follows from the packets where nothing says it", async () => {
  const pageBytes = 16384;
  const main = new StreamBuilder().section("start", 1, "ram", (writer) => {
    encodeRamWord(writer, 4 * pageBytes, RAM_SAVE_FLAG.MEM_SIZE);
    const entry = { name: "m", index: 0, usedLengthBytes: 4 * pageBytes };
    encodeBlockEntry(writer, { ...entry, entryOffset: writer.offset, entryBytes: 0 });
    encodeMultifdFlush(writer);
    encodeRamEos(writer);
  }, { versionId: 4 }).eof().bytes();
  const writer = new ByteWriter();
  encodeInitialPacket(writer, { channelId: 0 });
  const payload = new Uint8Array(pageBytes).fill(7);
  const fields = { packetNumber: 0, block: "m", normal: [2 * pageBytes], payload };
  encodeRamPacket(writer, fields, pageBytes);
  encodeRamPacket(writer, { packetNumber: 1, isSync: true }, pageBytes);
  const channel = writer.finish();
  await withFolder(async (folder) => {
    using input = await openInput(putFiles(folder, [main, channel]));
    using guest = readGuestMemory(input);
    assertEquals(guest.memory.pageBytes, pageBytes);
    const byte = new Uint8Array(1);
    guest.memory.read(guest.memory.blocks[0]!, 2 * pageBytes, byte);
    assertEquals(byte[0], 7);
  });
  const error = await assertRejects(() => pagesOf([main, channel.subarray(0, 1000)]), FormatError);
  assertEquals(error.code, "bad-page-size");
});

Deno.test("channels: thousands of damages give memory or a FormatError", async () => {
  const files = buildCapture([
    { packets: [[sent(0, 0, 1), sent(2, 1, 2)], [sent(1, 2, 3)]] },
    { packets: [[sent(3, 2, 4)], [sent(4, 0, 5)]] },
  ]);
  const random = new Random(20261121);
  let refused = 0;
  await withFolder(async (folder) => {
    for (let index = 0; index < 2000; index++) {
      const which = 1 + random.below(files.length - 1);
      const victim: Victim = {
        name: "channel",
        bytes: files[which]!,
        offset: 0,
        marks: [0, 64, 76, 80, 84, 96, 128, 384, 1408],
        text: undefined,
      };
      const { bytes, done } = mutate(victim, random);
      const damaged = files.map((each, at) => at === which ? bytes : each);
      using input = await openInput(putFiles(folder, damaged)).catch((error) => {
        if (error instanceof FormatError) return undefined;
        throw error;
      });
      if (input === undefined) continue;
      try {
        readInfo(input);
        using guest = readGuestMemory(input);
        assertEquals(guest.memory.blocks.length, 1, done);
      } catch (error) {
        if (!(error instanceof FormatError)) throw new Error(done, { cause: error });
        refused += 1;
      }
    }
  });
  assert(refused > 500, `${refused} of 2000 were refused`);
});
