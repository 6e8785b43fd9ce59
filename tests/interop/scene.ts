/**
 * A guest with a known state, the truth about it from the running QEMU, and its saved stream.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { type X86Program, x86Rom } from "../../testdata/guest.ts";
import { isFinal, type JsonObject, Qemu } from "../../testdata/qemu.ts";
import { atLeast, BINARY, waitFor } from "./qemu.ts";

/** A RAM block as the QEMU process has it. */
export interface BlockTruth {
  /** Name. */
  readonly name: string;
  /** What migrates of it. */
  readonly usedLengthBytes: number;
  /** Its content; missing where QEMU does not tell the block's address. */
  readonly bytes?: Uint8Array<ArrayBuffer>;
}

/** What the running QEMU says about its guest. */
export interface GuestTruth {
  /** All RAM blocks. */
  readonly blocks: readonly BlockTruth[];
  /** `info registers -a`. */
  readonly registers: string;
}

/** A guest and how to save it. */
export interface Scene {
  /** Arguments of QEMU, separated by blanks; paths are relative to the working directory. */
  readonly args: string;
  /** The x86 program in `rom.bin`; without one the guest stays as it was at the start. */
  readonly program?: X86Program;
  /** Further files of the working directory. */
  readonly files?: Readonly<Record<string, Uint8Array>>;
  /** The binary. Default {@linkcode BINARY}. */
  readonly binary?: string;
  /** Brings the guest to where it shall be saved; by default what fits the program. */
  readonly prepare?: (vm: Qemu) => Promise<void>;
  /** Migration capabilities. */
  readonly capabilities?: readonly string[];
  /** Migration parameters. */
  readonly parameters?: JsonObject;
  /** Where the stream begins in its file. */
  readonly offset?: number;
  /** Shell command that the stream is piped into; `stream.mig` is then not written by QEMU itself. */
  readonly command?: string;
  /** Runs while a migration is under way. */
  readonly during?: (vm: Qemu) => Promise<void>;
  /** When the truth is taken. Default `before`; a guest that runs on shows its truth at the end. */
  readonly truthAt?: "before" | "end";
  /** How `query-migrate` ends. Default `completed`. */
  readonly ends?: "completed" | "failed";
}

/** A saved stream. */
export interface Saved {
  /** The file. */
  readonly path: string;
  /** Where the stream begins in it. */
  readonly offset: number;
  /** The truth about the guest in it. */
  readonly truth: GuestTruth;
  /** The last `query-migrate`. */
  readonly status: JsonObject;
}

/** Guest addresses of blocks, for a QEMU (before 8.0) that does not tell where it keeps them. */
const GUEST_ADDRESSES: Readonly<Record<string, number>> = {
  "pc.ram": 0,
  "microvm.ram": 0,
  "pc.rom": 0xc0000,
  "pc.bios": 0xffff0000,
};

/** A byte in front of a stream at an offset. */
const FOREIGN_BYTE = 0x2e;

/** Starts the QEMU of a scene, stopped. */
export async function startQemu(
  folder: string,
  scene: Scene,
  moreArgs: readonly string[] = [],
): Promise<Qemu> {
  const files = scene.program === undefined ? {} : { "rom.bin": x86Rom(scene.program) };
  for (const [name, bytes] of Object.entries({ ...files, ...scene.files })) {
    await Deno.writeFile(`${folder}/${name}`, bytes);
  }
  const args = [...scene.args.split(" "), "-vga", "none", ...moreArgs];
  return await Qemu.start({ binary: scene.binary ?? BINARY, args, cwd: folder });
}

/** Saves the guest of a scene; QEMU has ended when this returns. */
export async function save(folder: string, scene: Scene): Promise<Saved> {
  await using vm = await startQemu(folder, scene);
  await (scene.prepare ?? defaultPreparation(scene))(vm);
  const path = `${folder}/stream.mig`;
  const offset = scene.offset ?? 0;
  if (offset > 0) await Deno.writeFile(path, new Uint8Array(offset).fill(FOREIGN_BYTE));
  const before = scene.truthAt === "end" ? undefined : await readGuest(vm);
  await vm.startMigration(uriOf(scene), {
    capabilities: scene.capabilities ?? [],
    parameters: scene.parameters ?? {},
  });
  await scene.during?.(vm);
  const status = await vm.waitMigration(isFinal);
  assertEquals(status.status, scene.ends ?? "completed", JSON.stringify(status));
  if (offset > 0) {
    const foreign = (await Deno.readFile(path)).subarray(0, offset);
    assertEquals(foreign, new Uint8Array(offset).fill(FOREIGN_BYTE));
  }
  return { path, offset, truth: before ?? await readGuest(vm), status };
}

/** `file:` exists since QEMU 8.2. */
function uriOf({ command, offset }: Scene): string {
  if (command !== undefined) return `exec:${command}`;
  if (!atLeast(8, 2)) return "exec:cat >> stream.mig";
  return offset === undefined ? "file:stream.mig" : `file:stream.mig,offset=${offset}`;
}

function defaultPreparation({ program }: Scene): (vm: Qemu) => Promise<void> {
  return async (vm) => {
    if (program === undefined) return;
    await vm.qmp("cont");
    await waitForProgram(vm, program);
    if (hasEnd(program)) await vm.qmp("stop");
  };
}

function hasEnd(program: X86Program): boolean {
  return program === "halt" || program === "map-device";
}

/** Waits until a program has filled memory, and then stopped or begun to write for ever. */
async function waitForProgram(vm: Qemu, program: X86Program): Promise<void> {
  await waitFor("the guest's program", async () => {
    const registers = await vm.hmp("info registers");
    if (hasEnd(program)) return /ESI=11223344[^]*HLT=1/.test(registers) || undefined;
    if (!registers.includes("ESI=11223344")) return undefined;
    return program === "wait" || await churnCount(vm) > 0 || undefined;
  });
}

/** How often the program `churn` went round; `wait` does so after a key was pressed. */
export async function churnCount(vm: Qemu): Promise<number> {
  const dump = await vm.hmp("xp /1wx 0x6000");
  return Number(/: (0x[0-9a-f]+)/.exec(dump)?.[1] ?? 0);
}

/** Reads the truth of a guest: RAM blocks out of the process, registers from the monitor. */
export async function readGuest(vm: Qemu): Promise<GuestTruth> {
  const blocks: BlockTruth[] = [];
  for (const { name, usedLengthBytes, hostAddress } of await vm.ramBlocks()) {
    const guestAddress = GUEST_ADDRESSES[name];
    const address = hostAddress ??
      (guestAddress === undefined ? undefined : await vm.hostAddress(guestAddress));
    const bytes = address === undefined ? {} : {
      bytes: vm.readHostMemory(address, usedLengthBytes),
    };
    blocks.push({ name, usedLengthBytes, ...bytes });
  }
  return { blocks, registers: await vm.hmp("info registers -a") };
}
