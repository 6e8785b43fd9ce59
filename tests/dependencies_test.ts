/** The page about dependencies lists what the import map and the lock file have, and nothing of that runs on installation. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import config from "../deno.json" with { type: "json" };

const page = Deno.readTextFileSync(new URL("../docs/dependencies.md", import.meta.url));

interface LockedPackage {
  readonly integrity: string;
  readonly dependencies?: readonly string[];
  readonly scripts?: boolean;
}

const lock: { readonly npm: Readonly<Record<string, LockedPackage>> } = JSON.parse(
  Deno.readTextFileSync(new URL("../deno.lock", import.meta.url)),
);

/** The cells of the rows of the table under a heading, code quotes taken away; the heading row and the line below it left out. */
function rowsUnder(heading: string): string[][] {
  const section = page.split(/^## /m).find((part) => part.startsWith(`${heading}\n`));
  assert(section !== undefined, `no heading ${heading}`);
  const lines = section.split("\n").filter((line) => line.startsWith("|"));
  return lines.slice(2).map((line) =>
    line.split("|").slice(1, -1).map((cell) => cell.trim().replaceAll("`", ""))
  );
}

/** Name and version of `npm:@scope/name@1.2.3/path`, or of a key of the lock file. */
function nameAndVersion(specifier: string): [string, string] {
  const found = /^(?:npm:)?(@?[^@]+)@([^/_]+)/.exec(specifier);
  assert(found !== null, specifier);
  return [found[1]!, found[2]!];
}

Deno.test("dependencies: the page lists exactly the import map, with its versions", () => {
  const listed = rowsUnder("The import map").map(([name, version]) => [name, version]);
  const mapped = Object.entries(config.imports).map(([name, specifier]) => [
    name,
    nameAndVersion(specifier)[1],
  ]);
  assertEquals(listed.toSorted(), mapped.toSorted());
});

Deno.test("dependencies: the page lists exactly the packages of the lock file", () => {
  const listed = rowsUnder("What is installed").map(([name, version]) => [name, version]);
  assertEquals(listed.toSorted(), Object.keys(lock.npm).map(nameAndVersion).toSorted());
});

Deno.test("dependencies: the page says who needs a package that no code imports", () => {
  const imported = new Set(Object.values(config.imports).map((each) => nameAndVersion(each)[0]));
  for (const [name = "", , , , needer = ""] of rowsUnder("What is installed")) {
    if (imported.has(name)) continue;
    const key = Object.keys(lock.npm).find((each) => nameAndVersion(each)[0] === needer);
    assert(key !== undefined, `${name}: ${needer} is no package`);
    assert(lock.npm[key]?.dependencies?.includes(name), `${needer} doesn't need ${name}`);
  }
});

Deno.test("dependencies: each has an exact version and a hash, and no install script", () => {
  for (const specifier of Object.values(config.imports)) {
    assertMatch(specifier, /^npm:(@[\w-]+\/)?[\w-]+@\d+\.\d+\.\d+(\/[\w./-]+)?$/);
  }
  for (const [name, { integrity, scripts }] of Object.entries(lock.npm)) {
    assertMatch(integrity, /^sha512-[\w+/]{86}==$/, name);
    assertEquals(scripts, undefined, name);
  }
  assertEquals(config.lock.frozen, true);
});
