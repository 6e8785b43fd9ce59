/**
 * Takes a vmdescription from a file of its own or from another image.
 *
 * @module
 */

import { openInput, openSource } from "../container/open.ts";
import { FormatError } from "../format/error.ts";
import { DEFAULT_LIMITS } from "../format/limits.ts";
import { ByteReader } from "../format/reader.ts";
import type { ByteSource } from "../format/source.ts";
import {
  findVmdescriptionAtEnd,
  parseVmdescription,
  type Vmdescription,
  type VmdescriptionSection,
} from "../format/vmdescription.ts";
import { readState } from "./state.ts";

/**
 * The vmdescription of an image: at its end where that can be read, otherwise by reading the whole stream. `undefined` if it has none.
 */
export function imageVmdescription(
  source: ByteSource,
  offset: number,
): VmdescriptionSection | undefined {
  return findVmdescriptionAtEnd(source) ?? readState(source, { offset }).vmdescription;
}

/**
 * Loads a vmdescription from a file: its JSON text (as `--dump desc` prints it) or an image that carries one, in any container.
 *
 * @throws {FormatError} if the file holds neither.
 */
export async function loadVmdescription(path: string): Promise<Vmdescription> {
  const text = jsonText(path);
  if (text !== undefined) return parseVmdescription(text, 0);
  using input = await openInput(path);
  const section = imageVmdescription(input.source, input.streamOffset);
  if (section !== undefined) return parseVmdescription(section.text, section.offset + 5);
  throw new FormatError("bad-vmdescription", `${path} carries no vmdescription`, {
    offset: input.source.sizeBytes ?? 0,
    expected: "a vmdescription as JSON, or an image that carries one",
  });
}

/** The whole content of a file that begins as JSON does. */
function jsonText(path: string): Uint8Array | undefined {
  using source = openSource(path);
  const reader = new ByteReader(source);
  const first = reader.peekU8();
  if (first !== 0x7b && first !== 0x20 && first !== 0x0a) return undefined;
  return reader.bytesUpTo(DEFAULT_LIMITS.vmdescriptionBytes, "description");
}
