/**
 * Files in a folder, under names that come from an input: no name leads out of the folder, and a file gets its final name only when it
 * is complete.
 *
 * @module
 */

import { OutputFile, type OutputFileOptions } from "./output_file.ts";

/** Longest name of a file or folder that common file systems take, in bytes. */
const NAME_MAX_BYTES = 200;

const encoder = new TextEncoder();

/**
 * A relative path for a name that may contain anything. Slashes separate folders, as in RAM block names such as `/rom@etc/acpi/rsdp`; empty
 * parts, `.` and `..` vanish or are escaped, and so is what some system does not take in names.
 */
export function safeRelativePath(name: string): string {
  const parts = name.split("/").filter((part) => part !== "" && part !== ".").map(safePart);
  return parts.length === 0 ? "%" : parts.join("/");
}

function safePart(part: string): string {
  // deno-lint-ignore no-control-regex -- control characters are what is escaped here
  const escaped = part.replace(/[\u0000-\u001f\u007f-\u009f%<>"|?*\\\ud800-\udfff]/gu, percent);
  const visible = /^\.+$/.test(escaped) ? escaped.replaceAll(".", "%2e") : escaped;
  if (encoder.encode(visible).length <= NAME_MAX_BYTES) return visible;
  return `${[...visible].slice(0, 40).join("")}~${hash(part)}`;
}

function percent(character: string): string {
  return `%${character.charCodeAt(0).toString(16).padStart(2, "0")}`;
}

/** A short fingerprint (FNV-1a) that keeps cut names apart. */
function hash(text: string): string {
  let value = 0x811c9dc5;
  for (const byte of encoder.encode(text)) value = Math.imul(value ^ byte, 0x01000193) >>> 0;
  return value.toString(16).padStart(8, "0");
}

/**
 * Writes files into a folder; all of them get their names together, at the end.
 *
 * @example Two files that appear together
 * ```ts
 * import { OutputFolder } from "@migstream/migstream";
 *
 * using folder = new OutputFolder(await Deno.makeTempDir());
 * folder.create("pc.ram").writeAt(0, new Uint8Array(4096));
 * folder.create("ram.json").writeAt(0, new TextEncoder().encode("{}"));
 * folder.commit();
 * ```
 */
export class OutputFolder implements Disposable {
  readonly #folder: string;
  readonly #options: OutputFileOptions;
  readonly #taken = new Set<string>();
  #pending: OutputFile[] = [];
  /** Folders that were made for files to come. */
  #made: string[] = [];

  /** Writes into `folder`, which is made if it doesn't exist. */
  constructor(folder: string, options: OutputFileOptions = {}) {
    this.#folder = folder;
    this.#options = options;
  }

  /** Begins a file for `name`; it has a temporary name until {@link commit}. */
  create(name: string): OutputFile {
    const relativePath = this.#unique(safeRelativePath(name));
    this.#makeFolders(relativePath);
    const file = new OutputFile(`${this.#folder}/${relativePath}`, this.#options);
    this.#pending.push(file);
    return file;
  }

  /** The path of a file of this folder, relative to it. */
  relativePath(file: OutputFile): string {
    return file.path.slice(this.#folder.length + 1);
  }

  /** Two names may become the same path; then the later one gets a number. A folder is not taken for a file's name either. */
  #unique(path: string): string {
    const clashes = (candidate: string) =>
      [...this.#taken].some((taken) =>
        taken === candidate || taken.startsWith(`${candidate}/`) ||
        candidate.startsWith(`${taken}/`)
      );
    let candidate = path;
    for (let number = 2; clashes(candidate); number++) {
      candidate = `${path.replaceAll("/", "%2f")}~${number}`;
    }
    this.#taken.add(candidate);
    return candidate;
  }

  #makeFolders(relativePath: string): void {
    this.#makeFolder(this.#folder);
    let path = this.#folder;
    for (const part of relativePath.split("/").slice(0, -1)) {
      path += `/${part}`;
      refuseLink(path);
      this.#makeFolder(path);
    }
  }

  #makeFolder(path: string): void {
    if (exists(path)) return;
    Deno.mkdirSync(path, { recursive: true });
    this.#made.push(path);
  }

  /** Gives up a file that was begun. */
  discard(file: OutputFile): void {
    this.#pending = this.#pending.filter((each) => each !== file);
    file[Symbol.dispose]();
  }

  /** Gives all files their names. */
  commit(): void {
    for (const file of this.#pending) file.commit();
    this.#pending = [];
    this.#made = [];
  }

  /** Removes the files that were not committed, and the folders that were made for them. */
  [Symbol.dispose](): void {
    for (const file of this.#pending) file[Symbol.dispose]();
    this.#pending = [];
    for (const folder of this.#made.splice(0).reverse()) removeIfEmpty(folder);
  }
}

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** Somebody else may have put something there meanwhile. */
function removeIfEmpty(folder: string): void {
  try {
    Deno.removeSync(folder);
  } catch {
    // It is not empty, or gone.
  }
}

/** A symbolic link in the output folder could lead anywhere. */
function refuseLink(path: string): void {
  try {
    if (!Deno.lstatSync(path).isSymlink) return;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return;
    throw error;
  }
  throw new Error(`${path} is a symbolic link: not written through`);
}
