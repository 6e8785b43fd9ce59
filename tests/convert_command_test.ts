/**
 * `migstream convert` as a process: what each option does, what is refused, and that nothing is replaced unasked.
 */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { gunzipSync, zstdDecompressSync } from "node:zlib";
import { buildImage } from "../analyze/image/build.ts";
import { saveImage } from "../analyze/image/save.ts";
import { ByteReader } from "../format/reader.ts";
import { BytesSource } from "../format/source.ts";
import { decodeLibvirtSave } from "../container/libvirt.ts";
import { UNFINISHED_SUFFIX } from "../container/output_file.ts";
import {
  assertEqual,
  assertSameMemory,
  itemsOf,
  printedDevices,
  viewedMemory,
} from "./converting.ts";
import { MAPPED, STREAM, withScene, WRITE } from "./convert_scene.ts";
import { filesBelow, migstream, migstreamCommand } from "./process.ts";
import { loadStream } from "./testdata.ts";
import { DOMAIN_XML, libvirtImage, payloadOf } from "./wrapped.ts";

Deno.test("convert command: wrong options are named", async () => {
  await withScene(async (scene) => {
    const xml = scene.put("domain.xml", DOMAIN_XML);
    await scene.refused("required option '--to <form>' not specified");
    await scene.refused("--to <form>", "--to", "qcow2");
    await scene.refused("--compress goes with --to stream", ...MAPPED, "--compress", "zstd");
    await scene.refused("--compress <how>", ...STREAM, "--compress", "xz");
    await scene.refused("--xbzrle goes with --to stream", ...MAPPED, "--xbzrle");
    const capture = ["--to", "capture"];
    await scene.refused("--libvirt goes with", ...capture, "--libvirt", xml);
    await scene.refused("--multifd goes with --to capture", ...STREAM, "--multifd", "2");
    await scene.refused("go with --to capture", ...STREAM, "--compression", "zlib");
    await scene.refused("go with --to capture", ...MAPPED, "--marks", "round");
    await scene.refused("--level goes with", ...capture, "--level", "3");
    const level = ["--compression", "zlib", "--level", "12"];
    await scene.refused("--level of zlib is at most 9", ...capture, ...level);
    await scene.refused("--multifd", ...capture, "--multifd", "0");
    await scene.refused("--offset", ...STREAM, "--offset", "-1");
    await scene.refused("--machine takes the name", ...MAPPED, "--machine", "");
    await scene.refused("--machine takes the name", ...STREAM, "--machine", "");
    await scene.refused("PATH=VALUE", ...STREAM, "--set", "cpu");
    await scene.refused("NAME=VALUE", ...STREAM, "--rename-block", "pc.ram");
    await scene.refused("NAME=VALUE", ...STREAM, "--set-file", "=x");
  });
});

Deno.test("convert command: what isn't there can't be changed, and is told", async () => {
  await withScene(async (scene) => {
    await scene.refused('no section "timers"', ...STREAM, "--drop-section", "timers");
    await scene.refused("RAM sections can't be left out", ...STREAM, "--drop-section", "ram");
    await scene.refused('no RAM block "x"', ...MAPPED, "--rename-block", "x=y");
    await scene.refused("two RAM blocks", ...STREAM, "--rename-block", "pc.ram=pc.bios");
    await scene.refused("1 to 255 bytes", ...STREAM, "--rename-block", "pc.ram=");
    await scene.refused("gone", ...STREAM, "--set", "gone/0/field=1");
    await scene.refused("does not fit", ...STREAM, "--set", "cpu_common/0/halted=-1");
    await scene.refused("nofile", ...STREAM, "--set-file", `timer/0/x=${scene.path("nofile")}`);
    await scene.refused("nofile", ...STREAM, "--libvirt", scene.path("nofile"));
    const notXml = scene.put("not.xml", "<network/>");
    await scene.refused("is no XML of a domain", ...STREAM, "--libvirt", notXml);
    await scene.refused("is no XML of a domain", ...MAPPED, "--libvirt", notXml);
    const long = "m".repeat(1025);
    await scene.refused("machine name too long", ...STREAM, "--machine", long);
    await scene.refused("machine name too long", ...MAPPED, "--machine", long);
  });
});

Deno.test("convert command: nothing is replaced unless asked, and the input never", async () => {
  await withScene(async (scene) => {
    for (const to of ["stream", "mapped-ram"]) {
      scene.put("out", "mine");
      await scene.refused("exists already; --force replaces it", "--to", to);
      assertEquals(scene.read("out").length, 4);
      assertEquals((await scene.run("--to", to, "--force")).code, 0);
      assert(scene.read("out").length > 1000);
      Deno.removeSync(scene.path("out"));
      Deno.symlinkSync(scene.put("target", "mine"), scene.path("out"));
      await scene.refused("is a symbolic link", "--to", to, "--force");
      assertEquals(scene.read("target").length, 4);
      Deno.removeSync(scene.path("out"));
      Deno.mkdirSync(scene.path("out"));
      await scene.refused("is a folder", "--to", to, "--force");
      Deno.removeSync(scene.path("out"));
      const { code, err } = await scene.convert("in", "in", "--to", to, "--force");
      assertEquals(code, 2);
      assertStringIncludes(err, "is the input itself");
      assertEqual(scene.read("in"), loadStream("pc"), "in");
    }
    const xml = scene.put("out", DOMAIN_XML);
    await scene.refused("is the input itself", ...STREAM, "--force", "--libvirt", xml);
    assertEquals(scene.read("out").length, DOMAIN_XML.length);
  });
});

Deno.test("convert command: a capture is not replaced by what is made of it", async () => {
  await withScene(async (scene) => {
    assertEquals((await scene.convert("in", "cap", "--to", "capture")).code, 0);
    const files = filesBelow(scene.path("cap"));
    assertEquals(files, ["capture.json", "main.bin", "multifd-0.bin", "multifd-1.bin"]);
    const again = await scene.convert("in", "cap", "--to", "capture");
    assertStringIncludes(again.err, "is not empty; --force replaces a capture that is there");
    const before = files.map((name) => scene.read(`cap/${name}`));
    for (
      const [out, ...options] of [
        ["cap/main.bin", ...STREAM],
        ["cap/multifd-1.bin", ...MAPPED],
        ["cap", "--to", "capture", "--multifd", "1"],
      ] as const
    ) {
      const { code, err } = await scene.convert("cap", out, ...options, "--force");
      assertEquals(code, 2, out);
      assertStringIncludes(err, "is the input itself");
    }
    assertEquals(files.map((name) => scene.read(`cap/${name}`)), before);
    // Channels of the earlier capture that the new one has not are removed.
    const fewer = await scene.convert("in", "cap", "--to", "capture", "--multifd", "1", "--force");
    assertEquals(fewer.code, 0, fewer.err);
    assertEquals(filesBelow(scene.path("cap")), ["capture.json", "main.bin", "multifd-0.bin"]);
  });
});

Deno.test("convert command: standard input and output", async () => {
  await withScene(async (scene) => {
    const expected = await scene.done(...STREAM, "--no-sync");
    const piped = await migstream(["convert", "-", "-", ...STREAM], {
      permissions: WRITE,
      input: loadStream("pc"),
    });
    assertEquals([piped.code, piped.err], [0, ""]);
    assertEqual(piped.bytes, expected, "standard output");
    await scene.done(...MAPPED);
    const mapped = await migstream(["convert", "-", scene.path("piped"), ...MAPPED], {
      permissions: WRITE,
      input: loadStream("pc"),
    });
    assertEquals([mapped.code, mapped.err], [0, ""]);
    assertEqual(scene.read("piped"), scene.read("out"), "mapped-ram from a pipe");
    for (const to of ["mapped-ram", "capture"]) {
      const { code, err } = await scene.convert("in", "-", "--to", to);
      assertEquals(code, 2);
      assertStringIncludes(err, "only --to stream can be written to standard output");
    }
    const cut = await migstream(["convert", "-", "-", ...STREAM], {
      permissions: WRITE,
      input: loadStream("pc").subarray(0, 100_000),
    });
    assertEquals([cut.code, cut.bytes.length], [2, 0]);
  });
});

Deno.test("convert command: reading alone needs no permission to write", async () => {
  await withScene(async (scene) => {
    const args = ["convert", scene.path("in")];
    const { code, bytes } = await migstream([...args, "-", ...STREAM], { permissions: ["-R"] });
    assertEquals([code, bytes.length > 0], [0, true]);
    for (const to of ["stream", "mapped-ram", "capture"]) {
      const out = scene.path("out");
      const denied = await migstream([...args, out, "--to", to], { permissions: ["-R"] });
      assertEquals(denied.code, 2);
      assertStringIncludes(denied.err, "write access");
      const only = [`-R=${scene.folder},.`, `-W=${scene.folder}`];
      const allowed = await migstream([...args, out, "--to", to, "--quiet"], { permissions: only });
      assertEquals([allowed.code, allowed.out, allowed.err], [0, "", ""]);
      Deno.removeSync(out, { recursive: true });
    }
  });
});

Deno.test("convert command: compressed streams unpack to the stream, and are read", async () => {
  await withScene(async (scene) => {
    const plain = await scene.done(...STREAM);
    const unpack = { gzip: gunzipSync, zstd: zstdDecompressSync };
    for (const [name, decompress] of Object.entries(unpack)) {
      const packed = await scene.done(...STREAM, "--compress", name);
      assert(packed.length < plain.length);
      assertEqual(new Uint8Array(decompress(packed)), plain, name);
      const info = await migstream(["info", scene.path("out"), "--json"]);
      assertEquals(info.code, 0, info.err);
      assertEquals(JSON.parse(info.out).input.container, name);
    }
  });
});

Deno.test("convert command: a save image of libvirt has its header, XML and cookie", async () => {
  await withScene(async (scene) => {
    const plain = await scene.done(...STREAM);
    const xml = scene.put("domain.xml", DOMAIN_XML);
    const cookie = new TextEncoder().encode("<cookie>kept</cookie>\n");
    scene.put("saved", libvirtImage({ wasRunning: true, cookie }, payloadOf("raw")));
    for (const [format, ...options] of [["raw"], ["gzip", "--compress", "gzip"]] as const) {
      const image = await scene.done(...STREAM, "--libvirt", xml, ...options);
      const reader = new ByteReader(new BytesSource(image));
      const save = decodeLibvirtSave(reader);
      const { version, byteOrder, wasRunning, reserveBytes } = save;
      assertEquals([version, byteOrder, wasRunning, save.format], [2, "little", false, format]);
      assertEquals([new TextDecoder().decode(save.xml), save.cookie], [DOMAIN_XML, undefined]);
      assertEquals(reserveBytes, 65536);
      const rest = image.subarray(reader.offset);
      const stream = format === "gzip" ? new Uint8Array(gunzipSync(rest)) : rest;
      assertEqual(stream, plain, format);

      const { code } = await scene.convert(
        "saved",
        "again",
        "--libvirt",
        xml,
        ...STREAM,
        ...options,
      );
      assertEquals(code, 0);
      const kept = decodeLibvirtSave(new ByteReader(new BytesSource(scene.read("again"))));
      assertEquals([kept.wasRunning, kept.cookie], [true, cookie]);
      Deno.removeSync(scene.path("again"));
    }
  });
});

Deno.test("convert command: a sparse save image has the offsets of its file", async () => {
  await withScene(async (scene) => {
    const xml = scene.put("domain.xml", DOMAIN_XML);
    const memory = await viewedMemory({ path: scene.path("in"), offset: 0 });
    const devices = await printedDevices({ path: scene.path("in"), offset: 0 });
    // Directly while it is read, and from an image that was changed.
    for (const options of [[], ["--rename-block", "pc.ram=pc.ram"]]) {
      const image = await scene.done(...MAPPED, "--libvirt", xml, ...options);
      const reader = new ByteReader(new BytesSource(image));
      assertEquals(decodeLibvirtSave(reader).format, "sparse");
      const ram = itemsOf(image, reader.offset).find(({ kind }) => kind === "pages");
      assertEquals(ram?.offset, 0x100000);
      const made = { path: scene.path("out"), offset: 0 };
      assertSameMemory(await viewedMemory(made), memory, "sparse");
      assertEquals(await printedDevices(made), devices);
    }
  });
});

/** Whether a file has its temporary name, and some content. */
function isGrowing(path: string): boolean {
  return path.endsWith(UNFINISHED_SUFFIX) && Deno.statSync(path).size > 1 << 20;
}

Deno.test("convert command: an interruption leaves nothing under the final name", async () => {
  await withScene(async (scene) => {
    // Enough pages with content that there is time for an interruption.
    const sizeBytes = 384 << 20;
    const content = [{
      address: 0,
      lengthBytes: sizeBytes,
      read: (_: number, into: Uint8Array) => into.fill(0xaa),
    }];
    const image = buildImage({ machine: "x", blocks: [{ name: "m", sizeBytes, content }] });
    await saveImage(image, scene.path("huge"), { to: "mapped-ram", sync: false });
    for (const [to, out] of [["mapped-ram", "a"], ["stream", "b"], ["capture", "c"]] as const) {
      const args = ["convert", scene.path("huge"), scene.path(out), "--to", to];
      const child = migstreamCommand(args, WRITE).spawn();
      await child.stdin.close();
      const begun = () => filesBelow(scene.folder).some((name) => isGrowing(scene.path(name)));
      while (!begun()) await new Promise((done) => setTimeout(done, 5));
      child.kill("SIGINT");
      const { code, stderr } = await child.output();
      const said = new TextDecoder().decode(stderr);
      assertEquals(code, 130, said);
      assertEquals(said, "migstream: interrupted (SIGINT): nothing was written\n");
      assertEquals(filesBelow(scene.folder), ["huge", "in"]);
    }
  });
});
