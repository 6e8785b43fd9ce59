/**
 * The script of the report's page, with the types of the model: `deno check` looks at each of its modules alone.
 */
import { assertEquals, assertNotEquals } from "@std/assert";
import ts from "typescript";

const MAIN = decodeURIComponent(new URL("../cli/report_assets/main.js", import.meta.url).pathname);

const OPTIONS: ts.CompilerOptions = {
  allowJs: true,
  checkJs: true,
  noEmit: true,
  strict: true,
  noUncheckedIndexedAccess: true,
  exactOptionalPropertyTypes: true,
  noUnusedLocals: true,
  noUnusedParameters: true,
  target: ts.ScriptTarget.ESNext,
  module: ts.ModuleKind.ESNext,
  moduleResolution: ts.ModuleResolutionKind.Bundler,
  allowImportingTsExtensions: true,
  lib: ["lib.esnext.d.ts", "lib.dom.d.ts", "lib.dom.iterable.d.ts"],
  types: [],
};

/** Errors of types, each with its file, where `change` may have changed the text of one. */
function errorsWith(change: (name: string, text: string) => string): string[] {
  const host = ts.createCompilerHost(OPTIONS);
  const { readFile } = host;
  host.readFile = (path) => {
    const text = readFile(path);
    return text === undefined ? undefined : change(path.split("/").at(-1)!, text);
  };
  const program = ts.createProgram([MAIN], OPTIONS, host);
  return ts.getPreEmitDiagnostics(program).map(({ file, messageText }) =>
    `${file?.fileName.split("/").at(-1)}: ${ts.flattenDiagnosticMessageText(messageText, "\n")}`
  );
}

Deno.test("report page: its script fits the model and itself", () => {
  assertEquals(errorsWith((_name, text) => text), []);
});

Deno.test("report page: a member that the model lacks is seen", () => {
  const renamed = errorsWith((name, text) =>
    name === "model.ts" ? text.replace("readonly resentPages", "readonly otherPages") : text
  );
  assertNotEquals(renamed.filter((error) => error.startsWith("migration.js")), []);
});
