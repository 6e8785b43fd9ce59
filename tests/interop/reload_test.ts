/**
 * The other side: a real QEMU loads the very streams that we read, into the same state, and refuses the damaged ones that we refuse.
 *
 * @module
 */

import { assertEquals, assertMatch } from "@std/assert";
import { isFinal, type JsonObject, type Qemu } from "../../testdata/qemu.ts";
import { QmpError } from "../../testdata/qmp.ts";
import { checkTiling, sectionsOf } from "./checks.ts";
import { atLeast, interopTest, withFolder } from "./qemu.ts";
import { type GuestTruth, readGuest, save, type Saved, type Scene, startQemu } from "./scene.ts";
import { analyze, tryAnalyze } from "./tool.ts";

const PC: Scene = { args: "-machine pc,acpi=off -m 1M -bios rom.bin", program: "halt" };

interface Way extends Partial<Scene> {
  readonly name: string;
}

const WAYS: readonly Way[] = [
  { name: "pc" },
  {
    name: "q35 with virtio devices and two processors",
    args: "-machine q35 -m 1M -bios rom.bin -smp 2 -device virtio-balloon-pci " +
      "-device virtio-scsi-pci -device virtio-serial-pci",
  },
  { name: "microvm", args: "-machine microvm,acpi=off -m 1M -bios rom.bin" },
  { name: "pc at an offset", offset: 0x1234 },
  { name: "pc with mapped-ram", capabilities: ["mapped-ram"] },
  {
    name: "pc with mapped-ram and multifd at an offset",
    capabilities: ["mapped-ram", "multifd"],
    parameters: { "multifd-channels": 2 },
    offset: 0x1234,
  },
];

/** Lets a waiting QEMU load a stream, and returns its last `query-migrate`. */
async function load(vm: Qemu, path: string, scene: Scene): Promise<JsonObject> {
  await vm.setCapabilities(scene.capabilities ?? []);
  if (scene.parameters !== undefined) {
    await vm.qmp("migrate-set-parameters", scene.parameters);
  }
  const { offset } = scene;
  const uri = atLeast(8, 2)
    ? `file:${path}${offset === undefined ? "" : `,offset=${offset}`}`
    : `exec:tail -c +${(offset ?? 0) + 1} ${path}`;
  // Since 9.1 it may be told to stay after an error, so that it can say what it was.
  const stay = atLeast(9, 1) ? { "exit-on-error": false } : {};
  await vm.qmp("migrate-incoming", { uri, ...stay });
  return await vm.waitMigration(isFinal);
}

/** Loads a stream into a fresh QEMU and returns what is there then. */
async function reload(folder: string, scene: Scene, saved: Saved): Promise<GuestTruth> {
  await using vm = await startQemu(folder, scene, ["-incoming", "defer"]);
  const status = await load(vm, saved.path, scene);
  assertEquals(status.status, "completed", JSON.stringify(status));
  return await readGuest(vm);
}

for (const { name, ...more } of WAYS) {
  const scene = { ...PC, ...more };
  interopTest(`loaded by QEMU: ${name}`, { capabilities: scene.capabilities ?? [] }, async () => {
    await withFolder(async (folder) => {
      const saved = await save(folder, scene);
      checkTiling(saved);
      await analyze(["--offset", String(saved.offset), saved.path]);
      const there = await reload(folder, scene, saved);
      assertEquals(there.registers, saved.truth.registers);
      const content = ({ blocks }: GuestTruth) =>
        blocks.map(({ name, bytes, usedLengthBytes }) => [name, usedLengthBytes, bytes]);
      assertEquals(content(there), content(saved.truth));
    });
  });
}

/** Why QEMU does not load a stream; `undefined` if it does. */
async function refusal(folder: string, scene: Scene, path: string): Promise<string | undefined> {
  await using vm = await startQemu(folder, scene, ["-incoming", "defer"]);
  try {
    const status = await load(vm, path, scene);
    return status.status === "completed" ? undefined : JSON.stringify(status);
  } catch (error) {
    // Before 9.1 it ends with the failed migration.
    if (error instanceof QmpError) return String(error);
    throw error;
  }
}

/** Places in a classic stream where a cut is a fault: nothing that may be missing follows. */
function cuts(saved: Saved): Record<string, number> {
  const items = checkTiling(saved);
  const sections = sectionsOf(items);
  const middle = (type: string, idstr: string) => {
    const item = sections.find((each) => each.type === type && each.section.idstr === idstr);
    if (item === undefined) throw new Error(`no section ${type} ${idstr}`);
    return item.payloadOffset + Math.floor((item.payloadEnd - item.payloadOffset) / 2);
  };
  const configuration = items.find((item) => item.kind === "configuration");
  const eof = items.find((item) => item.kind === "eof");
  if (configuration === undefined || eof === undefined) throw new Error("no usual stream");
  return {
    "in the header": 6,
    "in the configuration": configuration.offset + 8,
    "in the block list": middle("start", "ram"),
    "in a page": middle("part", "ram"),
    "in a processor": middle("full", "cpu"),
    "before the end byte": eof.offset,
  };
}

interopTest("truncated streams are refused by QEMU and by us", {}, async (t) => {
  await withFolder(async (folder) => {
    const saved = await save(folder, PC);
    const bytes = await Deno.readFile(saved.path);
    assertEquals(await refusal(folder, PC, saved.path), undefined);
    for (const [place, length] of Object.entries(cuts(saved))) {
      await t.step(`cut ${place}`, async () => {
        const path = `${folder}/cut.mig`;
        await Deno.writeFile(path, bytes.subarray(0, length));
        assertMatch(await refusal(folder, PC, path) ?? "loaded", /fail|gone|closed/);
        const { code, out, err } = await tryAnalyze([path]);
        assertEquals([code, out], [2, ""]);
        assertMatch(err, /^analyze: .*\n$/);
      });
    }
  });
});
