/**
 * Streams that end too early, at every byte or at many: each gives what stands before its end, and an error inside of it.
 */
import { assert, assertEquals } from "@std/assert";
import { PipeSource } from "../container/pipe.ts";
import type { StreamItem } from "../format/items.ts";
import { BytesSource } from "../format/source.ts";
import { checkError, checkReading, victimOf } from "./mutations.ts";
import { ChunkedInput, itemLines, Random, readItems } from "./reading.ts";
import { mappedStream, postcopyStream } from "./streams.ts";
import { loadCase, loadStream } from "./testdata.ts";

/** What an item is, but for how its end was found: that changes with the description, which is cut off. */
function outline(item: StreamItem): string {
  const { kind, offset, lengthBytes, depth } = item;
  const section = "section" in item ? JSON.stringify(item.section) : "";
  return `${kind} ${offset} ${lengthBytes} ${depth} ${section}`;
}

interface Whole {
  readonly bytes: Uint8Array;
  readonly offset: number;
  readonly items: readonly StreamItem[];
  readonly outlines: readonly string[];
}

function whole(bytes: Uint8Array, offset = 0): Whole {
  const { items, error } = readItems(new BytesSource(bytes), { offset });
  if (error !== undefined) throw error;
  return { bytes, offset, items, outlines: items.map(outline) };
}

/** How a stream that was cut at `size` ended. */
function checkCut({ bytes, offset, items, outlines }: Whole, size: number): "read" | "refused" {
  const cut = bytes.subarray(0, size);
  const label = `cut at ${size} of ${bytes.length}`;
  const { error } = checkReading(cut, offset);
  const reading = readItems(new BytesSource(cut), { offset });
  checkError(reading.error, size);
  for (const [index, item] of reading.items.entries()) {
    const line = outline(item);
    if (line === outlines[index]) continue;
    // Behind the cut's last whole item anything may be met, and so where the last section's end is a guess.
    if (items[index]!.offset + items[index]!.lengthBytes > size) break;
    const isGuess = item.kind === "section" &&
      (item.boundary === "footer" || item.boundary === "next-section");
    const isLast = !reading.items.slice(index + 1).some(({ kind }) => kind === "section");
    if (isGuess && isLast) break;
    throw new Error(`${label}: item ${index} is ${line}, was ${outlines[index]}`);
  }
  assertEquals(reading.error?.message, error?.message, label);
  return error === undefined ? "read" : "refused";
}

function everyCut(stream: Whole): { read: number[]; refused: number } {
  const read: number[] = [];
  let refused = 0;
  for (let size = 0; size < stream.bytes.length; size++) {
    if (checkCut(stream, size) === "read") read.push(size);
    else refused += 1;
  }
  return { read, refused };
}

Deno.test("truncation: none, at every byte", () => {
  const stream = whole(loadStream("none"));
  const { read } = everyCut(stream);
  // Only behind the EOF byte is a stream whole without its description.
  const eof = stream.items.find(({ kind }) => kind === "eof")!;
  assertEquals(read, [eof.offset + 1]);
});

Deno.test("truncation: commands and a package, at every byte", () => {
  const stream = whole(postcopyStream());
  assertEquals(everyCut(stream).read, []);
  assert(stream.items.some(({ depth }) => depth === 1));
});

Deno.test("truncation: mapped-ram, at every byte of its structures", () => {
  const stream = whole(mappedStream());
  const pages = stream.items.filter(({ kind }) => kind === "pages");
  assertEquals(pages.length, 2);
  const eof = stream.items.find(({ kind }) => kind === "eof")!;
  const { read } = everyCut(stream);
  assertEquals(read, [eof.offset + 1]);
});

Deno.test("truncation: a cut pipe ends as a cut file does", () => {
  for (const bytes of [loadStream("none"), postcopyStream()]) {
    for (let size = 0; size < bytes.length; size += 3) {
      const cut = bytes.subarray(0, size);
      const file = readItems(new BytesSource(cut));
      using pipe = new PipeSource(new ChunkedInput(cut, 13));
      const piped = readItems(pipe);
      checkError(piped.error, size);
      assertEquals(piped.error?.code, file.error?.code, `cut at ${size}`);
      assertEquals(itemLines(piped.items), itemLines(file.items), `cut at ${size}`);
    }
  }
});

/** Sizes around the borders of structures, and random ones. */
function sizes(name: string, random: Random, borders: number, others: number): number[] {
  const victim = victimOf(name, loadStream(name), loadCase(name).streamOffset);
  const chosen = new Set<number>();
  for (let count = 0; count < borders; count++) {
    chosen.add(random.of(victim.marks) + random.below(3) - 1);
  }
  for (let count = 0; count < others; count++) chosen.add(random.below(victim.bytes.length));
  return [...chosen].filter((size) => size >= 0 && size < victim.bytes.length);
}

const CASES = [
  "pc",
  "pc-no-footer",
  "pc-no-vmdesc",
  "pc-2.2-7.2",
  "pc-xbzrle",
  "pc-compress-7.2",
  "pc-mapped-offset",
  "pc-postcopy",
  "q35-virtio-mem",
  "s390x-11.1",
  "arm-microbit",
];

for (const name of CASES) {
  Deno.test(`truncation: ${name}, at borders and elsewhere`, () => {
    const random = new Random(7);
    const stream = whole(loadStream(name), loadCase(name).streamOffset);
    const counts = { read: 0, refused: 0 };
    const chosen = name === "pc" ? sizes(name, random, 150, 100) : sizes(name, random, 60, 40);
    for (const size of chosen) counts[checkCut(stream, size)] += 1;
    // Without footers a zero byte at the cut may be taken for the stream's end.
    const least = ["pc-no-footer", "pc-2.2-7.2"].includes(name) ? 0 : 0.9;
    assert(counts.refused > chosen.length * least, JSON.stringify(counts));
  });
}
