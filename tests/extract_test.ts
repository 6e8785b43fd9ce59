/**
 * The command extract as a process: what it writes is the guest's memory, and nothing is written where something went wrong.
 */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { createHash } from "node:crypto";
import { buildImage } from "../analyze/image/build.ts";
import { saveImage } from "../analyze/image/save.ts";
import { encodeRamEos, encodeRamWord, RAM_SAVE_FLAG } from "../format/ram.ts";
import { encodeBlockEntry } from "../format/ram_blocks.ts";
import { HANG_MS } from "./patience.ts";
import { filesBelow, migstream, migstreamCommand, withFolder } from "./process.ts";
import { StreamBuilder } from "./streams.ts";
import { caseNames, loadCase, loadStream, loadTruth } from "./testdata.ts";

const WRITE = ["-R", "-W"];
const MAPPED = "pc-mapped-live";

function extract(args: readonly string[], input?: Uint8Array) {
  return migstream(["extract", ...args], {
    permissions: WRITE,
    ...(input === undefined ? {} : { input }),
  });
}

function put(folder: string, name: string, bytes: Uint8Array): string {
  const path = `${folder}/${name}`;
  Deno.writeFileSync(path, bytes);
  return path;
}

interface Index {
  readonly blocks: readonly {
    readonly name: string;
    readonly file: string | null;
    readonly bytes: number;
    readonly absentPages: number;
    readonly sha256?: string;
    readonly slack?: { readonly file: string; readonly pages: number };
  }[];
}

function readIndex(folder: string): Index {
  return JSON.parse(Deno.readTextFileSync(`${folder}/ram.json`));
}

const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

/** Cases whose memory went other ways, too. */
const ELSEWHERE = /multifd|preempt|ignore-shared/;
const WHOLE = caseNames(({ name, truth }) =>
  (!ELSEWHERE.test(name) || name.startsWith("pc-mapped-multifd")) && truth.ramBlocks.length > 0
);

for (const name of WHOLE) {
  Deno.test(`extract: ${name}, every block is what the running QEMU had`, async () => {
    await withFolder(async (folder) => {
      const stream = loadStream(name);
      const path = put(folder, "stream.img", stream);
      const offset = ["--offset", String(loadCase(name).streamOffset)];
      const out = `${folder}/out`;
      const { code, err } = await extract([path, ...offset, "--out", out, "--sha256"]);
      assertEquals(code, 0, err);
      const { blocks } = readIndex(out);
      const truth = loadTruth(name).ramBlocks;
      assertEquals(
        blocks.map((block) => block.name).sort(),
        truth.map((block) => block.name).sort(),
      );
      for (const { name, file, bytes, sha256: said } of blocks) {
        const content = Deno.readFileSync(`${out}/${file}`);
        const real = truth.find((block) => block.name === name)!;
        assertEquals([content.length, bytes], [real.usedLengthBytes, real.usedLengthBytes], name);
        assertEquals(sha256(content), said, name);
        if (real.sha256 !== undefined) assertEquals(said, real.sha256, name);
      }
      assertEquals(filesBelow(out).length, blocks.length + 1);
    });
  });
}

Deno.test("extract: a pipe gives what a file gives, also of mapped-ram", async () => {
  await withFolder(async (folder) => {
    for (const name of ["pc-live", "pc-xbzrle", MAPPED]) {
      const out = `${folder}/${name}`;
      const { code, err } = await extract(["-", "--out", out, "--sha256"], loadStream(name));
      assertEquals(code, 0, err);
      for (const { name: block, sha256 } of readIndex(out).blocks) {
        const real = loadTruth(name).ramBlocks.find((each) => each.name === block)!;
        assertEquals(sha256, real.sha256, block);
      }
    }
  });
});

Deno.test("extract: zero pages are holes", async () => {
  await withFolder(async (folder) => {
    // All pages were sent whole, zeros among them.
    const path = put(folder, "stream", loadStream("pc-zero-none"));
    assertEquals((await extract([path, "--out", `${folder}/out`])).code, 0);
    const { blocks } = Deno.statSync(`${folder}/out/pc.ram`);
    assert(blocks === null || blocks * 512 < 0x40000, `${blocks} blocks of 512 bytes`);
  });
});

Deno.test("extract: one block, and what is said of it", async () => {
  await withFolder(async (folder) => {
    const path = put(folder, "stream", loadStream("pc"));
    const out = `${folder}/out`;
    const { code, out: text } = await extract([path, "--block", "pc.ram", "--out", out]);
    assertEquals(code, 0);
    assertMatch(text, /^pc\.ram +1 MiB +\S+\/pc\.ram\n$/);
    assertEquals(filesBelow(out), ["pc.ram", "ram.json"]);
    const { code: failed, err } = await extract([path, "--block", "ram", "--out", `${folder}/b`]);
    assertEquals(failed, 2);
    assertStringIncludes(err, 'no RAM block "ram"; there are /rom@etc/acpi/tables, pc.ram');
    assertEquals(filesBelow(`${folder}/b`), []);
  });
});

Deno.test("extract: slack is written apart, at its pages' addresses", async () => {
  await withFolder(async (folder) => {
    const stream = loadStream(MAPPED);
    const path = put(folder, "stream", stream);
    const out = `${folder}/out`;
    const { code, err } = await extract([path, "--slack", "--out", out]);
    assertEquals(code, 0);
    const withSlack = readIndex(out).blocks.filter(({ slack }) => slack !== undefined);
    assertEquals(withSlack.map(({ name }) => name), ["pc.ram"]);
    const { file, pages } = withSlack[0]!.slack!;
    assertStringIncludes(err, `note: pc.ram: ${pages} page(s) of slack`);
    const slack = Deno.readFileSync(`${out}/${file}`);
    const memory = Deno.readFileSync(`${out}/pc.ram`);
    assertEquals(slack.length, memory.length);
    let seen = 0;
    for (let at = 0; at < slack.length; at += 4096) {
      const page = slack.subarray(at, at + 4096);
      if (page.every((byte) => byte === 0)) continue;
      seen += 1;
      assert(memory.subarray(at, at + 4096).every((byte) => byte === 0), "slack is no memory");
    }
    assertEquals(seen, pages);
    assert(pages > 0);
  });
});

Deno.test("extract: nothing that is there is replaced unless asked, the input never", async () => {
  await withFolder(async (folder) => {
    const path = put(folder, "pc.ram", loadStream("pc"));
    const again = ["extract", path, "--out", `${folder}/out`];
    assertEquals((await migstream(again, { permissions: WRITE })).code, 0);
    const { code, err } = await migstream(again, { permissions: WRITE });
    assertEquals(code, 2);
    assertStringIncludes(err, "ram.json exists already; --force replaces it");
    assertEquals((await migstream([...again, "--force"], { permissions: WRITE })).code, 0);
    const before = Deno.readFileSync(path);
    const onto = await extract([path, "--out", folder, "--force"]);
    assertEquals(onto.code, 2);
    assertStringIncludes(onto.err, "pc.ram is the input itself");
    assertEquals(Deno.readFileSync(path), before);
    assertEquals(Deno.readDirSync(folder).toArray().length, 2, "nothing is left over");
  });
});

Deno.test("extract: damage, a folder that can't be written, missing options", async () => {
  await withFolder(async (folder) => {
    const stream = loadStream("pc");
    const cut = put(folder, "cut", stream.subarray(0, 100_000));
    const refused = await extract([cut, "--out", `${folder}/out`]);
    assertEquals([refused.code, refused.out], [2, ""]);
    assertStringIncludes(refused.err, "at offset 100000 (0x186a0)");
    assertEquals(filesBelow(`${folder}/out`), []);
    const kept = await extract([cut, "--out", `${folder}/kept`, "--keep-going"]);
    assertEquals(kept.code, 2);
    assertStringIncludes(kept.err, "error: Cannot decode page");
    assertEquals(readIndex(`${folder}/kept`).blocks.length, 6);
    const nowhere = await extract([cut, "--out", `${cut}/out`]);
    assertEquals(nowhere.code, 2);
    assertEquals((await extract([cut])).code, 2);
    const both = await extract([cut, "--out", "x", "--format", "elf", "--slack"]);
    assertStringIncludes(both.err, "--slack goes with --format blocks only");
    const forbidden = await migstream(["extract", cut, "--out", `${folder}/x`]);
    assertEquals(forbidden.code, 2);
    assertStringIncludes(forbidden.err, "write access");
  });
});

Deno.test("extract: the main channel of several is not the whole memory", async () => {
  await withFolder(async (folder) => {
    for (const name of ["pc-multifd", "pc-multifd-7.2", "pc-preempt"]) {
      const path = put(folder, name, loadStream(name));
      const { code, err } = await extract([path, "--out", `${folder}/out`]);
      assertEquals(code, 2);
      assertStringIncludes(err, "pages are in the other channels");
      assertEquals(filesBelow(`${folder}/out`), []);
    }
  });
});

Deno.test("extract: blocks whose content is in a shared file have no file", async () => {
  await withFolder(async (folder) => {
    for (const name of ["pc-mapped-ignore-shared-11.1", "pc-ignore-shared"]) {
      const path = put(folder, name, loadStream(name));
      const { code, out, err } = await extract([path, "--out", `${folder}/out-${name}`]);
      assertEquals([code, err], [0, ""]);
      assertStringIncludes(out, "in a shared file, not in the stream");
      const { blocks } = readIndex(`${folder}/out-${name}`);
      assertEquals(blocks.filter(({ file }) => file === null).map(({ name }) => name), ["m"]);
    }
  });
});

Deno.test("extract: hostile block names stay inside the folder", async () => {
  await withFolder(async (folder) => {
    const names = ["../up", "/abs", "a/../../b", "nul\0l", "ram.json", "n".repeat(255)];
    const builder = new StreamBuilder().section("start", 1, "ram", (writer) => {
      encodeRamWord(writer, names.length * 4096, RAM_SAVE_FLAG.MEM_SIZE);
      for (const [index, name] of names.entries()) {
        const entryOffset = writer.offset;
        const entry = { name, index, usedLengthBytes: 4096, entryOffset, entryBytes: 0 };
        encodeBlockEntry(writer, entry);
      }
      encodeRamEos(writer);
    }, { versionId: 4 });
    const path = put(folder, "stream", builder.eof().bytes());
    const { code, err } = await extract([path, "--out", `${folder}/out`]);
    assertEquals(code, 0, err);
    assertEquals(filesBelow(folder).filter((each) => !each.startsWith("out/")), ["stream"]);
    const { blocks } = readIndex(`${folder}/out`);
    assertEquals(blocks.map(({ name }) => name), names);
    for (const { file } of blocks) assertEquals(Deno.statSync(`${folder}/out/${file}`).size, 4096);
  });
});

/** A mapped-ram file of one block of 64 GiB with one page. */
async function hugeMapped(path: string): Promise<void> {
  const content = [{ address: 5 * 4096, bytes: new Uint8Array(4096).fill(9) }];
  const image = buildImage({
    machine: "test",
    blocks: [{ name: "m", sizeBytes: 64 * 2 ** 30, content }],
  });
  await saveImage(image, path, { to: "mapped-ram", sync: false });
}

Deno.test("extract: 64 GiB that are nearly empty, and an interruption that leaves nothing", async () => {
  await withFolder(async (folder) => {
    const path = `${folder}/huge`;
    await hugeMapped(path);
    const started = performance.now();
    const { code, err } = await extract([path, "--out", `${folder}/out`]);
    assertEquals(code, 0, err);
    const { size, blocks } = Deno.statSync(`${folder}/out/m`);
    assertEquals(size, 64 * 2 ** 30);
    assert(blocks === null || blocks <= 64, `${blocks} blocks of 512 bytes`);
    assert(performance.now() - started < HANG_MS);

    // Hashing 64 GiB takes long enough to be interrupted.
    const args = ["extract", path, "--out", `${folder}/again`, "--sha256"];
    const child = migstreamCommand(args, WRITE).spawn();
    await child.stdin.close();
    while (await isMissing(`${folder}/again`)) await new Promise((done) => setTimeout(done, 20));
    await new Promise((done) => setTimeout(done, 500));
    child.kill("SIGINT");
    const result = await child.output();
    assertEquals(result.code, 130);
    const said = new TextDecoder().decode(result.stderr);
    assertEquals(said, "migstream: interrupted (SIGINT): nothing was written\n");
    assertEquals(filesBelow(`${folder}/again`), []);
  });
});

async function isMissing(folder: string): Promise<boolean> {
  try {
    return (await Array.fromAsync(Deno.readDir(folder))).length === 0;
  } catch {
    return true;
  }
}
