/**
 * Writes the bill of materials of a release to standard output: CycloneDX JSON of all packages that deno.lock pins.
 *
 * @module
 */

/** What is used of deno.lock. */
interface Lock {
  readonly npm: Readonly<Record<string, { readonly integrity: string }>>;
}

/** What is used of deno.json. */
interface Config {
  readonly name: string;
  readonly version: string;
  readonly license: string;
}

async function read<Content>(name: string): Promise<Content> {
  return JSON.parse(await Deno.readTextFile(new URL(`../${name}`, import.meta.url)));
}

/** A package of the lock file: `name@version`, or `@scope/name@version`, perhaps with what it was resolved beside. */
function component([key, { integrity }]: [string, { readonly integrity: string }]) {
  const at = key.indexOf("@", 1);
  const name = key.slice(0, at);
  const version = key.slice(at + 1).split("_")[0]!;
  const [algorithm = "", digest = ""] = integrity.split("-");
  const purl = `pkg:npm/${name.replace("@", "%40")}@${version}`;
  return {
    type: "library",
    "bom-ref": purl,
    name,
    version,
    purl,
    hashes: [{
      alg: algorithm.toUpperCase().replace("SHA", "SHA-"),
      content: Uint8Array.fromBase64(digest).toHex(),
    }],
  };
}

const { name, version, license } = await read<Config>("deno.json");
const { npm } = await read<Lock>("deno.lock");
const bom = {
  bomFormat: "CycloneDX",
  specVersion: "1.5",
  version: 1,
  metadata: {
    component: {
      type: "application",
      "bom-ref": name,
      name,
      version,
      licenses: [{ license: { id: license } }],
    },
  },
  components: Object.entries(npm).map(component),
};
console.log(JSON.stringify(bom, null, 2));
