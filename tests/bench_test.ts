/**
 * The benchmarks' inputs: what is measured has to be a stream.
 */
import { assert, assertEquals } from "@std/assert";
import {
  countPages,
  type Guest,
  halfZeroGuest,
  PAGE_BYTES,
  PageContents,
  pageRuns,
  sparseGuest,
} from "../bench/guest.ts";
import { writeClassicStream, writeMappedStream, type Written } from "../bench/generate.ts";
import { loadRecording, type Recording } from "../bench/recording.ts";
import { median } from "../bench/run.ts";
import { formatTable } from "../bench/table.ts";
import type { StreamItem } from "../format/items.ts";
import { countBitmapBits } from "../format/mapped_ram.ts";
import type { RamRun } from "../format/ram_scanner.ts";
import { BytesSource } from "../format/source.ts";
import { StreamReader } from "../format/stream.ts";

const recording = loadRecording();
const RAM_BYTES = 20 * 2 ** 20;

type Write = (path: string, recording: Recording, guest: Guest) => Written;

/** Writes a stream to a temporary file and returns its bytes. */
function generate(write: Write, guest: Guest): { bytes: Uint8Array; written: Written } {
  const path = Deno.makeTempFileSync({ suffix: ".mig" });
  try {
    const written = write(path, recording, guest);
    return { bytes: Deno.readFileSync(path), written };
  } finally {
    Deno.removeSync(path);
  }
}

/** Reads all items and checks that they tile the stream. */
function readTiled(reader: StreamReader, sizeBytes: number): StreamItem[] {
  const items = [...reader.items()];
  let end = 0;
  for (const item of items) {
    assertEquals(item.offset, end, `gap or overlap before ${item.kind}`);
    end += item.lengthBytes;
  }
  assertEquals(end, sizeBytes);
  assertEquals(items.at(-1)?.kind, "vmdescription");
  return items;
}

/** What the devices of a stream are: names, and whether the description fits. */
function devices(items: readonly StreamItem[]): string[] {
  return items.flatMap((item) =>
    item.kind === "section" && item.type === "full"
      ? [`${item.section.idstr} ${item.boundary}`]
      : []
  );
}

function ramTypes(items: readonly StreamItem[]): string[] {
  return items.flatMap((item) =>
    item.kind === "section" && item.section.idstr === "ram" ? [item.type] : []
  );
}

Deno.test("bench: the classic stream is one, with the pages it claims", () => {
  const guest = halfZeroGuest(recording, RAM_BYTES);
  const { bytes, written } = generate(writeClassicStream, guest);
  const seen = { zero: 0, page: 0 };
  const contents = new PageContents(guest.seed);
  const visit = (run: RamRun) => {
    if (run.kind !== "zero" && run.kind !== "page") return;
    seen[run.kind] += run.count;
    if (run.kind === "zero") return;
    const { index } = run.block!;
    const content = run.buffer.subarray(run.dataStart, run.dataStart + PAGE_BYTES);
    assertEquals(content, contents.page(index, run.address / PAGE_BYTES));
  };
  const reader = new StreamReader(new BytesSource(bytes), { visitor: { run: visit } });
  const items = readTiled(reader, written.sizeBytes);

  assertEquals(bytes.length, written.sizeBytes);
  assertEquals({ zeroPages: seen.zero, normalPages: seen.page }, countPages(guest));
  assertEquals(written.zeroPages, seen.zero);
  assertEquals(written.normalPages, seen.page);
  const share = seen.zero / (seen.zero + seen.page);
  assert(share > 0.4 && share < 0.6, `${share} of the pages are zero`);

  const parts = Array.from({ length: written.parts }, () => "part");
  assertEquals(ramTypes(items), ["start", ...parts, "end"]);
  const commands = items.flatMap((item) => item.kind === "command" ? [item.command.name] : []);
  assertEquals(commands, ["SWITCHOVER_START"]);
  assertEquals(reader.descriptionOrigin, "stream");
});

Deno.test("bench: a stream longer than one PART is cut as QEMU cuts it", () => {
  const { written } = generate(writeClassicStream, halfZeroGuest(recording, 2 * RAM_BYTES));
  assertEquals(written.parts, 2);
});

for (const [name, makeGuest] of Object.entries({ halfZeroGuest, sparseGuest })) {
  Deno.test(`bench: the mapped-ram stream of ${name} is one, with the pages it claims`, () => {
    const guest = makeGuest(recording, RAM_BYTES);
    const { bytes, written } = generate(writeMappedStream, guest);
    const contents = new PageContents(guest.seed);
    const present: number[] = [];
    const reader = new StreamReader(new BytesSource(bytes), {
      visitor: {
        bitmap: (block, bitmap) => {
          present.push(countBitmapBits(bitmap, block.usedLengthBytes / PAGE_BYTES));
          const first = [...pageRuns(guest, block.index)].find((run) => !run.isZero);
          if (first === undefined) return;
          const at = block.mapped!.pagesOffset + first.firstPage * PAGE_BYTES;
          assertEquals(
            bytes.subarray(at, at + PAGE_BYTES),
            contents.page(block.index, first.firstPage),
          );
        },
      },
    });
    const items = readTiled(reader, written.sizeBytes);
    const normalPages = present.reduce((sum, count) => sum + count, 0);
    assertEquals(present.length, guest.blocks.length);
    assertEquals(normalPages, written.normalPages);
    assertEquals({ normalPages, zeroPages: written.zeroPages }, countPages(guest));
    assertEquals(ramTypes(items), ["start", "part", "end"]);
  });
}

Deno.test("bench: the devices are those of the recorded stream, all described", () => {
  const recorded = Deno.readFileSync(new URL("../testdata/pc.mig", import.meta.url));
  const expected = devices([...new StreamReader(new BytesSource(recorded)).items()]);
  assert(expected.length > 10 && expected.every((device) => device.endsWith(" described")));
  const guest = sparseGuest(recording, PAGE_BYTES);
  for (const write of [writeClassicStream, writeMappedStream]) {
    const { bytes } = generate(write, guest);
    assertEquals(devices([...new StreamReader(new BytesSource(bytes)).items()]), expected);
  }
});

Deno.test("bench: the same bytes every time", () => {
  for (const write of [writeClassicStream, writeMappedStream]) {
    const [first, second] = [1, 2].map(() => generate(write, halfZeroGuest(recording, 2 ** 20)));
    assertEquals(first, second);
  }
});

Deno.test("bench: medians", () => {
  assertEquals(median([3, 1, 2]), 2);
  assertEquals(median([10, 1, 3, 2]), 2.5);
});

Deno.test("bench: the table is Markdown", () => {
  const row = { what: "a", ours: "1 s", peer: "2 s cat", ratio: "0.50", target: "≤ 1 × peer" };
  assertEquals(formatTable([{ ...row, met: true }, { ...row, met: false }]), [
    "| what | ours | peer    | ratio | target     | met |",
    "|------|------|---------|-------|------------|-----|",
    "| a    | 1 s  | 2 s cat | 0.50  | ≤ 1 × peer | yes |",
    "| a    | 1 s  | 2 s cat | 0.50  | ≤ 1 × peer | NO  |",
  ]);
});
