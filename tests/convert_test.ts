/**
 * Images in another form: whatever is recorded becomes a stream, a mapped-ram file and a capture with the same memory and the same devices.
 */
import { assert, assertEquals, assertRejects } from "@std/assert";
import type { ConvertCommandOptions } from "../cli/convert.ts";
import { FormatError } from "../format/error.ts";
import type { ConfigurationItem } from "../format/items.ts";
import {
  assertEqual,
  assertSameMemory,
  convert,
  deviceSections,
  extractedMemory,
  itemsOf,
  type Place,
  printedDevices,
  putCase,
  viewedMemory,
} from "./converting.ts";
import { withFolder } from "./process.ts";
import { loadImage, loadSnapshotManifest } from "./snapshots.ts";
import { caseNames, loadStream, loadTruth, testdataPath } from "./testdata.ts";
import { gzip, libvirtImage, payloadOf } from "./wrapped.ts";

type Options = Partial<ConvertCommandOptions>;

/** Machine types without a configuration can't announce mapped-ram. */
const UNCONFIGURED = ["pc-2.2-7.2", "pc-2.3-7.2", "pc-1.4-7.2"];
/** Pages of 256 bytes leave no room for multifd's mark among the flags. */
const SMALL_PAGES = ["avr-uno"];
const METHODS = ["none", "zlib", "zstd"] as const;

/** Converts, and checks that the guest is the same. */
async function checkForm(place: Place, out: string, options: Options, label: string) {
  const memory = await viewedMemory(place);
  await convert(place.path, out, { ...options, offset: place.offset });
  const made = { path: out, offset: 0 };
  assertSameMemory(await viewedMemory(made), memory, `${label}, as viewed`);
  assertSameMemory(await extractedMemory(made), memory, `${label}, as extracted`);
  assertEquals(await printedDevices(made), await printedDevices(place), label);
}

for (const [index, name] of caseNames().entries()) {
  Deno.test(`convert: ${name} in every form has the same memory and the same devices`, async () => {
    await withFolder(async (folder) => {
      const place = await putCase(folder, name);
      const to = (form: string, options: Options) =>
        checkForm(place, `${folder}/${form}`, options, `${name} as ${form}`);
      await to("stream", {});
      await to("xbzrle", { xbzrle: true });
      if (UNCONFIGURED.includes(name)) {
        await assertRejects(() => to("mapped", { to: "mapped-ram" }), FormatError, "announce");
      } else await to("mapped", { to: "mapped-ram" });
      const compression = METHODS[index % METHODS.length]!;
      const capture = { to: "capture", compression, multifd: 1 + index % 4 } as const;
      if (SMALL_PAGES.includes(name)) {
        await assertRejects(() => to("capture", capture), Error, "256 bytes");
      } else await to("capture", capture);
    });
  });
}

Deno.test("convert: the memory of a stopped guest is what the running QEMU had", async () => {
  const { createHash } = await import("node:crypto");
  for (const name of ["pc-stopped", "s390x", "aarch64-virt", "avr-uno", "pc-multifd-zstd"]) {
    await withFolder(async (folder) => {
      const { path, offset } = await putCase(folder, name);
      for (const to of ["stream", "mapped-ram"] as const) {
        const out = `${folder}/${to}`;
        await convert(path, out, { to, offset });
        const memory = await viewedMemory({ path: out, offset: 0 });
        const known = loadTruth(name).ramBlocks.filter(({ sha256 }) => sha256 !== undefined);
        assert(known.length > 0, name);
        for (const { name: block, sha256 } of known) {
          const found = createHash("sha256").update(memory.get(block)!).digest("hex");
          assertEquals(found, sha256, `${name} as ${to}: ${block}`);
        }
      }
    });
  }
});

Deno.test("convert: streams inside of wrappers and snapshots become what is in them", async () => {
  await withFolder(async (folder) => {
    const plain = await putCase(folder, "pc-stopped");
    const expected = await viewedMemory(plain);
    const devices = await printedDevices(plain);
    const inputs = ["bz2", "lzo", "xz"].map((end) => testdataPath(`wrapped/pc-stopped.${end}`));
    for (const format of ["raw", "gzip", "zstd"] as const) {
      const path = `${folder}/${format}.save`;
      await Deno.writeFile(path, libvirtImage({ format }, payloadOf(format)));
      inputs.push(path);
    }
    for (const [index, path] of inputs.entries()) {
      for (const to of ["stream", "mapped-ram", "capture"] as const) {
        const out = `${folder}/${index}-${to}`;
        await convert(path, out, { to });
        const made = { path: out, offset: 0 };
        assertSameMemory(await viewedMemory(made), expected, `${path} as ${to}`);
        assertEquals(await printedDevices(made), devices, `${path} as ${to}`);
      }
    }
  });
});

Deno.test("convert: the snapshots of qcow2 images", async () => {
  for (const image of loadSnapshotManifest().images) {
    await withFolder(async (folder) => {
      const path = `${folder}/image.qcow2`;
      await Deno.writeFile(path, loadImage(image));
      for (const { name: snapshot, streamSha256 } of image.snapshots) {
        if (streamSha256 === undefined) continue;
        await convert(path, `${folder}/${snapshot}.stream`, { snapshot });
        await convert(path, `${folder}/${snapshot}.mapped`, { snapshot, to: "mapped-ram" });
        const [stream, mapped] = ["stream", "mapped"].map((form) => ({
          path: `${folder}/${snapshot}.${form}`,
          offset: 0,
        }));
        const label = `${image.name}: ${snapshot}`;
        assertSameMemory(await viewedMemory(mapped!), await viewedMemory(stream!), label);
        assertEquals(await printedDevices(mapped!), await printedDevices(stream!), label);
      }
    });
  }
});

Deno.test("convert: from mapped-ram to a stream and back the bytes are the same", async () => {
  for (const name of caseNames().filter((name) => !UNCONFIGURED.includes(name))) {
    await withFolder(async (folder) => {
      const { path, offset } = await putCase(folder, name);
      // Mapped-ram comes first: pages that were never sent are zero pages there.
      const steps = ["mapped-ram", "stream", "mapped-ram", "stream"] as const;
      let [from, at] = [path, offset];
      const made: Uint8Array[] = [];
      for (const [index, to] of steps.entries()) {
        const out = `${folder}/${index}`;
        await convert(from, out, { to, offset: at });
        made.push(await Deno.readFile(out));
        [from, at] = [out, 0];
      }
      assertEqual(made[2]!, made[0]!, `${name}: mapped-ram`);
      assertEqual(made[3]!, made[1]!, `${name}: stream`);
    });
  }
});

Deno.test("convert: what can be read only once gives the same bytes as a file", async () => {
  const names = caseNames(({ streamOffset, files }) => streamOffset === 0 && files.length === 1);
  for (const name of names.filter((name) => !UNCONFIGURED.includes(name))) {
    await withFolder(async (folder) => {
      const { path } = await putCase(folder, name);
      await Deno.writeFile(`${folder}/packed`, gzip(loadStream(name)));
      for (const to of ["stream", "mapped-ram"] as const) {
        const made = async (from: string, out: string) => {
          await convert(from, `${folder}/${out}-${to}`, { to });
          return await Deno.readFile(`${folder}/${out}-${to}`);
        };
        const packed = made(`${folder}/packed`, "packed");
        if (to === "mapped-ram" && name.includes("ignore-shared")) {
          await assertRejects(() => packed, Error, "use a file");
        } else assertEqual(await packed, await made(path, "plain"), `${name}: ${to}`);
      }
    });
  }
});

function configurationOf(bytes: Uint8Array): ConfigurationItem["configuration"] | undefined {
  const item = itemsOf(bytes).find(({ kind }) => kind === "configuration");
  return item?.kind === "configuration" ? item.configuration : undefined;
}

Deno.test("convert: the configuration announces mapped-ram where it is, and keeps the rest", async () => {
  const expected: [name: string, stream: readonly string[], mapped: readonly string[]][] = [
    ["pc", [], ["mapped-ram"]],
    ["pc-mapped", [], ["mapped-ram"]],
    ["pc-ignore-shared", ["x-ignore-shared"], ["x-ignore-shared", "mapped-ram"]],
    ["pc-mapped-ignore-shared-11.1", ["x-ignore-shared"], ["x-ignore-shared", "mapped-ram"]],
    ["pc-uuid", [], ["mapped-ram"]],
    ["aarch64-virt", [], ["mapped-ram"]],
  ];
  for (const [name, stream, mapped] of expected) {
    await withFolder(async (folder) => {
      const { path } = await putCase(folder, name);
      const before = configurationOf(loadStream(name))!;
      const isCapabilities = ({ name }: { name: string }) => name === "configuration/capabilities";
      for (const [to, wanted] of [["stream", stream], ["mapped-ram", mapped]] as const) {
        await convert(path, `${folder}/${to}`, { to });
        const after = configurationOf(await Deno.readFile(`${folder}/${to}`))!;
        const lists = after.subsections.flatMap((each) =>
          each.name === "configuration/capabilities" ? [[...each.capabilities].sort()] : []
        );
        // A subsection that would be empty isn't there.
        assertEquals(lists, wanted.length === 0 ? [] : [[...wanted].sort()], `${name} as ${to}`);
        assertEquals(after.machine, before.machine);
        assertEquals(
          after.subsections.filter((each) => !isCapabilities(each)),
          before.subsections.filter((each) => !isCapabilities(each)),
        );
      }
    });
  }
});

Deno.test("convert: a migration over several channels comes back as one round", async () => {
  for (const name of ["pc-live", "pc-xbzrle", "pc-multifd", "pc-preempt", "pc-postcopy"]) {
    await withFolder(async (folder) => {
      const { path } = await putCase(folder, name);
      await convert(path, `${folder}/out`, {});
      const items = itemsOf(await Deno.readFile(`${folder}/out`));
      const ram = items.flatMap((item) =>
        item.kind === "section" && item.section.idstr === "ram" ? [item.type] : []
      );
      assertEquals(ram, ["start", "part", "end"], name);
      const commands = items.flatMap((item) => item.kind === "command" ? [item.command.name] : []);
      // Postcopy's commands are about the way in which the guest came.
      for (const command of commands) {
        assert(["SWITCHOVER_START", "POSTCOPY_ADVISE"].includes(command), `${name}: ${command}`);
      }
      assertEquals(items.filter(({ kind }) => kind === "eof").length, 1);
    });
  }
});

Deno.test("convert: a package is unpacked, its devices in their order", async () => {
  for (const name of ["pc-postcopy", "pc-postcopy-11.1", "pc-returnpath"]) {
    await withFolder(async (folder) => {
      const { path } = await putCase(folder, name);
      await convert(path, `${folder}/out`, {});
      const made = await Deno.readFile(`${folder}/out`);
      assertEquals(deviceSections(made), deviceSections(loadStream(name)), name);
    });
  }
});

Deno.test("convert: streams without footers stay without them", async () => {
  await withFolder(async (folder) => {
    const { path } = await putCase(folder, "pc-no-footer");
    for (const to of ["stream", "mapped-ram"] as const) {
      await convert(path, `${folder}/${to}`, { to });
      const kinds = itemsOf(await Deno.readFile(`${folder}/${to}`)).map(({ kind }) => kind);
      assert(!kinds.includes("footer"), to);
    }
  });
});

Deno.test("convert: a stream of QEMU's own in one round is written as it was", async () => {
  for (const name of ["pc-no-footer", "pc-no-vmdesc", "s390x", "tricore"]) {
    await withFolder(async (folder) => {
      const { path } = await putCase(folder, name);
      await convert(path, `${folder}/out`, {});
      const [made, original] = [await Deno.readFile(`${folder}/out`), loadStream(name)];
      const shape = (bytes: Uint8Array) =>
        itemsOf(bytes).map((item) => `${item.kind} ${item.lengthBytes}`);
      assertEquals(shape(made), shape(original), name);
    });
  }
});

Deno.test("convert: pages that are nearly zero become deltas, which save bytes", async () => {
  await withFolder(async (folder) => {
    const { path } = await putCase(folder, "pc-stopped");
    await convert(path, `${folder}/plain`, {});
    await convert(path, `${folder}/deltas`, { xbzrle: true });
    const deltas = itemsOf(await Deno.readFile(`${folder}/deltas`)).flatMap((item) =>
      item.kind === "section" && item.payload?.kind === "ram"
        ? [`${item.type} ${item.payload.summary.deltaPages > 0}`]
        : []
    );
    // A page comes once in each round, so the deltas to the zero pages have one of their own.
    assertEquals(deltas, ["start false", "part false", "part true", "end false"]);
    assert(Deno.statSync(`${folder}/deltas`).size < Deno.statSync(`${folder}/plain`).size);
  });
});

Deno.test("convert: what has lost channels, or is of the obsolete version, is refused", async () => {
  await withFolder(async (folder) => {
    for (const name of ["pc-multifd", "pc-multifd-7.2", "pc-preempt"]) {
      const path = `${folder}/${name}`;
      await Deno.writeFile(path, loadStream(name));
      for (const to of ["stream", "mapped-ram", "capture"] as const) {
        const made = () => convert(path, `${folder}/out`, { to });
        await assertRejects(made, Error, "give the folder with all of them");
      }
    }
    const old = Uint8Array.of(0x51, 0x45, 0x56, 0x4d, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 8);
    await Deno.writeFile(`${folder}/old`, old);
    for (const to of ["stream", "mapped-ram", "capture"] as const) {
      const made = () => convert(`${folder}/old`, `${folder}/out`, { to });
      await assertRejects(made, Error, "version 2, which no QEMU takes any more");
    }
    const left = Array.from(Deno.readDirSync(folder), ({ name }) => name).sort();
    assertEquals(left, ["old", "pc-multifd", "pc-multifd-7.2", "pc-preempt"]);
  });
});

Deno.test("convert: a description from elsewhere tells devices apart, and is not written", async () => {
  await withFolder(async (folder) => {
    const { path } = await putCase(folder, "pc-no-vmdesc");
    const options = { vmdesc: testdataPath("pc.mig") };
    for (const to of ["stream", "mapped-ram"] as const) {
      await convert(path, `${folder}/${to}`, { ...options, to });
      const kinds = itemsOf(await Deno.readFile(`${folder}/${to}`)).map(({ kind }) => kind);
      assert(!kinds.includes("vmdescription"), to);
      assertEquals(
        deviceSections(await Deno.readFile(`${folder}/${to}`)),
        deviceSections(loadStream("pc-no-vmdesc")),
      );
    }
  });
});

Deno.test("convert: damage is told with its place, and nothing is written", async () => {
  await withFolder(async (folder) => {
    const whole = loadStream("pc-stopped");
    for (const length of [20, 5000, whole.length - 100]) {
      const path = `${folder}/cut`;
      await Deno.writeFile(path, whole.subarray(0, length));
      for (const to of ["stream", "mapped-ram", "capture"] as const) {
        const made = () => convert(path, `${folder}/out`, { to });
        await assertRejects(made, FormatError);
      }
      assertEquals(Array.from(Deno.readDirSync(folder), ({ name }) => name), ["cut"]);
    }
  });
});
