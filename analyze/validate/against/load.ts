/**
 * Loads what is known of another QEMU from a file: an image, a vmdescription, or the output of `-dump-vmstate`.
 *
 * @module
 */

import { openInput, openSource } from "../../../container/open.ts";
import { FormatError, isFormatError } from "../../../format/error.ts";
import { checkJsonValues } from "../../../format/json.ts";
import { DEFAULT_LIMITS } from "../../../format/limits.ts";
import { ByteReader } from "../../../format/reader.ts";
import { decodeText } from "../../../format/text.ts";
import { parseVmdescription, type Vmdescription } from "../../../format/vmdescription.ts";
import { readState } from "../../state.ts";
import { describedDevices, type Destination } from "./destination.ts";
import { parseDump } from "./dump.ts";

/**
 * Loads a destination.
 *
 * @throws {FormatError} if the file holds nothing of the kind
 */
export async function loadDestination(path: string): Promise<Destination> {
  const text = jsonText(path);
  if (text === undefined) return await imageDestination(path);
  const dump = parseDump(parsed(text));
  if (dump !== undefined) return dump;
  return descriptionDestination(parseVmdescription(text, 0));
}

/** What a vmdescription alone tells. */
export function descriptionDestination(description: Vmdescription): Destination {
  return {
    kind: "description",
    machine: undefined,
    pageBytes: description.pageBytes,
    blocks: undefined,
    devices: describedDevices(description),
  };
}

async function imageDestination(path: string): Promise<Destination> {
  using input = await openInput(path, { seekable: true });
  const { source, streamOffset: offset } = input;
  let machine: string | undefined;
  const state = readState(source, {
    offset,
    onItem: (item) => {
      if (item.kind === "configuration") machine = item.configuration.machine;
    },
  });
  const { vmdescription: section, blocks, pageBytes } = state;
  if (section === undefined) {
    throw new FormatError("bad-vmdescription", `${path} carries no vmdescription`, {
      offset: source.sizeBytes ?? 0,
      expected: "an image with a vmdescription, a vmdescription as JSON, or -dump-vmstate's JSON",
    });
  }
  const description = parseVmdescription(section.text, section.offset + 5);
  const devices = describedDevices(description);
  return { kind: "image", machine, pageBytes, blocks: blocks ?? [], devices };
}

/** The whole content of a file that begins as JSON does. */
function jsonText(path: string): Uint8Array | undefined {
  using source = openSource(path);
  if (!source.seekable) return undefined;
  const reader = new ByteReader(source);
  const first = reader.peekU8();
  if (first !== 0x7b && first !== 0x20 && first !== 0x0a) return undefined;
  return reader.bytesUpTo(DEFAULT_LIMITS.vmdescriptionBytes, "description");
}

/** The parsed text; `undefined` if it is no JSON, which the parser of descriptions says better. */
function parsed(text: Uint8Array): unknown {
  checkJsonValues(text, 0);
  try {
    return JSON.parse(decodeText(text));
  } catch (error) {
    if (isFormatError(error) || error instanceof SyntaxError) return undefined;
    throw error;
  }
}
