/**
 * A mapped-ram file of 1 TiB whose memory is nearly all holes: every command takes the time and the memory of what is in it, not of what
 * it claims. The time that a command may take is far more than it needs, and far less than a loop over 2^28 pages takes.
 *
 * @module
 */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { buildImage } from "../analyze/image/build.ts";
import { saveImage } from "../analyze/image/save.ts";
import { HANG_MS } from "./patience.ts";
import { filesBelow, migstream, migstreamCommand, withFolder } from "./process.ts";

const TIB = 2 ** 40;
const PAGE_BYTES = 4096;
const WRITE = ["-R", "-W"];

const encoder = new TextEncoder();
const at = (address: number, text: string) => ({ address, bytes: encoder.encode(text) });

/** One block of 1 TiB with three pages, a small one beside it, and a device. */
function hugeImage() {
  const counter = { name: "counter", type: "uint32", sizeBytes: 4, inline: [] };
  return buildImage({
    machine: "pc-i440fx-10.0",
    blocks: [
      { name: "small", sizeBytes: 1 << 20, content: [at(PAGE_BYTES, "needle")] },
      {
        name: "pc.ram",
        sizeBytes: TIB,
        content: [at(0x7c00, "begin"), at(TIB / 2, "middle"), at(TIB - PAGE_BYTES, "end")],
      },
    ],
    sections: [{
      idstr: "counter",
      description: { vmsdName: "counter", version: 1, fields: [counter], subsections: [] },
      values: { counter: 42 },
    }],
  });
}

/** Calls `use` with the image, or says why there is none. */
async function withHugeImage(
  use: (path: string, folder: string) => Promise<void>,
): Promise<void> {
  await withFolder(async (folder) => {
    const path = `${folder}/huge.img`;
    try {
      await saveImage(hugeImage(), path, { to: "mapped-ram", sync: false });
    } catch (error) {
      console.warn(`skipped: no file of 1 TiB here: ${error}`);
      return;
    }
    const { blocks, size } = Deno.statSync(path);
    assert(size > TIB);
    // The bitmap of the block alone is 32 MiB.
    if (blocks !== null) assert(blocks * 512 < 64 << 20, `${blocks} blocks: not sparse`);
    await use(path, folder);
  });
}

/** What a command prints, in time. */
async function run(args: readonly string[], expected = 0): Promise<string> {
  const begun = performance.now();
  const { code, out, err } = await migstream(args, { permissions: WRITE });
  const tookMs = performance.now() - begun;
  assertEquals(code, expected, `${args[0]}: ${err}`);
  assert(tookMs < HANG_MS, `${args[0]} took ${tookMs} ms`);
  return out;
}

Deno.test("huge image: what stands in it is found at once", async () => {
  await withHugeImage(async (path, folder) => {
    const { ramBlocks } = JSON.parse(await run(["info", path, "--json"]));
    const { pages } = ramBlocks.find(({ name }: { name: string }) => name === "pc.ram");
    assertEquals([pages.normal, pages.normal + pages.zero + pages.absent], [3, TIB / PAGE_BYTES]);
    assertStringIncludes(await run(["analyze", path]), '"pc.ram": "0x0000010000000000"');
    const rows = JSON.parse(await run(["layout", path, "--json"]));
    assert(JSON.stringify(rows).length < 100_000);
    const explained = await run(["layout", path, "--at", String(TIB)]);
    assertStringIncludes(explained, 'pages of "pc.ram" > page ');
    const { findings } = JSON.parse(await run(["validate", path, "--json"]));
    assertEquals(findings.filter(({ severity }: { severity: string }) => severity === "error"), []);
    const part = ["--block", "pc.ram", "--address", String(TIB / 2), "--length", "16"];
    assertStringIncludes(await run(["read", path, ...part]), "|middle..........|");
    assertStringIncludes(await run(["search", path, "--text", "middle"]), "pc.ram 0x8000000000 ");
    const out = `${folder}/out`;
    await run(["extract", path, "--block", "small", "--out", out, "--no-sync"]);
    assertEquals(filesBelow(out), ["ram.json", "small"]);
    const small = Deno.readFileSync(`${out}/small`);
    assertEquals(small.subarray(PAGE_BYTES, PAGE_BYTES + 6), encoder.encode("needle"));
  });
});

Deno.test("huge image: compared with itself, as a report, and in another form", async () => {
  await withHugeImage(async (path, folder) => {
    assertEquals(await run(["diff", path, path]), "the same\n");
    const page = `${folder}/page.html`;
    await run(["report", path, "--output", page]);
    assert(Deno.statSync(page).size < 10 << 20);
    const again = `${folder}/again.img`;
    await run(["convert", path, again, "--to", "mapped-ram", "--no-sync"]);
    assertEquals(Deno.statSync(again).size, Deno.statSync(path).size);
    assertEquals(await run(["diff", path, again]), "the same\n");
  });
});

Deno.test("huge image: a signal ends a comparison of every byte at once", async () => {
  await withHugeImage(async (path) => {
    const child = migstreamCommand(["roundtrip", path, "--no-progress"]).spawn();
    await child.stdin.close();
    await new Promise((done) => setTimeout(done, 1000));
    const begun = performance.now();
    child.kill("SIGTERM");
    const { code } = await child.output();
    assertEquals(code, 143);
    assert(performance.now() - begun < HANG_MS);
  });
});
