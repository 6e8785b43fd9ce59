/**
 * What has to hold between a saved stream and the guest that it was saved from.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { FileSource } from "../../container/file.ts";
import type { SectionItem, StreamItem } from "../../format/items.ts";
import { StreamReader } from "../../format/stream.ts";
import { sha256 } from "../../testdata/truth.ts";
import { assertRegisters, type Json, type RegisterMap, X86 } from "./registers.ts";
import type { BlockTruth, Saved } from "./scene.ts";
import { analyze } from "./tool.ts";

/** What is special about a stream. */
export interface CheckOptions {
  /** How registers are read; `null` for a target of which no registers are compared. Default x86. */
  readonly registers?: RegisterMap | null;
  /** Blocks whose content is not in the stream. */
  readonly ignoredBlocks?: readonly string[];
  /** Whether the printed memory is compared too: for small guests. Default true. */
  readonly memory?: boolean;
  /** Whether sections have footers. Default true. */
  readonly footers?: boolean;
  /** Whether the stream describes its devices. Default true. */
  readonly described?: boolean;
}

/** All checks, as steps of a test. */
export async function checkSaved(
  t: Deno.TestContext,
  saved: Saved,
  options: CheckOptions = {},
): Promise<void> {
  const described = options.described ?? true;
  const dumps: Record<string, readonly string[]> = {
    state: [],
    ...(described ? { description: ["-d", "desc"] } : {}),
    ...(options.memory === false ? {} : { memory: ["-m"] }),
  };
  const printed: Record<string, string> = {};
  const piped: Record<string, string> = {};
  let items: StreamItem[] = [];
  await t.step("every byte belongs to one item", () => {
    items = checkTiling(saved, options);
  });
  await t.step("analyze.ts reads it from the file and from a pipe", async () => {
    await Promise.all(
      Object.entries(dumps).flatMap(([name, dump]) => {
        const args = [...dump, "--offset", String(saved.offset)];
        // Pages are printed after they came: of a long stream a pipe needs a temporary file.
        const permissions = dump.includes("-m") ? "-RW" : "-R";
        const fromPipe = { stdin: saved.path, permissions };
        return [
          analyze([...args, saved.path]).then((text) => printed[name] = text),
          analyze([...args, "-"], fromPipe).then((text) => piped[name] = text),
        ];
      }),
    );
  });
  const { state = "", description, memory } = printed;
  await t.step("state", () => checkState(state, items, saved, options));
  if (description !== undefined) {
    await t.step("description", () => checkDescription(description, items));
  }
  if (memory !== undefined) await t.step("memory", () => checkMemory(memory, saved, options));
  await t.step("the same from a pipe", () => {
    for (const name of Object.keys(dumps)) assertSame(piped[name] ?? "", printed[name] ?? "");
  });
  await t.step("extracted files", async () => {
    await Promise.all([
      checkExtraction(saved, state, options, false),
      options.memory === false ? undefined : checkExtraction(saved, state, options, true),
    ]);
  });
}

/** Compares long texts; only the first difference is shown. */
export function assertSame(actual: string, expected: string): void {
  if (actual === expected) return;
  let at = 0;
  while (actual[at] === expected[at]) at++;
  const around = (text: string) => JSON.stringify(text.slice(Math.max(0, at - 60), at + 60));
  throw new Error(`differs at ${at}: ${around(actual)} instead of ${around(expected)}`);
}

/** The items of a stream; they have to cover the file behind `offset`, without gap or overlap. */
export function checkTiling(saved: Saved, options: CheckOptions = {}): StreamItem[] {
  const file = Deno.openSync(saved.path);
  using source = new FileSource(file, file.statSync().size);
  const reader = new StreamReader(source, { offset: saved.offset });
  const items: StreamItem[] = [];
  let at = saved.offset;
  for (const item of reader.items()) {
    assertEquals(item.offset, at, `begin of the item ${item.kind}`);
    assert(item.lengthBytes > 0, `the item ${item.kind} at ${at} is empty`);
    at += item.lengthBytes;
    items.push(item);
  }
  assertEquals(at, source.sizeBytes, "end of the last item");
  const described = options.described ?? true;
  assertEquals(items.at(-1)?.kind, described ? "vmdescription" : "eof");
  const sections = sectionsOf(items);
  if (sections.length > 0) assertEquals(reader.hasFooters, options.footers ?? true);
  if (described) {
    const guessed = sections.filter((each) => !["described", "known"].includes(each.boundary));
    assertEquals(guessed.map((each) => each.section.idstr), [], "sections of guessed length");
  }
  return items;
}

/** The sections of a stream. */
export function sectionsOf(items: readonly StreamItem[]): SectionItem[] {
  return items.filter((item) => item.kind === "section");
}

function fullSections(items: readonly StreamItem[]) {
  return sectionsOf(items).filter(({ type }) => type === "full").map(({ section }) => section);
}

function checkState(
  text: string,
  items: readonly StreamItem[],
  saved: Saved,
  options: CheckOptions,
): void {
  const state = JSON.parse(text) as Record<string, Json>;
  const first = sectionsOf(items).filter(({ type }) => type === "start" || type === "full");
  assertEquals(
    Object.keys(state),
    first.map(({ section }) => `${section.idstr} (${section.id})`),
  );
  const ramKey = Object.keys(state).find((key) => key.startsWith("ram ("));
  assert(ramKey !== undefined, "no RAM section");
  const ram = state[ramKey] as { "section sizes": Record<string, string> };
  assertEquals(
    Object.entries(ram["section sizes"]).map(([name, size]) => [name, Number(size)]),
    saved.truth.blocks.map(({ name, usedLengthBytes }) => [name, usedLengthBytes]),
    "RAM blocks",
  );
  if (options.registers === null || options.described === false) return;
  assertRegisters(state, saved.truth.registers, options.registers ?? X86);
}

function checkDescription(text: string, items: readonly StreamItem[]): void {
  const description = JSON.parse(text);
  const devices = description.devices as Record<string, unknown>[];
  // Of an old-style device only the size is told.
  const version = (device: Record<string, unknown>) => "size" in device ? -1 : device.version;
  assertEquals(
    devices.map((device) => [device.name, device.instance_id, version(device)]),
    fullSections(items).map(({ idstr, instanceId, versionId }, index) => [
      idstr,
      instanceId,
      "size" in (devices[index] ?? {}) ? -1 : versionId,
    ]),
  );
}

/** Blocks that were said to be not compared. */
const notCompared = new Set<string>();

/** The blocks whose content is in the stream and known from the process. */
function contents(
  saved: Saved,
  { ignoredBlocks = [] }: CheckOptions,
): (BlockTruth & Required<Pick<BlockTruth, "bytes">>)[] {
  return saved.truth.blocks.flatMap(({ bytes, ...block }) => {
    if (ignoredBlocks.includes(block.name)) return [];
    if (bytes !== undefined) return [{ ...block, bytes }];
    if (!notCompared.has(block.name)) {
      const why = "this QEMU does not say where it is";
      console.warn(`*** NOT COMPARED here and below: the memory of ${block.name}; ${why}`);
      notCompared.add(block.name);
    }
    return [];
  });
}

async function checkExtraction(
  saved: Saved,
  state: string,
  options: CheckOptions,
  piped: boolean,
): Promise<void> {
  const out = await Deno.makeTempDir({ prefix: "interop-out-" });
  try {
    const args = ["-x", "--out", out, "--offset", String(saved.offset), piped ? "-" : saved.path];
    const input = piped ? { stdin: saved.path } : {};
    const names = (await analyze(args, { permissions: "-RW", ...input })).trimEnd().split("\n");
    const ignored = options.ignoredBlocks ?? [];
    const blocks = saved.truth.blocks.map(({ name }) => name).filter((name) =>
      !ignored.includes(name)
    );
    const description = options.described === false ? [] : ["desc.json"];
    assertEquals(names.toSorted(), [...description, ...blocks, "state.json"].toSorted());
    assertSame(await Deno.readTextFile(`${out}/state.json`) + "\n", state);
    for (const { name, bytes } of contents(saved, options)) {
      const extracted = await Deno.readFile(`${out}/${name}`);
      assertEquals(extracted.length, bytes.length, `length of ${name}`);
      assertEquals(await sha256(extracted), await sha256(bytes), `content of ${name}`);
    }
  } finally {
    await Deno.remove(out, { recursive: true });
  }
}

/** Puts the printed pages together again; what was not printed has to be zero. */
function checkMemory(text: string, saved: Saved, options: CheckOptions): void {
  const state = JSON.parse(text) as Record<string, { memory?: Record<string, string> }>;
  const memory = Object.values(state).find((entry) => entry.memory !== undefined)?.memory;
  assert(memory !== undefined, "no memory was printed");
  const images = new Map<string, Uint8Array<ArrayBuffer>>();
  for (const { name, usedLengthBytes } of saved.truth.blocks) {
    images.set(name, new Uint8Array(usedLengthBytes));
  }
  for (const [key, value] of Object.entries(memory)) {
    const [, name = "", address = ""] = /^(.+) \((0x[0-9a-f]{16})\)$/.exec(key) ?? [];
    const image = images.get(name);
    assert(image !== undefined, `memory of an unknown block: ${key}`);
    const filled = /^Filled with (0x[0-9a-f]{2})$/.exec(value)?.[1];
    const at = Number(address);
    if (filled !== undefined) image.fill(Number(filled), at, at + 4096);
    else image.set(Uint8Array.fromHex(value.replaceAll(" ", "")), at);
  }
  for (const { name, bytes } of contents(saved, options)) {
    const same = images.get(name)!.every((byte, at) => byte === bytes[at]);
    assert(same, `the printed memory of ${name} is not that of the process`);
  }
}
