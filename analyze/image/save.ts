/**
 * Writes an image: to memory, or to files that get their names when they are complete.
 *
 * @module
 */

import { concat } from "@std/bytes/concat";
import { beginCaptureFolder, removeStaleFiles } from "../../container/capture_folder.ts";
import { OutputFile } from "../../container/output_file.ts";
import { lastOf } from "../steps.ts";
import type { GuestImage } from "./image.ts";
import { mainPieces } from "./main_channel.ts";
import { mappedRamSteps } from "./mapped_ram.ts";
import { makeMigration, type MigrationOptions } from "./migration.ts";
import { captureSteps } from "./write_capture.ts";

/** How an image is saved. */
export interface SaveOptions extends MigrationOptions {
  /** A classic stream, a mapped-ram file, or a folder with the channels of a migration. */
  readonly to: "stream" | "mapped-ram" | "capture";
  /** Whether what is there already is replaced. Default: it is an error. */
  readonly force?: boolean;
  /** Whether the content is on the disk before it gets its name. Default true. */
  readonly sync?: boolean;
  /** In a stream: whether pages that are nearly zero become XBZRLE deltas. */
  readonly xbzrle?: boolean;
}

/**
 * Saves an image, and returns the number of bytes.
 *
 * @example
 * ```ts
 * import { buildImage, saveImage } from "@migstream/migstream";
 *
 * const folder = await Deno.makeTempDir();
 * const blocks = [{ name: "pc.ram", sizeBytes: 2 ** 36 }];
 * const image = buildImage({ machine: "pc-i440fx-10.0", blocks });
 * console.log(await saveImage(image, `${folder}/guest.img`, { to: "mapped-ram" }));
 * ```
 *
 * @throws {FormatError} `not-encodable` for an image that the form can't hold
 */
export async function saveImage(
  image: GuestImage,
  path: string,
  options: SaveOptions,
): Promise<number> {
  const { to, force = false, sync = true, xbzrle = false } = options;
  if (to === "capture") {
    using migration = await makeMigration(image, { returnPath: true, ...options });
    using folder = beginCaptureFolder(path, { force, sync });
    const files = lastOf(captureSteps(migration, folder));
    folder.commit();
    removeStaleFiles(path, files);
    return files.reduce((sum, { bytes }) => sum + bytes, 0);
  }
  using file = new OutputFile(path, { force, sync });
  let bytes = 0;
  if (to === "mapped-ram") bytes = lastOf(mappedRamSteps(image, file));
  else {
    for (const piece of mainPieces(image, { xbzrle })) {
      file.writeAt(bytes, piece.bytes);
      bytes += piece.bytes.length;
    }
  }
  file.commit();
  return bytes;
}

/**
 * An image as a classic stream in memory.
 *
 * @example
 * ```ts
 * import { buildImage, BytesSource, imageBytes, StreamReader } from "@migstream/migstream";
 *
 * const bytes = imageBytes(buildImage({ machine: "none" }));
 * for (const item of new StreamReader(new BytesSource(bytes)).items()) console.log(item.kind);
 * ```
 */
export function imageBytes(image: GuestImage): Uint8Array {
  // A piece is valid only until the next one is taken.
  return concat(Array.from(mainPieces(image), ({ bytes }) => bytes.slice()));
}
