/**
 * The files of the project, for the tests that hold for all of them.
 *
 * A walk, not `git ls-files`: a file is checked before it is committed, and an unpacked archive
 * without a repository is checked too.
 */

/** What is not source: made by tools, or ignored by git. */
const SKIPPED: ReadonlySet<string> = new Set([
  ".git",
  "node_modules",
  "dist",
  "coverage",
]);

const ROOT_URL = new URL("../", import.meta.url);

/** Paths relative to the project, with forward slashes, of all files below `folder`. */
export function* projectFiles(folder = ""): Generator<string> {
  for (const entry of Deno.readDirSync(new URL(folder, ROOT_URL))) {
    if (SKIPPED.has(entry.name) || entry.name.includes(".tmp")) continue;
    const path = `${folder}${encodeURIComponent(entry.name)}`;
    if (entry.isDirectory) yield* projectFiles(`${path}/`);
    else if (entry.isFile) yield decodeURIComponent(path);
  }
}

/** The bytes of a file of the project. */
export function readProjectFile(path: string): Uint8Array {
  return Deno.readFileSync(new URL(path.split("/").map(encodeURIComponent).join("/"), ROOT_URL));
}
