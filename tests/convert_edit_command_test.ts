/** `migstream convert` as a process: what its options change, and nothing else. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import type { StreamItem } from "../format/items.ts";
import { MAPPED, Scene, STREAM, withScene } from "./convert_scene.ts";
import { assertEqual, itemsOf, printedDevices, viewedMemory } from "./converting.ts";
import { migstream, withFolder } from "./process.ts";
import { loadStream } from "./testdata.ts";

function sections(bytes: Uint8Array): Map<string, string> {
  return new Map(
    itemsOf(bytes).flatMap((item) =>
      item.kind === "section" && item.section.idstr !== "ram"
        ? [[
          `${item.section.idstr}/${item.section.instanceId}`,
          bytes.subarray(item.payloadOffset, item.offset + item.lengthBytes).toHex(),
        ]]
        : []
    ),
  );
}

/** The names of the devices that are not the same in two streams. */
function changed(one: Uint8Array, other: Uint8Array): string[] {
  const [before, after] = [sections(one), sections(other)];
  return [...new Set([...before.keys(), ...after.keys()])]
    .filter((name) => before.get(name) !== after.get(name));
}

function machineOf(items: readonly StreamItem[]): string | undefined {
  const item = items.find(({ kind }) => kind === "configuration");
  return item?.kind === "configuration" ? item.configuration.machine : undefined;
}

Deno.test("convert command: a field by text and by the bytes of a file", async () => {
  await withScene(async (scene) => {
    for (const form of [STREAM, MAPPED]) {
      const plain = await scene.done(...form);
      const set = ["--set", "cpu_common/0/halted=7", "--set", "timer/0/cpu_clock_offset=0x1234"];
      const text = await scene.done(...form, ...set);
      assertEquals(changed(plain, text).sort(), ["cpu_common/0", "timer/0"]);
      const bytes = scene.put("bytes", Uint8Array.of(0, 0, 0, 7));
      const file = await scene.done(
        ...form,
        "--set-file",
        `cpu_common/0/halted=${bytes}`,
        ...set.slice(2),
      );
      assertEqual(file, text, "the same by bytes");
      const printed = (await printedDevices({ path: scene.path("out"), offset: 0 })).join("");
      assertStringIncludes(printed, '"halted": "0x00000007"');
    }
  });
});

Deno.test("convert command: a device that is left out is gone from the description, too", async () => {
  await withScene(async (scene) => {
    const plain = await scene.done(...STREAM);
    for (const [given, gone] of [["fdc", "fdc/0"], ["i8259/1", "i8259/1"]] as const) {
      const rest = await scene.done(...STREAM, "--drop-section", given);
      assertEquals(changed(plain, rest), [gone]);
      const items = itemsOf(rest);
      const devices = items.flatMap((item) =>
        item.kind === "vmdescription"
          ? item.description.devices.map(({ name, instanceId }) => `${name}/${instanceId}`)
          : []
      );
      assert(devices.length > 10 && !devices.includes(gone));
      const boundaries = items.flatMap((item) =>
        item.kind === "section" && item.section.idstr !== "ram" ? [item.boundary] : []
      );
      assertEquals([...new Set(boundaries)], ["described"]);
      const path = scene.path("out");
      const analyzed = await migstream(["analyze", path]);
      assertEquals(analyzed.code, 0, analyzed.err);
    }
  });
});

Deno.test("convert command: blocks, the machine type and the description are changed", async () => {
  await withScene(async (scene) => {
    const memory = await viewedMemory({ path: scene.path("in"), offset: 0 });
    for (const form of [STREAM, MAPPED]) {
      const plain = await scene.done(...form);
      await scene.done(...form, "--rename-block", "pc.ram=m0", "--rename-block", "pc.bios=pc.ram");
      const renamed = await viewedMemory({ path: scene.path("out"), offset: 0 });
      assertEqual(renamed.get("m0")!, memory.get("pc.ram")!, "m0");
      assertEqual(renamed.get("pc.ram")!, memory.get("pc.bios")!, "pc.ram");

      const other = await scene.done(...form, "--machine", "pc-i440fx-11.1");
      assertEquals(machineOf(itemsOf(other)), "pc-i440fx-11.1");
      assertEquals(changed(plain, other), []);

      const bare = await scene.done(...form, "--strip-vmdesc");
      const kinds = itemsOf(plain).map(({ kind }) => kind);
      assertEquals(kinds.at(-1), "vmdescription");
      assertEqual(bare, plain.subarray(0, bare.length), "everything before the description");
      assertEquals(bare.at(-1), 0);
    }
  });
});

Deno.test("convert command: a machine without a configuration can't get a name", async () => {
  await withFolder(async (folder) => {
    const scene = new Scene(folder, loadStream("pc-1.4-7.2"));
    await scene.refused("has no place for a machine type", ...STREAM, "--machine", "pc");
    await scene.refused("no configuration that could announce it", ...MAPPED);
  });
});
