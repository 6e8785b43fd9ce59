/**
 * What the tests of `migstream convert` and of the image writers share: converting, and what an input says about its guest.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { compatState } from "../analyze/compat/compat.ts";
import { readInput } from "../analyze/channels/read_input.ts";
import { readGuestMemory } from "../analyze/memory/open_memory.ts";
import type { RandomAccessFile } from "../analyze/memory/block_writer.ts";
import { RamExtractor } from "../analyze/memory/ram_extractor.ts";
import { type ConvertCommandOptions, runConvert } from "../cli/convert.ts";
import { Output } from "../cli/output.ts";
import { inflate } from "../container/inflate.ts";
import { openInput } from "../container/open.ts";
import type { StreamItem } from "../format/items.ts";
import { BytesSource } from "../format/source.ts";
import { StreamReader } from "../format/stream.ts";
import { filesOf, loadCase, loadStream } from "./testdata.ts";

/** What a conversion printed. */
export interface Converted {
  /** Standard output. */
  readonly out: Uint8Array;
  /** Standard error. */
  readonly err: string;
}

/** Converts as the command does, in this process. */
export async function convert(
  path: string,
  out: string,
  options: Partial<ConvertCommandOptions>,
): Promise<Converted> {
  const [printed, said] = [new Collected(), new Collected()];
  const streams = { out: new Output(printed), err: new Output(said) };
  const defaults = { to: "stream", compression: "none", offset: 0 } as const;
  const fixed = { sync: false, progress: false };
  try {
    await runConvert(path, out, { ...defaults, ...fixed, ...options }, streams);
  } finally {
    streams.out.flush();
    streams.err.flush();
  }
  return { out: printed.bytes, err: new TextDecoder().decode(said.bytes) };
}

/** Keeps what an {@link Output} writes. */
class Collected {
  readonly #parts: Uint8Array[] = [];

  writeSync(bytes: Uint8Array): number {
    this.#parts.push(bytes.slice());
    return bytes.length;
  }

  get bytes(): Uint8Array {
    return new Uint8Array(Buffer.concat(this.#parts));
  }
}

/** Where an input is. */
export interface Place {
  /** A file, or a folder with channels. */
  readonly path: string;
  /** Absolute offset of the stream. */
  readonly offset: number;
}

/** Writes a recorded case to `folder`: a file, or for several channels a folder with all of them. */
export async function putCase(folder: string, name: string): Promise<Place> {
  const { streamOffset: offset } = loadCase(name);
  const path = `${folder}/${name}.in`;
  const others = [...filesOf(name, "multifd"), ...filesOf(name, "preempt")];
  if (others.length === 0) await Deno.writeFile(path, loadStream(name));
  else {
    await Deno.mkdir(path);
    await Deno.writeFile(`${path}/main.bin`, loadStream(name));
    for (const file of others) {
      const { role, channel } = file;
      const stored = role === "multifd" ? `multifd-${channel}.bin` : `${role}.bin`;
      await Deno.writeFile(`${path}/${stored}`, loadStream(name, file));
    }
  }
  return { path, offset };
}

/** The content of blocks by name. */
export type Blocks = ReadonlyMap<string, Uint8Array>;

/** The memory of an input as its view gives it. */
export async function viewedMemory({ path, offset }: Place): Promise<Blocks> {
  using input = await openInput(path, { offset, keepAll: true });
  using guest = readGuestMemory(input);
  return new Map(guest.memory.blocks.map((block) => {
    const bytes = new Uint8Array(block.usedLengthBytes);
    guest.memory.read(block, 0, bytes);
    return [block.name, bytes];
  }));
}

/** The memory of an input as it is extracted in one pass. */
export async function extractedMemory({ path, offset }: Place): Promise<Blocks> {
  using input = await openInput(path, { offset });
  const blocks = new Map<string, Uint8Array>();
  const memoryOf = ({ name, usedLengthBytes }: { name: string; usedLengthBytes: number }) => {
    const bytes = new Uint8Array(usedLengthBytes);
    blocks.set(name, bytes);
    return fileOf(bytes);
  };
  const extractor = new RamExtractor({ memoryOf }, inflate);
  const { state } = readInput(input, { visitor: extractor, pages: { content: true } });
  for (const { name, usedLengthBytes } of state.blocks ?? []) {
    if (!blocks.has(name)) blocks.set(name, new Uint8Array(usedLengthBytes));
  }
  return blocks;
}

function fileOf(bytes: Uint8Array): RandomAccessFile {
  return {
    writeAt: (position, part) => bytes.set(part, position),
    readAt: (position, into) => into.set(bytes.subarray(position, position + into.length)),
  };
}

/** Fails if two memories differ; only says where, because long arrays are not to be printed. */
export function assertSameMemory(actual: Blocks, expected: Blocks, label: string): void {
  const [names, wanted] = [[...actual.keys()].sort(), [...expected.keys()].sort()];
  if (names.join() !== wanted.join()) throw new Error(`${label}: blocks ${names}, not ${wanted}`);
  for (const [name, bytes] of expected) assertEqual(actual.get(name)!, bytes, `${label}: ${name}`);
}

/** Fails if two arrays differ, and says where. */
export function assertEqual(actual: Uint8Array, expected: Uint8Array, label: string): void {
  if (Buffer.compare(actual, expected) === 0) return;
  let at = 0;
  while (at < expected.length && actual[at] === expected[at]) at += 1;
  const lengths = `${actual.length} and ${expected.length} byte(s)`;
  throw new Error(`${label}: ${lengths} differ from byte ${at} on`);
}

/** What `analyze` prints of an input, entry by entry, without configuration and RAM. */
export async function printedDevices({ path, offset }: Place): Promise<string[]> {
  using input = await openInput(path, { offset });
  const { state } = readInput(input, { visitor: {}, pages: { content: "if-compressed" } });
  return compatState(state).split(/(?<=\n)(?= {4}")/).map((text) => text.replace(/,?\s*}?\s*$/, ""))
    .filter((text) => text !== "{" && !/^ {4}"(configuration|ram \(\d+\))"/.test(text));
}

/** The items of a stream. */
export function itemsOf(bytes: Uint8Array, offset = 0): StreamItem[] {
  return [...new StreamReader(new BytesSource(bytes), { offset }).items()];
}

/** The sections that are not RAM, in stream order: what they are, and their bytes in hexadecimal. */
export function deviceSections(bytes: Uint8Array, offset = 0): string[] {
  return itemsOf(bytes, offset).flatMap((item) => {
    if (item.kind !== "section" || item.section.idstr === "ram") return [];
    const { type, section: { id, idstr, instanceId, versionId } } = item;
    const payload = bytes.subarray(item.payloadOffset, item.offset + item.lengthBytes);
    return [`${type} ${id} ${idstr}/${instanceId} v${versionId} ${payload.toHex()}`];
  });
}
