/**
 * Decoding, encoding and comparing: identical inputs are said to be so, and whatever is wrong is found at its place.
 */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { otherChannels } from "../analyze/roundtrip/channels.ts";
import type { ChannelRoundtrip } from "../analyze/roundtrip/compare_channel.ts";
import { explainDifference } from "../analyze/roundtrip/explain_difference.ts";
import {
  type Roundtrip,
  roundtripSteps,
  roundtripStream,
  type StreamRoundtripOptions,
} from "../analyze/roundtrip/roundtrip.ts";
import { channelLines, conclude } from "../cli/roundtrip.ts";
import { Output } from "../cli/output.ts";
import { openInput } from "../container/open.ts";
import { PipeSource } from "../container/pipe.ts";
import { lastOf } from "../analyze/steps.ts";
import type { ByteSink } from "../format/sink.ts";
import { type ByteSource, BytesSource } from "../format/source.ts";
import { migstream, withFolder } from "./process.ts";
import { ChunkedInput, CountingSource, Random } from "./reading.ts";
import { mappedStream, postcopyStream, StreamBuilder } from "./streams.ts";
import { caseNames, filesOf, loadCase, loadStream, testdataPath } from "./testdata.ts";

function roundtrip(source: ByteSource, options: StreamRoundtripOptions = {}): ChannelRoundtrip {
  return lastOf(roundtripStream(source, options));
}

function assertIdentical(result: ChannelRoundtrip, bytes: number, label: string): void {
  const { identicalBytes, difference, error } = result;
  assertEquals([difference, error], [undefined, undefined], label);
  assertEquals(identicalBytes, bytes, label);
}

Deno.test("roundtrip: all recorded streams, from memory and from pipes", () => {
  for (const name of caseNames()) {
    const bytes = loadStream(name);
    const offset = loadCase(name).streamOffset;
    const size = bytes.length - offset;
    assertIdentical(roundtrip(new BytesSource(bytes), { offset }), size, name);
    for (const chunk of bytes.length > 2_000_000 ? [300_000] : [4097, 300_000]) {
      using pipe = new PipeSource(new ChunkedInput(bytes, chunk));
      assertIdentical(roundtrip(pipe, { offset }), size, `${name}, pipe of ${chunk}`);
    }
    if (bytes.length > 300_000) continue;
    for (const [blockBytes, atOnce] of [[16, 300], [4099, 4099]] as const) {
      const source = new CountingSource(bytes, atOnce);
      assertIdentical(roundtrip(source, { offset, blockBytes }), size, `${name}, ${blockBytes}`);
    }
  }
});

/** A stream with a device of more bytes than are kept to be compared, described behind it. */
function longDevice(deviceBytes: number): Uint8Array {
  const content = new Uint8Array(deviceBytes);
  for (let at = 0; at < content.length; at += 7) content[at] = at % 251;
  const builder = new StreamBuilder().configuration().ram("m", 4);
  const devices = [];
  for (const [index, bytes] of [content, content.subarray(0, 5000), content].entries()) {
    const name = `dev${index}`;
    builder.section("full", 10 + index, name, bytes);
    const fields = [{ name: "x", type: "buffer", size: bytes.length }];
    devices.push({ name, instance_id: 0, vmsd_name: name, version: 1, fields });
  }
  return builder.section("end", 1, "ram", Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0x10)).eof()
    .description({ page_size: 4096, devices }).bytes();
}

Deno.test("roundtrip: devices that are longer than what is kept", () => {
  for (const deviceBytes of [600_000, 3_000_001]) {
    const bytes = longDevice(deviceBytes);
    assertIdentical(roundtrip(new BytesSource(bytes)), bytes.length, "memory");
    for (const chunk of [5000, 1 << 20]) {
      using pipe = new PipeSource(new ChunkedInput(bytes, chunk));
      assertIdentical(roundtrip(pipe), bytes.length, `pipe of ${chunk}`);
    }
  }
});

/** A sink that damages what passes: the bit at an offset of the stream, counted from its beginning. */
class DamagingSink implements ByteSink {
  readonly #inner: ByteSink;
  readonly #at: number;
  #position = 0;

  constructor(inner: ByteSink, at: number) {
    this.#inner = inner;
    this.#at = at;
  }

  write(bytes: Uint8Array): void {
    const index = this.#at - this.#position;
    this.#position += bytes.length;
    if (index < 0 || index >= bytes.length) return this.#inner.write(bytes);
    const damaged = bytes.slice();
    damaged[index]! ^= 1;
    this.#inner.write(damaged);
  }

  hole(lengthBytes: number): void {
    const index = this.#at - this.#position;
    if (index >= 0 && index < lengthBytes) return this.write(new Uint8Array(lengthBytes));
    this.#position += lengthBytes;
    this.#inner.hole(lengthBytes);
  }
}

Deno.test("roundtrip: every wrong byte of an encoder is found at its place", () => {
  const random = new Random(11);
  for (
    const name of ["none", "pc-xbzrle", "pc-mapped", "pc-postcopy", "pc-offset"]
  ) {
    const bytes = loadStream(name);
    const offset = loadCase(name).streamOffset;
    for (let count = 0; count < 25; count++) {
      const at = random.below(bytes.length - offset);
      const through = (sink: ByteSink) => new DamagingSink(sink, at);
      using pipe = new PipeSource(new ChunkedInput(bytes, 5000));
      for (const source of [new BytesSource(bytes), pipe]) {
        const { identicalBytes, difference } = roundtrip(source, { offset, through });
        assertEquals([identicalBytes, difference?.offset], [at, offset + at], name);
        assert(difference!.path.length > 0 && difference!.expected !== difference!.found);
        const [expected, found] = [difference!.expected, difference!.found]
          .map((hex) => parseInt(hex.slice(0, 2), 16));
        assertEquals(expected! ^ found!, 1);
        assertEquals(expected, bytes[offset + at]);
        if (source === pipe) assertEquals(explainDifference(source, difference!), difference);
        else assert(explainDifference(source, difference!, { offset }).path.length > 0);
      }
    }
  }
});

Deno.test("roundtrip: an encoder that writes too little or too much", () => {
  const bytes = postcopyStream();
  const cut = (limit: number) => (sink: ByteSink): ByteSink => {
    let left = limit;
    return {
      write(part) {
        sink.write(part.subarray(0, left));
        left -= Math.min(left, part.length);
      },
      hole: () => {},
    };
  };
  const short = roundtrip(new BytesSource(bytes), { through: cut(100) }).difference!;
  assertEquals([short.offset, short.found], [100, ""]);
  assertMatch(short.expected, /^[0-9a-f]{2} /);
  const more = (sink: ByteSink): ByteSink => ({
    write(part) {
      sink.write(part);
      // Behind EOF, which the stream ends with.
      if (part.length === 1) sink.write(Uint8Array.of(7));
    },
    hole: (count) => sink.hole(count),
  });
  const long = roundtrip(new BytesSource(bytes), { through: more }).difference!;
  assertEquals([long.offset, long.expected, long.found], [bytes.length, "", "07"]);
  assertEquals(explainDifference(new BytesSource(bytes), long).path, ["behind the end"]);
});

/** A file that somebody changes: all reads of an offset after the first one give another byte. */
class ChangingSource implements ByteSource {
  readonly sizeBytes: number;
  readonly seekable = true;
  readonly #bytes: Uint8Array;
  readonly #at: number;
  #reads = 0;

  constructor(bytes: Uint8Array, at: number) {
    this.#bytes = bytes;
    this.#at = at;
    this.sizeBytes = bytes.length;
  }

  readAt(offset: number, into: Uint8Array): number {
    const part = this.#bytes.subarray(offset, offset + into.length);
    into.set(part);
    const index = this.#at - offset;
    if (index >= 0 && index < part.length && this.#reads++ > 0) into[index]! ^= 0xff;
    return part.length;
  }
}

Deno.test("roundtrip: a file that changes while it is read is seen", () => {
  const bytes = longDevice(3_000_001);
  const at = 2_500_000;
  const { difference } = roundtrip(new ChangingSource(bytes, at));
  assertEquals(difference?.offset, at);
});

Deno.test("roundtrip: damage is told, with what was identical before it", () => {
  const bytes = loadStream("pc");
  for (const size of [5, 30, 5000, 150_000]) {
    const { identicalBytes, difference, error } = roundtrip(
      new BytesSource(bytes.subarray(0, size)),
    );
    assertEquals([difference, error?.code], [undefined, "truncated"]);
    assert(identicalBytes <= size && identicalBytes > size - 100_000);
  }
  const mapped = mappedStream();
  const { error } = roundtrip(new BytesSource(mapped.subarray(0, 3000)));
  assertEquals(error?.code, "truncated");
});

async function roundtripFolder(folder: string): Promise<Roundtrip> {
  using input = await openInput(folder);
  const others = otherChannels(input);
  return lastOf(roundtripSteps(input, others));
}

const CAPTURES = caseNames((each) => each.files.length > 1);

Deno.test("roundtrip: every channel of captured migrations", async () => {
  assert(CAPTURES.length >= 5);
  const names = new Set<string>();
  for (const name of CAPTURES) {
    await withFolder(async (folder) => {
      const sizes: number[] = [];
      for (const file of loadCase(name).files) {
        const bytes = loadStream(name, file);
        sizes.push(bytes.length);
        await Deno.writeFile(`${folder}/${file.file.replace(/\.zst$/, "")}`, bytes);
      }
      const { identical, identicalBytes, channels } = await roundtripFolder(folder);
      assert(identical, name);
      assertEquals(identicalBytes, sizes.reduce((sum, size) => sum + size, 0), name);
      assertEquals(channels.length, sizes.filter((size) => size > 0).length - 1, name);
      for (const channel of channels) names.add(channel.name);
    });
  }
  assertEquals([...names].sort(), [
    "multifd channel 0",
    "multifd channel 1",
    "multifd channel 2",
    "preempt channel",
    "return path",
  ]);
});

Deno.test("roundtrip: damage in another channel is told as its own", async () => {
  await withFolder(async (folder) => {
    for (const file of loadCase("pc-multifd").files) {
      const bytes = loadStream("pc-multifd", file);
      // The magic number of the second packet.
      if (file.file.includes("multifd1")) bytes[64] = 0x55;
      await Deno.writeFile(`${folder}/${file.file}`, bytes);
    }
    const { identical, channels } = await roundtripFolder(folder);
    assert(!identical);
    const damaged = channels.find(({ name }) => name === "multifd channel 1")!;
    assertEquals([damaged.error?.code, damaged.identicalBytes], ["bad-multifd", 64]);
    const { code, out, err } = await migstream(["roundtrip", folder]);
    assertEquals(code, 2);
    assertMatch(out, /^main channel: identical, \d+ bytes\nmultifd channel 0: identical, /);
    assertStringIncludes(out, "multifd channel 1: 64 bytes are identical, then it is damaged\n");
    assertStringIncludes(err, "[bad-multifd]");
  });
});

Deno.test("roundtrip: the command, for files, wrappers, pipes and folders", async () => {
  const pc = loadStream("pc").length;
  const path = testdataPath("pc.mig");
  assertEquals((await migstream(["roundtrip", path])).out, `identical, ${pc} bytes\n`);
  const piped = await migstream(["roundtrip", "-"], { input: loadStream("pc"), permissions: [] });
  assertEquals([piped.code, piped.out, piped.err], [0, `identical, ${pc} bytes\n`, ""]);
  const quiet = await migstream(["roundtrip", "--quiet", path]);
  assertEquals([quiet.code, quiet.out, quiet.err], [0, "", ""]);
  const [wrapped] = filesOf("pc-stopped", "stream");
  const inside = await migstream(["roundtrip", testdataPath(wrapped!.file)]);
  const size = loadStream("pc-stopped").length;
  assertEquals(inside.out, `identical, ${size} bytes (the stream inside of zstd)\n`);
  const json = JSON.parse((await migstream(["roundtrip", "--json", path])).out);
  assertEquals([json.identical, json.identicalBytes, json.channels.length], [true, pc, 1]);
  assertEquals(json.devices, { encoded: json.devices.encoded, asBytes: 0 });
  const offset = loadCase("pc-offset").streamOffset;
  const behind = await migstream(
    ["roundtrip", "--offset", String(offset), "-"],
    loadStream("pc-offset"),
  );
  assertEquals(behind.out, `identical, ${loadStream("pc-offset").length - offset} bytes\n`);
});

Deno.test("roundtrip: the command says where a difference is, with exit code 1", () => {
  const bytes = loadStream("none");
  const through = (sink: ByteSink) => new DamagingSink(sink, 6);
  const stream = lastOf(roundtripStream(new BytesSource(bytes), { through }));
  const difference = explainDifference(new BytesSource(bytes), stream.difference!);
  assertEquals(channelLines({ ...stream, difference }, ""), [
    "different at offset 0x6 (6), after 6 identical bytes",
    "in file header > stream version",
    "original 00 03",
    "encoded  01 03",
  ]);
  const closed = { writeSync: (): number => assertNever() };
  const streams = { out: new Output(closed), err: new Output(closed) };
  const result = { stream, channels: [], identical: false, identicalBytes: 6 };
  assertEquals(conclude(result, streams), 1);
});

function assertNever(): never {
  throw new Error("nothing is printed");
}

Deno.test("roundtrip: the command refuses what is damaged, and says how far it came", async () => {
  const input = loadStream("pc").subarray(0, 150_000);
  const { code, out, err } = await migstream(["roundtrip", "-"], input);
  assertEquals(code, 2);
  assertMatch(out, /^\d+ bytes are identical, then it is damaged\n$/);
  assertMatch(err, /^(note: [^\n]+\n)?error: [^\n]+\[truncated\]\n$/);
  const json = await migstream(["roundtrip", "--json", "-"], input);
  assertEquals(JSON.parse(json.out).channels[0].error.code, "truncated");
  const other = await migstream(["roundtrip", "-"], new Uint8Array(100).fill(65));
  assertEquals([other.code, other.out], [2, ""]);
  assertStringIncludes(other.err, "[bad-magic]");
});
