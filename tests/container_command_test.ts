/**
 * Containers through the commands, as whole processes with the permission to read and no other.
 *
 * @module
 */

import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { loadImage, loadSnapshotManifest } from "./snapshots.ts";
import { withTempFile } from "./testdata.ts";
import { compressedStream, DOMAIN_XML, libvirtImage, WRAPPED_STREAM } from "./wrapped.ts";
import { runProgram } from "./process.ts";

async function run([program = "", ...args]: string[], input?: Uint8Array) {
  const { code, out, err } = await runProgram(program, args, input);
  return { code, out, err };
}

const ZSTD_IMAGE = libvirtImage({ format: "zstd", wasRunning: true }, compressedStream("zstd"));
const TWO_STATES = loadSnapshotManifest().images.find(({ name }) => name === "v2-4k")!;

Deno.test("containers: the same output from each, from a file and from standard input", async () => {
  const plain = await run(["analyze.ts", "-"], WRAPPED_STREAM);
  assertEquals([plain.code, plain.err], [0, ""]);
  const image = libvirtImage({ format: "lzop" }, compressedStream("lzop"));
  for (const bytes of [ZSTD_IMAGE, image, compressedStream("xz")]) {
    assertEquals(await run(["analyze.ts", "-"], bytes), plain);
    await withTempFile(bytes, async (path) => {
      assertEquals(await run(["cli.ts", "analyze", path]), plain);
      // The state with all pages asks for bytes again that came out of the decompressor long before.
      const memory = await run(["analyze.ts", "--memory", path]);
      assertEquals([memory.code, memory.err], [0, ""]);
    });
  }
});

Deno.test("containers: info of a libvirt image", async () => {
  await withTempFile(ZSTD_IMAGE, async (path) => {
    const text = await run(["cli.ts", "info", path]);
    assertEquals([text.code, text.err], [0, ""]);
    assertStringIncludes(text.out, "container:     libvirt > zstd\n");
    assertStringIncludes(text.out, "domain:        web & mail\n");
    assertStringIncludes(text.out, "domain uuid:   12345678-9abc-def0-1122-334455667788\n");
    assertStringIncludes(text.out, "saved:         running\n");
    assertStringIncludes(text.out, "stored as:     zstd (libvirt version 2, little-endian)\n");
    const json = JSON.parse((await run(["cli.ts", "info", "--json", path])).out);
    assertEquals([json.input.libvirt.name, json.input.streamOffset], ["web & mail", 0]);
    const xml = await run(["cli.ts", "info", "--xml", path]);
    assertEquals(xml, { code: 0, out: DOMAIN_XML, err: "" });
    const cookie = await run(["cli.ts", "info", "--cookie", path]);
    assertEquals(cookie, { code: 0, out: "<cookie/>\n", err: "" });
    const both = await run(["cli.ts", "info", "--xml", "--json", path]);
    assertEquals([both.code, both.out], [2, ""]);
  });
  await withTempFile(libvirtImage({ cookie: undefined }, WRAPPED_STREAM), async (path) => {
    const { code, out, err } = await run(["cli.ts", "info", "--cookie", path]);
    assertEquals([code, out], [2, ""]);
    assertMatch(err, /has no cookie\n$/);
  });
  await withTempFile(WRAPPED_STREAM, async (path) => {
    const { code, out, err } = await run(["cli.ts", "info", "--xml", path]);
    assertEquals([code, out], [2, ""]);
    assertMatch(err, /^migstream: --xml needs a libvirt save image; the container is none\n$/);
  });
});

Deno.test("containers: info of a qcow2 image lists snapshots, --snapshot takes one", async () => {
  const bytes = loadImage(TWO_STATES);
  const list = await run(["cli.ts", "info", "-"], bytes);
  assertEquals([list.code, list.err], [0, ""]);
  assertMatch(
    list.out,
    /\nSnapshots\n {2}id {2}name .*\n {2}1 {3}2 .*\n {2}2 {3}after .*disk only/s,
  );
  assertMatch(list.out, /note: several snapshots have a state: choose with --snapshot\n$/);
  await withTempFile(bytes, async (path) => {
    const { input } = JSON.parse((await run(["cli.ts", "info", "--json", path])).out);
    assertEquals([input.container, input.qcow2.snapshotId], ["qcow2", null]);
    assertEquals(input.qcow2.snapshots.length, 3);
    const chosen = await run(["cli.ts", "info", "--snapshot", "after", path]);
    assertEquals([chosen.code, chosen.err], [0, ""]);
    assertMatch(chosen.out, /snapshot: {6}after \(id 2\), \d{4}-/);
    for (const args of [["analyze.ts"], ["cli.ts", "analyze"], ["cli.ts", "layout"]]) {
      const refused = await run([...args, path]);
      assertEquals([refused.code, refused.out], [2, ""]);
      assertMatch(refused.err, /Several snapshots.*--snapshot.*"after" \(id "2"\)/);
      const taken = await run([...args, "--snapshot", "after", path]);
      assertEquals([taken.code, taken.err], [0, ""], args.join(" "));
    }
    const unknown = await run(["cli.ts", "info", "--snapshot", "other", path]);
    assertEquals(unknown.code, 2);
    assertMatch(unknown.out, /Snapshots/);
    assertMatch(unknown.err, /^error: No snapshot in the qcow2 image is named "other"/);
  });
});

Deno.test("containers: notes of wrappers stand on standard error of analyze", async () => {
  const image = libvirtImage({ format: "raw" }, compressedStream("gzip"));
  const bytes = new Uint8Array(image.length + 5).fill(0x61);
  bytes.set(image);
  const { code, err } = await run(["analyze.ts", "-"], bytes);
  assertEquals(code, 0);
  const [mismatch, trailing, ...rest] = err.trimEnd().split("\n");
  assertEquals(mismatch, "note: the libvirt header says raw, but the data are gzip");
  assertMatch(trailing ?? "", /^note: .*behind the gzip data/);
  assertEquals(rest, []);
});

Deno.test("containers: one offset of what was compressed is explained", async () => {
  const plain = await run(["cli.ts", "layout", "--at", "0x10", "-"], WRAPPED_STREAM);
  assertMatch(plain.out, /configuration > machine name/);
  for (const bytes of [compressedStream("gzip"), ZSTD_IMAGE]) {
    assertEquals(await run(["cli.ts", "layout", "--at", "0x10", "-"], bytes), plain);
  }
});

Deno.test("containers: a folder is enough for the command", async () => {
  const folder = Deno.makeTempDirSync();
  try {
    Deno.writeFileSync(`${folder}/main`, WRAPPED_STREAM);
    Deno.writeFileSync(`${folder}/notes`, new TextEncoder().encode("captured today"));
    const { code, out, err } = await run(["cli.ts", "info", folder]);
    assertEquals([code, err], [0, ""]);
    assertMatch(out, /container: {5}capture\n(.*\n)*Other channels\n.*\n {2}unknown .*notes\n/);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});
