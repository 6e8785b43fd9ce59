/** What people see: tables that fit their terminal, and colours where they are wanted. */

import { assert, assertEquals, assertNotMatch } from "@std/assert";
import { table } from "../cli/table.ts";
import { migstream } from "./process.ts";
import { testdataPath } from "./testdata.ts";

const ROWS = [
  ["name", "size", "normal"],
  ["/rom@etc/acpi/tables", "128 KiB", "12"],
  ["pc.ram", "1 MiB", "4096"],
];

Deno.test("table: columns are as wide as they have to be", () => {
  assertEquals(table(ROWS, "lrr"), [
    "name                     size  normal",
    "/rom@etc/acpi/tables  128 KiB      12",
    "pc.ram                  1 MiB    4096",
  ]);
});

Deno.test("table: where it is too wide, gaps shrink first, then texts in their middle", () => {
  assertEquals(table(ROWS, "lrr", 35), [
    "name                    size normal",
    "/rom@etc/acpi/tables 128 KiB     12",
    "pc.ram                 1 MiB   4096",
  ]);
  assertEquals(table(ROWS, "lrr", 27), [
    "name            size normal",
    "/rom@e…ables 128 KiB     12",
    "pc.ram         1 MiB   4096",
  ]);
  for (let width = 23; width < 50; width++) {
    for (const line of table(ROWS, "lrr", width)) assert(line.length <= width, line);
  }
  // Numbers are never shortened, and a name keeps something.
  for (const line of table(ROWS, "lrr", 1)) assert(line.includes(" "), line);
  assertEquals(table(ROWS, "lrr", 1)[1], "/rom…les 128 KiB     12");
});

Deno.test("colours: none in a pipe, unless FORCE_COLOR is set, and never with NO_COLOR", async () => {
  const args = ["validate", testdataPath("pc.mig")];
  const plain = `${testdataPath("pc.mig")}: ok\n`;
  const run = async (env: Record<string, string>, permissions: string[]) =>
    (await migstream(args, { env: { NO_COLOR: "", ...env }, permissions })).out;
  assertEquals(await run({}, ["-R"]), plain);
  assertEquals(
    await run({ FORCE_COLOR: "1" }, ["-R", "-E"]),
    plain.replace("ok", "\x1b[32mok\x1b[39m"),
  );
  assertEquals(await run({ FORCE_COLOR: "1", NO_COLOR: "1" }, ["-R", "-E"]), plain);
  // Without the permission to look, nobody is asked for it.
  assertNotMatch(await run({ FORCE_COLOR: "1" }, ["-R"]), /prompt/i);
});
