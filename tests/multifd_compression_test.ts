/**
 * The compressed payloads of multifd channels: exactly the pages, or an error with the reason.
 */
import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { deflateRawSync, deflateSync, zstdCompressSync } from "node:zlib";
import { FormatError } from "../format/error.ts";
import type { MultifdRamPacket } from "../format/multifd/channel.ts";
import type { MultifdMethod } from "../format/multifd/flags.ts";
import type { MultifdRamFields } from "../format/multifd/packet.ts";
import { encodePageParts, walkPageParts } from "../format/multifd/page_payload.ts";
import { decodeQatzipMember } from "../format/multifd/qatzip.ts";
import { annotated, failureOf, written } from "./annotated.ts";
import { concat } from "./compressed.ts";
import { channelOf, PAGE_BYTES, readChannel } from "./multifd_channels.ts";
import {
  compress,
  type Compressed,
  decompress,
  METHODS,
  newCompressor,
  newDecompressor,
  PACKETS,
  qatzip,
  SIZES,
} from "./multifd_payloads.ts";
import { Random } from "./reading.ts";

/** Why the last of some payloads is refused. */
function refusal(method: Compressed, payloads: readonly Uint8Array[], sizes = SIZES): string {
  const error = assertThrows(() => decompress(method, payloads, sizes), Error);
  return error.message;
}

Deno.test("multifd compression: packets of one channel, with every method", () => {
  for (const method of METHODS) {
    for (const level of [0, 1, 9]) {
      const payloads = compress(method, PACKETS, level);
      assertEquals(decompress(method, payloads, SIZES), PACKETS, `${method} at level ${level}`);
    }
  }
});

Deno.test("multifd compression: random pages in a channel come back from it", () => {
  // Pages that do not compress, pages that do, and pages between.
  const page = fc.tuple(fc.nat(1 << 30), fc.constantFrom(0, 1, 64, PAGE_BYTES)).map(
    ([seed, count]) => {
      const bytes = new Uint8Array(PAGE_BYTES);
      bytes.set(new Random(seed).bytes(count));
      return bytes;
    },
  );
  const packet = fc.uniqueArray(fc.nat(255), { minLength: 1, maxLength: 6 }).chain((numbers) =>
    fc.tuple(
      fc.constant(numbers),
      fc.array(page, { minLength: 1, maxLength: numbers.length }),
    )
  );
  fc.assert(
    fc.property(
      fc.constantFrom<MultifdMethod>("none", ...METHODS),
      fc.array(packet, { maxLength: 4 }),
      (method, packets) => {
        const contents = packets.map(([, pages]) => concat(...pages));
        const payloads = method === "none" ? contents : compress(method, contents);
        const fields = packets.map(([numbers, pages], index): MultifdRamFields => {
          const addresses = numbers.map((number) => number * PAGE_BYTES);
          return {
            packetNumber: index,
            method,
            block: "pc.ram",
            normal: addresses.slice(0, pages.length),
            zero: addresses.slice(pages.length),
            payload: payloads[index]!,
          };
        });
        const read = readChannel(channelOf(fields), { newDecompressor }) as MultifdRamPacket[];
        assertEquals(read.map(({ content }) => content), contents);
        assertEquals(read.map(({ normal }) => normal), fields.map(({ normal }) => normal!));
        assertEquals(read.map(({ zero }) => zero), fields.map(({ zero }) => zero!));
        assertEquals(read.map((each) => each.method), fields.map(() => method));
      },
    ),
    { numRuns: 150 },
  );
});

Deno.test("multifd compression: streams go on from packet to packet, as QEMU writes them", () => {
  const [first, second] = compress("zlib", PACKETS, 6);
  assertEquals(first!.subarray(0, 2), annotated("78 9c"));
  assertEquals(first!.slice(-4), annotated("00 00 ff ff"));
  assertEquals(second!.slice(-4), annotated("00 00 ff ff"));
  assert(refusal("zlib", [second!], SIZES.slice(1)).length > 0);
  const [frame, blocks] = compress("zstd", PACKETS);
  assertEquals(frame!.subarray(0, 6), annotated("28 b5 2f fd 00 48"));
  assert(/does not begin a zstd frame/.test(refusal("zstd", [blocks!], SIZES.slice(1))));
});

Deno.test("multifd compression: more or fewer bytes than the pages are refused", () => {
  for (const method of ["zlib", "zstd"] as const) {
    const payloads = compress(method, PACKETS);
    for (const [at, size] of SIZES.entries()) {
      const sizes = SIZES.slice(0, at);
      const until = payloads.slice(0, at + 1);
      const more = refusal(method, until, [...sizes, size + PAGE_BYTES]);
      assertEquals(more, `it decompresses to ${size} byte(s) of ${size + PAGE_BYTES}`);
      const less = refusal(method, until, [...sizes, size - 1]);
      assertEquals(less, `it decompresses to more than ${size - 1} byte(s)`);
    }
  }
  const pages = PACKETS[1]!;
  const size = pages.length;
  assertEquals(
    failureOf(() => decompress("qatzip", [qatzip(pages)], [size - PAGE_BYTES])),
    "Cannot decode QATzip member: its uncompressed bytes at offset 16 (0x10); expected 1..24576; found 28672 [bad-multifd]",
  );
  const more = refusal("qatzip", [qatzip(pages)], [size + PAGE_BYTES]);
  assertEquals(more, `it decompresses to 28672 byte(s) of 32768`);
});

Deno.test("multifd compression: a page that is none is refused", () => {
  for (const method of ["qpl", "uadk"] as const) {
    const deflate = method === "qpl" ? deflateRawSync : deflateSync;
    const whole = new Uint8Array(deflate(new Uint8Array(PAGE_BYTES).fill(3)));
    const withPart = (part: Uint8Array) =>
      refusal(method, [written((writer) => encodePageParts(writer, [whole, part]))], [
        2 * PAGE_BYTES,
      ]);
    const short = deflate(new Uint8Array(PAGE_BYTES - 1));
    assertEquals(withPart(short), "page 1: it decompresses to 4095 byte(s) of 4096");
    const long = deflate(new Uint8Array(PAGE_BYTES + 1));
    assert(/page 1: /.test(withPart(long)));
    const behind = concat(whole, annotated("00 00"));
    assertEquals(withPart(behind), "page 1: the compressed data end 2 byte(s) before the payload");
    const cut = whole.subarray(0, -1);
    assert(/page 1: /.test(withPart(cut)), withPart(cut));
    // All of the page is there, but what would end the data is not.
    const flushed = deflate(new Uint8Array(PAGE_BYTES).fill(3), { finishFlush: 2 });
    assertEquals(withPart(flushed), "page 1: the compressed data do not end");
    // What went wrong leaves nothing behind.
    const pages = decompress(method, [written((w) => encodePageParts(w, [whole]))], [PAGE_BYTES]);
    assertEquals(pages[0]![0], 3);
  }
});

Deno.test("multifd compression: a decompressor goes on after a page that was damaged", () => {
  const good = written((writer) =>
    encodePageParts(writer, [deflateRawSync(new Uint8Array(PAGE_BYTES))])
  );
  using decompressor = newDecompressor();
  const into = new Uint8Array(PAGE_BYTES);
  for (let turn = 0; turn < 3; turn++) {
    const damaged = good.slice();
    damaged[4 + turn] = 0xff;
    assertThrows(() => decompressor.decompress("qpl", damaged, into, PAGE_BYTES), Error);
    into.fill(1);
    decompressor.decompress("qpl", good, into, PAGE_BYTES);
    assertEquals(into, new Uint8Array(PAGE_BYTES));
  }
});

Deno.test("multifd compression: the payload of pages has to be all of its lengths", () => {
  const walk = (hex: string, pages: number) => () => walkPageParts(annotated(hex), pages, () => {});
  for (
    const [hex, pages, offset] of [
      ["00 00 00 02 aa", 1, 0],
      ["00 00 00 01 aa bb", 1, 5],
      ["00 00 00 01 00 00 00 02 aa bb", 2, 4],
      ["00 00", 1, 0],
    ] as const
  ) {
    const error = assertThrows(walk(hex, pages), FormatError);
    assertEquals([error.code, error.offset], ["bad-multifd", offset], hex);
  }
  walk("00 00 00 01 00 00 00 02 aa bb cc", 2)();
});

Deno.test("multifd compression: QATzip's members", () => {
  const [first, second] = [PACKETS[0]!, PACKETS[1]!];
  const one = qatzip(first);
  assertEquals(
    one.slice(0, 24),
    annotated(`1f 8b 08 04 00*5 ff 0c 00 "QZ" 08 00 00 10 00 00 ${hexLe(one.length - 32)}`),
  );
  // Whoever cuts a packet into several members is understood.
  const both = concat(one, qatzip(second));
  assertEquals(decompress("qatzip", [both], [first.length + second.length]), [
    concat(first, second),
  ]);
  const faults: [at: number, text: RegExp, offset: number][] = [
    [0, /not of gzip/, 0],
    [3, /not of gzip/, 0],
    [10, /another extra field/, 10],
    [12, /another extra field/, 10],
    [16, /uncompressed bytes/, 16],
    [23, /deflate data/, 20],
    [one.length - 1, /its end has another size/, one.length - 4],
  ];
  for (const [at, text, offset] of faults) {
    const bytes = one.slice();
    bytes[at]! ^= 0x80;
    const error = assertThrows(() => decompress("qatzip", [bytes], [first.length]), FormatError);
    assert(text.test(error.message), error.describe());
    assertEquals(error.offset, offset, error.describe());
  }
  const bytes = one.slice();
  bytes[one.length - 5]! ^= 1;
  assertEquals(refusal("qatzip", [bytes]), "the CRC-32 does not agree");
  assertEquals(assertThrows(() => decodeQatzipMember(one, 0, 4095), FormatError).offset, 16);
  assert(/too short/.test(refusal("qatzip", [concat(one, annotated("1f 8b"))])));
});

function hexLe(value: number): string {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value, true);
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(" ");
}

Deno.test("multifd compression: input behind the pages, a stream that ends, a block that does not", () => {
  const pages = PACKETS[0]!;
  const [zlib] = compress("zlib", [pages]);
  const [zstd] = compress("zstd", [pages]);
  const trailing = concat(zlib!, annotated("01 02 03 04"));
  assert(/flush|invalid|more than|before the payload/.test(refusal("zlib", [trailing])));
  assertEquals(
    refusal("zlib", [zlib!.subarray(0, -4)]),
    "the payload does not end with a flush, 00 00 ff ff",
  );
  const ended = new Uint8Array(deflateSync(pages));
  assertEquals(refusal("zlib", [ended]), "the payload does not end with a flush, 00 00 ff ff");
  const behind = concat(ended, annotated("00 00 ff ff"));
  assertEquals(refusal("zlib", [behind]), "the compressed data end 4 byte(s) before the payload");
  assert(/the zstd block at byte \d+ does not end/.test(refusal("zstd", [zstd!.subarray(0, -1)])));
  const cutHeader = concat(zstd!, annotated("00 00"));
  assertEquals(
    refusal("zstd", [cutHeader]),
    `the zstd block at byte ${zstd!.length} does not end in the payload`,
  );
  assert(/the zstd frame ends/.test(refusal("zstd", [zstdCompressSync(pages)])));
  assert(/does not begin a zstd frame/.test(refusal("zstd", [annotated("28 b5 2f")])));
  const raw = concat(zstd!, annotated("08 00 00 aa"));
  assertEquals(refusal("zstd", [raw]), "it decompresses to more than 4096 byte(s)");
});

Deno.test("multifd compression: a zstd window larger than anybody uses is refused", () => {
  const claim = annotated("28 b5 2f fd 00 a0 08 00 00 aa");
  assert(/memory|window/i.test(refusal("zstd", [claim], [1])), refusal("zstd", [claim], [1]));
});

Deno.test("multifd compression: an error of a payload has its place in the channel", () => {
  const fields: MultifdRamFields = { packetNumber: 3, block: "pc.ram", normal: [0] };
  const start = 64 + 1344;
  const read = (method: Compressed, payload: Uint8Array) =>
    failureOf(() => readChannel(channelOf([{ ...fields, method, payload }]), { newDecompressor }));
  assertEquals(
    read("zlib", annotated("78 01 00 00 ff ff")),
    "Cannot decode multifd payload: it is no zlib data of the pages at offset 1408 (0x580); in multifd channel 1 > packet 0 " +
      "(packet_num 3) > payload; expected zlib data of exactly the normal pages; found it decompresses to 0 byte(s) of 4096 [bad-multifd]",
  );
  const member = qatzip(new Uint8Array(PAGE_BYTES));
  member[10] = 9;
  assertEquals(
    read("qatzip", member),
    `Cannot decode QATzip member: another extra field at offset ${
      start + 10
    } (0x58a); in multifd channel 1 > packet 0 ` +
      "(packet_num 3) > payload; expected 0c 00 51 5a 08 00; found 09 00 51 5a 08 00 [bad-multifd]",
  );
});

Deno.test("multifd compression: a runtime that can't decompress is no fault of the data", () => {
  const [payload] = compress("zlib", [new Uint8Array(PAGE_BYTES)]);
  const bytes = channelOf([
    { packetNumber: 0, method: "zlib", block: "pc.ram", normal: [0], payload: payload! },
  ]);
  const unable = () => ({
    decompress: () => {
      throw new TypeError("no zlib");
    },
    [Symbol.dispose]: () => {},
  });
  assertThrows(() => readChannel(bytes, { newDecompressor: unable }), TypeError, "no zlib");
});

Deno.test("multifd compression: no method, and too much for a packet", () => {
  using decompressor = newDecompressor();
  const page = new Uint8Array(PAGE_BYTES);
  assertThrows(() => decompressor.decompress("none", page, page, PAGE_BYTES), TypeError);
  using compressor = newCompressor("zstd");
  assertEquals(compressor.method, "zstd");
  assertThrows(() => compressor.compress(new Uint8Array(2 ** 19 + 1)), RangeError);
});
