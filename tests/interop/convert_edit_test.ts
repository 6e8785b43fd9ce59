/** Changes that `migstream convert` makes to an image arrive in a real QEMU that loads it. */

import { assert, assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import type { Qemu } from "../../testdata/qemu.ts";
import { checkLoaded, churning, convert, load, PC, refusal, runOn } from "./convert_scenes.ts";
import { LONG_MODE } from "./physical.ts";
import { interopTest, withFolder } from "./qemu.ts";
import { save, type Scene } from "./scene.ts";

/** With mapped-ram, QEMU also has everything else that is used here. */
const NEEDS = { capabilities: ["mapped-ram"] };

/** The first processor's part of `info registers`. */
async function registersOf(vm: Qemu): Promise<string> {
  return await vm.hmp("info registers");
}

function changed(...assignments: string[]): string[] {
  return ["--to", "stream", ...assignments.flatMap((each) => ["--set", each])];
}

interopTest("edited: registers of a processor in 64-bit mode", NEEDS, async () => {
  await withFolder(async (folder) => {
    const { path, truth } = await save(folder, LONG_MODE);
    const out = `${folder}/edited`;
    await convert(
      path,
      out,
      ...changed(
        "cpu/0/env.eip=0xf0200",
        "cpu/0/env.regs[10]=0x8123456789abcdef",
        "cpu/0/env.regs[0]=0xfffffffffffffffe",
        "cpu/0/env.segs[5].base=0xffff9000deadbee0",
        "cpu/0/env.segs[4].selector=24",
        "cpu/1/env.regs[3]=0x77",
      ),
    );
    await using vm = await load(folder, LONG_MODE, { uri: `file:${out}` });
    const expected = truth.registers
      .replace(/RIP=\w+/, "RIP=00000000000f0200")
      .replace(/R10=\w+/, "R10=8123456789abcdef")
      .replace(/RAX=\w+/, "RAX=fffffffffffffffe")
      .replace(/(GS =0000) \w+/, "$1 ffff9000deadbee0")
      .replace(/FS =0000/, "FS =0018")
      .replace(/(CPU#1[^]*?[RE]BX=0*)00\b/, "$177");
    assertNotEquals(expected, truth.registers);
    assertEquals(await vm.hmp("info registers -a"), expected);
  });
});

interopTest("edited: a register of a guest that runs on", NEEDS, async () => {
  await withFolder(async (folder) => {
    const { path, truth } = await save(folder, PC);
    for (const form of ["stream", "mapped-ram"]) {
      const out = `${folder}/edited-${form}`;
      const capabilities = form === "stream" ? [] : [form];
      await convert(path, out, "--to", form, "--set", "cpu/0/env.regs[6]=0xcafef00d");
      await using vm = await load(folder, PC, { uri: `file:${out}`, capabilities });
      const expected = truth.registers.replace("ESI=11223344", "ESI=cafef00d");
      assertEquals(await vm.hmp("info registers -a"), expected);
      await runOn(vm, PC);
      // The program never touches it.
      assertMatch(await registersOf(vm), /ESI=cafef00d/);
    }
  });
});

/** A byte of the clock's memory, as the guest reads it. */
async function clockByte(vm: Qemu, index: number): Promise<number> {
  await vm.hmp(`o /b 0x70 ${index}`);
  const answer = await vm.hmp("i /1b 0x71");
  return Number(/= (0x[0-9a-f]+)/.exec(answer)?.[1]);
}

interopTest("edited: a device's memory, out of a file", NEEDS, async () => {
  await withFolder(async (folder) => {
    const { path } = await save(folder, PC);
    const file = `${folder}/cmos.bin`;
    const out = `${folder}/edited`;
    const bytes = Uint8Array.from({ length: 128 }, (_, index) => index < 0x40 ? 0 : 255 - index);
    await Deno.writeFile(file, bytes);
    await convert(path, out, "--to", "stream", "--set-file", `mc146818rtc/0/cmos_data=${file}`);
    await using vm = await load(folder, PC, { uri: `file:${out}` });
    for (const index of [0x40, 0x55, 0x7f]) {
      assertEquals(await clockByte(vm, index), bytes[index], `byte ${index}`);
    }
    await runOn(vm, PC);
  });
});

interopTest("edited: devices that the destination has not", NEEDS, async () => {
  await withFolder(async (folder) => {
    const scene = churning(
      "-machine pc,acpi=off -device virtio-balloon-pci -device virtio-rng-pci",
    );
    const { path, truth } = await save(folder, scene);
    const said = await refusal(folder, PC, { uri: `file:${path}` });
    assertMatch(said ?? "loaded", /virtio-(balloon|rng)/);
    const names = ["0000:00:02.0/virtio-balloon", "0000:00:03.0/virtio-rng/0"];
    const args = names.flatMap((name) => ["--drop-section", name]);
    for (const form of ["stream", "mapped-ram"]) {
      const out = `${folder}/less-${form}`;
      await convert(path, out, "--to", form, ...args);
      const capabilities = form === "stream" ? [] : [form];
      await checkLoaded(folder, PC, truth, { uri: `file:${out}`, capabilities });
    }
  });
});

interopTest("edited: the name of a RAM block", NEEDS, async () => {
  await withFolder(async (folder) => {
    const scene: Scene = {
      ...PC,
      args: PC.args.replace("acpi=off", "acpi=off,memory-backend=own") +
        " -object memory-backend-ram,id=own,size=2M",
    };
    const { path, truth: { blocks, registers } } = await save(folder, scene);
    assert(blocks.some(({ name }) => name === "own"), "the block has the object's name");
    assertMatch(await refusal(folder, PC, { uri: `file:${path}` }) ?? "loaded", /own/);
    const renamed = blocks.map((block) =>
      block.name === "own" ? { ...block, name: "pc.ram" } : block
    );
    for (const form of ["stream", "mapped-ram"]) {
      const out = `${folder}/renamed-${form}`;
      await convert(path, out, "--to", form, "--rename-block", "own=pc.ram");
      const capabilities = form === "stream" ? [] : [form];
      const truth = { blocks: renamed, registers };
      await checkLoaded(folder, PC, truth, { uri: `file:${out}`, capabilities });
    }
  });
});

const OLDER = churning("-machine pc-i440fx-9.2,acpi=off");
const NEWER = churning("-machine pc-i440fx-10.0,acpi=off");

interopTest("edited: the machine type", { ...NEEDS, machine: "pc-i440fx-10.0" }, async () => {
  await withFolder(async (folder) => {
    const { path, truth } = await save(folder, OLDER);
    const asItIs = await refusal(folder, NEWER, { uri: `file:${path}` });
    assertMatch(asItIs ?? "loaded", /pc-i440fx-9\.2/);
    for (const form of ["stream", "mapped-ram"]) {
      const out = `${folder}/newer-${form}`;
      await convert(path, out, "--to", form, "--machine", "pc-i440fx-10.0");
      const capabilities = form === "stream" ? [] : [form];
      await checkLoaded(folder, NEWER, truth, { uri: `file:${out}`, capabilities });
      const back = await refusal(folder, OLDER, { uri: `file:${out}`, capabilities });
      assertMatch(back ?? "loaded", /pc-i440fx-10\.0/);
    }
  });
});
