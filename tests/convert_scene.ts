/**
 * `migstream convert` as a process, in a folder with a stream.
 *
 * @module
 */

import { assertEquals, assertStringIncludes } from "@std/assert";
import { filesBelow, migstream, type ProcessResult, withFolder } from "./process.ts";
import { loadStream } from "./testdata.ts";

/** What the command needs. */
export const WRITE: readonly string[] = ["-R", "-W"];
/** Options: to a classic stream. */
export const STREAM: readonly string[] = ["--to", "stream"];
/** Options: to mapped-ram. */
export const MAPPED: readonly string[] = ["--to", "mapped-ram"];

/** The command in a folder with a stream `in`. */
export class Scene {
  readonly folder: string;

  constructor(folder: string, stream: Uint8Array = loadStream("pc")) {
    this.folder = folder;
    this.put("in", stream);
  }

  put(name: string, bytes: Uint8Array | string): string {
    const path = this.path(name);
    Deno.writeFileSync(path, typeof bytes === "string" ? new TextEncoder().encode(bytes) : bytes);
    return path;
  }

  path(name: string): string {
    return `${this.folder}/${name}`;
  }

  read(name: string): Uint8Array<ArrayBuffer> {
    return Deno.readFileSync(this.path(name));
  }

  /** Converts `in` to `out`. */
  run(...options: readonly string[]): Promise<ProcessResult> {
    return this.convert("in", "out", ...options);
  }

  convert(from: string, to: string, ...options: readonly string[]): Promise<ProcessResult> {
    const [path, out] = [from, to].map((name) => name === "-" ? name : this.path(name));
    return migstream(["convert", path!, out!, ...options], { permissions: WRITE });
  }

  /** Converts, and fails if that does. */
  async done(...options: readonly string[]): Promise<Uint8Array<ArrayBuffer>> {
    const { code, err } = await this.run(...options, "--force");
    assertEquals([code, err], [0, ""], options.join(" "));
    return this.read("out");
  }

  /** Expects a refusal with these words, and that nothing has changed. */
  async refused(words: string, ...options: readonly string[]): Promise<void> {
    const before = filesBelow(this.folder);
    const { code, err, out } = await this.run(...options);
    assertEquals([code, out], [2, ""], options.join(" "));
    assertStringIncludes(err, words);
    assertEquals(err.trimEnd().split("\n").length, 1, err);
    assertEquals(filesBelow(this.folder), before);
  }
}

/** Hands out a scene in a folder of its own. */
export function withScene(use: (scene: Scene) => Promise<void>): Promise<void> {
  return withFolder((folder) => use(new Scene(folder)));
}
