/**
 * `migstream registers` as a whole process, with the permission to read and no other.
 *
 * @module
 */

import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { migstream } from "./process.ts";
import { loadStream, loadTruth, testdataPath, withTempFile } from "./testdata.ts";

async function registers(args: string[], input?: Uint8Array) {
  const { code, out, err } = await migstream(["registers", ...args], input);
  return { code, out, err };
}

Deno.test("registers command: prints what QEMU printed, of all or of one", async () => {
  const truth = loadTruth("pc-long-mode").registers!;
  const path = testdataPath("pc-long-mode.zst");
  assertEquals(await registers([path]), { code: 0, out: truth, err: "" });
  const second = `\nCPU#1\n${truth.split("\nCPU#1\n")[1]}`;
  assertEquals(await registers([path, "--cpu", "1"]), { code: 0, out: second, err: "" });
});

Deno.test("registers command: the machine type says whose form it is", async () => {
  const { out } = await registers(["-"], loadStream("s390x-11.1"));
  assertEquals(out, loadTruth("s390x-11.1").registers);
  const old = await registers(["-"], loadStream("s390x"));
  assertEquals(old.out, loadTruth("s390x").registers);
});

Deno.test("registers command: JSON has the values by name", async () => {
  const { code, out, err } = await registers([testdataPath("pc.mig"), "--json"]);
  assertEquals([code, err], [0, ""]);
  const { cpus } = JSON.parse(out);
  assertEquals(cpus.length, 1);
  const { index, architecture, halted, registers: values } = cpus[0];
  assertEquals([index, architecture, halted], [0, "x86_64", true]);
  assertEquals([values.rsi, values["cs.base"], values.cr0], [
    "0x11223344",
    "0xf0000",
    "0x60000010",
  ]);
});

Deno.test("registers command: says why there is nothing to print", async () => {
  const path = testdataPath("pc-long-mode.zst");
  for (
    const [args, said] of [
      [[path, "--cpu", "2"], /^migstream: there is no processor 2; the stream has 0, 1\n$/],
      [[path, "--cpu", "x"], /'x' is invalid. A processor is a number/],
      [[testdataPath("none.mig")], /^migstream: the stream has no processor\n$/],
      [[testdataPath("pc-no-vmdesc.zst")], /does not describe its processors .* --vmdesc\n$/],
      [[testdataPath("avr-uno.zst")], /instruction set .* is not known \(machine "arduino-uno"\)/],
    ] as const
  ) {
    const { code, out, err } = await registers([...args]);
    assertEquals([code, out], [2, ""], args.join(" "));
    assertMatch(err, said);
  }
});

Deno.test("registers command: a description from another image, and a damaged stream", async () => {
  const given = await withTempFile(
    loadStream("pc-zero-none"),
    (image) => registers([testdataPath("pc-no-vmdesc.zst"), "--vmdesc", image]),
  );
  assertEquals(given.out, loadTruth("pc-no-vmdesc").registers, given.err);
  const cut = loadStream("pc-long-mode").slice(0, -4000);
  const failed = await registers(["-"], cut);
  assertEquals([failed.code, failed.out], [2, ""]);
  const kept = await registers(["-", "--keep-going"], cut);
  assertEquals(kept.code, 2);
  assertStringIncludes(kept.err, "error: ");
});
