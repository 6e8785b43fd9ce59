/**
 * Damage to the structure of a stream: parts with other numbers, left out, doubled, swapped, moved, made up, or taken from another one.
 *
 * @module
 */

import { COMMAND, encodeCommand } from "../format/command.ts";
import {
  encodeCompressedPage,
  encodePage,
  encodeRamWord,
  encodeXbzrlePage,
  encodeZeroPage,
} from "../format/ram.ts";
import { encodeSectionHeader, type SectionType } from "../format/section.ts";
import { ByteWriter } from "../format/writer.ts";
import { encodeXbzrle } from "../format/xbzrle.ts";
import type { Random } from "../tests/reading.ts";
import { getNumber, type Mutant, mutateBytes, otherNumber, putNumber, spliced } from "./bytes.ts";
import { mutateDescription } from "./description.ts";
import { assemble, type Dissection, type Part } from "./dissect.ts";

/** A change of a list of parts; `undefined` where the stream has nothing to change in this way. */
type Change = (
  parts: readonly Part[],
  stream: Dissection,
  random: Random,
  other: Dissection,
) => readonly Part[] | undefined;

/** Parts that are looked at for one that fits. */
const TRIES = 40;

/** The index of a part that is wanted. */
function pick(
  parts: readonly Part[],
  random: Random,
  isWanted: (part: Part) => boolean = () => true,
): number | undefined {
  for (let tries = TRIES; tries > 0 && parts.length > 0; tries--) {
    const index = random.below(parts.length);
    if (isWanted(parts[index]!)) return index;
  }
  return undefined;
}

function withBytes(parts: readonly Part[], index: number, bytes: Uint8Array): readonly Part[] {
  return parts.with(index, { ...parts[index]!, bytes });
}

/** A part, or a section with all that is in it and its footer. */
function group(parts: readonly Part[], start: number): { start: number; count: number } {
  if (parts[start]!.kind !== "section") return { start, count: 1 };
  let end = start + 1;
  while (["record", "block", "ram", "device", "payload"].includes(parts[end]?.kind ?? "")) end += 1;
  if (parts[end]?.kind === "footer") end += 1;
  return { start, count: end - start };
}

function made(kind: string, depth: number, write: (writer: ByteWriter) => void): Part {
  const writer = new ByteWriter();
  write(writer);
  return { kind, depth, bytes: writer.finish(), fields: [] };
}

const PAGES = [4096, 1024, 2048, 8192, 16384, 65536];

function randomRecord(stream: Dissection, depth: number, random: Random): Part {
  const block = stream.blocks.length === 0 || random.below(20) === 0
    ? { name: random.of(["", "x", "pc.ram", "ram"]), lengthBytes: 0 }
    : random.of(stream.blocks);
  const page = random.below(8) === 0 ? random.of(PAGES) : 4096;
  const pages = Math.floor(block.lengthBytes / page);
  const address = random.of([0, 1, Math.max(0, pages - 1), pages, random.below(pages + 1)]) * page;
  const target = { block: random.below(3) === 0 ? undefined : block.name, address };
  return made("record", depth, (writer) => {
    switch (random.below(7)) {
      case 0:
      case 1:
        return encodeZeroPage(writer, target, random.of([0, 0, 1, 255]));
      case 2:
        return encodePage(writer, target, new Uint8Array(page).fill(random.below(256)));
      case 3: {
        const real = encodeXbzrle(
          new Uint8Array(page),
          new Uint8Array(page).fill(1, 99, 200),
          page,
        );
        const isReal = real instanceof Uint8Array && random.below(2) === 0;
        return encodeXbzrlePage(writer, target, isReal ? real : random.bytes(random.below(60)));
      }
      case 4:
        return encodeCompressedPage(writer, target, random.bytes(random.below(60)));
      case 5:
        return encodeRamWord(writer, address, random.below(page), target.block);
      default:
        return encodeRamWord(writer, 0, 1 << random.below(11));
    }
  });
}

function randomCommand(stream: Dissection, depth: number, random: Random): Part {
  const names = stream.blocks.map(({ name }) => name);
  const block = names.length === 0 ? "none" : random.of(names);
  return made("command", depth, (writer) => {
    switch (random.below(6)) {
      case 0:
        return encodeCommand(writer, { name: "PING", value: random.below(100) });
      case 1:
        return encodeCommand(writer, { name: random.of(["POSTCOPY_LISTEN", "POSTCOPY_RUN"]) });
      case 2: {
        const pages = { pageSizeSummary: 4096, targetPageBytes: random.of(PAGES) };
        return encodeCommand(writer, { name: "POSTCOPY_ADVISE", pages });
      }
      case 3: {
        const range = {
          startAddress: 4096 * random.below(10),
          lengthBytes: random.of([0, 4096, 2 ** 40, 2 ** 52]),
        };
        return encodeCommand(writer, { name: "POSTCOPY_RAM_DISCARD", block, ranges: [range] });
      }
      case 4:
        return encodeCommand(writer, { name: "RECV_BITMAP", block });
      default: {
        writer.u8(8, "command");
        writer.u16(random.below(Object.keys(COMMAND).length + 2), "number");
        const bytes = random.bytes(random.below(20));
        writer.u16(random.below(4) === 0 ? random.below(65536) : bytes.length, "length");
        return writer.bytes(bytes);
      }
    }
  });
}

const IDSTRS = ["ram", "dirty-bitmap", "block", "spapr/htab", "s390-skeys", "timer", "globalstate"];

function randomSection(depth: number, random: Random): Part[] {
  const id = random.below(60);
  const idstr = random.of([
    ...IDSTRS,
    "slirp",
    "pbs-state",
    "s390-stattrib",
    "0000:00:01.0/vfio",
    "0000:00:02.0/virtio-net",
    "cpu",
    "x",
  ]);
  const types: readonly SectionType[] = ["start", "part", "end", "full"];
  const section = made("section", depth, (writer) => {
    const versionId = random.below(6);
    encodeSectionHeader(writer, random.of(types), {
      id,
      idstr,
      instanceId: random.below(2),
      versionId,
    });
  });
  const payload = made("payload", depth, (writer) => writer.bytes(random.bytes(random.below(60))));
  const footer = made("footer", depth, (writer) => {
    writer.u8(0x7e, "footer");
    writer.u32(id, "id");
  });
  return [section, payload, footer];
}

const CHANGES: Readonly<Record<string, Change>> = {
  "field": (parts, _, random) => {
    const index = pick(parts, random, ({ fields }) => fields.length > 0);
    if (index === undefined) return undefined;
    const { bytes, fields } = parts[index]!;
    const changed = bytes.slice();
    const { at, sizeBytes } = random.of(fields);
    if (at + sizeBytes > bytes.length) return undefined;
    putNumber(
      changed,
      at,
      sizeBytes,
      otherNumber(getNumber(bytes, at, sizeBytes), sizeBytes, random),
    );
    return withBytes(parts, index, changed);
  },
  "drop": (parts, _, random) => {
    const { start, count } = group(parts, pick(parts, random)!);
    return parts.toSpliced(start, count);
  },
  "double": (parts, _, random) => {
    const { start, count } = group(parts, pick(parts, random)!);
    return parts.toSpliced(start, 0, ...parts.slice(start, start + count));
  },
  "swap": (parts, _, random) => {
    const [left, right] = [random.below(parts.length), random.below(parts.length)];
    return parts.with(left, parts[right]!).with(right, parts[left]!);
  },
  "move": (parts, _, random) => {
    const { start, count } = group(parts, pick(parts, random)!);
    const rest = parts.toSpliced(start, count);
    return rest.toSpliced(random.below(rest.length + 1), 0, ...parts.slice(start, start + count));
  },
  "record": (parts, stream, random) => {
    const index = pick(parts, random, ({ kind }) => kind === "record" || kind === "ram");
    if (index === undefined) return undefined;
    const records = Array.from(
      { length: 1 + random.below(3) },
      () => randomRecord(stream, parts[index]!.depth, random),
    );
    const isRecord = parts[index]!.kind === "record";
    return parts.toSpliced(index + (isRecord ? 0 : 1), isRecord ? random.below(2) : 0, ...records);
  },
  "command": (parts, stream, random) => {
    const index = pick(parts, random, ({ kind }) => kind !== "record");
    if (index === undefined) return undefined;
    return parts.toSpliced(index, 0, randomCommand(stream, parts[index]!.depth, random));
  },
  "section": (parts, _, random) => {
    const index = pick(parts, random, ({ kind }) => ["section", "eof", "command"].includes(kind));
    if (index === undefined) return undefined;
    return parts.toSpliced(index, 0, ...randomSection(parts[index]!.depth, random));
  },
  "package": (parts, _, random) => {
    const index = pick(parts, random, ({ kind }) => ["section", "eof", "command"].includes(kind));
    if (index === undefined) return undefined;
    const { start, count } = group(parts, index);
    const { depth } = parts[index]!;
    const head = made(
      "command",
      depth,
      (writer) => encodeCommand(writer, { name: "PACKAGED", lengthBytes: 1 }),
    );
    const inside = parts.slice(start, start + count).map((part) => ({ ...part, depth: depth + 1 }));
    return parts.toSpliced(start, count, head, ...inside);
  },
  "payload": (parts, _, random) => {
    const index = pick(parts, random, ({ kind }) => kind === "device" || kind === "payload");
    if (index === undefined) return undefined;
    const { bytes } = parts[index]!;
    return withBytes(parts, index, mutateBytes(bytes, random, bytes).bytes);
  },
  "name": (parts, stream, random) => {
    const index = pick(parts, random, ({ kind }) => kind === "block" || kind === "section");
    if (index === undefined) return undefined;
    const { kind, bytes } = parts[index]!;
    const at = kind === "block" ? 0 : 5;
    if (bytes.length <= at) return undefined;
    const others = [...stream.blocks.map(({ name }) => name), ...IDSTRS, "", "../../x", "a\u0000b"];
    const name = new TextEncoder().encode(
      random.of([...others, "\u202e\n", "-", "ram.json", "x".repeat(255), "CON"]),
    );
    const text = Uint8Array.of(name.length, ...name);
    return withBytes(parts, index, spliced(bytes, at, 1 + bytes[at]!, text));
  },
  "description": (parts, _, random) => {
    const index = parts.findIndex(({ kind }) => kind === "json");
    if (index < 0) return undefined;
    return withBytes(parts, index, mutateDescription(parts[index]!.bytes, random));
  },
  "splice": (parts, _, random, other) => {
    const from = pick(other.parts, random);
    if (from === undefined) return undefined;
    const { start, count } = group(other.parts, from);
    const at = random.below(parts.length + 1);
    const tail = random.below(4) === 0 ? other.parts.length : start + count;
    return parts.toSpliced(at, random.below(2), ...other.parts.slice(start, tail));
  },
};

const NAMES = Object.keys(CHANGES);
/** The changes that leave the bytes of a mapped-ram file where they are. */
const IN_PLACE = ["field", "description"];

/** One to three changes of a stream's structure. */
export function mutateStructure(stream: Dissection, random: Random, other: Dissection): Mutant {
  let parts: readonly Part[] | undefined;
  let kind = "field";
  const names = stream.isMapped && random.below(3) > 0 ? IN_PLACE : NAMES;
  for (let left = 1 + random.below(3); left > 0;) {
    const name = random.of(names);
    const changed = CHANGES[name]!(parts ?? stream.parts, stream, random, other);
    if (changed === undefined || changed.length === 0) {
      left -= 1;
      continue;
    }
    if (parts === undefined) kind = name;
    parts = changed;
    left -= 1;
  }
  return {
    kind: `structure: ${kind}`,
    bytes: assemble(parts ?? stream.parts, random.below(10) === 0),
  };
}
