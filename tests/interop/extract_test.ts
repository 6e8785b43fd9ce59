/** Extracted RAM blocks, and printed registers: whatever way a PC was saved, they are what its process had. */

import { assert, assertEquals, assertGreater } from "@std/assert";
import { FAST, slow } from "../../testdata/case.ts";
import { isFinal, type JsonObject, type Qemu } from "../../testdata/qemu.ts";
import { sha256 } from "../../testdata/truth.ts";
import { extractBlocks, migstream, missing } from "./command.ts";
import { LONG_MODE, runUntil } from "./physical.ts";
import { interopTest, type Needs, waitFor, withFolder } from "./qemu.ts";
import { type GuestTruth, readGuest, save, type Scene, startQemu } from "./scene.ts";

const PC: Scene = { args: "-machine pc,acpi=off -m 1M -bios rom.bin", program: "halt" };

/** Extracts the blocks of a stream and compares them with those of the process. */
async function checkBlocks(
  folder: string,
  stream: string,
  truth: GuestTruth,
  ...args: string[]
): Promise<void> {
  const out = `${folder}/blocks`;
  const blocks = await extractBlocks(stream, out, ...args);
  const expected = truth.blocks.map(async ({ name, usedLengthBytes, bytes }) => {
    assert(bytes !== undefined, `this QEMU does not say where ${name} is`);
    return { name, bytes: usedLengthBytes, sha256: await sha256(bytes) };
  });
  assertEquals(
    blocks.map(({ name, bytes, sha256 }) => ({ name, bytes, sha256 })),
    await Promise.all(expected),
  );
  for (const { file, sha256: said } of blocks) {
    assertEquals(await sha256(await Deno.readFile(`${out}/${file}`)), said);
  }
  await Deno.remove(out, { recursive: true });
}

/** Compares the printed registers with those of the monitor. */
async function checkRegisters(
  stream: string,
  { registers }: GuestTruth,
  ...args: string[]
): Promise<void> {
  assertEquals(await migstream(["registers", stream, ...args]), registers);
}

/** The guest's program has ended. */
async function hasHalted(vm: Qemu): Promise<boolean> {
  return /ESI=11223344[^]*HLT=1/.test(await vm.hmp("info registers"));
}

interface Way extends Partial<Scene> {
  readonly name: string;
}

const WAYS: readonly Way[] = [
  { name: "classic" },
  { name: "mapped-ram", capabilities: ["mapped-ram"] },
  {
    name: "mapped-ram with multifd",
    capabilities: ["mapped-ram", "multifd"],
    parameters: { "multifd-channels": 2 },
  },
  { name: "classic, q35", args: "-machine q35 -m 2M -bios rom.bin -smp 2" },
  { name: "classic, microvm", args: "-machine microvm,acpi=off -m 1M -bios rom.bin" },
  { name: "mapped-ram, 64-bit mode, two processors", ...LONG_MODE, capabilities: ["mapped-ram"] },
];

for (const { name, ...way } of WAYS) {
  interopTest(`extracted from ${name}`, { capabilities: way.capabilities ?? [] }, async () => {
    await withFolder(async (folder) => {
      const { program, ...pc } = PC;
      const base = way.files === undefined ? { program: program! } : {};
      const { path, truth } = await save(folder, { ...pc, ...base, ...way });
      await checkBlocks(folder, path, truth);
      await checkRegisters(path, truth);
    });
  });
}

/** A number of `query-migrate`. */
function counter(status: JsonObject, group: string, name: string): number {
  return Number(((status[group] ?? {}) as JsonObject)[name] ?? 0);
}

const rounds = (status: JsonObject) => counter(status, "ram", "dirty-sync-count");

interface LiveWay extends Partial<Scene> {
  readonly name: string;
  /** How often pages were sent again, by what QEMU counts. */
  readonly again: (status: JsonObject) => number;
  readonly enough: number;
  /** Bandwidth that keeps the migration from its end, from the second round on. */
  readonly bytesPerSecond: number;
}

const LIVE_WAYS: readonly LiveWay[] = [
  {
    name: "mapped-ram",
    capabilities: ["mapped-ram"],
    again: rounds,
    enough: 5,
    bytesPerSecond: 600_000,
  },
  {
    name: "xbzrle through a pipe",
    capabilities: ["xbzrle"],
    command: "cat > part; mv part stream.mig",
    again: (status) =>
      counter(status, "xbzrle-cache", "pages") - counter(status, "xbzrle-cache", "overflow"),
    enough: 30,
    bytesPerSecond: 15_000,
  },
];

/** A machine that starves the guest may end a migration too early; then it is tried again. */
const ATTEMPTS = 5;

for (const { name, again, enough, bytesPerSecond, ...way } of LIVE_WAYS) {
  const needs: Needs = { version: [8, 0], capabilities: way.capabilities ?? [] };
  interopTest(`extracted from ${name} of a guest that ran on`, needs, async () => {
    const during = async (vm: Qemu) => {
      await vm.waitMigration((status) => rounds(status) >= 2 || isFinal(status));
      await vm.qmp("migrate-set-parameters", slow(bytesPerSecond));
      await vm.waitMigration((status) => again(status) >= enough || isFinal(status));
      await vm.qmp("migrate-set-parameters", FAST);
    };
    const scene: Scene = {
      ...PC,
      ...way,
      program: "churn",
      truthAt: "end",
      parameters: slow(600_000),
      during,
    };
    for (let attempt = 1;; attempt++) {
      let count = 0;
      await withFolder(async (folder) => {
        const { path, truth, status } = await save(folder, scene);
        await waitForFile(path);
        await checkBlocks(folder, path, truth);
        await checkRegisters(path, truth);
        count = again(status);
      });
      if (count >= enough) break;
      if (attempt === ATTEMPTS) assertGreater(count, enough, "ended early");
      console.warn(`*** attempt ${attempt} ended early, once more`);
    }
  });
}

async function waitForFile(path: string): Promise<void> {
  await waitFor("the end of the pipe", async () => {
    return await Deno.stat(path).then(() => true, () => undefined);
  });
}

for (const tool of ["gzip", "bzip2", "xz", "zstd", "lzop"]) {
  interopTest(`extracted from exec:${tool} -c`, { obstacle: missing(tool) }, async () => {
    await withFolder(async (folder) => {
      const command = `${tool} -c > part; mv part stream.mig`;
      const { path, truth } = await save(folder, { ...PC, command });
      await waitForFile(path);
      await checkBlocks(folder, path, truth);
      await checkRegisters(path, truth);
    });
  });
}

interopTest("extracted from what came over a socket", {}, async () => {
  await withFolder(async (folder) => {
    await using vm = await startQemu(folder, PC);
    await runUntil("the guest's program", hasHalted)(vm);
    const truth = await readGuest(vm);
    const path = `${folder}/stream.mig`;
    using listener = Deno.listen({ transport: "unix", path: `${folder}/socket` });
    const received = listener.accept().then(async ({ readable }) => {
      await readable.pipeTo((await Deno.create(path)).writable);
    });
    await vm.migrate("unix:socket");
    await received;
    await checkBlocks(folder, path, truth);
    await checkRegisters(path, truth);
  });
});

const IMAGE_TOOL = "qemu-img";

interopTest("extracted from snapshots in qcow2", { obstacle: missing(IMAGE_TOOL) }, async () => {
  await withFolder(async (folder) => {
    const disk = `${folder}/disk.qcow2`;
    const { success, stderr } = await new Deno.Command(IMAGE_TOOL, {
      args: ["create", "-q", "-f", "qcow2", disk, "16M"],
    }).output();
    assert(success, new TextDecoder().decode(stderr));
    const truths = await saveSnapshots(folder, ["at first", "later"]);
    for (const [name, truth] of truths) {
      await checkBlocks(folder, disk, truth, "--snapshot", name);
      await checkRegisters(disk, truth, "--snapshot", name);
    }
  });
});

/** Saves a guest before its program ran, and when it has ended. */
async function saveSnapshots(
  folder: string,
  [first, second]: readonly [string, string],
): Promise<Map<string, GuestTruth>> {
  const drive = " -blockdev qcow2,node-name=d0,file.driver=file,file.filename=disk.qcow2 " +
    "-device ide-hd,drive=d0";
  await using vm = await startQemu(folder, { ...PC, args: PC.args + drive });
  const truths = new Map<string, GuestTruth>();
  const saveAs = async (name: string) => {
    truths.set(name, await readGuest(vm));
    assertEquals(await vm.hmp(`savevm "${name}"`), "");
  };
  await saveAs(first);
  await runUntil("the guest's program", hasHalted)(vm);
  await saveAs(second);
  return truths;
}
