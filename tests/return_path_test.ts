/** The return path: messages decoded and encoded, damaged ones refused. */
import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { FormatError, isFormatError } from "../format/error.ts";
import { ByteReader } from "../format/reader.ts";
import {
  decodeReturnPathMessage,
  describeReturnPathMessage,
  encodeReturnPathMessage,
  readReturnPath,
  type ReturnPathMessage,
} from "../format/return_path.ts";
import { BytesSource } from "../format/source.ts";
import { ByteWriter } from "../format/writer.ts";
import { annotated } from "./annotated.ts";
import { caseNames, filesOf, loadStream } from "./testdata.ts";

function messagesOf(bytes: Uint8Array): ReturnPathMessage[] {
  return [...readReturnPath(new BytesSource(bytes))].map(({ message }) => message);
}

function encode(messages: readonly ReturnPathMessage[]): Uint8Array {
  const writer = new ByteWriter();
  for (const message of messages) encodeReturnPathMessage(writer, message);
  return writer.finish();
}

Deno.test("return path: every recorded one is read to its end and written back", () => {
  let files = 0;
  for (const name of caseNames()) {
    for (const file of filesOf(name, "returnPath")) {
      const bytes = loadStream(name, file);
      const items = [...readReturnPath(new BytesSource(bytes))];
      let end = 0;
      for (const { offset, lengthBytes } of items) {
        assertEquals(offset, end, name);
        end += lengthBytes;
      }
      assertEquals(end, bytes.length, name);
      assertEquals(items.at(-1)?.message, { name: "SHUT", value: 0 }, name);
      assertEquals(encode(items.map(({ message }) => message)), bytes, name);
      files += 1;
    }
  }
  assertEquals(files > 0, true);
});

Deno.test("return path: a page request, byte by byte", () => {
  const bytes = annotated(`
    00 03 00 13 00*5 03 a0 00  00 00 10 00  06 "pc.ram"
    00 04 00 0c 00*5 03 b0 00  00 00 10 00
    00 07 00 00
    00 05 00 02 01 "m"  00*7 08  01 02 03 04 05 06 07 08  01 23 45 67 89 ab cd ef
    00 06 00 04 00 00 00 01
    00 01 00 04 00 00 00 05
    00 00 00 02`);
  const messages = messagesOf(bytes);
  assertEquals(messages.map(describeReturnPathMessage), [
    'REQ_PAGES_ID "pc.ram" 0x3a000+0x1000',
    "REQ_PAGES 0x3b000+0x1000",
    "SWITCHOVER_ACK",
    'RECV_BITMAP "m" (8 bytes)',
    "RESUME_ACK 1",
    "SHUT (error 5)",
  ]);
  // What follows SHUT are COLO's numbers.
  assertEquals(encode(messages), bytes.subarray(0, -4));
});

const u32 = fc.nat(0xffffffff);
const address = fc.maxSafeNat();
const blockName = fc.string({ minLength: 1, maxLength: 60 });
const anyMessage: fc.Arbitrary<ReturnPathMessage> = fc.oneof(
  fc.record({ name: fc.constantFrom("PONG" as const, "RESUME_ACK" as const), value: u32 }),
  fc.constant({ name: "SWITCHOVER_ACK" as const }),
  fc.record({
    name: fc.constant("REQ_PAGES_ID" as const),
    block: blockName,
    startAddress: address,
    lengthBytes: u32,
  }),
  fc.record({
    name: fc.constant("REQ_PAGES" as const),
    block: fc.constant(undefined),
    startAddress: address,
    lengthBytes: u32,
  }),
  fc.record({
    name: fc.constant("RECV_BITMAP" as const),
    block: blockName,
    bitmap: fc.nat(40).map((words) => new Uint8Array(words * 8).fill(words)),
  }),
);

Deno.test("return path: what is written is read back", () => {
  fc.assert(fc.property(fc.array(anyMessage), (messages) => {
    assertEquals(messagesOf(encode(messages)), messages);
  }));
});

Deno.test("return path: a cut at any byte is an error or the end of a message", () => {
  fc.assert(
    fc.property(fc.array(anyMessage, { minLength: 1, maxLength: 4 }), fc.nat(), (messages, at) => {
      const bytes = encode(messages);
      const cut = bytes.subarray(0, at % bytes.length);
      try {
        assertEquals(encode(messagesOf(cut)), cut);
      } catch (error) {
        if (!isFormatError(error)) throw error;
        assertEquals([error.code, error.path], ["truncated", ["return path"]]);
      }
    }),
  );
});

Deno.test("return path: damaged messages are refused", () => {
  const damaged: readonly [string, string][] = [
    ["00 00 00 00", "bad-return-path"],
    ["00 08 00 00", "bad-return-path"],
    ["00 07 00 01 00", "bad-return-path"],
    ["00 01 00 03 00 00 00", "truncated"],
    ["00 04 00 0d 00*13", "bad-return-path"],
    ["00 03 00 10 00*8 00 00 10 00 06 00 00 00", "truncated"],
    ['00 05 00 02 01 "m" 00*7 04', "bad-return-path"],
    ['00 05 00 02 01 "m" 00 00 ff ff 00*4', "limit-exceeded"],
    ['00 05 00 02 01 "m" 00*4 00 ff 00 00', "truncated"],
    ['00 05 00 02 01 "m" ff*8', "out-of-range"],
  ];
  for (const [hex, code] of damaged) {
    const reader = new ByteReader(new BytesSource(annotated(hex)));
    const error = assertThrows(() => decodeReturnPathMessage(reader), FormatError, undefined, hex);
    assertEquals(error.code, code, `${hex}: ${error.describe()}`);
  }
});
