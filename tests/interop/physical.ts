/**
 * A guest, and what the running QEMU says of its physical memory: the map, the bytes, its own core file.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { x86LongModeRom } from "../../testdata/guest.ts";
import type { Qemu } from "../../testdata/qemu.ts";
import { type AddressRange, type CoreFile, MemoryFile } from "./core_file.ts";
import { atLeast, waitFor } from "./qemu.ts";
import { type Scene, startQemu } from "./scene.ts";

/** Starts the guest, and stops it when `arrived` says so. */
export function runUntil(
  what: string,
  arrived: (vm: Qemu) => Promise<boolean>,
): (vm: Qemu) => Promise<void> {
  return async (vm) => {
    await vm.qmp("cont");
    await waitFor(what, async () => await arrived(vm) || undefined);
    await vm.qmp("stop");
  };
}

/** A PC whose first processor has halted in 64-bit mode, and whose second one never began. */
export const LONG_MODE: Scene = {
  args: "-machine pc,acpi=off -cpu max -m 2M -bios rom.bin -smp 2",
  files: { "rom.bin": x86LongModeRom() },
  prepare: runUntil("the guest in 64-bit mode", async (vm) => {
    return /RAX=1817161514131211 [^]*HLT=1/.test(await vm.hmp("info registers"));
  }),
};

/** A part of the guest's address space in which memory is seen. */
export interface FlatRange extends AddressRange {
  /** `ram`; `rom`, also RAM that can't be written; `romd`, a flash chip. */
  readonly kind: string;
  /** Name of the memory region, which is that of its RAM block but for the path of a device. */
  readonly region: string;
  /** Address in it. */
  readonly regionAddress: number;
}

/** What QEMU says. */
export interface PhysicalTruth {
  /** Path of the stream. */
  readonly stream: string;
  /** Everything that is memory. */
  readonly map: readonly FlatRange[];
  /** Paths of QEMU's core files: one of all memory, or one of each window. */
  readonly cores: readonly string[];
  /** `info registers -a`. */
  readonly registers: string;
  /** Parts of the memory as `pmemsave` wrote them, in the order asked for. */
  readonly parts: readonly Uint8Array[];
}

/** What is asked of QEMU. */
export interface PhysicalQuestions {
  /** The only parts of a large memory that QEMU dumps. */
  readonly windows?: readonly AddressRange[];
  /** Parts that `pmemsave` writes. */
  readonly parts?: readonly AddressRange[];
}

/** Asks QEMU about a guest, then saves it; QEMU has ended when this returns. */
export async function savePhysical(
  folder: string,
  scene: Scene,
  { windows = [], parts = [] }: PhysicalQuestions = {},
): Promise<PhysicalTruth> {
  await using vm = await startQemu(folder, scene);
  await scene.prepare?.(vm);
  const map = await physicalMap(vm);
  const cores: string[] = [];
  for (const window of windows.length === 0 ? [undefined] : windows) {
    cores.push(await dump(vm, `${folder}/qemu-${cores.length}.core`, window));
  }
  const saved: Uint8Array[] = [];
  for (const { guestAddress, lengthBytes } of parts) {
    const filename = `${folder}/part`;
    await vm.qmp("pmemsave", { val: guestAddress, size: lengthBytes, filename });
    saved.push(await Deno.readFile(filename));
    await Deno.remove(filename);
  }
  const registers = await vm.hmp("info registers -a");
  const uri = atLeast(8, 2) ? "file:stream.mig" : "exec:cat > stream.mig";
  await vm.migrate(uri, { capabilities: scene.capabilities ?? [] });
  return { stream: `${folder}/stream.mig`, map, cores, registers, parts: saved };
}

async function dump(vm: Qemu, path: string, window: AddressRange | undefined): Promise<string> {
  const part = window && { begin: window.guestAddress, length: window.lengthBytes };
  await vm.qmp("dump-guest-memory", { paging: false, protocol: `file:${path}`, ...part });
  return path;
}

/** The memory in the guest's address space as QEMU sees it now. */
export async function physicalMap(vm: Qemu): Promise<FlatRange[]> {
  const views = (await vm.hmp("info mtree -f")).split("\n\n");
  const view = views.find((each) => each.includes('AS "memory"'));
  assert(view !== undefined, "no address space of the memory");
  const line = /^ *(\w+)-(\w+) \(prio -?\d+, (ram|rom|romd)\): (\S+)(?: @(\w+))?$/gm;
  return [...view.matchAll(line)].map(([, first, last, kind = "", region = "", inside = "0"]) => ({
    guestAddress: Number(`0x${first}`),
    lengthBytes: Number(`0x${last}`) - Number(`0x${first}`) + 1,
    kind,
    region,
    regionAddress: Number(`0x${inside}`),
  }));
}

/** Opens a plain file of physical memory. */
export function openPlain(path: string, map: readonly AddressRange[]): MemoryFile {
  return new MemoryFile(
    path,
    map.map((range) => ({ ...range, fileOffset: range.guestAddress })),
  );
}

/** Compares what the notes of two core files say of the processors. */
export function assertSameNotes(
  actual: CoreFile,
  expected: CoreFile,
  owners: readonly string[],
): void {
  const chosen = ({ notes }: CoreFile) => notes.filter(({ owner }) => owners.includes(owner));
  assert(chosen(expected).length > 0, "QEMU wrote no such notes");
  assertEquals(chosen(actual), chosen(expected));
}
