/** Answers of a capture: what is understood of the bytes that have come, however they are cut. */
import { assertEquals, assertGreater } from "@std/assert";
import { concat } from "@std/bytes/concat";
import { encodeCommand } from "../format/command.ts";
import { BytesSource } from "../format/source.ts";
import { ByteWriter } from "../format/writer.ts";
import { PackageWatch, readStreamHead, seemsToWait } from "../live/answers.ts";
import { recogniseConnection } from "../live/channel.ts";
import { emptyPart, postcopyStream } from "./streams.ts";
import { filesOf, loadStream } from "./testdata.ts";

const MAIN = loadStream("pc-multifd");
const CHANNELS = filesOf("pc-multifd", "multifd").map((file) => loadStream("pc-multifd", file));

Deno.test("capture: the PING in a package of postcopy is seen when it has come, however it is cut", () => {
  const writer = new ByteWriter();
  writer.bytes(MAIN.subarray(0, 500));
  encodeCommand(writer, { name: "PING", value: 3 });
  encodeCommand(writer, { name: "PING", value: 0x42 });
  encodeCommand(writer, { name: "POSTCOPY_RUN" });
  const end = writer.lengthBytes;
  writer.bytes(new Uint8Array(4096));
  const bytes = writer.finish();
  for (let cut = 480; cut <= end; cut++) {
    const watch = new PackageWatch();
    const first = watch.take(bytes.subarray(0, cut));
    assertEquals(first, cut < end ? undefined : 0x42, String(cut));
    if (cut < end) assertEquals(watch.take(bytes.subarray(cut)), 0x42, String(cut));
  }
  const slowly = new PackageWatch();
  const seen = Array.from(bytes.subarray(0, end), (byte) => slowly.take(Uint8Array.of(byte)));
  assertEquals(seen.filter((value) => value !== undefined), [0x42]);
  assertEquals(new PackageWatch().take(MAIN), undefined);
});

Deno.test("capture: what looks like waiting", () => {
  const waits = (...parts: readonly Uint8Array[]) => seemsToWait(new BytesSource(concat(parts)));
  const part = emptyPart();
  const dirtyBitmap = Uint8Array.of(2, 0, 0, 0, 3, 0, 0, 0, 1, 0x7e, 0, 0, 0, 3);
  const before = MAIN.subarray(0, 3000);
  assertEquals(waits(before, part, part, part), false);
  assertEquals(waits(before, part, part, part, part), true);
  assertEquals(waits(...Array(4).fill(emptyPart(true))), true);
  assertEquals(waits(before, ...Array(4).fill([part, dirtyBitmap]).flat()), true);
  // The last one is not complete, or not the same.
  assertEquals(waits(before, part, part, part, part, part.subarray(0, 9)), false);
  assertEquals(waits(before, part, part, emptyPart(true), part), false);
  // Pages that repeat themselves are none.
  for (const byte of [0, 2, 0x10]) {
    assertEquals(waits(before, new Uint8Array(8192).fill(byte)), false);
  }
  for (let end = 0; end <= MAIN.length; end += 7) {
    assertEquals(waits(MAIN.subarray(0, end)), false, String(end));
  }
});

Deno.test("capture: connections are recognised as early as can be, and no earlier", () => {
  const text = (start: string) => Uint8Array.from(start, (each) => each.charCodeAt(0));
  const preempt = loadStream("pc-preempt", filesOf("pc-preempt", "preempt")[0]!);
  assertEquals(recogniseConnection(text("QEV"), false), undefined);
  assertEquals(recogniseConnection(text("QEVM"), false), { role: "main" });
  assertEquals(recogniseConnection(text("QEV"), true), { role: "unknown" });
  assertEquals(recogniseConnection(text("QEX"), false), { role: "unknown" });
  assertEquals(recogniseConnection(CHANNELS[1]!.subarray(0, 63), false), undefined);
  assertEquals(recogniseConnection(CHANNELS[1]!, false), { role: "multifd", channelId: 1 });
  assertEquals(recogniseConnection(preempt.subarray(0, 9), false), undefined);
  assertEquals(recogniseConnection(preempt, false), { role: "preempt" });
  assertEquals(recogniseConnection(new Uint8Array(511), false), undefined);
  assertEquals(recogniseConnection(new Uint8Array(600), false), { role: "unknown" });
});

Deno.test("capture: the head of a stream is understood from any number of bytes", () => {
  const stream = postcopyStream();
  const whole = readStreamHead(stream);
  assertEquals(whole, { returnPath: true, pings: [1], postcopy: true });
  let understood = 0;
  for (let length = 0; length < stream.length; length++) {
    const head = readStreamHead(stream.subarray(0, length));
    if (head === undefined) assertEquals(understood, 0);
    else assertEquals(head, whole);
    understood += head === undefined ? 0 : 1;
  }
  assertGreater(understood, 0);
  // Damage has no answer, and does not hold anybody up.
  assertEquals(readStreamHead(new Uint8Array(100)), {
    returnPath: false,
    pings: [],
    postcopy: false,
  });
});
