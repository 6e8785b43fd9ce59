/**
 * What the benchmarks' streams take from a recorded one: the machine, the device sections and their description.
 * Only the memory is made up.
 *
 * @module
 */

import type { Configuration } from "../format/configuration.ts";
import type { StreamItem } from "../format/items.ts";
import type { RamBlock } from "../format/ram.ts";
import type { SectionIdentity } from "../format/section.ts";
import { BytesSource } from "../format/source.ts";
import { StreamReader } from "../format/stream.ts";

/** The parts of a recorded stream that do not depend on the size of the memory. */
export interface Recording {
  /** The configuration section. */
  readonly configuration: Configuration;
  /** Header of the section `ram`. */
  readonly ramSection: SectionIdentity;
  /** The block list. */
  readonly blocks: readonly RamBlock[];
  /** Name of the main memory's block: the one that may have any size. */
  readonly mainBlock: string;
  /** All device sections with their footers, up to the byte that ends the stream, that byte included. */
  readonly devices: Uint8Array;
  /** Text of the vmdescription. */
  readonly description: Uint8Array;
}

const STREAM = new URL("../testdata/pc.mig", import.meta.url);

/** Takes apart the recorded stream of a PC. */
export function loadRecording(): Recording {
  const bytes = Deno.readFileSync(STREAM);
  const items = [...new StreamReader(new BytesSource(bytes)).items()];
  const configuration = pick(items, "configuration").configuration;
  const { text, offset: devicesEnd } = pick(items, "vmdescription");
  const ram = items.find((item) => item.kind === "section" && item.type === "start");
  const devicesStart = items.find((item) => item.kind === "section" && item.type === "full");
  if (ram?.kind !== "section" || ram.payload?.kind !== "ram" || devicesStart === undefined) {
    throw new Error(`${STREAM} has no memory or no devices`);
  }
  return {
    configuration,
    ramSection: ram.section,
    blocks: ram.payload.summary.blocks ?? [],
    mainBlock: "pc.ram",
    devices: bytes.subarray(devicesStart.offset, devicesEnd),
    description: text,
  };
}

function pick<K extends StreamItem["kind"]>(
  items: readonly StreamItem[],
  kind: K,
): Extract<StreamItem, { kind: K }> {
  const found = items.find((item): item is Extract<StreamItem, { kind: K }> => item.kind === kind);
  if (found === undefined) throw new Error(`${STREAM} has no ${kind}`);
  return found;
}

/** The recording as it would be with the capability mapped-ram: the configuration says so, and its description too. */
export function withMappedRam(recording: Recording): Recording {
  const configuration: Configuration = {
    ...recording.configuration,
    subsections: [{ name: "configuration/capabilities", capabilities: ["mapped-ram"] }],
  };
  const text = new TextDecoder().decode(recording.description);
  const end = ']}, "page_size"';
  const subsections = [{
    vmsd_name: "configuration/capabilities",
    version: 1,
    fields: [
      { name: "caps_count", type: "uint32", size: 4 },
      { name: "capabilities", type: "capability", size: 11 },
    ],
  }];
  const described = text.replace(
    end,
    `], "subsections": ${JSON.stringify(subsections)}}, "page_size"`,
  );
  if (described === text) throw new Error(`${STREAM} describes its configuration in another way`);
  return { ...recording, configuration, description: new TextEncoder().encode(described) };
}
