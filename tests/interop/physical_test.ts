/** Physical memory: the files that `extract` writes of a PC, beside QEMU's own core file, map and dumps; hits of `search`, bytes of `read`. */

import { assert, assertEquals } from "@std/assert";
import { x86Rom } from "../../testdata/guest.ts";
import { migstream, migstreamBytes } from "./command.ts";
import { type AddressRange, addressTexts, assertSameMemory, CoreFile } from "./core_file.ts";
import {
  assertSameNotes,
  LONG_MODE,
  openPlain,
  physicalMap,
  type PhysicalTruth,
  runUntil,
  savePhysical,
} from "./physical.ts";
import { interopTest, withFolder } from "./qemu.ts";
import type { Scene } from "./scene.ts";

const MIB = 2 ** 20;
const GIB = 2 ** 30;

interface Machine extends Scene {
  readonly name: string;
  /** Where eight bytes of text are put, in ascending order. */
  readonly markers: readonly number[];
  /** Whether the memory is too large to be dumped whole. */
  readonly large?: boolean;
  /** Whether the first processor is in 64-bit mode: QEMU's core file is one of x86-64 then, else of i386. */
  readonly is64?: boolean;
}

const HALT = { files: { "rom.bin": x86Rom("halt") } };

/** The firmware has copied itself into RAM. */
const shadowed = runUntil("the firmware in RAM", async (vm) => {
  const found = (await physicalMap(vm)).find((each) => holds(each, 0xf0000));
  return found?.region === "pc.ram";
});

const TWO_NODES = (first: string, second: string) =>
  `-object memory-backend-ram,id=ram-node0,size=${first} ` +
  `-object memory-backend-ram,id=ram-node1,size=${second} ` +
  "-numa node,memdev=ram-node0 -numa node,memdev=ram-node1";

const MACHINES: readonly Machine[] = [
  {
    name: "pc in 64-bit mode, two processors",
    ...LONG_MODE,
    markers: [0x8000, 0x1ffff8],
    is64: true,
  },
  {
    ...HALT,
    name: "q35",
    args: "-machine q35 -m 3M -bios rom.bin",
    markers: [0, 0x9fff8, 0xa0000, 0xbfff8, 0x100000],
  },
  {
    ...HALT,
    name: "microvm",
    args: "-machine microvm,acpi=off -m 2M -bios rom.bin",
    markers: [0, 0xe0000, 0x1ffff8],
  },
  {
    ...HALT,
    name: "isapc",
    args: "-machine isapc -m 2M -bios rom.bin",
    markers: [0, 0x1ffff8],
  },
  {
    name: "pc with its firmware in RAM",
    args: "-machine pc -m 18M",
    prepare: shadowed,
    markers: [0x1100000],
  },
  {
    name: "q35 with its firmware in RAM",
    args: "-machine q35 -m 18M",
    prepare: shadowed,
    markers: [0x1100000],
  },
  {
    ...HALT,
    name: "pc with two NUMA nodes",
    args: `-machine pc -m 4M -bios rom.bin ${TWO_NODES("1M", "3M")}`,
    markers: [0xbfff8, 0x100000, 0x3ffff8],
  },
  {
    ...HALT,
    name: "pc with memory above 4 GiB",
    args: "-machine pc -m 6G -bios rom.bin",
    markers: [0x5000, 3 * GIB - 8, 4 * GIB, 7 * GIB - 8],
    large: true,
  },
  {
    ...HALT,
    name: "q35 with memory above 4 GiB, mapped-ram",
    args: "-machine q35 -m 6G -bios rom.bin",
    capabilities: ["mapped-ram"],
    markers: [0x5000, 2 * GIB - 8, 4 * GIB, 8 * GIB - 8],
    large: true,
  },
  {
    ...HALT,
    name: "pc with less memory below 4 GiB than usual, mapped-ram",
    args: "-machine pc,max-ram-below-4g=1G -m 3G -bios rom.bin",
    capabilities: ["mapped-ram"],
    markers: [0x5000, GIB - 8, 4 * GIB, 6 * GIB - 8],
    large: true,
  },
  {
    ...HALT,
    name: "microvm with memory above 4 GiB, mapped-ram",
    args: "-machine microvm,acpi=off -m 4G -bios rom.bin",
    capabilities: ["mapped-ram"],
    markers: [0x5000, 3 * GIB - 8, 4 * GIB, 5 * GIB - 8],
    large: true,
  },
  {
    ...HALT,
    name: "q35 with two NUMA nodes across 4 GiB, mapped-ram",
    args: `-machine q35 -m 4G -bios rom.bin ${TWO_NODES("1G", "3G")}`,
    capabilities: ["mapped-ram"],
    markers: [0x5000, GIB - 8, GIB, 2 * GIB - 8, 4 * GIB, 6 * GIB - 8],
    large: true,
  },
];

function markerBytes(index: number): Uint8Array {
  return new TextEncoder().encode(`mark-${index}-!`);
}

/** Arguments that put the markers into memory before the guest begins. */
function markerArgs({ markers }: Machine): string {
  return markers.map((address, index) => {
    const data = markerBytes(index).reverse().toHex();
    return ` -device loader,addr=0x${address.toString(16)},data=0x${data},data-len=8`;
  }).join("");
}

function holds({ guestAddress, lengthBytes }: AddressRange, address: number): boolean {
  return address >= guestAddress && address < guestAddress + lengthBytes;
}

/** The parts of a large memory that are worth a look: the ends of the ranges. */
function windowsOf({ markers, large }: Machine): AddressRange[] {
  if (large !== true) return [];
  const below = markers.findLast((address) => address < 4 * GIB)! + 8;
  return [
    { guestAddress: 0, lengthBytes: 2 * MIB },
    { guestAddress: below - MIB, lengthBytes: MIB },
    { guestAddress: 4 * GIB - MIB, lengthBytes: 2 * MIB },
    { guestAddress: markers.at(-1)! + 8 - MIB, lengthBytes: MIB },
  ];
}

/** Parts that are read byte by byte: around each marker as far as there is memory, and where the processor starts. */
function partsOf({ markers }: Machine): AddressRange[] {
  const aligned = markers.map((address) => ({
    guestAddress: Math.floor(address / 4096) * 4096,
    lengthBytes: 4096,
  }));
  return [...aligned, { guestAddress: 4 * GIB - 16, lengthBytes: 16 }];
}

for (const machine of MACHINES) {
  const { name, ...scene } = machine;
  interopTest(
    `physical memory of ${name}`,
    { capabilities: scene.capabilities ?? [] },
    async (t) => {
      await withFolder(async (folder) => {
        const marked = { ...scene, args: scene.args + markerArgs(machine) };
        const parts = partsOf(machine);
        const truth = await savePhysical(folder, marked, { windows: windowsOf(machine), parts });
        await t.step("ELF core", () => checkCore(folder, truth, machine));
        await t.step("plain file", () => checkPlain(folder, truth));
        await t.step("search", () => checkSearch(truth, machine));
        await t.step("read", () => checkRead(truth, parts));
      });
    },
  );
}

interopTest("physical memory of pc with a VGA adapter", {}, async () => {
  await withFolder(async (folder) => {
    // No firmware: it would be stopped somewhere on its way, a moment in which it moves ranges about.
    const prepare = runUntil("the adapter's memory", async (vm) => {
      return /HLT=1/.test(await vm.hmp("info registers"));
    });
    const files = { "rom.bin": x86Rom("map-device") };
    const scene = { args: "-machine pc -m 18M -device VGA,addr=2 -bios rom.bin", files, prepare };
    const { stream, cores } = await savePhysical(folder, scene);
    const path = `${folder}/our.core`;
    await migstream(["extract", stream, "--format", "elf", "--out", path], ["-R", "-W"]);
    using ours = CoreFile.open(path);
    using theirs = CoreFile.open(cores[0]!);
    // What the adapter does is not known to us: RAM hidden by its window is shown, its own memory is not.
    const shown = ["0-11fffff", "ffff0000-ffffffff"];
    assertEquals(addressTexts(ours.ranges), shown);
    const [low, high, adapter, ...rest] = addressTexts(theirs.ranges);
    assertEquals(adapter, "fd000000-fdffffff");
    assertEquals([low, high, ...rest], ["0-9ffff", "c0000-11fffff", "ffff0000-ffffffff"]);
    const isAdapter = (range: AddressRange) => adapter === addressTexts([range])[0];
    const common = theirs.ranges.filter((range) => !isAdapter(range));
    assertEquals(common.length, theirs.ranges.length - 1);
    for (const range of common) assertSameMemory(ours, theirs, range);
  });
});

async function checkCore(folder: string, truth: PhysicalTruth, { is64 }: Machine): Promise<void> {
  const path = `${folder}/our.core`;
  const args = ["extract", truth.stream, "--format", "elf", "--out", path];
  await migstream(args, ["-R", "-W"]);
  using ours = CoreFile.open(path);
  assertEquals(addressTexts(ours.ranges), addressTexts(truth.map));
  for (const each of truth.cores) {
    using theirs = CoreFile.open(each);
    assert(theirs.ranges.length > 0, "QEMU wrote no memory");
    for (const range of theirs.ranges) assertSameMemory(ours, theirs, range);
    assertEquals(ours.machine === theirs.machine, is64 ?? false);
    assertSameNotes(ours, theirs, is64 === true ? ["CORE", "QEMU"] : ["QEMU"]);
  }
  if (truth.cores.length > 1) return;
  using theirs = CoreFile.open(truth.cores[0]!);
  assertEquals(addressTexts(ours.ranges), addressTexts(theirs.ranges));
}

async function checkPlain(folder: string, truth: PhysicalTruth): Promise<void> {
  const path = `${folder}/plain`;
  const args = ["extract", truth.stream, "--format", "raw-physical", "--out", path];
  await migstream(args, ["-R", "-W"]);
  using ours = openPlain(path, truth.map);
  for (const each of truth.cores) {
    using theirs = CoreFile.open(each);
    for (const range of theirs.ranges) assertSameMemory(ours, theirs, range);
  }
  const last = truth.map.at(-1)!;
  assertEquals((await Deno.stat(path)).size, last.guestAddress + last.lengthBytes);
}

interface Hit {
  readonly block: string;
  readonly address: number;
  readonly guestAddress: number;
  readonly match: string;
}

async function checkSearch({ stream, map }: PhysicalTruth, { markers }: Machine): Promise<void> {
  const args = ["search", stream, "--regex", "mark-\\d-!", "--json"];
  const lines = (await migstream(args)).trimEnd().split("\n");
  const hits = lines.map((line): Hit => JSON.parse(line));
  const found = hits.map(({ block, address, guestAddress, match }) => {
    return { block, address, guestAddress, match };
  });
  const expected = markers.map((guestAddress, index): Hit => {
    const range = map.find((each) => holds(each, guestAddress));
    assert(range !== undefined, "a marker outside of the memory");
    return {
      block: range.region,
      address: range.regionAddress + guestAddress - range.guestAddress,
      guestAddress,
      match: markerBytes(index).toHex(),
    };
  });
  assertEquals(found.toSorted((a, b) => a.guestAddress - b.guestAddress), expected);
}

async function checkRead(
  { stream, parts }: PhysicalTruth,
  ranges: readonly AddressRange[],
): Promise<void> {
  await Promise.all(ranges.map(async ({ guestAddress, lengthBytes }, index) => {
    const where = ["--physical", `0x${guestAddress.toString(16)}`, "--length", `${lengthBytes}`];
    const bytes = await migstreamBytes(["read", stream, ...where, "--raw"]);
    assertEquals(bytes.toHex(), parts[index]!.toHex());
  }));
}
