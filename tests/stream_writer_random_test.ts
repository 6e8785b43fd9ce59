/**
 * The writer of streams with random values: what is written is read as it was meant, and written again to the same bytes.
 */
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import type { Command } from "../format/command.ts";
import type { RamWriter } from "../format/ram_writer.ts";
import { BytesSource } from "../format/source.ts";
import { StreamReader } from "../format/stream.ts";
import type { StreamWriter } from "../format/stream_writer.ts";
import { encodeXbzrle } from "../format/xbzrle.ts";
import { assertSameBytes, identity, made, recode } from "./recoding.ts";

const PAGE_BYTES = 1024;
const BLOCKS = ["a", "pc.ram", "/rom@etc/acpi/tables"];
const BLOCK_PAGES = 64;

interface Record {
  readonly kind: "zero" | "page" | "xbzrle" | "compressed" | "flush";
  readonly block: string;
  readonly page: number;
  readonly count: number;
  readonly fill: number;
}

const record: fc.Arbitrary<Record> = fc.record({
  kind: fc.constantFrom("zero", "page", "xbzrle", "compressed", "flush"),
  block: fc.constantFrom(...BLOCKS),
  page: fc.nat(BLOCK_PAGES - 9),
  count: fc.integer({ min: 1, max: 8 }),
  fill: fc.nat(255),
});

function writeRecord(ram: RamWriter, { kind, block, page, count, fill }: Record): string[] {
  const address = page * PAGE_BYTES;
  const content = new Uint8Array(PAGE_BYTES).fill(fill ^ 0x5a);
  switch (kind) {
    case "zero":
      ram.zero(block, address, count, PAGE_BYTES, fill);
      return Array.from(
        { length: count },
        (_, at) => `zero ${block} ${address + at * PAGE_BYTES} ${fill}`,
      );
    case "page":
      for (let at = 0; at < count; at++) ram.page(block, address + at * PAGE_BYTES, content);
      return Array.from(
        { length: count },
        (_, at) => `page ${block} ${address + at * PAGE_BYTES} ${content[0]}`,
      );
    case "xbzrle": {
      const delta = encodeXbzrle(new Uint8Array(PAGE_BYTES), content.fill(0, count * 3));
      const isDelta = delta instanceof Uint8Array;
      if (isDelta) ram.xbzrle(block, address, delta);
      return isDelta ? [`xbzrle ${block} ${address} ${delta[0]}`] : [];
    }
    case "compressed":
      ram.compressed(block, address, content.subarray(0, count));
      return [`compressed ${block} ${address} ${content[0]}`];
    case "flush":
      ram.flush();
      return ["flush"];
  }
}

Deno.test("stream writer: random records are read as they were written, and written as they were read", () => {
  const rounds = fc.array(fc.array(record, { maxLength: 40 }), { minLength: 1, maxLength: 4 });
  fc.assert(
    fc.property(rounds, fc.constantFrom(1500, 4096, 262_144), (sections, blockBytes) => {
      const expected: string[] = [];
      const bytes = made((writer) => {
        writer.header();
        writer.ram("start", 1, (ram) => {
          ram.blockList(
            BLOCKS.map((name) => ({ name, usedLengthBytes: BLOCK_PAGES * PAGE_BYTES })),
          );
          ram.eos();
        });
        for (const records of sections) {
          writer.ram("part", 1, (ram) => {
            for (const each of records) expected.push(...writeRecord(ram, each));
            ram.eos();
          });
        }
        writer.eof();
        writer.vmdescription(
          new TextEncoder().encode(`{"page_size": ${PAGE_BYTES}, "devices": []}`),
        );
      });
      const seen: string[] = [];
      for (
        const _ of new StreamReader(new BytesSource(bytes), {
          blockBytes,
          visitor: {
            run(run) {
              for (let at = 0; at < run.count; at++) {
                if (run.kind === "flush") seen.push("flush");
                if (run.block === undefined) continue;
                const value = run.kind === "zero"
                  ? run.fill
                  : run.buffer[run.dataStart + at * run.strideBytes];
                const address = run.address + at * PAGE_BYTES;
                seen.push(`${run.kind} ${run.block.name} ${address} ${value}`);
              }
            },
          },
        }).items()
      );
      assertEquals(seen, expected);
      const again = recode(new BytesSource(bytes), { blockBytes });
      assertSameBytes(again.bytes, bytes, "again");
    }),
    { numRuns: 60 },
  );
});

const name = fc.string({ minLength: 1, maxLength: 40, unit: "grapheme" })
  .filter((text) => new TextEncoder().encode(text).length <= 255);
const u32 = fc.integer({ min: 0, max: 0xffffffff });

Deno.test("stream writer: random items are read as they were written", () => {
  const command: fc.Arbitrary<Command> = fc.oneof(
    u32.map((value) => ({ name: "PING" as const, value })),
    name.map((block) => ({ name: "RECV_BITMAP" as const, block })),
    fc.constantFrom("OPEN_RETURN_PATH", "POSTCOPY_LISTEN", "ENABLE_COLO").map((plain) => ({
      name: plain,
    })),
  );
  const bitmap = fc.record({
    node: name,
    bitmap: name,
    sectors: fc.integer({ min: 1, max: 4096 }),
  });
  const element = fc.oneof(command, bitmap);
  fc.assert(
    fc.property(
      name,
      fc.array(element, { maxLength: 20 }),
      fc.boolean(),
      (machine, elements, packed) => {
        const build = (writer: StreamWriter) => {
          for (const [id, each] of elements.entries()) {
            if ("name" in each) writer.command(each);
            else writer.section("start", identity(id, "dirty-bitmap"), bitmapPayload(each));
          }
          writer.eof();
        };
        const bytes = made((writer) => {
          writer.header();
          writer.configuration({ machine, subsections: [] });
          if (packed) writer.package(build);
          build(writer);
        });
        const { bytes: encoded, items } = recode(new BytesSource(bytes), { blockBytes: 64 });
        assertSameBytes(encoded, bytes, "again");
        const read = items.filter((item) => item.depth === 0).flatMap((item) =>
          item.kind === "command" && item.command.name !== "PACKAGED" ? [item.command] : []
        );
        assertEquals(read, elements.filter((each) => "name" in each));
        const configuration = items.find((item) => item.kind === "configuration");
        assert(configuration?.kind === "configuration");
        assertEquals(configuration.configuration.machine, machine);
      },
    ),
    { numRuns: 100 },
  );
});

function bitmapPayload(each: { node: string; bitmap: string; sectors: number }): Uint8Array {
  const encoded = (text: string) => {
    const bytes = new TextEncoder().encode(text);
    return [bytes.length, ...bytes];
  };
  const bits = [0, 0, each.sectors >> 8, each.sectors & 255];
  return Uint8Array.from([
    ...[0x1c, ...encoded(each.node), ...encoded(each.bitmap), 0, 1, 0, 0, 1],
    ...[0x42, ...new Array<number>(8).fill(0), ...bits],
    0x01,
  ]);
}
