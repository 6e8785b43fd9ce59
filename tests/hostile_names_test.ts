/**
 * Names out of an image may be anything. Nothing of them reaches a terminal that could move its cursor, breaks JSON or leads out of the
 * folder that is written to; and what is read is never written over.
 *
 * @module
 */

import { assert, assertEquals, assertMatch, assertNotMatch } from "@std/assert";
import { encodeDirtyBitmapSection } from "../format/dirty_bitmap.ts";
import { DIRTY_BITMAP_FLAG } from "../format/dirty_bitmap_chunk.ts";
import { encodePage, encodeRamEos, encodeRamWord, RAM_SAVE_FLAG } from "../format/ram.ts";
import { encodeBlockEntry } from "../format/ram_blocks.ts";
import { filesBelow, migstream, withFolder } from "./process.ts";
import { buildImage as buildQcow2 } from "./qcow2_builder.ts";
import { StreamBuilder } from "./streams.ts";
import { loadStream } from "./testdata.ts";
import { libvirtImage } from "./wrapped.ts";

const PAGE_BYTES = 4096;
const WRITE = ["-R", "-W"];
const FLAG = DIRTY_BITMAP_FLAG;

/** Each is bad for something that may print it or take it for a path. */
const HOSTILE = [
  "../../outside",
  "/../../outside",
  "..",
  "a/../../b",
  "..\\..\\outside",
  "C:\\outside",
  "nul\0name",
  "Case",
  "case",
  "sub/inner",
  "sub",
  "ram.json",
  "x".repeat(255),
  "\x1b[2J\x1b[31;5mred",
  "\x1b]8;;http://example.org\x07link\x1b]8;;\x07",
  "\x9b2J\x85next",
  "ok\rerased",
  "ok\b\b\x7fno",
  "two\nlines\ttab",
  "\u202egnp.\u2066exe\u2069\u200f\u061c",
  "\u2028\u2029\ufeff\u200b",
  "</script><img src=x onerror=alert(1)><!--",
  `"},{"ruleId":"\\`,
  ".TH x\n'\\\" roff",
  "%s%n$(touch outside)`touch outside`",
  "not utf-8 \udcff\udc80",
];

/** The stream of a turn: each turn has the names at other places. */
function hostileStream(turn: number): Uint8Array {
  const name = (place: number) => HOSTILE[(turn + place) % HOSTILE.length]!;
  const field = { name: name(6), type: name(7), size: 4 };
  return new StreamBuilder()
    .configuration({ machine: name(0) })
    .section("start", 1, "ram", (writer) => {
      encodeRamWord(writer, HOSTILE.length * PAGE_BYTES, RAM_SAVE_FLAG.MEM_SIZE);
      for (const [index, name] of HOSTILE.entries()) {
        const place = { entryOffset: writer.offset, entryBytes: 0 };
        encodeBlockEntry(writer, { name, index, usedLengthBytes: PAGE_BYTES, ...place });
      }
      encodeRamEos(writer);
    }, { versionId: 4 })
    .section("start", 2, "dirty-bitmap", (writer) => {
      const names = { node: name(1), bitmap: name(2) };
      const flags = FLAG.START | FLAG.DEVICE_NAME | FLAG.BITMAP_NAME;
      const start = { granularityBytes: 65536, bitmapFlags: 1 };
      const data = new Uint8Array(0);
      encodeDirtyBitmapSection(writer, [
        { kind: "start", flags, ...names, ...start, data },
        { kind: "end", flags: FLAG.EOS, ...names, data },
      ]);
    })
    .section("end", 1, "ram", (writer) => {
      for (const [index, block] of HOSTILE.entries()) {
        encodePage(writer, { block, address: 0 }, new Uint8Array(PAGE_BYTES).fill(65 + index));
      }
      encodeRamEos(writer);
    }, { versionId: 4 })
    .section("end", 2, "dirty-bitmap", (writer) => {
      const names = { node: name(1), bitmap: name(2) };
      const flags = FLAG.COMPLETE | FLAG.DEVICE_NAME | FLAG.BITMAP_NAME;
      const data = new Uint8Array(0);
      encodeDirtyBitmapSection(writer, [
        { kind: "complete", flags, ...names, data },
        { kind: "end", flags: FLAG.EOS, ...names, data },
      ]);
    })
    .section("full", 3, name(3), Uint8Array.of(1, 2, 3, turn))
    .section("full", 4, name(4), Uint8Array.of(5, 6, 7, 8), { instanceId: 1 })
    .eof()
    .description({
      page_size: PAGE_BYTES,
      devices: [
        { name: name(3), instance_id: 0, vmsd_name: name(5), version: 1, fields: [field] },
        { name: name(4), instance_id: 1, vmsd_name: name(0), version: 1, fields: [field] },
      ],
    })
    .bytes();
}

/** Control characters, those that change the direction of text, and those that nobody sees. */
const UNSEEMLY =
  // deno-lint-ignore no-control-regex -- these are what must not come out
  /[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/;
// deno-lint-ignore no-control-regex -- an escape character begins a colour
const OUR_COLOURS = /\x1b\[(?:[12]|22|3[1-69])m/g;

async function printed(args: readonly string[], codes: readonly number[], colours = false) {
  const env = colours ? { NO_COLOR: "", FORCE_COLOR: "1" } : { NO_COLOR: "1" };
  const permissions = colours ? [...WRITE, "-E"] : WRITE;
  const { code, out, err } = await migstream(args, { permissions, env });
  const text = `${out}${err}`;
  assert(codes.includes(code), `${args}: ${code} ${err}`);
  assertNotMatch(colours ? text.replaceAll(OUR_COLOURS, "") : text, UNSEEMLY, `${args}`);
  return out;
}

function put(folder: string, name: string, bytes: Uint8Array): string {
  const path = `${folder}/${name}`;
  Deno.writeFileSync(path, bytes);
  return path;
}

const READING: readonly (readonly string[])[] = [
  ["info"],
  ["info", "--json"],
  ["analyze"],
  ["analyze", "--memory"],
  ["analyze", "--dump", "desc"],
  ["analyze", "--dump", "rich"],
  ["layout"],
  ["layout", "--json"],
  ["validate"],
  ["validate", "--json"],
  ["validate", "--sarif"],
  ["search", "--text", "AAAAAAAA", "--max", "3"],
  ["search", "--text", "AAAAAAAA", "--max", "3", "--json"],
  ["read", "--block", "nobody", "--length", "16"],
  ["registers"],
  ["roundtrip"],
  ["roundtrip", "--json"],
];

const isJson = (args: readonly string[]) =>
  args.includes("--json") || args.includes("--sarif") || args[0] === "analyze";

Deno.test("hostile names: no command prints what moves a cursor, and JSON stays JSON", async () => {
  await withFolder(async (folder) => {
    for (const turn of [0, 13]) {
      const path = put(folder, "image", hostileStream(turn));
      for (const args of READING) {
        const out = await printed([...args, path], [0, 1, 2]);
        if (!isJson(args)) continue;
        const texts = args[0] === "search" ? out.trimEnd().split("\n") : [out];
        for (const text of texts) JSON.parse(text);
      }
      for (const args of [["info"], ["validate"], ["layout"]]) {
        await printed([...args, path], [0, 1], true);
      }
    }
  });
});

Deno.test("hostile names: every offset's explanation is clean", async () => {
  await withFolder(async (folder) => {
    for (const turn of [3, 17]) {
      const bytes = hostileStream(turn);
      const path = put(folder, "image", bytes);
      const rows = JSON.parse(await printed(["layout", path, "--json"], [0]));
      const offsets: number[] = rows.rows.map(({ offset }: { offset: number }) => offset);
      for (const offset of offsets.slice(-8)) {
        await printed(["layout", path, "--at", String(offset)], [0]);
        JSON.parse(await printed(["layout", path, "--at", String(offset), "--json"], [0]));
      }
    }
  });
});

Deno.test("hostile names: differences, and what another image would say", async () => {
  await withFolder(async (folder) => {
    const one = put(folder, "one", hostileStream(0));
    const other = put(folder, "other", hostileStream(5));
    await printed(["diff", one, other], [1]);
    await printed(["diff", one, other], [1], true);
    JSON.parse(await printed(["diff", one, other, "--json"], [1]));
    await printed(["validate", one, "--against", other], [1, 2]);
    JSON.parse(await printed(["validate", one, "--against", other, "--json"], [1, 2]));
    await printed(["convert", one, `${folder}/x`, "--to", "stream", "--set", "a/b=1"], [2]);
  });
});

Deno.test("hostile names: in wrappers and folders", async () => {
  await withFolder(async (folder) => {
    const text = HOSTILE.filter((name) => name.isWellFormed() && !name.includes("\0")).join(" ");
    const escaped = text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
    const xml = new TextEncoder().encode(`<domain><name>${escaped}</name><uuid>${text}</uuid>`);
    const stream = loadStream("pc");
    const state = hostileStream(0);
    const capture = `${folder}/capture`;
    Deno.mkdirSync(capture);
    put(capture, "main", stream);
    for (const name of HOSTILE) {
      if (name.includes("/") || name.includes("\0") || name === ".." || name.length > 200) continue;
      put(capture, name, new TextEncoder().encode("not a channel"));
    }
    const images = [
      put(folder, "libvirt", libvirtImage({ xml }, stream)),
      put(
        folder,
        "qcow2",
        buildQcow2({
          snapshots: HOSTILE.filter((name) => name.isWellFormed()).map((name, index) => (
            { id: `${index}${index % 2 === 0 ? "\x1b[2J" : ""}`, name, state }
          )),
        }).bytes,
      ),
      capture,
    ];
    for (const path of images) {
      for (const args of READING) {
        const out = await printed([...args, path], [0, 1, 2]);
        if (isJson(args) && out !== "") args[0] !== "search" && JSON.parse(out);
      }
    }
  });
});

/** Everything in a folder with a sentinel at each place that a name could lead to. */
async function withSentinels(use: (folder: string, out: string) => Promise<void>): Promise<void> {
  await withFolder(async (folder) => {
    put(folder, "outside", new TextEncoder().encode("untouched"));
    put(folder, "image", hostileStream(0));
    const out = `${folder}/a/b`;
    Deno.mkdirSync(out, { recursive: true });
    await use(folder, out);
    assertEquals(Deno.readTextFileSync(`${folder}/outside`), "untouched");
    assertEquals(Deno.readFileSync(`${folder}/image`), hostileStream(0));
    const elsewhere = filesBelow(folder).filter((name) => !name.startsWith("a/b/"));
    assertEquals(elsewhere, ["image", "outside"]);
  });
}

Deno.test("hostile names: files stay in the output folder", async () => {
  await withSentinels(async (folder, out) => {
    const path = `${folder}/image`;
    await printed(["extract", path, "--out", `${out}/1`, "--slack"], [0]);
    assertEquals(filesBelow(`${out}/1`).length, HOSTILE.length + 1);
    const { blocks } = JSON.parse(Deno.readTextFileSync(`${out}/1/ram.json`));
    for (const [index, { file }] of blocks.entries()) {
      const content = Deno.readFileSync(`${out}/1/${file}`);
      assertEquals(content, new Uint8Array(PAGE_BYTES).fill(65 + index), file);
    }
    await printed(["analyze", path, "--extract", "--out", `${out}/2`], [0]);
    assertEquals(filesBelow(`${out}/2`).length, HOSTILE.length + 2);
    // A packet of a multifd channel has no place for a name with a NUL.
    await printed(["convert", path, `${out}/3`, "--to", "capture"], [2]);
    assertEquals(filesBelow(`${out}/3`), []);
    for (const to of ["stream", "mapped-ram"]) {
      await printed(["convert", path, `${out}/${to}`, "--to", to], [0]);
      assertEquals(await printed(["diff", "--ram", path, `${out}/${to}`], [0]), "the same\n");
    }
    await printed(["report", path, path, "--output", `${out}/page.html`], [0]);
    const page = Deno.readTextFileSync(`${out}/page.html`);
    assertEquals(page.split("<img src=x").length, 1);
    assertMatch(page, /\\u003c\/script>\\u003cimg src=x/);
    const data = page.split('id="data">')[1]!.split("</script>")[0]!;
    JSON.parse(data);
  });
});

Deno.test("hostile names: no link in the output folder is followed", async () => {
  await withSentinels(async (folder, out) => {
    const path = `${folder}/image`;
    const link = (to: string, name: string) => Deno.symlinkSync(to, `${out}/${name}`);
    const refused = async (...args: string[]) => {
      const { code, err } = await migstream(args, { permissions: WRITE });
      assertEquals(code, 2, `${args}`);
      assertMatch(err, /^migstream: .* is a symbolic link: not written through\n$/);
    };
    for (const command of ["extract", "analyze"]) {
      const force = command === "analyze" ? "--extract" : "--force";
      link(`${folder}/outside`, "case");
      await refused(command, path, "--out", out, force);
      Deno.removeSync(`${out}/case`);
      link(folder, "sub");
      await refused(command, path, "--out", out, force);
      Deno.removeSync(`${out}/sub`);
    }
    link(`${folder}/outside`, "link");
    for (const to of ["stream", "mapped-ram"]) {
      await refused("convert", path, `${out}/link`, "--to", to, "--force");
    }
    await refused("report", path, "--output", `${out}/link`, "--force");
    const pc = put(out, "pc", loadStream("pc"));
    await refused("extract", pc, "--out", `${out}/link`, "--force", "--format", "raw-physical");
    // A link that leads nowhere yet, too.
    link(`${folder}/elsewhere`, "dangling");
    await refused("report", path, "--output", `${out}/dangling`, "--force");
    const capture = `${out}/capture`;
    Deno.mkdirSync(capture);
    put(capture, "capture.json", new Uint8Array(0));
    Deno.symlinkSync(`${folder}/outside`, `${capture}/main.bin`);
    await refused("convert", path, capture, "--to", "capture", "--force");
  });
});

Deno.test("output: what is read is never written over, whatever it is called", async () => {
  await withFolder(async (folder) => {
    const stream = loadStream("pc");
    const image = put(folder, "pc.ram", stream);
    Deno.linkSync(image, `${folder}/hard`);
    Deno.symlinkSync(folder, `${folder}/again`);
    const names = ["pc.ram", "./pc.ram", "hard", "again/pc.ram", "again/hard"];
    const before = filesBelow(folder).sort();
    const refused = async (...args: string[]) => {
      const { code, err } = await migstream(args, { permissions: WRITE });
      assertEquals([code, err.trimEnd().split("\n").length], [2, 1], `${args}: ${err}`);
      assertEquals(Deno.readFileSync(image), stream, `${args}`);
      assertEquals(filesBelow(folder).sort(), before);
    };
    for (const name of names) {
      const out = `${folder}/${name}`;
      for (const to of ["stream", "mapped-ram", "capture"]) {
        await refused("convert", image, out, "--to", to, "--force");
      }
      await refused("report", image, "--output", out, "--force");
      await refused("extract", image, "--out", out, "--format", "raw-physical", "--force");
    }
    for (const input of names.map((name) => `${folder}/${name}`)) {
      await refused("extract", input, "--out", folder, "--force");
      await refused("analyze", input, "--extract", "--out", folder);
    }
  });
});

Deno.test("output: nor are the channels of a folder, or a description", async () => {
  await withFolder(async (folder) => {
    const stream = loadStream("pc");
    const capture = `${folder}/capture`;
    Deno.mkdirSync(capture);
    const main = put(capture, "pc.ram", stream);
    const description = put(folder, "description", stream);
    const refused = async (...args: string[]) => {
      const { code, err } = await migstream(args, { permissions: WRITE });
      assertEquals(code, 2, `${args}: ${err}`);
      assertMatch(err, /is the input itself/);
      assertEquals(Deno.readFileSync(main), stream);
      assertEquals(filesBelow(folder), ["capture/pc.ram", "description"]);
    };
    await refused("extract", capture, "--out", capture, "--force");
    await refused("analyze", capture, "--extract", "--out", capture);
    await refused("report", capture, "--output", main, "--force");
    await refused("convert", capture, main, "--to", "stream", "--force");
    const given = ["--vmdesc", description, "--force"];
    await refused("report", main, "--output", description, ...given);
    await refused("extract", main, "--out", description, "--format", "raw-physical", ...given);
    await refused("convert", main, description, "--to", "stream", ...given);
  });
});
