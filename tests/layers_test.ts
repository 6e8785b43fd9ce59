import { assertEquals, assertGreater, assertStringIncludes } from "@std/assert";
import { projectFiles, readProjectFile } from "./files.ts";
import plugin, { layerOf } from "./layers.ts";

/** What the law says of a made-up or real source: one message a breach. */
function breaches(path: string, source: string): string[] {
  return Deno.lint.runPlugin(plugin, path, source).map((diagnostic) => diagnostic.message);
}

Deno.test("layers: the project keeps them", () => {
  const found: string[] = [];
  let checkedFiles = 0;
  for (const path of projectFiles()) {
    if (!path.endsWith(".ts") || (path !== "mod.ts" && layerOf(path) === undefined)) continue;
    checkedFiles++;
    const source = new TextDecoder().decode(readProjectFile(path));
    for (const message of breaches(path, source)) found.push(`${path}: ${message}`);
  }
  assertEquals(found, []);
  assertGreater(checkedFiles, 0, "no file was checked");
});

Deno.test("layers: every way of importing upwards is seen", () => {
  const ways = [
    `import { a } from "../analyze/mod.ts";`,
    `import type { A } from "../analyze/mod.ts";`,
    `import "../analyze/mod.ts";`,
    `export * from "../analyze/mod.ts";`,
    `export { a } from "../analyze/mod.ts";`,
    `export const a = await import("../analyze/mod.ts");`,
    "export const a = await import(`../analyze/mod.ts`);",
    `export type A = import("../analyze/mod.ts").A;`,
    `new Worker(new URL("../analyze/mod.ts", import.meta.url));`,
    `import.meta.resolve("../analyze/mod.ts");`,
    `import { a } from "../analyze/mod.ts";`,
    `import { a } from "@migstream/migstream/analyze";`,
  ];
  for (const way of ways) {
    for (const path of ["format/a.ts", "container/a.ts"]) {
      const found = breaches(path, way);
      assertEquals(found.length, 1, `${path}: ${way} gave ${JSON.stringify(found)}`);
      assertStringIncludes(found[0]!, "must not import analyze/mod.ts");
    }
    assertEquals(breaches("live/a.ts", way), [], way);
    assertEquals(breaches("cli/a.ts", way), [], way);
  }
});

Deno.test("layers: each layer imports itself and those below, nothing above", () => {
  const order = ["format", "container", "analyze", "live", "cli"];
  for (const [from, fromName] of order.entries()) {
    for (const [to, toName] of order.entries()) {
      const found = breaches(`${fromName}/deep/a.ts`, `import "../../${toName}/b.ts";`);
      assertEquals(found.length, to > from ? 1 : 0, `${fromName} -> ${toName}: ${found}`);
    }
    for (const folder of ["tests", "bench", "testdata"]) {
      assertEquals(breaches(`${fromName}/a.ts`, `import "../${folder}/b.ts";`).length, 1, folder);
    }
  }
});

Deno.test("layers: programs and the root module have their place", () => {
  assertEquals(breaches("cli.ts", `import "./cli/a.ts"; import "./mod.ts";`), []);
  assertEquals(breaches("cli.ts", `import "./deno.json" with { type: "json" };`), []);
  assertEquals(breaches("analyze.ts", `import "./analyze/a.ts"; import "./cli/a.ts";`), []);
  assertEquals(breaches("mod.ts", `export * from "./live/a.ts"; export * from "./a.ts";`), [
    "a.ts is in no layer",
  ]);
  assertEquals(breaches("mod.ts", `export * from "./cli/a.ts";`).length, 1);
  assertEquals(breaches("mod.ts", `export * from "./tests/a.ts";`).length, 1);
  for (const upward of ["../mod.ts", "../cli.ts", "../analyze.ts", "@migstream/migstream"]) {
    assertEquals(breaches("live/a.ts", `import "${upward}";`).length, 1, upward);
  }
  assertEquals(breaches("live/a.ts", `import "../../elsewhere.ts";`).length, 1);
  assertEquals(breaches("tests/a.ts", `import "../cli.ts"; console.log(Deno.args);`), []);
});

Deno.test("layers: a computed import is no way out of a library layer", () => {
  const source = `const name = "../cli.ts"; await import(name);`;
  assertEquals(breaches("analyze/a.ts", source).length, 1);
  assertEquals(breaches("cli/a.ts", source), []);
});

Deno.test("layers: globals that a layer does without", () => {
  const uses = [
    "NAME.x();",
    "const { x } = NAME;",
    "globalThis.NAME.x();",
    "let a: NAME.X;",
    "const o = { NAME };",
    "const o = { a: NAME };",
    "f(NAME);",
    "export let a: typeof NAME;",
  ];
  for (const use of uses) {
    const found = (name: string, layer: string) =>
      breaches(`${layer}/a.ts`, use.replace("NAME", name)).length;
    assertEquals(found("Deno", "format"), 1, use);
    assertEquals(found("Deno", "container"), 0, use);
    for (const layer of ["format", "container", "analyze"]) {
      assertEquals(found("console", layer), 1, `${layer}: ${use}`);
    }
    assertEquals(found("console", "cli"), 0, use);
  }
});

Deno.test("layers: comments, strings, properties and packages are no breach", () => {
  const source = `
    // import "../cli.ts"; Deno.exit(); console.log();
    /** @example \`import "../cli.ts";\` */
    export const text = 'import "../cli.ts"; console.log(Deno)';
    export const page = \`<script>console.log("\${text}")</script>\`;
    export interface Options { console: string; Deno?: boolean }
    export const options: Options = { console: "isa-serial" };
    options.console = options["console"];
    export class Device { console = 1; Deno(): void {} }
    import { bold } from "@std/fmt/colors";
    import zlib from "node:zlib";
    export const data = new URL("../cli/page.css", import.meta.url);
  `;
  assertEquals(breaches("format/a.ts", source), []);
});
