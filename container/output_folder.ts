/**
 * Files in a folder, under names that come from an input: no name leads out of the folder, and a file gets its final name only when it
 * is complete.
 *
 * @module
 */

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

/** A file that is being written. */
export interface PendingFile {
  /** The file, open for reading and writing. */
  readonly file: Deno.FsFile;
  /** Path relative to the folder that it will have. */
  readonly relativePath: string;
}

/** Writes files into a folder. */
export class OutputFolder implements Disposable {
  readonly #folder: string;
  readonly #taken = new Set<string>();
  readonly #pending: (PendingFile & { temporaryPath: string; finalPath: string })[] = [];

  /** Writes into `folder`, which is made if it doesn't exist. */
  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Begins a file for `name`; it has a temporary name until {@link commit}. */
  create(name: string): PendingFile {
    const relativePath = this.#unique(safeRelativePath(name));
    const finalPath = `${this.#folder}/${relativePath}`;
    this.#makeFolders(relativePath);
    const temporaryPath = `${finalPath}.migstream.tmp`;
    refuseLink(temporaryPath);
    refuseLink(finalPath);
    const file = Deno.openSync(temporaryPath, {
      read: true,
      write: true,
      create: true,
      truncate: true,
    });
    const pending = { file, relativePath, temporaryPath, finalPath };
    this.#pending.push(pending);
    return pending;
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
    Deno.mkdirSync(this.#folder, { recursive: true });
    let path = this.#folder;
    for (const part of relativePath.split("/").slice(0, -1)) {
      path += `/${part}`;
      refuseLink(path);
      Deno.mkdirSync(path, { recursive: true });
    }
  }

  /** Gives up a file that was begun. */
  discard(pending: PendingFile): void {
    const index = this.#pending.findIndex((each) => each.file === pending.file);
    for (const { file, temporaryPath } of this.#pending.splice(index, 1)) {
      file.close();
      Deno.removeSync(temporaryPath);
    }
  }

  /** Gives all files their final names. */
  commit(): void {
    for (const { file, temporaryPath, finalPath } of this.#pending.splice(0)) {
      file.syncSync();
      file.close();
      Deno.renameSync(temporaryPath, finalPath);
    }
  }

  /** Removes the files that were not committed. */
  [Symbol.dispose](): void {
    for (const { file, temporaryPath } of this.#pending.splice(0)) {
      file.close();
      Deno.removeSync(temporaryPath);
    }
  }
}

/** A symbolic link in the output folder could lead anywhere. */
function refuseLink(path: string): void {
  let info: Deno.FileInfo;
  try {
    info = Deno.lstatSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return;
    throw error;
  }
  if (info.isSymlink) throw new Error(`${path} is a symbolic link: not written through`);
}
