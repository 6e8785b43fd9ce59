/** Ways to save one stopped PC: whatever the way, the streams say what the running QEMU says. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { closeSync, constants, openSync } from "node:fs";
import { configuredCapabilities } from "../../format/configuration.ts";
import type { StreamItem } from "../../format/items.ts";
import { assertSame, type CheckOptions, checkSaved, checkTiling, sectionsOf } from "./checks.ts";
import { interopTest, type Needs, waitFor, withFolder } from "./qemu.ts";
import { assertRegisters, X86 } from "./registers.ts";
import { save, type Scene } from "./scene.ts";
import { ANALYZE, analyze, tryAnalyze } from "./tool.ts";

const PC: Scene = { args: "-machine pc,acpi=off -m 1M -bios rom.bin", program: "halt" };
const SHARED_PC = "-machine pc,acpi=off,memory-backend=m -m 1M -bios rom.bin " +
  "-object memory-backend-file,id=m,size=1M,mem-path=ram.img,share=on";
const UUID = "12345678-9abc-def0-1122-334455667788";
const OFFSET = 0x1234;

/** A way to save. It needs the capabilities that it uses. */
interface Way extends Partial<Scene> {
  readonly name: string;
  readonly needs?: Needs;
  readonly check?: CheckOptions;
  /** What else the items of the stream have to show. */
  readonly shows?: (items: readonly StreamItem[]) => void;
}

/** Why files can't be opened for direct I/O here; `undefined` if they can. */
function directIoObstacle(): string | undefined {
  const path = Deno.makeTempFileSync();
  try {
    closeSync(openSync(path, constants.O_RDWR | constants.O_DIRECT));
    return undefined;
  } catch (error) {
    return `the file system of temporary files does not take O_DIRECT (${error})`;
  } finally {
    Deno.removeSync(path);
  }
}

function showsMappedRam(items: readonly StreamItem[]): void {
  const configuration = items.find((item) => item.kind === "configuration")?.configuration;
  assert(configuredCapabilities(configuration).includes("mapped-ram"));
  const areas = (kind: string) => items.filter((item) => item.kind === kind).length;
  assert(areas("pages") > 0, "no page areas");
  assertEquals(areas("bitmap"), areas("pages"));
}

function commandNames(items: readonly StreamItem[]): string[] {
  return items.filter((item) => item.kind === "command").map(({ command }) => command.name);
}

const TWO_CHANNELS = { "multifd-channels": 2 };

const WAYS: readonly Way[] = [
  {
    name: "classic",
    shows: (items) => {
      const types = new Set(sectionsOf(items).map(({ type }) => type));
      assertEquals(types, new Set(["start", "part", "end", "full"]));
    },
  },
  { name: "classic, at an offset", offset: OFFSET },
  {
    name: "classic, zero pages sent whole",
    needs: { parameters: ["zero-page-detection"] },
    parameters: { "zero-page-detection": "none" },
  },
  {
    name: "classic, with a UUID",
    args: `${PC.args} -uuid ${UUID}`,
    capabilities: ["validate-uuid"],
  },
  {
    name: "classic, without section footers",
    args: `${PC.args} -global migration.send-section-footer=off`,
    check: { footers: false },
  },
  {
    name: "classic, main memory shared and left out",
    args: SHARED_PC,
    capabilities: ["x-ignore-shared"],
    check: { ignoredBlocks: ["m"] },
  },
  {
    name: "classic, return path asked of a file",
    needs: { version: [8, 2] },
    capabilities: ["return-path"],
    ends: "failed",
    shows: (items) => {
      assertEquals(commandNames(items).slice(0, 2), ["OPEN_RETURN_PATH", "PING"]);
    },
  },
  { name: "mapped-ram", capabilities: ["mapped-ram"], shows: showsMappedRam },
  {
    name: "mapped-ram, at an offset",
    capabilities: ["mapped-ram"],
    offset: OFFSET,
    shows: showsMappedRam,
  },
  {
    name: "mapped-ram, zero pages written",
    capabilities: ["mapped-ram"],
    parameters: { "zero-page-detection": "none" },
    shows: showsMappedRam,
  },
  {
    name: "mapped-ram, two multifd channels",
    capabilities: ["mapped-ram", "multifd"],
    parameters: TWO_CHANNELS,
    shows: showsMappedRam,
  },
  {
    name: "mapped-ram, two multifd channels with direct I/O",
    needs: { parameters: ["direct-io"], obstacle: directIoObstacle() },
    capabilities: ["mapped-ram", "multifd"],
    parameters: { ...TWO_CHANNELS, "direct-io": true },
    shows: showsMappedRam,
  },
  {
    name: "mapped-ram, main memory shared and left out",
    needs: { version: [11, 0] },
    args: SHARED_PC,
    capabilities: ["mapped-ram", "x-ignore-shared"],
    check: { ignoredBlocks: ["m"] },
    shows: showsMappedRam,
  },
];

for (const { name, needs, check, shows, ...scene } of WAYS) {
  const allNeeds = { capabilities: scene.capabilities ?? [], ...needs };
  interopTest(`saved ${name}`, allNeeds, async (t) => {
    await withFolder(async (folder) => {
      const saved = await save(folder, { ...PC, ...scene });
      await checkSaved(t, saved, check);
      if (shows !== undefined) await t.step("shape", () => shows(checkTiling(saved, check)));
    });
  });
}

interopTest("saved without a description", {}, async (t) => {
  await withFolder(async (folder) => {
    const described = await save(folder, PC);
    const other = `${folder}/described.mig`;
    await Deno.rename(described.path, other);
    const args = PC.args.replace("acpi=off", "acpi=off,suppress-vmdesc=on");
    const saved = await save(folder, { ...PC, args });
    await checkSaved(t, saved, { described: false });
    await t.step("there is no description to print", async () => {
      const { code, out, err } = await tryAnalyze(["-d", "desc", saved.path]);
      assertEquals([code, out], [2, ""]);
      assertStringIncludes(err, "no vmdescription");
    });
    await t.step("a description from elsewhere fits", async () => {
      const { code, out, err } = await tryAnalyze(["--vmdesc", other, saved.path]);
      assertEquals([code, err], [0, ""]);
      assertRegisters(JSON.parse(out), saved.truth.registers, X86);
    });
  });
});

/** The program at the end of a shell pipe; `status` is written last. */
function pipeInto(...args: string[]): string {
  const quote = (text: string) => `'${text.replaceAll("'", "'\\''")}'`;
  const program = [Deno.execPath(), "run", "--no-prompt", "-R", ANALYZE, ...args, "-"];
  return `tee stream.mig | ${program.map(quote).join(" ")} > out 2> err; echo $? > status`;
}

for (const args of [[], ["-m"]]) {
  const name = ["analyze.ts", ...args, "-"].join(" ");
  interopTest(`piped from QEMU straight into ${name}`, {}, async (t) => {
    await withFolder(async (folder) => {
      const saved = await save(folder, { ...PC, command: pipeInto(...args) });
      const status = await waitFor("the end of the pipe", async () => {
        const text = await Deno.readTextFile(`${folder}/status`).catch(() => "");
        return text.endsWith("\n") ? text : undefined;
      });
      assertEquals([await Deno.readTextFile(`${folder}/err`), status], ["", "0\n"]);
      const piped = await Deno.readTextFile(`${folder}/out`);
      assertSame(piped, await analyze([...args, saved.path]));
      await checkSaved(t, saved);
    });
  });
}
