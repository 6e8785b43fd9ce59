/**
 * The command as one executable file.
 *
 * `deno compile` needs `denort`, which Deno downloads on the first use and which no npm package
 * has. Where it is not at hand the test cannot run, and says so.
 */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { readProjectFile } from "./files.ts";

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
const config = JSON.parse(text(readProjectFile("deno.json")));

/** Arguments of `deno compile` as the task has them, up to the output file. */
const COMPILE_ARGS: readonly string[] = (config.tasks.compile.command as string)
  .replace(/^deno /, "").replace(/ -o .*$/, "").split(" ");

/** Where denort is, or undefined. */
function findDenort(): string | undefined {
  const given = Deno.env.get("DENORT_BIN");
  if (given) return given;
  const info = new Deno.Command(Deno.execPath(), { args: ["info", "--json"] }).outputSync();
  const { denoDir } = JSON.parse(text(info.stdout));
  const cached = `${denoDir}/dl/release/v${Deno.version.deno}/denort-${Deno.build.target}.zip`;
  try {
    Deno.statSync(cached);
    return cached;
  } catch {
    return undefined;
  }
}

const denort = findDenort();
if (denort === undefined) {
  console.warn(
    "\n*** SKIPPED: the compiled command is NOT tested, because there is no denort.\n" +
      "*** Set DENORT_BIN, or run `deno task compile` once where dl.deno.land can be reached.\n",
  );
}

Deno.test({
  name: denort === undefined
    ? "compile: SKIPPED, no denort in DENORT_BIN or in Deno's cache"
    : "compile: the compiled command runs on its own",
  ignore: denort === undefined,
  fn: async () => {
    const folder = await Deno.makeTempDir();
    try {
      const program = `${folder}/migstream${Deno.build.os === "windows" ? ".exe" : ""}`;
      const compiled = await new Deno.Command(Deno.execPath(), {
        args: [...COMPILE_ARGS, "-o", program, "cli.ts"],
        cwd: new URL("../", import.meta.url),
      }).output();
      assert(compiled.success, text(compiled.stderr));

      // An empty cache: everything must be inside the file.
      const version = await new Deno.Command(program, {
        args: ["--version"],
        cwd: folder,
        env: { DENO_DIR: `${folder}/empty`, NO_COLOR: "1" },
      }).output();
      assertEquals(version.code, 0, text(version.stderr));
      assertStringIncludes(text(version.stdout), config.version);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});

Deno.test("compile: a release says what is in it", async () => {
  const { code, stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--no-prompt", "-R", ".github/sbom.ts"],
    cwd: new URL("../", import.meta.url),
  }).output();
  assertEquals(code, 0);
  const { bomFormat, components } = JSON.parse(text(stdout));
  assertEquals(bomFormat, "CycloneDX");
  const listed = components.map(({ name, version }: Record<string, string>) =>
    `${name}@${version}`
  );
  for (const specifier of Object.values(config.imports as Record<string, string>)) {
    const wanted = /^npm:(@?[^@]+@[^/]+)/.exec(specifier)![1]!;
    assert(listed.includes(wanted), wanted);
  }
  for (const { hashes: [{ alg, content }] } of components) {
    assertEquals([alg, content.length], ["SHA-512", 128]);
  }
});

Deno.test("compile: a release is compiled as the task compiles", () => {
  const release = text(readProjectFile(".github/workflows/release.yml"));
  assertEquals(COMPILE_ARGS[0], "compile");
  assertStringIncludes(release, `deno@${Deno.version.deno}`);
  assertStringIncludes(release, `${COMPILE_ARGS.join(" ")} --target`);
});
