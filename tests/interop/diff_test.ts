/** Comparing what a real QEMU saves: one guest twice, with known writes in between, and one guest in two forms. */

import { assert, assertEquals } from "@std/assert";
import { isFinal, type Qemu } from "../../testdata/qemu.ts";
import { migstream } from "../process.ts";
import { churning, type CountingGuest, PC, runOn } from "./convert_scenes.ts";
import { interopTest, withFolder } from "./qemu.ts";
import { readGuest, save, type Scene, startQemu } from "./scene.ts";

const PAGE_BYTES = 4096;

interface DiffJson {
  readonly same: boolean;
  readonly configuration: readonly { readonly path: string }[];
  readonly sections: readonly { readonly path: string }[];
  readonly state: readonly {
    readonly path: string;
    readonly left: unknown;
    readonly right: unknown;
  }[];
  readonly ram: readonly {
    readonly block: string;
    readonly changedPages: number;
    readonly ranges: readonly (readonly [number, number])[];
  }[];
  readonly ignored: readonly { readonly glob: string; readonly count: number }[];
}

async function diff(left: string, right: string, ...args: string[]): Promise<DiffJson> {
  const { code, out, err } = await migstream(["diff", left, right, "--json", ...args]);
  const json: DiffJson = JSON.parse(out === "" ? "{}" : out);
  assertEquals(code, json.same ? 0 : 1, err);
  return json;
}

/** Writes the numbers of the pages that differ, by block. */
function pagesOf({ ram }: DiffJson): Record<string, number[]> {
  return Object.fromEntries(ram.map(({ block, ranges }) => [
    block,
    ranges.flatMap(([start, end]) =>
      Array.from({ length: (end - start) / PAGE_BYTES }, (_, page) => start / PAGE_BYTES + page)
    ),
  ]));
}

/** Saves a guest that is stopped; it stays as it is. */
async function saveTo(vm: Qemu, path: string, capabilities: readonly string[] = []): Promise<void> {
  await vm.startMigration(`file:${path}`, { capabilities, parameters: {} });
  const status = await vm.waitMigration(isFinal);
  assertEquals(status.status, "completed", JSON.stringify(status));
}

/** The blocks of a QEMU by name, as its process has them. */
async function blocksOf(vm: Qemu): Promise<Map<string, Uint8Array>> {
  const { blocks } = await readGuest(vm);
  return new Map(blocks.flatMap(({ name, bytes }) => bytes === undefined ? [] : [[name, bytes]]));
}

function changedPages(before: Map<string, Uint8Array>, after: Map<string, Uint8Array>) {
  const changed: Record<string, number[]> = {};
  for (const [name, bytes] of before) {
    const other = after.get(name)!;
    const pages: number[] = [];
    for (let page = 0; page < bytes.length / PAGE_BYTES; page++) {
      const [start, end] = [page * PAGE_BYTES, (page + 1) * PAGE_BYTES];
      const ours = bytes.subarray(start, end);
      const theirs = other.subarray(start, end);
      if (ours.some((byte, at) => byte !== theirs[at])) pages.push(page);
    }
    if (pages.length > 0) changed[name] = pages;
  }
  return changed;
}

const NEEDS = { version: [9, 0], capabilities: ["mapped-ram"] } as const;

const GUESTS: Readonly<Record<string, CountingGuest>> = {
  pc: PC,
  q35: churning(
    "-machine q35 -smp 2 -device qemu-xhci,id=x0 -device usb-tablet,bus=x0.0 " +
      "-device virtio-scsi-pci -device virtio-balloon-pci",
  ),
};

for (const [name, guest] of Object.entries(GUESTS)) {
  interopTest(`diff: ${name}, saved twice, differs in what its program wrote`, NEEDS, async () => {
    await withFolder(async (folder) => {
      await using vm = await startQemu(folder, guest);
      await runOn(vm, guest);
      await vm.qmp("stop");
      const before = await blocksOf(vm);
      await saveTo(vm, `${folder}/before`);
      await runOn(vm, guest);
      await vm.qmp("stop");
      const after = await blocksOf(vm);
      await saveTo(vm, `${folder}/after`, ["mapped-ram"]);
      const json = await diff(`${folder}/before`, `${folder}/after`);
      const expected = changedPages(before, after);
      // The counter's page, and most of those that the program writes to.
      assert(expected["pc.ram"]!.includes(guest.counterAddress / PAGE_BYTES));
      assertEquals(pagesOf(json), expected);
      assertEquals([json.configuration, json.sections], [[], []]);
      const others = json.state.filter(({ path }) => !/^(cpu|i8259|apic)\/\d+\//.test(path));
      assertEquals(others, [], "clocks and timers are passed over");
      const counts = new Map(json.ignored.map(({ glob, count }) => [glob, count]));
      assert(counts.get("timer/*")! >= 1);
    });
  });
}

interopTest("diff: a guest that wrote one page, found by its bytes", NEEDS, async () => {
  await withFolder(async (folder) => {
    // The program "wait" writes nothing until a key is pressed: what differs is what is loaded.
    const scene = (value: string): Scene => ({
      args: `-machine pc,acpi=off -m 2M -bios rom.bin ` +
        `-device loader,addr=0x180010,data=${value},data-len=4`,
      program: "wait",
      prepare: () => Promise.resolve(),
    });
    const saved: string[] = [];
    for (const [index, value] of ["0x11223344", "0x11229944"].entries()) {
      const own = `${folder}/${index}`;
      await Deno.mkdir(own);
      saved.push((await save(own, scene(value))).path);
    }
    const [left, right] = [saved[0]!, saved[1]!];
    const json = await diff(left, right);
    assertEquals(pagesOf(json), { "pc.ram": [0x180] });
    const { out } = await migstream(["diff", left, right, "--ram", "--context", "2"]);
    assert(out.includes("- 0x0018000f  00 44 33 22 11"), out);
    assert(out.includes("+ 0x0018000f  00 44 99 22 11"), out);
  });
});

interopTest(
  "diff: one guest as a classic stream and as mapped-ram is the same",
  NEEDS,
  async () => {
    await withFolder(async (folder) => {
      const { truth, path } = await save(folder, PC);
      assert(truth.blocks.length > 0);
      // A QEMU that loaded the guest and never ran it has the same one.
      await using vm = await startQemu(folder, PC, ["-S", "-incoming", `file:${path}`]);
      await vm.waitMigration(isFinal);
      await saveTo(vm, `${folder}/mapped`, ["mapped-ram"]);
      const json = await diff(path, `${folder}/mapped`);
      assertEquals({ ...json, ignored: [] }, {
        same: true,
        configuration: [],
        sections: [],
        state: [],
        ram: [],
        ignored: [],
      });
    });
  },
);
