/**
 * Opens a path as a source of bytes, whatever they are.
 *
 * @module
 */

import { ByteReader } from "../format/reader.ts";
import type { ByteSource } from "../format/source.ts";
import { FileSource } from "./file.ts";
import { PipeSource } from "./pipe.ts";

/** Opens a file, or standard input for `-`, whatever it holds. */
export function openSource(path: string): ByteSource & Disposable {
  return path === "-" ? new PipeSource(Deno.stdin) : openPath(path);
}

function openPath(path: string): FileSource | PipeSource {
  const file = Deno.openSync(path, { read: true });
  try {
    const info = file.statSync();
    if (info.isFile) return new FileSource(file, info.size);
    if (info.isDirectory) throw new Deno.errors.IsADirectory(`${path} is a folder`);
    // The size of a block device is where its end is.
    if (info.isBlockDevice) return new FileSource(file, file.seekSync(0, Deno.SeekMode.End));
    return new PipeSource(file);
  } catch (error) {
    file.close();
    throw error;
  }
}

/** Up to `count` bytes at `offset`, which can be read again afterwards, also from a pipe that was read up to there. */
export function peekAt(source: ByteSource, offset: number, count: number): Uint8Array {
  const reader = new ByteReader(source, { offset, blockBytes: count });
  const bytes = reader.peek(count).slice();
  reader.retain();
  reader.release();
  return bytes;
}

/** The files of a folder, in the order of their names; `undefined` if the path is not a folder. */
export function listFolder(path: string): string[] | undefined {
  if (path === "-" || !Deno.statSync(path).isDirectory) return undefined;
  const folder = path.endsWith("/") ? path : `${path}/`;
  const names = [...Deno.readDirSync(path)].map(({ name }) => name).sort();
  return names.map((name) => folder + name).filter(isFile);
}

/** Whether a path in a folder is a file, or a link to one. */
function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
