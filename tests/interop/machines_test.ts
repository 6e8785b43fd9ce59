/** Machine types: each stream says what the running QEMU says. */

import { assertEquals } from "@std/assert";
import { type X86Program, x86Rom } from "../../testdata/guest.ts";
import { abilities, interopTest, withFolder } from "./qemu.ts";
import { checkSaved, checkTiling } from "./checks.ts";
import { save, type Scene } from "./scene.ts";

const DISK = new Uint8Array(0x100000).fill(0x42, 0x1000, 0x3000);

interface Machine extends Scene {
  readonly name: string;
}

const HALT: { program: X86Program } = { program: "halt" };

const MACHINES: readonly Machine[] = [
  { ...HALT, name: "pc", args: "-machine pc -m 1M -bios rom.bin" },
  {
    name: "pc that never ran",
    args: "-machine pc -m 1M -bios rom.bin",
    files: { "rom.bin": x86Rom("halt") },
  },
  {
    ...HALT,
    name: "q35 with virtio devices and two processors",
    args: "-machine q35 -m 2M -bios rom.bin -smp 2 " +
      "-blockdev raw,node-name=d0,file.driver=file,file.filename=disk.img " +
      "-device virtio-blk-pci,drive=d0,id=blk0 " +
      "-netdev hubport,id=n0,hubid=0 -device virtio-net-pci,netdev=n0,romfile=,mac=52:54:00:11:22:33 " +
      "-device virtio-balloon-pci -device virtio-scsi-pci -chardev null,id=c0 " +
      "-device virtio-serial-pci -device virtconsole,chardev=c0 " +
      "-object rng-random,id=r0,filename=/dev/urandom -device virtio-rng-pci,rng=r0",
    files: { "disk.img": DISK },
  },
  {
    ...HALT,
    name: "q35 with USB, AHCI, audio and a watchdog",
    args: "-machine q35 -m 1M -bios rom.bin -device qemu-xhci,id=x0 " +
      "-device usb-tablet,bus=x0.0 -device usb-kbd,bus=x0.0 " +
      "-blockdev raw,node-name=d0,file.driver=file,file.filename=disk.img " +
      "-device ide-hd,drive=d0,bus=ide.0 -device i6300esb " +
      "-audiodev none,id=a0 -device intel-hda -device hda-duplex,audiodev=a0",
    files: { "disk.img": DISK },
  },
  {
    ...HALT,
    name: "microvm with a virtio disk",
    args: "-machine microvm,acpi=off -m 1M -bios rom.bin " +
      "-blockdev raw,node-name=d0,file.driver=file,file.filename=disk.img " +
      "-device virtio-blk-device,drive=d0",
    files: { "disk.img": DISK },
  },
  { ...HALT, name: "isapc", args: "-machine isapc -m 1M -bios rom.bin" },
  { name: "none", args: "-machine none" },
];

for (const { name, ...scene } of MACHINES) {
  for (const capabilities of [[], ["mapped-ram"]]) {
    interopTest(["machine " + name, ...capabilities].join(", "), { capabilities }, async (t) => {
      await withFolder(async (folder) => {
        await checkSaved(t, await save(folder, { ...scene, capabilities }));
      });
    });
  }
}

/** `pc-i440fx-2.12` is newer than `pc-i440fx-2.4`. */
function compareVersions(a: string, b: string): number {
  const numbers = (name: string) => name.split("-").at(-1)!.split(".").map(Number);
  const [aMajor = 0, aMinor = 0] = numbers(a);
  const [bMajor = 0, bMinor = 0] = numbers(b);
  return aMajor - bMajor || aMinor - bMinor;
}

/** The oldest machine type that this QEMU has, and those that changed something in the streams. */
function oldMachines(): Set<string> {
  try {
    const { machines } = abilities();
    const oldest = machines.filter((name) =>
      name.startsWith("pc-i440fx-")
    ).sort(compareVersions)[0];
    return new Set([...oldest === undefined ? [] : [oldest], "pc-i440fx-2.8", "pc-i440fx-2.12"]);
  } catch {
    return new Set();
  }
}

for (const machine of oldMachines()) {
  interopTest(`old machine type ${machine}`, { machine }, async (t) => {
    await withFolder(async (folder) => {
      const args = `-machine ${machine} -m 1M -bios rom.bin`;
      const saved = await save(folder, { ...HALT, args });
      const footers = compareVersions(machine, "pc-i440fx-2.4") >= 0;
      await checkSaved(t, saved, { footers });
      await t.step("the machine type is in the configuration", () => {
        const found = checkTiling(saved, { footers }).find((item) => item.kind === "configuration");
        assertEquals(found?.configuration.machine, footers ? machine : undefined);
      });
    });
  });
}
