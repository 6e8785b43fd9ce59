/**
 * Reports: the model of what they show, and the file that holds it.
 */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import fc from "fast-check";
import { readInfo } from "../analyze/info.ts";
import { PAGE_KIND, type PageKind } from "../analyze/memory/page_table.ts";
import { buildImage } from "../analyze/image/build.ts";
import { saveImage } from "../analyze/image/save.ts";
import { reportSideSteps } from "../analyze/report/collect.ts";
import {
  CELL_KINDS,
  type ReportModel,
  SHARE_DIGITS,
  type SideModel,
  STRIP_KINDS,
  type TreeNode,
} from "../analyze/report/model.ts";
import { PageCells } from "../analyze/report/page_cells.ts";
import { StripBuilder } from "../analyze/report/strip.ts";
import { reportPage } from "../cli/report_page.ts";
import { openInput } from "../container/open.ts";
import type { StreamItem } from "../format/items.ts";
import { migstream, withFolder } from "./process.ts";
import { HOSTILE_TEXTS, hostileImage } from "./report_images.ts";
import {
  caseNames,
  filesOf,
  loadCase,
  loadStream,
  testdataPath,
  withTempFile,
} from "./testdata.ts";
import { lastOf } from "../analyze/steps.ts";

/** The model of an input. */
async function modelOf(path: string, offset = 0): Promise<SideModel> {
  using input = await openInput(path, { offset, seekable: true, keepAll: true });
  return lastOf(reportSideSteps(input));
}

function modelOfBytes(bytes: Uint8Array, offset = 0): Promise<SideModel> {
  return withTempFile(bytes, (path) => modelOf(path, offset));
}

function reportOf(...sides: SideModel[]): ReportModel {
  return { version: 1, generator: "test", sides, comparison: null };
}

function* leaves(nodes: readonly TreeNode[]): Generator<TreeNode> {
  for (const node of nodes) {
    if (node.length === 5) yield node;
    else yield* leaves(node[5]);
  }
}

/** The JSON that stands in a page. */
function dataIn(page: string): ReportModel {
  const [, text] = /<script type="application\/json" id="data">([^<]*)<\/script>/.exec(page) ?? [];
  return JSON.parse(text!);
}

Deno.test("report: the strip of every recorded stream covers it", async () => {
  for (const name of caseNames()) {
    const bytes = loadStream(name);
    const { streamOffset } = loadCase(name);
    const { strip } = await modelOfBytes(bytes, streamOffset);
    const sum = strip.rows.reduce((total, [, lengthBytes]) => total + lengthBytes, 0);
    assertEquals([strip.startOffset, sum], [streamOffset, bytes.length - streamOffset], name);
    assert(strip.rows.every(([kind, , label]) => kind in STRIP_KINDS && label in strip.names));
  }
});

Deno.test("report: page counts are those of the overview", async () => {
  for (const name of ["pc", "pc-live", "pc-mapped-live", "pc-xbzrle", "pc-compress-7.2", "s390x"]) {
    await withTempFile(loadStream(name), async (path) => {
      using input = await openInput(path);
      const { info } = readInfo(input);
      const { blocks } = await modelOf(path);
      assertEquals(blocks.map((block) => block.name), info.ramBlocks.map((block) => block.name));
      for (const [index, { pages, slackPages }] of info.ramBlocks.entries()) {
        const { counts } = blocks[index]!;
        const { normal, compressed, delta, absent, zero } = pages!;
        const slack = slackPages ?? 0;
        assertEquals(
          counts,
          { normal, compressed, delta, absent, zero: zero - slack, slack },
          name,
        );
      }
    });
  }
});

Deno.test("report: slack is counted page by page", async () => {
  const bytes = loadStream("pc-mapped");
  const before = await modelOfBytes(bytes);
  const [ram] = before.blocks;
  const { map, pagesOffset } = ram!;
  // The first page that is zero gets content behind the bitmap's back.
  const page = [...map!.shares.zero!].indexOf(SHARE_DIGITS.at(-1)!) * map!.pagesPerCell;
  assertEquals(map!.pagesPerCell, 1);
  bytes[pagesOffset! + page * 4096 + 5] = 1;
  const { blocks } = await modelOfBytes(bytes);
  assertEquals(blocks[0]!.counts!.slack, ram!.counts!.slack + 1);
  assertEquals(blocks[0]!.map!.shares.slack!.charAt(page), SHARE_DIGITS.at(-1));
  assertEquals(blocks[0]!.map!.shares.zero!.charAt(page), "0");
});

Deno.test("report: cells share out runs of pages, whatever the sizes", () => {
  const run = fc.record({
    count: fc.integer({ min: 1, max: 300 }),
    kind: fc.constantFrom(...Object.values(PAGE_KIND)) as fc.Arbitrary<PageKind>,
  });
  fc.assert(fc.property(
    fc.array(run, { minLength: 1, maxLength: 30 }),
    fc.integer({ min: 1, max: 200 }),
    (runs, maxCells) => {
      const pages = runs.reduce((sum, { count }) => sum + count, 0);
      const cells = new PageCells(pages, maxCells);
      let first = 0;
      for (const { count, kind } of runs) {
        cells.add({ first, count, kind });
        first += count;
      }
      assert(cells.cells <= maxCells);
      assertEquals(Object.values(cells.counts()).reduce((sum, count) => sum + count), pages);
      const map = cells.map();
      for (let cell = 0; cell < map.cells; cell++) {
        const shares = CELL_KINDS.map((kind) =>
          SHARE_DIGITS.indexOf(map.shares[kind]?.charAt(cell) ?? "0")
        );
        // Each share is off by a step at most.
        const sum = shares.reduce((total, share) => total + share);
        assert(Math.abs(sum - 63) <= CELL_KINDS.length, String(shares));
      }
    },
  ));
});

Deno.test("report: many items become few rows, and no byte is lost", () => {
  for (const lengths of [[1], [1, 1000], [7, 5, 100_000]]) {
    const builder = new StripBuilder(16);
    let offset = 16;
    for (let index = 0; index < 50_000; index++) {
      const lengthBytes = lengths[index % lengths.length]!;
      const section = { id: 1, idstr: `device${index}`, instanceId: 0, versionId: 1 };
      builder.add({ kind: "footer", offset, lengthBytes, depth: 0, section } as StreamItem);
      offset += lengthBytes;
    }
    const strip = builder.finish(offset + 100);
    assert(strip.rows.length <= 8192 && strip.rows.length > 1000);
    assert(strip.names.length <= 4096);
    assertEquals(strip.rows.reduce((sum, [, bytes]) => sum + bytes, 0), offset + 100 - 16);
    assertEquals(strip.rows.at(-1)!.slice(0, 2), [STRIP_KINDS.indexOf("unread"), 100]);
    assertEquals(strip.items, 50_000);
  }
});

Deno.test("report: passes of a live migration, by addresses and by marks", async () => {
  const live = await modelOfBytes(loadStream("pc-live"));
  assert(live.passes.length > 1);
  assertEquals(live.passOrigin, "addresses");
  assertEquals(live.passes.reduce((sum, { resent }) => sum + resent, 0), live.resentPages);
  assertEquals(live.passes[0]!.resent, 0);
  assertEquals((await modelOfBytes(loadStream("pc"))).passes, []);

  const xbzrle = await modelOfBytes(loadStream("pc-xbzrle"));
  assert(xbzrle.passes.some(({ delta }) => delta > 0));

  await withFolder(async (folder) => {
    for (const file of loadCase("pc-multifd-zstd").files) {
      const name = file.file.replace(/\.zst$/, "");
      Deno.writeFileSync(`${folder}/${name}`, loadStream("pc-multifd-zstd", file));
    }
    const side = await modelOf(folder);
    const channels = filesOf("pc-multifd-zstd", "multifd").length;
    assertEquals(side.channels.length, channels);
    assert(
      side.channels.some(({ method, contentBytes, payloadBytes }) =>
        method === "zstd" && contentBytes > payloadBytes
      ),
    );
    assert(side.passOrigin !== "addresses");
  });
});

Deno.test("report: fields stand where the tree says", async () => {
  for (const name of ["pc-live", "aarch64-virt", "q35-virtio", "ppc64-pseries", "s390x"]) {
    const bytes = loadStream(name);
    const { devices } = await modelOfBytes(bytes);
    let numbers = 0;
    for (const { nodes, offset, lengthBytes, omitted } of devices) {
      assertEquals(omitted, 0);
      for (const [, type, at, length, value] of leaves(nodes)) {
        if (at < 0) continue;
        assert(at >= offset && at + length <= offset + lengthBytes, `${name} ${at}`);
        if (type !== "uint32" || length !== 4) continue;
        numbers += 1;
        const number = new DataView(bytes.buffer, at).getUint32(0);
        assertEquals(Number(value!.split(" ")[0]), number);
      }
    }
    assert(numbers > 0, name);
  }
});

Deno.test("report: registers, physical map and findings are there", async () => {
  const bytes = loadStream("pc");
  const side = await modelOfBytes(bytes);
  assert(side.cpus[0]!.registers.some(([name]) => name === "rip"));
  assertEquals(side.physical[0]!.block, "pc.ram");
  assertEquals(side.validation.findings, []);
  const cut = await modelOfBytes(bytes.subarray(0, bytes.length / 2));
  assertEquals(cut.validation.valid, false);
  assert(cut.error !== null && cut.validation.findings.length > 0);
  // What was read before is there.
  assertEquals(cut.blocks.length, side.blocks.length);
  assertEquals(cut.strip.rows.at(-1)![0], STRIP_KINDS.indexOf("unread"));
});

Deno.test("report: the page allows its own script and style and nothing else", async () => {
  const page = await reportPage(reportOf(await modelOfBytes(loadStream("pc"))));
  const [, policy] = /http-equiv="Content-Security-Policy" content="([^"]*)"/.exec(page)!;
  const rules = new Map(
    policy!.split("; ").map((rule) => {
      const [name, ...values] = rule.split(" ");
      return [name, values.join(" ")];
    }),
  );
  assertEquals(rules.get("default-src"), "'none'");
  const hash = async (text: string) => {
    const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
    return `'sha256-${new Uint8Array(digest).toBase64()}'`;
  };
  const scripts = [...page.matchAll(/<script>([^]*?)<\/script>/g)];
  const styles = [...page.matchAll(/<style>([^]*?)<\/style>/g)];
  assertEquals([scripts.length, styles.length], [1, 1]);
  assertEquals(rules.get("script-src"), await hash(scripts[0]![1]!));
  assertEquals(rules.get("style-src"), await hash(styles[0]![1]!));
  assertEquals([...rules.keys()].toSorted(), [
    "base-uri",
    "default-src",
    "form-action",
    "script-src",
    "style-src",
  ]);
  // Nothing leads out of the page but the name of SVG.
  const links = [...page.matchAll(/\b(?:https?:)?\/\/[a-z]+\.[^\s"']*/gi)].map(([link]) => link);
  assertEquals(links, ["http://www.w3.org/2000/svg"]);
  assert(!/\b(?:src|href)="(?!#)/.test(page.replace(/<script[^]*?<\/script>/g, "")));
  // The script is one that a browser can parse.
  new Function(scripts[0]![1]!);
});

Deno.test("report: names that look like HTML stay text", async () => {
  await withFolder(async (folder) => {
    const path = `${folder}/hostile.img`;
    await saveImage(hostileImage(), path, { to: "stream", sync: false });
    const model = reportOf(await modelOf(path));
    const page = await reportPage(model);
    assertEquals(dataIn(page), JSON.parse(JSON.stringify(model)));
    assertEquals(page.match(/<script/g)!.length, 2);
    assertEquals(page.match(/<\/script/g)!.length, 2);
    for (const text of HOSTILE_TEXTS.filter((each) => each.includes("<"))) {
      assert(!page.includes(text), text);
    }
    // They are there, only not as HTML.
    assertStringIncludes(JSON.stringify(model), "window.hacked");
    const named = { ...model.sides[0]!, path: '</title><script>"&' };
    const title = /<title>([^]*?)<\/title>/.exec(await reportPage(reportOf(named)))![1]!;
    assertMatch(title, /^&#60;\/title&#62;&#60;script&#62;&#34;&#38; /);
  });
});

Deno.test("report: 64 GiB of memory make a small page", async () => {
  await withFolder(async (folder) => {
    const path = `${folder}/large.img`;
    const content = Array.from({ length: 2000 }, (_, index) => ({
      address: index * 8191 * 4096,
      bytes: Uint8Array.of(index % 255 + 1),
    }));
    const image = buildImage({
      machine: "pc-q35-10.0",
      blocks: [
        { name: "pc.ram", sizeBytes: 64 * 2 ** 30, content },
        ...Array.from({ length: 300 }, (_, index) => ({
          name: `more${index}`,
          sizeBytes: 2 ** 20,
          content: [],
        })),
      ],
    });
    await saveImage(image, path, { to: "mapped-ram", sync: false });
    const side = await modelOf(path);
    assertEquals(side.blocks[0]!.counts!.normal, 2000);
    assertEquals(side.blocks[0]!.slack, "not looked for");
    assertEquals([side.blocks.length, side.moreBlocks], [256, 45]);
    assert((await reportPage(reportOf(side))).length < 500_000);
  });
});

Deno.test("report: the command writes the same page each time, replaces nothing, compares two", async () => {
  await withFolder(async (folder) => {
    const [first, second, cut] = ["first", "second", "cut"].map((name) => `${folder}/${name}.mig`);
    const bytes = loadStream("pc");
    Deno.writeFileSync(first!, bytes);
    Deno.writeFileSync(second!, loadStream("pc-live"));
    Deno.writeFileSync(cut!, bytes.subarray(0, 100_000));
    const permissions = ["-R", "-W", "-E"];
    const page = `${folder}/page.html`;
    const one = await migstream(["report", first!, "-o", page], { permissions });
    assertEquals([one.code, one.out, one.err], [0, "", ""]);
    const written = Deno.readTextFileSync(page);

    const refused = await migstream(["report", first!, "-o", page], { permissions });
    assertEquals(refused.code, 2);
    assertStringIncludes(refused.err, "--force");
    const itself = await migstream(["report", first!, "-o", first!, "--force"], { permissions });
    assertEquals([itself.code, Deno.readFileSync(first!)], [2, bytes]);

    // Standard output needs no permission to write.
    const shown = await migstream(["report", first!, "-o", "-"]);
    assertEquals([shown.code, shown.out === written], [0, true]);
    const piped = await migstream(["report", "-", "-o", "-"], { permissions, input: bytes });
    const [side] = dataIn(piped.out).sides;
    assertEquals({ ...side!, path: first! }, dataIn(written).sides[0]!);

    const pair = await migstream(["report", first!, second!, "-o", "-"]);
    const { comparison, sides } = dataIn(pair.out);
    assertEquals(sides.length, 2);
    assert(comparison!.memory.some(({ changedPages }) => changedPages > 0));
    assert(comparison!.changes.some(([path]) => path.startsWith("cpu/0/env.")));
    const same = await migstream(["report", first!, first!, "-o", "-"]);
    assertEquals(dataIn(same.out).comparison!.same, true);

    const moved = `${folder}/moved.mig`;
    Deno.writeFileSync(moved, new Uint8Array([...new Uint8Array(4096), ...bytes]));
    const offsets = ["--offset", "0", "--offset-b", "4096"];
    const shifted = await migstream(["report", first!, moved, "-o", "-", ...offsets]);
    assertEquals(dataIn(shifted.out).comparison!.same, true);
    const wrong = await migstream(["report", first!, moved, "-o", "-"]);
    assertEquals([wrong.code, wrong.out], [2, ""]);
    assertStringIncludes(wrong.err, moved);

    const damaged = await migstream(["report", cut!, first!, "-o", "-"]);
    assertEquals(damaged.code, 0);
    assert(dataIn(damaged.out).sides[0]!.error !== null);
    const both = await migstream(["report", "-", "-", "-o", "-"]);
    assertEquals(both.code, 2);
    assertStringIncludes(both.err, "standard input");
  });
});

Deno.test("report: a stream that is stored plain, in a folder of its own", async () => {
  const side = await modelOf(testdataPath("none.mig"));
  assertEquals([side.blocks, side.cpus, side.physical], [[], [], []]);
  assert((await reportPage(reportOf(side))).includes("none.mig"));
});
