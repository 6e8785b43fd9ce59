/**
 * The cases with an x86 guest: every way a stream can be written.
 *
 * @module
 */

import {
  type CaseSpec,
  severalRounds,
  SLOW,
  slow,
  switchToPostcopy,
  writeDuringSnapshot,
} from "./case.ts";
import { x86LongModeRom, type X86Program, x86Rom } from "./guest.ts";
import { readDirtyBitmaps, sha256 } from "./truth.ts";

/** A small PC; `acpi=off` leaves out the RAM blocks of the ACPI tables. */
const PC = "-machine pc,acpi=off -m 1M -bios rom.bin";
const UUID = "12345678-9abc-def0-1122-334455667788";

/** Where QEMU 7.2 has to be asked for the blocks of a PC. */
const PC_ADDRESSES = { "pc.ram": 0, "pc.rom": 0xc0000, "pc.bios": 0xffff0000 };

const MiB = 0x100000;

function x86(
  program: X86Program,
  spec: Partial<CaseSpec> & Pick<CaseSpec, "name" | "about">,
): CaseSpec {
  const { files, ...rest } = spec;
  return {
    series: "10.0",
    target: "x86_64",
    args: PC,
    guest: program === "halt" ? "ran" : "live",
    transport: spec.series === "7.2" ? "sink" : "file",
    ...(program === "halt" ? {} : { parameters: SLOW, during: severalRounds }),
    ...(spec.series === "7.2" ? { guestAddresses: PC_ADDRESSES } : {}),
    ...rest,
    files: { "rom.bin": x86Rom(program), ...files },
  };
}

/** A disk image with some content and zeros elsewhere. */
function disk(sizeBytes: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(sizeBytes).fill(0x42, 0x1000, 0x3000).fill(0x43, sizeBytes - 512);
}

const classic: CaseSpec[] = [
  {
    name: "none",
    about: "the empty machine: no RAM, no devices, only the framing",
    series: "10.0",
    target: "x86_64",
    args: "-machine none",
    guest: "stopped",
    transport: "file",
    plain: true,
  },
  x86("halt", {
    name: "pc",
    about: "a small PC that ran and was stopped; the plain stream of the README",
    args: "-machine pc -m 1M -bios rom.bin -chardev null,id=c0 -device isa-serial,chardev=c0",
    plain: true,
  }),
  x86("halt", {
    name: "pc-stopped",
    about: "a PC that never ran, through a pipe",
    guest: "stopped",
    transport: "exec",
  }),
  x86("churn", {
    name: "pc-live",
    about: "a running guest: pages are sent again, become zero, stop being zero",
  }),
  x86("churn", {
    name: "pc-xbzrle",
    about: "a running guest with delta-coded pages",
    capabilities: ["xbzrle"],
    parameters: slow(15_000),
  }),
  x86("halt", {
    name: "pc-offset",
    about: "a classic stream behind 0x1234 foreign bytes",
    streamOffset: 0x1234,
  }),
  x86("halt", {
    name: "pc-no-vmdesc",
    about: "without the description of the devices at the end",
    args: "-machine pc,acpi=off,suppress-vmdesc=on -m 1M -bios rom.bin",
  }),
  x86("halt", {
    name: "pc-no-footer",
    about: "without section footers",
    args: `${PC} -global migration.send-section-footer=off`,
  }),
  x86("halt", {
    name: "pc-uuid",
    about: "with the UUID of the machine in the configuration section",
    args: `${PC} -uuid ${UUID}`,
    capabilities: ["validate-uuid"],
  }),
  x86("halt", {
    name: "pc-zero-none",
    about: "zero pages sent as ordinary pages",
    parameters: { "zero-page-detection": "none" },
  }),
  x86("halt", {
    name: "pc-ignore-shared",
    about: "main memory in a shared file, left out of the stream",
    args: "-machine pc,acpi=off,memory-backend=m -m 1M -bios rom.bin " +
      "-object memory-backend-file,id=m,size=1M,mem-path=ram.img,share=on",
    capabilities: ["x-ignore-shared"],
    ignoredBlocks: ["m"],
  }),
  x86("halt", {
    name: "pc-returnpath",
    about: "to a real destination that answers",
    transport: "proxy",
    capabilities: ["return-path"],
  }),
  x86("halt", {
    name: "pc-returnpath-file",
    about: "asks for answers that a file can't give: the status is failed, the stream complete",
    capabilities: ["return-path"],
    truthBefore: true,
  }),
  x86("halt", {
    name: "pc-colo",
    about: "announces checkpoints (x-colo)",
    transport: "sink",
    capabilities: ["x-colo"],
    truthBefore: true,
  }),
  x86("wait", {
    name: "pc-background",
    about: "a background snapshot while the guest writes; the truth is what it was before",
    transport: "lateExec",
    capabilities: ["background-snapshot"],
    during: writeDuringSnapshot,
    truthBefore: true,
  }),
];

const mapped: CaseSpec[] = [
  x86("halt", {
    name: "pc-mapped",
    about: "mapped-ram",
    capabilities: ["mapped-ram"],
  }),
  x86("churn", {
    name: "pc-mapped-live",
    about: "mapped-ram of a running guest: pages that became zero keep stale bytes",
    capabilities: ["mapped-ram"],
  }),
  x86("halt", {
    name: "pc-mapped-multifd",
    about: "mapped-ram written by two threads",
    capabilities: ["mapped-ram", "multifd"],
    parameters: { "multifd-channels": 2 },
  }),
  x86("halt", {
    name: "pc-mapped-offset",
    about: "mapped-ram behind 0x1234 foreign bytes; offsets count from the start of the file",
    capabilities: ["mapped-ram"],
    streamOffset: 0x1234,
  }),
  x86("halt", {
    name: "pc-mapped-zero-none",
    about: "mapped-ram with zero pages written like others: all bits set",
    capabilities: ["mapped-ram"],
    parameters: { "zero-page-detection": "none" },
  }),
  x86("halt", {
    name: "pc-mapped-ignore-shared-11.1",
    about: "mapped-ram with a block that has no bitmap and no pages",
    series: "11.1",
    args: "-machine pc,acpi=off,memory-backend=m -m 1M -bios rom.bin " +
      "-object memory-backend-file,id=m,size=1M,mem-path=ram.img,share=on",
    capabilities: ["mapped-ram", "x-ignore-shared"],
    ignoredBlocks: ["m"],
  }),
];

const channels: CaseSpec[] = [
  x86("churn", {
    name: "pc-multifd",
    about: "a running guest over two multifd channels",
    transport: "sink",
    capabilities: ["multifd"],
  }),
  x86("churn", {
    name: "pc-multifd-zlib",
    about: "a running guest over two multifd channels with zlib",
    transport: "sink",
    capabilities: ["multifd"],
    parameters: { ...slow(10_000), "multifd-compression": "zlib" },
  }),
  x86("churn", {
    name: "pc-multifd-zstd",
    about: "a running guest over three multifd channels with zstd",
    transport: "sink",
    capabilities: ["multifd"],
    parameters: { ...slow(10_000), "multifd-compression": "zstd", "multifd-channels": 3 },
  }),
  x86("halt", {
    name: "pc-multifd-7.2",
    about: "two multifd channels of an old release: stale fields, a sync for each section",
    series: "7.2",
    capabilities: ["multifd"],
  }),
  x86("churn", {
    name: "pc-postcopy",
    about: "a running guest that is switched to postcopy and asks for pages at the destination",
    transport: "proxy",
    capabilities: ["postcopy-ram"],
    parameters: { ...SLOW, "max-postcopy-bandwidth": 150_000 },
    destinationRuns: true,
    during: switchToPostcopy,
  }),
  x86("churn", {
    name: "pc-preempt",
    about: "postcopy with a preemption channel",
    transport: "proxy",
    capabilities: ["postcopy-ram", "postcopy-preempt"],
    parameters: { ...SLOW, "max-postcopy-bandwidth": 150_000 },
    destinationRuns: true,
    during: switchToPostcopy,
  }),
];

const devices: CaseSpec[] = [
  x86("halt", {
    name: "q35-virtio",
    about: "virtio block, network, balloon, console and random number devices",
    args: "-machine q35,acpi=off -m 1M -bios rom.bin " +
      "-blockdev raw,node-name=d0,file.driver=file,file.filename=disk.img " +
      "-device virtio-blk-pci,drive=d0,id=blk0 " +
      "-netdev hubport,id=n0,hubid=0 -device virtio-net-pci,netdev=n0,romfile=,mac=52:54:00:11:22:33 " +
      "-device virtio-balloon-pci -chardev null,id=c0 " +
      "-device virtio-serial-pci -device virtconsole,chardev=c0 " +
      "-object rng-random,id=r0,filename=/dev/urandom -device virtio-rng-pci,rng=r0",
    files: { "disk.img": disk(MiB) },
  }),
  x86("halt", {
    name: "q35-virtio-mem",
    about: "an early section, and a block of which only a part is plugged",
    args: "-machine q35,memory-backend=m0 -object memory-backend-ram,id=m0,size=1M " +
      "-m 1M,maxmem=64M -bios rom.bin -object memory-backend-ram,id=vmem0,size=8M " +
      "-device virtio-mem-pci,memdev=vmem0,requested-size=2M,block-size=2M",
  }),
  x86("halt", {
    name: "q35-usb-ahci",
    about: "USB, AHCI with a disk, two processors, audio and a watchdog",
    args: "-machine q35 -m 1M -bios rom.bin -smp 2 -device qemu-xhci,id=x0 " +
      "-device usb-tablet,bus=x0.0 -device usb-kbd,bus=x0.0 " +
      "-blockdev raw,node-name=d0,file.driver=file,file.filename=disk.img " +
      "-device ide-hd,drive=d0,bus=ide.0 -device i6300esb " +
      "-audiodev none,id=a0 -device intel-hda -device hda-duplex,audiodev=a0",
    files: { "disk.img": disk(MiB) },
  }),
  x86("halt", {
    name: "microvm",
    about: "the smallest x86 machine",
    args: "-machine microvm,acpi=off -m 1M -bios rom.bin",
  }),
  x86("halt", {
    name: "isapc",
    about: "a PC without PCI; a machine type without a version",
    args: "-machine isapc -m 1M -bios rom.bin",
  }),
  x86("halt", {
    name: "pc-long-mode",
    about: "two processors, the first in 64-bit mode with different values in all registers",
    args: `${PC} -smp 2 -cpu max`,
    files: { "rom.bin": x86LongModeRom() },
  }),
  x86("halt", {
    name: "pc-dirty-bitmaps",
    about: "three dirty bitmaps of a disk and a great many empty sections",
    args: `${PC} -blockdev qcow2,node-name=disk0,file.driver=file,file.filename=disk.qcow2 ` +
      "-device virtio-blk-pci,drive=disk0,id=vb0,share-rw=on",
    capabilities: ["dirty-bitmaps"],
    prepare: async (vm) => {
      const write = async (range: string) => {
        const answer = await vm.hmp(`qemu-io disk0 "write ${range}"`);
        if (answer !== "") throw new Error(`Cannot write to the disk: ${answer}`);
      };
      const add = async (name: string, granularity: number, more: Record<string, boolean>) => {
        await vm.qmp("block-dirty-bitmap-add", { node: "disk0", name, granularity, ...more });
      };
      await add("fine", 512, { persistent: true });
      await add("coarse", 65536, {});
      await write("64k 128k");
      await add("idle", 4096, { persistent: true, disabled: true });
      await write("1023k 512");
    },
    extraTruth: async (vm) => ({ dirtyBitmaps: await readDirtyBitmaps(vm) }),
  }),
];

const old: CaseSpec[] = [
  x86("halt", { name: "pc-7.2", about: "a PC of QEMU 7.2", series: "7.2", transport: "exec" }),
  x86("halt", {
    name: "pc-compress-7.2",
    about: "pages compressed one by one with zlib (capability compress)",
    series: "7.2",
    capabilities: ["compress"],
  }),
  x86("halt", {
    name: "pc-block-7.2",
    about: "legacy block migration of a disk",
    series: "7.2",
    args: `${PC} -drive if=none,id=v0,format=raw,file=disk.img -device virtio-blk-pci,drive=v0`,
    files: { "disk.img": disk(2 * MiB + 0x4000) },
    migrateArguments: { blk: true },
    extraTruth: async () => ({ disks: { v0: await sha256(disk(2 * MiB + 0x4000)) } }),
  }),
  x86("halt", {
    name: "pc-2.2-7.2",
    about: "machine type 2.2: no configuration, no footers, no description",
    series: "7.2",
    args: "-machine pc-i440fx-2.2,acpi=off -m 1M -bios rom.bin",
  }),
  x86("halt", {
    name: "pc-2.3-7.2",
    about: "machine type 2.3: no configuration, no footers, but a description",
    series: "7.2",
    args: "-machine pc-i440fx-2.3,acpi=off -m 1M -bios rom.bin",
  }),
  x86("halt", {
    name: "pc-1.4-7.2",
    about: "machine type 1.4: no configuration, no footers, but a description",
    series: "7.2",
    args: "-machine pc-i440fx-1.4,acpi=off -m 1M -bios rom.bin",
  }),
  x86("halt", { name: "pc-11.1", about: "a PC of QEMU 11.1", series: "11.1" }),
  x86("churn", {
    name: "pc-postcopy-11.1",
    about: "postcopy of QEMU 11.1 to a destination that stays stopped",
    series: "11.1",
    transport: "proxy",
    capabilities: ["postcopy-ram"],
    during: switchToPostcopy,
  }),
];

/** All cases with an x86 guest. */
export const X86_CASES: readonly CaseSpec[] = [
  ...classic,
  ...mapped,
  ...channels,
  ...devices,
  ...old,
];
