/**
 * A file that gets its name only when it is complete: until then it has a temporary one beside it.
 *
 * @module
 */

/** What the name of an unfinished file ends with. */
export const UNFINISHED_SUFFIX = ".migstream.tmp";

/** How an output file is made. */
export interface OutputFileOptions {
  /** Whether a file that is there already is replaced. Default: it is an error. */
  readonly force?: boolean;
  /** Paths that are never replaced, whatever `force` says: what is being read. Of a folder, the files in it. */
  readonly inputs?: readonly string[];
  /** Whether the content is on the disk before the file gets its name. Default true. */
  readonly sync?: boolean;
}

/** A file that is being written. */
export class OutputFile implements Disposable {
  /** The path that the file will have. */
  readonly path: string;
  readonly #temporaryPath: string;
  readonly #file: Deno.FsFile;
  readonly #options: OutputFileOptions;
  #position = 0;
  #open = true;

  /**
   * Begins the file at `path` in a folder that exists.
   *
   * @throws {Error} if something is there already, unless `force` is set; always for a symbolic link or a folder
   */
  constructor(path: string, options: OutputFileOptions = {}) {
    this.path = path;
    this.#options = options;
    refuseExisting(path, options);
    this.#temporaryPath = `${path}.${crypto.randomUUID().slice(0, 8)}${UNFINISHED_SUFFIX}`;
    this.#file = Deno.openSync(this.#temporaryPath, { read: true, write: true, createNew: true });
  }

  /** Makes the file `sizeBytes` long; what is not written is a hole. */
  setSize(sizeBytes: number): void {
    this.#attempt(() => this.#file.truncateSync(sizeBytes));
  }

  /** Writes all of `bytes` at `position`. */
  writeAt(position: number, bytes: Uint8Array): void {
    this.#attempt(() => {
      this.#seek(position);
      for (let done = 0; done < bytes.length;) done += this.#file.writeSync(bytes.subarray(done));
      this.#position += bytes.length;
    });
  }

  /** Fills `into` from `position` on; behind the end there are zeros. */
  readAt(position: number, into: Uint8Array): void {
    this.#attempt(() => {
      this.#seek(position);
      let done = 0;
      while (done < into.length) {
        const got = this.#file.readSync(into.subarray(done));
        if (got === null) break;
        done += got;
      }
      into.fill(0, done);
      this.#position += done;
    });
  }

  #seek(position: number): void {
    if (position !== this.#position) this.#file.seekSync(position, Deno.SeekMode.Start);
    this.#position = position;
  }

  /** A failed write (a full disk) has to say where. */
  #attempt(action: () => void): void {
    try {
      action();
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new Error(`Cannot write ${this.path}: ${reason}`, { cause });
    }
  }

  /** Gives the complete file its name. */
  commit(): void {
    this.#attempt(() => {
      if (this.#options.sync ?? true) this.#file.syncSync();
      // Something may have come there meanwhile.
      refuseExisting(this.path, this.#options);
      Deno.renameSync(this.#temporaryPath, this.path);
    });
    this.#file.close();
    this.#open = false;
  }

  /** Removes the file unless it was committed. */
  [Symbol.dispose](): void {
    if (!this.#open) return;
    this.#open = false;
    this.#file.close();
    Deno.removeSync(this.#temporaryPath);
  }
}

/**
 * Refuses a path that a file can't have: a link could lead anywhere, and a file that is there may be somebody's only copy.
 *
 * @throws {Error} if something is there already, unless `force` is set; always for a symbolic link, a folder or an input
 */
export function refuseExisting(
  path: string,
  { force = false, inputs = [] }: OutputFileOptions,
): void {
  let info: Deno.FileInfo;
  try {
    info = Deno.lstatSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return;
    throw error;
  }
  if (info.isSymlink) throw new Error(`${path} is a symbolic link: not written through`);
  if (info.isDirectory) throw new Error(`${path} is a folder`);
  if (inputs.some((input) => isSame(input, info))) throw new Error(`${path} is the input itself`);
  if (!force) throw new Error(`${path} exists already; --force replaces it`);
}

function isSame(input: string, file: Deno.FileInfo): boolean {
  // Standard input has no path.
  if (input === "-") return false;
  const { dev, ino, isDirectory } = Deno.statSync(input);
  if (isDirectory) {
    return [...Deno.readDirSync(input)].some((entry) =>
      entry.isFile && isSame(`${input}/${entry.name}`, file)
    );
  }
  return ino !== null && ino === file.ino && dev === file.dev;
}
