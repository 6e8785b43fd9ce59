import { zstdDecompressSync } from "node:zlib";
import { Workplace } from "../../fuzz/commands.ts";
import { tryEverything } from "../../fuzz/everything.ts";

/** Inputs that once found something, each in what it was found with: `stream`, `file`, or the name of a target. */
const FOLDER = new URL("../../testdata/regressions/", import.meta.url);

/** The suffixes of the files, and what is done with each. */
const TARGET_OF_SUFFIX: Readonly<Record<string, string>> = {
  mig: "stream",
  bin: "file",
  json: "json",
  delta: "xbzrle",
  multifd: "multifd",
  return: "return-path",
  libvirt: "libvirt",
  map: "map",
};

for (const { name } of [...Deno.readDirSync(FOLDER)].sort((a, b) => a.name < b.name ? -1 : 1)) {
  if (name.endsWith(".md")) continue;
  Deno.test(`regressions: ${name} through everything`, async () => {
    const stored = Deno.readFileSync(new URL(name, FOLDER));
    const isPacked = name.endsWith(".zst");
    const bytes = isPacked ? new Uint8Array(zstdDecompressSync(stored)) : stored;
    const target = TARGET_OF_SUFFIX[name.replace(/\.zst$/, "").split(".").at(-1)!];
    if (target === undefined) throw new Error(`${name}: what is it?`);
    using place = new Workplace();
    await tryEverything(target, bytes, place);
  });
}
