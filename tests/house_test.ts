import { assertEquals } from "@std/assert";
import { projectFiles, readProjectFile } from "./files.ts";

/** A longer file is a sign that two things live in it. */
const MAX_LINES = 450;

/** Written in two halves so that this file does not find itself. */
const UNFINISHED = new RegExp(`\\b(${"TO" + "DO"}|${"FIX" + "ME"})\\b`);

/** An absolute path of somebody's machine: it says nothing to a reader elsewhere. */
const MACHINE_PATH = new RegExp(`(^|[\\s"'\`(=:,<])/(${"wo" + "rk"}|${"ro" + "ot"})/`);

/** Code asks the system for a temporary folder; a document may name one in an example. */
const FIXED_TEMPORARY = new RegExp(`(^|[\\s"'\`(=:,<])/${"tm" + "p"}/\\w`);

/** What is wrong with a text file; nothing for files that are not text. */
function faults(path: string, bytes: Uint8Array): string[] {
  if (bytes.subarray(0, 8000).includes(0)) return [];
  const lines = new TextDecoder().decode(bytes).split("\n");
  const found: string[] = [];
  if (path.endsWith(".ts") && !path.startsWith("testdata/") && lines.length - 1 > MAX_LINES) {
    found.push(`${path}: ${lines.length - 1} lines, at most ${MAX_LINES}`);
  }
  for (const [index, line] of lines.entries()) {
    const at = `${path}:${index + 1}`;
    if (UNFINISHED.test(line)) found.push(`${at}: unfinished work`);
    if (MACHINE_PATH.test(line)) found.push(`${at}: a path of one machine`);
    if (!path.endsWith(".md") && FIXED_TEMPORARY.test(line)) {
      found.push(`${at}: a fixed temporary path`);
    }
  }
  return found;
}

Deno.test("house: files are short, finished and at home everywhere", () => {
  const found = [...projectFiles()].flatMap((path) => faults(path, readProjectFile(path)));
  assertEquals(found, []);
});

Deno.test("house: the check sees what it is for", () => {
  const count = (path: string, text: string) => faults(path, new TextEncoder().encode(text)).length;
  assertEquals(count("a.ts", "line\n".repeat(MAX_LINES)), 0);
  assertEquals(count("a.ts", "line\n".repeat(MAX_LINES + 1)), 1);
  assertEquals(count("a.md", "line\n".repeat(MAX_LINES + 1)), 0);
  assertEquals(count("testdata/a.ts", "line\n".repeat(MAX_LINES + 1)), 0);
  assertEquals(count("a.ts", `// ${"TO" + "DO"}: more`), 1);
  assertEquals(count("a.ts", `open("/${"wo" + "rk"}/a.img")`), 1);
  assertEquals(count("a.md", `in /${"ro" + "ot"}/a`), 1);
  assertEquals(count("a.ts", `const a = "/${"tm" + "p"}/x";`), 1);
  assertEquals(count("a.md", `write to /${"tm" + "p"}/x`), 0);
  assertEquals(count("a.md", `https://example.org/${"wo" + "rk"}/a`), 0);
  assertEquals(count("a.bin", `\0/${"wo" + "rk"}/`), 0);
});
