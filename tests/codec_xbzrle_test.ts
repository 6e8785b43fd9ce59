/**
 * XBZRLE: deltas apply, are those that QEMU's encoder makes, and are refused where QEMU refuses them.
 */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import fc from "fast-check";
import type { RamBlock } from "../format/ram.ts";
import type { RamRun } from "../format/ram_scanner.ts";
import { BytesSource } from "../format/source.ts";
import { StreamReader } from "../format/stream.ts";
import { decodeXbzrle, encodeXbzrle } from "../format/xbzrle.ts";
import { annotated, failureOf } from "./annotated.ts";
import { loadStream } from "./testdata.ts";

/** A page, and the same page with some runs changed. */
function pagePair(pageBytes: number): fc.Arbitrary<readonly [Uint8Array, Uint8Array]> {
  const run = fc.record({
    start: fc.nat(pageBytes - 1),
    length: fc.oneof(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 400 })),
    value: fc.nat(255),
  });
  const runs = fc.array(run, { maxLength: 12 });
  return fc.tuple(runs, runs).map(([first, second]) => {
    const before = new Uint8Array(pageBytes);
    for (const { start, length, value } of first) before.fill(value, start, start + length);
    const after = before.slice();
    for (const { start, length, value } of second) after.fill(value, start, start + length);
    return [before, after] as const;
  });
}

Deno.test("xbzrle: a delta turns the page before into the page after", () => {
  for (const pageBytes of [64, 1024, 4096]) {
    fc.assert(fc.property(pagePair(pageBytes), ([before, after]) => {
      const delta = encodeXbzrle(before, after);
      if (delta === "unchanged") return assertEquals(after, before);
      if (delta === "overflow") return;
      assert(delta.length > 0 && delta.length <= pageBytes);
      const page = before.slice();
      decodeXbzrle(delta, page);
      assertEquals(page, after);
    }));
  }
});

Deno.test("xbzrle: the delta of the worked example", () => {
  const before = new Uint8Array(4096);
  const after = new Uint8Array(4096);
  after[0] = 0xbe;
  after[0x800] = 0xbe;
  assertEquals(encodeXbzrle(before, after), annotated("00 01 be ff 0f 01 be"));
});

Deno.test("xbzrle: equal pages are unchanged, different ones overflow", () => {
  const page = new Uint8Array(4096).fill(7);
  assertEquals(encodeXbzrle(page, page.slice()), "unchanged");
  assertEquals(encodeXbzrle(page, new Uint8Array(4096)), "overflow");
  // Three bytes for each changed one: beyond a third of the page it does not pay.
  const every = (step: number) => page.map((byte, index) => index % step === 0 ? byte + 1 : byte);
  assertEquals(encodeXbzrle(page, every(2)), "overflow");
  assert(encodeXbzrle(page, every(4)) instanceof Uint8Array);
  // QEMU wants room for another pair of runs where the page is not at its end.
  const most = (count: number) => page.map((byte, index) => index < count ? byte + 1 : byte);
  assert(encodeXbzrle(page, most(4091)) instanceof Uint8Array);
  assertEquals(encodeXbzrle(page, most(4092)), "overflow");
});

Deno.test("xbzrle: a run of 16384 does not fit its number", () => {
  const pageBytes = 65536;
  const before = new Uint8Array(pageBytes);
  for (const [run, fits] of [[16383, true], [16384, false]] as const) {
    const changed = before.slice().fill(1, 0, run);
    const behind = before.slice();
    behind[run] = 1;
    for (const after of [changed, behind]) {
      const delta = encodeXbzrle(before, after);
      if (!fits) {
        assertEquals(delta, "overflow");
        continue;
      }
      assert(delta instanceof Uint8Array);
      const page = before.slice();
      decodeXbzrle(delta, page);
      assertEquals(page, after);
    }
  }
});

Deno.test("xbzrle: malformed deltas are refused", () => {
  const malformed: readonly [string, string, number][] = [
    ["00", "ends inside a pair of runs", 0],
    ["00 01 aa 05", "ends inside a pair of runs", 3],
    ["05 01", "ends inside a pair of runs", 1],
    ["00 00 00", "empty run of new bytes", 1],
    ["00 01 aa 00 01 bb", "empty run of old bytes", 3],
    ["81 80 01 01 aa", "more than two bytes", 0],
    ["00 81 80 01", "more than two bytes", 1],
    ["81 20 01 aa", "old bytes beyond the page", 2],
    ["ff 1f 02 aa bb", "new bytes beyond the page", 3],
    ["00 05 aa", "new bytes beyond the delta", 2],
  ];
  for (const [hex, reason, at] of malformed) {
    const message = failureOf(() => decodeXbzrle(annotated(hex), new Uint8Array(4096), 1000));
    assertStringIncludes(message, `${reason} at offset ${1000 + at} `, hex);
    assertStringIncludes(message, "[bad-xbzrle]");
  }
  const page = new Uint8Array(4096).fill(9);
  decodeXbzrle(new Uint8Array(0), page);
  assert(page.every((byte) => byte === 9), "an empty delta changes nothing");
  // Runs need not be as long as possible, nor their numbers as short.
  decodeXbzrle(annotated("80 00 01 aa 01 81 00 bb"), page);
  assertEquals(page.subarray(0, 4), annotated("aa 09 bb 09"));
});

Deno.test("xbzrle: recorded deltas are those that the encoder makes", () => {
  const bytes = loadStream("pc-xbzrle");
  const images = new Map<RamBlock, Uint8Array>();
  let deltas = 0;
  const run = (run: RamRun, pageBytes: number) => {
    if (run.block === undefined) return;
    let image = images.get(run.block);
    if (image === undefined) {
      images.set(run.block, image = new Uint8Array(run.block.usedLengthBytes));
    }
    for (let index = 0; index < run.count; index++) {
      const address = run.address + index * pageBytes;
      const page = image.subarray(address, address + pageBytes);
      const start = run.dataStart + index * run.strideBytes;
      const content = run.buffer.subarray(start, start + run.dataBytes);
      if (run.kind === "zero") page.fill(0);
      else if (run.kind === "page") page.set(content);
      else {
        const before = page.slice();
        decodeXbzrle(content, page);
        assertEquals(encodeXbzrle(before, page), content.slice());
        deltas += 1;
      }
    }
  };
  for (const _ of new StreamReader(new BytesSource(bytes), { visitor: { run } }).items());
  assert(deltas > 10, `${deltas} deltas`);
});
