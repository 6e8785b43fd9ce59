/**
 * Guests that count, so that they can be seen to run on, and QEMUs that load what was written of them.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { assert, assertEquals } from "@std/assert";
import { isFinal, type JsonObject, type Qemu } from "../../testdata/qemu.ts";
import { migstream, missing } from "./command.ts";
import { type Destination, send } from "./live_command.ts";
import { atLeast, BINARY, waitFor } from "./qemu.ts";
import { type GuestTruth, readGuest, type Scene, startQemu } from "./scene.ts";

/** A guest whose program counts for ever in a word of its memory. */
export interface CountingGuest extends Scene {
  /** Guest-physical address of the word. */
  readonly counterAddress: number;
}

/** What the word holds now. */
async function counterOf(vm: Qemu, { counterAddress }: CountingGuest): Promise<number> {
  const dump = await vm.hmp(`xp /1wx ${counterAddress}`);
  return Number(/: (0x[0-9a-f]+)/.exec(dump)?.[1] ?? 0);
}

/** Lets a guest run until it has counted on. */
export async function runOn(vm: Qemu, guest: CountingGuest): Promise<void> {
  const before = await counterOf(vm, guest);
  await vm.qmp("cont");
  await waitFor("the guest to count", async () => {
    return await counterOf(vm, guest) > before || undefined;
  });
}

function counting(scene: Scene, counterAddress: number): CountingGuest {
  const guest: CountingGuest = {
    ...scene,
    counterAddress,
    prepare: async (vm) => {
      await runOn(vm, guest);
      await vm.qmp("stop");
    },
  };
  return guest;
}

/** Where the program `churn` counts. */
const CHURN_COUNTER = 0x6000;

/** A guest with the program `churn`, saved when it has been stopped. */
export function churning(args: string, more: Partial<Scene> = {}): CountingGuest {
  return counting(
    { args: `${args} -m 2M -bios rom.bin`, program: "churn", ...more },
    CHURN_COUNTER,
  );
}

/** A small PC. */
export const PC: CountingGuest = churning("-machine pc,acpi=off");

/** The same with the UUID that the XML of libvirt's image has: multifd channels are asked for it. */
export const LIBVIRT_PC: CountingGuest = churning(
  "-machine pc,acpi=off -uuid 12345678-9abc-def0-1122-334455667788",
);

/** A PC with PCI Express, two processors, ACPI's blocks, and devices of many kinds. */
const Q35: CountingGuest = churning(
  "-machine q35 -smp 2 -device qemu-xhci,id=x0 -device usb-kbd,bus=x0.0 " +
    "-device usb-tablet,bus=x0.0 -device virtio-scsi-pci -device virtio-balloon-pci " +
    "-netdev hubport,id=n0,hubid=0 " +
    "-device virtio-net-pci,netdev=n0,romfile=,mac=52:54:00:11:22:33 " +
    "-blockdev null-co,node-name=d0,read-zeroes=on,size=1048576 -device virtio-blk-pci,drive=d0 " +
    "-blockdev null-co,node-name=d1,read-zeroes=on,size=1048576 -device ide-hd,drive=d1,bus=ide.0 " +
    "-chardev null,id=c0 -device isa-serial,chardev=c0",
);

/** The smallest x86 machine. */
const MICROVM: CountingGuest = churning("-machine microvm,acpi=off");

/** AArch64: counts in the word that x1 points to. */
const AARCH64_CODE = [
  0xd2a80301, // mov x1, #0x40180000
  0xb9400020, // count: ldr w0, [x1]
  0x11000400, // add w0, w0, #1
  0xb9000020, // str w0, [x1]
  0x17fffffd, // b count
];
const AARCH64_COUNTER = 0x40180000;

const AARCH64_BINARY = BINARY.replace(/x86_64$/, "aarch64");

/** A board of AArch64 with two processors and two flash chips of 64 MiB. */
function aarch64(): CountingGuest {
  const program = new Uint8Array(4 * AARCH64_CODE.length);
  const view = new DataView(program.buffer);
  AARCH64_CODE.forEach((word, index) => view.setUint32(4 * index, word, true));
  return counting({
    args: "-machine virt,gic-version=3 -cpu cortex-a57 -smp 2 -m 2M " +
      "-device loader,file=program.bin,force-raw=on,cpu-num=0,addr=0x40100000",
    files: { "program.bin": program },
    binary: AARCH64_BINARY,
  }, AARCH64_COUNTER);
}

/** A guest, and why it can't be had. */
export interface AvailableGuest {
  /** The guest. */
  readonly guest: CountingGuest;
  /** What is missing, if something is. */
  readonly obstacle?: string | undefined;
}

/** Guests of different machine types. */
export const GUESTS: Readonly<Record<string, AvailableGuest>> = {
  "pc": { guest: PC },
  "q35 with devices": { guest: Q35 },
  "microvm": { guest: MICROVM },
  "aarch64's virt": { guest: aarch64(), obstacle: missing(AARCH64_BINARY) },
};

/** Where a QEMU gets a guest from: a file or command that it reads itself, or a capture that is sent to it. */
export interface Incoming extends Destination {
  /** The address that it is given; for a capture, that of the socket at which it waits. */
  readonly uri: string;
  /** The capture, if it is one. */
  readonly capture?: string;
}

/** Mapped-ram, read by two threads. */
export const MAPPED_MULTIFD: Destination = {
  capabilities: ["mapped-ram", "multifd"],
  parameters: { "multifd-channels": 2 },
};
/** The same past the page cache. */
export const MAPPED_DIRECT: Destination = {
  capabilities: ["mapped-ram", "multifd"],
  parameters: { "multifd-channels": 2, "direct-io": true },
};

/** A capture with two channels. */
export function captured(capture: string, compression = "none"): Incoming {
  return {
    uri: `unix:${capture}.sock`,
    capture,
    capabilities: ["multifd"],
    parameters: { "multifd-channels": 2, "multifd-compression": compression },
  };
}

async function receive(vm: Qemu, incoming: Incoming): Promise<JsonObject> {
  const { uri, capture, capabilities = [], parameters } = incoming;
  await vm.setCapabilities(capabilities);
  if (parameters !== undefined) await vm.qmp("migrate-set-parameters", parameters);
  // Since 9.1 it may be told to stay after an error, so that it can say what it was.
  await vm.qmp("migrate-incoming", { uri, ...(atLeast(9, 1) ? { "exit-on-error": false } : {}) });
  if (capture !== undefined) await send(capture, uri);
  return await vm.waitMigration(isFinal);
}

/**
 * Starts a QEMU that loads an image.
 *
 * @throws {Error} with QEMU's own words if it does not
 */
export async function load(folder: string, scene: Scene, incoming: Incoming): Promise<Qemu> {
  const vm = await startQemu(folder, scene, ["-incoming", "defer"]);
  try {
    const status = await receive(vm, incoming);
    assertEquals(status.status, "completed", JSON.stringify(status));
    return vm;
  } catch (error) {
    throw new Error(`${incoming.uri} was not loaded: ${await vm.quit()}`, { cause: error });
  }
}

/** What QEMU says when it does not load an image; `undefined` if it does. */
export async function refusal(
  folder: string,
  scene: Scene,
  incoming: Incoming,
): Promise<string | undefined> {
  try {
    await using _vm = await load(folder, scene, incoming);
    return undefined;
  } catch (error) {
    return `${error} ${(error as Error).cause}`;
  }
}

/** Two guests have the same registers and memory. Blocks may be large: of a difference no more than its block is told. */
function assertSameGuest(actual: GuestTruth, expected: GuestTruth): void {
  assertEquals(actual.registers, expected.registers);
  const sizes = ({ blocks }: GuestTruth) =>
    blocks.map(({ name, usedLengthBytes, bytes }) => [name, usedLengthBytes, bytes?.length]);
  assertEquals(sizes(actual), sizes(expected));
  for (const [index, { name, bytes }] of expected.blocks.entries()) {
    const there = actual.blocks[index]?.bytes;
    if (bytes === undefined || there === undefined) continue;
    assert(Buffer.compare(there, bytes) === 0, `the memory of ${name} is another`);
  }
}

/** A QEMU loads an image: memory and registers have to be those of the source, and the guest counts on. */
export async function checkLoaded(
  folder: string,
  guest: CountingGuest,
  truth: GuestTruth,
  incoming: Incoming,
): Promise<void> {
  await using vm = await load(folder, guest, incoming);
  assertSameGuest(await readGuest(vm), truth);
  await runOn(vm, guest);
}

/** Runs `migstream convert`. */
export async function convert(image: string, out: string, ...args: string[]): Promise<void> {
  await migstream(["convert", image, out, ...args], ["-R", "-W"]);
}

/** Where the stream begins in an image of libvirt: behind the header, and as many bytes as the header says. */
export async function libvirtStreamOffset(path: string): Promise<number> {
  using file = await Deno.open(path);
  const header = new Uint8Array(92);
  await file.read(header);
  assertEquals(new TextDecoder().decode(header.subarray(0, 16)), "LibvirtQemudSave");
  return header.length + new DataView(header.buffer).getUint32(20, true);
}

/** Why an image can't be read past the page cache; `undefined` if it can. */
export function directIoObstacle(): string | undefined {
  const path = Deno.makeTempFileSync();
  try {
    const args = ["if=/dev/zero", `of=${path}`, "bs=4096", "count=1", "oflag=direct"];
    const { success } = new Deno.Command("dd", { args, stderr: "null" }).outputSync();
    return success ? undefined : "the temporary folder takes no direct I/O";
  } finally {
    Deno.removeSync(path);
  }
}
