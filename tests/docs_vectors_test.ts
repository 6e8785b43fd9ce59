/** The page about conformance lists every recorded stream and image, with the release that wrote it. */
import { assertEquals } from "@std/assert";
import { loadManifest } from "./testdata.ts";
import { loadSnapshotManifest } from "./snapshots.ts";

const page = Deno.readTextFileSync(new URL("../docs/conformance.md", import.meta.url));

/** The rows of the table that begins with this heading cell, code quotes taken away. */
function rowsOf(heading: string, second: string): string[][] {
  const lines = page.split("\n");
  const start = lines.findIndex((line) => {
    const cells = line.split("|").map((cell) => cell.trim());
    return cells[1] === heading && cells[2] === second;
  });
  const rows: string[][] = [];
  for (let at = start + 2; lines[at]?.startsWith("|"); at++) {
    rows.push(lines[at]!.split("|").slice(1, -1).map((cell) => cell.trim().replaceAll("`", "")));
  }
  return rows;
}

Deno.test("docs: the page about conformance has every stream, its release and what it shows", () => {
  const listed = rowsOf("case", "QEMU").map((cells) => cells.slice(0, 3));
  const recorded = loadManifest().cases.map(({ name, qemu, about }) => [name, qemu, about]);
  assertEquals(listed, recorded);
});

Deno.test("docs: the page about conformance has the number of other channels of each stream", () => {
  for (const { name, files } of loadManifest().cases) {
    const count = files.filter(({ role }) => role === "multifd").length;
    const channels = rowsOf("case", "QEMU").find(([each]) => each === name)?.[3] ?? "";
    assertEquals(/(\d+) multifd/.exec(channels)?.[1] ?? "0", String(count), name);
    assertEquals(channels.includes("preempt"), files.some(({ role }) => role === "preempt"), name);
    const hasReturnPath = files.some(({ role }) => role === "returnPath");
    assertEquals(channels.includes("return path"), hasReturnPath, name);
  }
});

Deno.test("docs: the page about conformance has every qcow2 image", () => {
  const { images, disks } = loadSnapshotManifest();
  const listed = rowsOf("file", "what it shows").map(([file]) => file);
  assertEquals(listed, [...images, ...disks].map(({ file }) => file));
});
