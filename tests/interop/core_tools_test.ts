/** What other people's programs make of our ELF core files; those that are not installed are left out. */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { migstream, missing } from "./command.ts";
import { addressTexts } from "./core_file.ts";
import { LONG_MODE, savePhysical } from "./physical.ts";
import { interopTest, withFolder } from "./qemu.ts";

const GDB = "gdb";

interopTest("gdb reads the ELF core", { obstacle: missing(GDB) }, async () => {
  await withFolder(async (folder) => {
    const { stream } = await savePhysical(folder, LONG_MODE);
    const path = `${folder}/our.core`;
    await migstream(["extract", stream, "--format", "elf", "--out", path], ["-R", "-W"]);
    const asked = ["info threads", "p/x $rip", "p/x $rsp", "p/x $r15", "x/2xb 0xf01fc"];
    const { success, stdout, stderr } = await new Deno.Command(GDB, {
      args: ["-batch", "-nx", "-c", path, ...asked.flatMap((each) => ["-ex", each])],
      env: { LC_ALL: "C" },
    }).output();
    const said = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
    assert(success, said);
    // The processor has halted: the next instruction is the jump behind.
    const values = ["0xf01fc", "0x8f8e8d8c8b8a8988", "0x1817161514131211"];
    for (const [index, value] of values.entries()) {
      assertStringIncludes(said, `$${index + 1} = ${value}\n`);
    }
    assertMatch(said, /^\* 1 /m);
    assertMatch(said, /^ {2}2 /m);
    assertMatch(said, /^0xf01fc:\t0xeb\t0xfd$/m);
    assert(!/warning|error|cannot|truncated/i.test(said), said);
  });
});

const READELF = "readelf";

interopTest("readelf reads the ELF core", { obstacle: missing(READELF) }, async () => {
  await withFolder(async (folder) => {
    const { stream, map } = await savePhysical(folder, LONG_MODE);
    const path = `${folder}/our.core`;
    await migstream(["extract", stream, "--format", "elf", "--out", path], ["-R", "-W"]);
    const { success, stdout, stderr } = await new Deno.Command(READELF, {
      args: ["-lnhW", path],
      env: { LC_ALL: "C" },
    }).output();
    const said = new TextDecoder().decode(stdout);
    assertEquals([success, new TextDecoder().decode(stderr)], [true, ""]);
    const loads = said.matchAll(/^ +LOAD +0x\w+ 0x\w+ 0x(\w+) 0x(\w+) /gm);
    const ranges = [...loads].map(([, address, length]) => ({
      guestAddress: Number(`0x${address}`),
      lengthBytes: Number(`0x${length}`),
    }));
    assertEquals(addressTexts(ranges), addressTexts(map));
    assertEquals(said.match(/NT_PRSTATUS/g)?.length, 2);
  });
});
