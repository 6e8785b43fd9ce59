/**
 * Stores a migration as `migstream capture` would have recorded it: a folder with a file for each channel.
 *
 * @module
 */

import {
  CAPTURE_FILE,
  CAPTURE_VERSION,
  type CaptureFileEntry,
  encodeCaptureDescription,
} from "../../container/capture_folder.ts";
import type { OutputFile } from "../../container/output_file.ts";
import type { OutputFolder } from "../../container/output_folder.ts";
import type { Migration } from "./migration.ts";
import type { Piece } from "./pieces.ts";

interface Line {
  readonly name: string;
  readonly file: OutputFile;
  readonly pieces: Iterator<Piece>;
  bytes: number;
  isOpen: boolean;
}

/**
 * Writes the channels of a migration in turns, a piece each, so that they share its pages as they would on the way; a step is a turn and
 * gives the number of bytes so far. The files get their names when the caller commits the folder.
 */
export function* captureSteps(
  { channels }: Migration,
  folder: OutputFolder,
): Generator<number, readonly CaptureFileEntry[], undefined> {
  const startedAt = new Date().toISOString();
  const description = folder.create(CAPTURE_FILE);
  const lines = channels.map(({ pieces }, index): Line => {
    const name = index === 0 ? "main.bin" : `multifd-${index - 1}.bin`;
    const iterator = pieces[Symbol.iterator]();
    return { name, file: folder.create(name), pieces: iterator, bytes: 0, isOpen: true };
  });
  let totalBytes = 0;
  while (lines.some(({ isOpen }) => isOpen)) {
    for (const line of lines.filter(({ isOpen }) => isOpen)) {
      const { done, value } = line.pieces.next();
      if (done === true) {
        line.isOpen = false;
        continue;
      }
      line.file.writeAt(line.bytes, value.bytes);
      line.bytes += value.bytes.length;
      totalBytes += value.bytes.length;
    }
    yield totalBytes;
  }
  const files = lines.map(({ name, bytes }, connection): CaptureFileEntry => ({
    file: name,
    role: connection === 0 ? "main" : "multifd",
    ...(connection === 0 ? {} : { channel: connection - 1 }),
    connection,
    direction: "forward",
    bytes,
    complete: true,
  }));
  description.writeAt(
    0,
    encodeCaptureDescription({
      format: "migstream-capture",
      version: CAPTURE_VERSION,
      startedAt,
      endedAt: new Date().toISOString(),
      complete: true,
      problems: [],
      interrupted: false,
      emptyConnections: 0,
      files,
    }),
  );
  return files;
}
