/**
 * The hand-written declarations in types/ tell the truth: what they declare exists in the package
 * behind the bare name, and `deno check` uses them.
 */
import { assert, assertEquals, assertGreater, assertStringIncludes } from "@std/assert";
import { projectFiles, readProjectFile } from "./files.ts";
import { withFolder } from "./process.ts";

/** Module name -> names of the values declared in it. */
function declaredValues(): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const path of projectFiles("types/")) {
    const source = new TextDecoder().decode(readProjectFile(path));
    for (const part of source.split(/^declare module /m).slice(1)) {
      const name = part.slice(1, part.indexOf('"', 1));
      const values = part.matchAll(/^ {2}export (?:function|class|const) (\w+)/gm);
      found.set(name, [...new Set(Array.from(values, (match) => match[1]!))]);
    }
  }
  return found;
}

Deno.test("declarations: every declared value exists", async () => {
  const modules = declaredValues();
  assertGreater(modules.size, 0);
  for (const [name, values] of modules) {
    const loaded: Record<string, unknown> = await import(name);
    assertGreater(values.length, 0, name);
    const missing = values.filter((value) => typeof loaded[value] !== "function");
    assertEquals(missing, [], name);
  }
});

Deno.test("declarations: every mapped module of the packages without types has one", () => {
  const { imports } = JSON.parse(new TextDecoder().decode(readProjectFile("deno.json")));
  const mapped = Object.entries(imports as Record<string, string>)
    .filter(([, target]) => /^npm:(deno-std|cli-progress)@/.test(target))
    .map(([name]) => name);
  assertEquals(mapped.sort(), [...declaredValues().keys()].sort());
});

Deno.test("declarations: a wrong use fails the type check", async () => {
  await withFolder(async (folder) => {
    const file = `${folder}/wrong_use.ts`;
    await Deno.writeTextFile(file, 'import { bold } from "@std/fmt/colors";\nbold(1);\n');
    const config = decodeURIComponent(new URL("../deno.json", import.meta.url).pathname);
    const result = await new Deno.Command(Deno.execPath(), {
      args: ["check", "--config", config, file],
      env: { NO_COLOR: "1" },
      stdout: "null",
      stderr: "piped",
    }).output();
    assert(!result.success, "a wrong use passed");
    assertStringIncludes(new TextDecoder().decode(result.stderr), "TS2345");
  });
});
