/**
 * What is tried with bytes in memory, without files: the decoders, and everything that is made of what they say.
 *
 * A target returns a word for what came out (`ok`, or the code of a `FormatError`), and throws whatever breaks a promise.
 *
 * @module
 */

import { lastOf } from "../analyze/steps.ts";
import { compatDescription, writeCompatState } from "../analyze/compat/compat.ts";
import { readInfo } from "../analyze/info.ts";
import { explainOffset } from "../analyze/layout/explain.ts";
import { layoutRows } from "../analyze/layout/layout.ts";
import { parseGivenMap } from "../analyze/memory/given_map.ts";
import { readGuestMemory } from "../analyze/memory/open_memory.ts";
import { RamExtractor } from "../analyze/memory/ram_extractor.ts";
import { readCpuStates } from "../analyze/registers/mod.ts";
import { printRichState } from "../analyze/rich/rich.ts";
import { readRichState } from "../analyze/rich/state.ts";
import { roundtripStream } from "../analyze/roundtrip/roundtrip.ts";
import { readState, type StreamState } from "../analyze/state.ts";
import { validateSteps } from "../analyze/validate/validate.ts";
import { isInDescription } from "../analyze/validate/recovery.ts";
import type { Compression } from "../container/decompress/compression.ts";
import { openDecompressor } from "../container/decompress/open.ts";
import { inflate } from "../container/inflate.ts";
import { decodeLibvirtSave } from "../container/libvirt.ts";
import { newMultifdDecompressor } from "../container/multifd_decompress.ts";
import { PipeSource } from "../container/pipe.ts";
import { isFormatError } from "../format/error.ts";
import { parseJson } from "../format/json.ts";
import { printPythonJson } from "../format/json_print.ts";
import type { RamBlock } from "../format/ram.ts";
import { ByteReader } from "../format/reader.ts";
import { readReturnPath } from "../format/return_path.ts";
import { BytesSource } from "../format/source.ts";
import { decodeXbzrle } from "../format/xbzrle.ts";
import { inputOf } from "../tests/breaking.ts";
import { blockOf, blocksOf, readChannel } from "../tests/multifd_channels.ts";
import { checkReading } from "../tests/mutations.ts";
import { ChunkedInput, type Random } from "../tests/reading.ts";

/** Calls a decoder; a `FormatError` is an answer. */
function codeOf(decode: () => void): string {
  try {
    decode();
    return "ok";
  } catch (error) {
    if (!isFormatError(error)) throw error;
    error.describe();
    return error.code;
  }
}

/** Reads and prints a stream: its items tile it, work and output are bounded by its size. */
export function tryReading(bytes: Uint8Array, offset: number): string {
  return checkReading(bytes, offset).error?.code ?? "ok";
}

/** Takes a stream through the readers that must agree: reading, checking, writing it again, and both ways to its memory. */
export function tryAgreement(bytes: Uint8Array, offset: number): string {
  const { error } = checkReading(bytes, offset);
  const { valid, findings } = lastOf(validateSteps(inputOf(bytes, offset)));
  const rules = [...findings.counts.keys()].join();
  // QEMU doesn't read the description: what is wrong there is a warning.
  if (error !== undefined && valid && !isInDescription(error)) {
    throw new Error(`valid, but ${error.describe()}`, { cause: error });
  }
  if ((error !== undefined || !valid) && findings.counts.size === 0) {
    throw new Error("damaged, but nothing was found");
  }
  const { difference, error: damage } = lastOf(roundtripStream(new BytesSource(bytes), { offset }));
  if (damage?.code !== error?.code && difference === undefined) {
    throw new Error(`roundtrip: ${damage?.describe()}; reading: ${error?.describe()}`);
  }
  if (valid && difference !== undefined) {
    throw new Error(`valid (${rules}), but not identical at ${difference.offset}`);
  }
  tryMemory(bytes, offset);
  return error?.code ?? (valid ? "ok" : "ok, invalid");
}

/** Bytes of memory that are compared; an input may claim any number. */
const COMPARED_BYTES = 64 * 1024 * 1024;

/** Reads the memory of a stream in both ways, which have to give the same. */
export function tryMemory(bytes: Uint8Array, offset: number): string {
  const input = inputOf(bytes, offset);
  const blocks = new Map<string, Uint8Array>();
  const memoryOf = ({ name, usedLengthBytes }: RamBlock) => {
    if (usedLengthBytes > COMPARED_BYTES) return undefined;
    const content = new Uint8Array(usedLengthBytes);
    blocks.set(name, content);
    return {
      writeAt: (position: number, part: Uint8Array) => content.set(part, position),
      readAt: (position: number, into: Uint8Array) =>
        into.set(content.subarray(position, position + into.length)),
    };
  };
  const extracted = outcome(() => {
    const extractor = new RamExtractor({ memoryOf }, inflate);
    return readState(input.source, { offset, visitor: extractor });
  });
  const viewed = outcome(() => {
    using guest = readGuestMemory(input);
    const { memory } = guest;
    let differs: string | undefined;
    for (const block of memory.blocks) {
      if (block.usedLengthBytes > COMPARED_BYTES) continue;
      const content = new Uint8Array(block.usedLengthBytes);
      memory.read(block, 0, content);
      const other = blocks.get(block.name) ?? new Uint8Array(content.length);
      if (Buffer.compare(content, other) !== 0) differs ??= block.name;
    }
    return differs;
  });
  if ("code" in extracted) return extracted.code;
  // A page of mapped-ram whose block is too large was not asked for here.
  if ("code" in viewed) throw new Error(`extracted, but not to be read: ${viewed.code}`);
  if (viewed.value !== undefined) throw new Error(`two memories of block ${viewed.value}`);
  return "ok";
}

function outcome<Value>(act: () => Value): { value: Value } | { code: string } {
  try {
    return { value: act() };
  } catch (error) {
    if (!isFormatError(error)) throw error;
    return { code: error.code };
  }
}

/** Everything that is shown of a stream. */
export function tryViews(bytes: Uint8Array, offset: number, random: Random): string {
  const input = inputOf(bytes, offset);
  const { info, error } = readInfo(input, { keepGoing: true });
  JSON.stringify(info);
  let end = 0;
  const shown = layoutRows(input.source, { offset, keepGoing: true }, (row) => {
    if (row.offset !== end) throw new Error(`layout: a row at ${row.offset}, not at ${end}`);
    end += row.lengthBytes;
  });
  if (shown === undefined && end !== bytes.length) throw new Error(`layout ends at ${end}`);
  if (shown?.code !== error?.code) throw new Error(`layout ${shown?.code}, info ${error?.code}`);
  for (let count = 3; count > 0 && bytes.length > 0; count--) {
    const at = random.below(bytes.length);
    codeOf(() => explainOffset(input.source, at, { offset }));
  }
  const rich = readRichState(input.source, { offset, keepGoing: true });
  printRichState(rich, () => {});
  readCpuStates(rich.state);
  return error?.code ?? "ok";
}

/** A stream out of a pipe that comes in pieces: the same end as out of memory, except where the end of a pipe can't be known. */
export function tryPipe(bytes: Uint8Array, offset: number, random: Random): string {
  if (offset > 0) return "ok";
  const pieces = random.of([1, 7, 100, 4096]);
  using pipe = new PipeSource(new ChunkedInput(bytes, pieces), 1 << 20);
  const state: StreamState = readState(pipe, { keepGoing: true });
  writeCompatState(state, () => {});
  return state.error?.code ?? "ok";
}

const BLOCKS = blocksOf(
  blockOf("pc.ram", 4 << 20),
  blockOf("pc.bios", 256 << 10),
  blockOf("/rom@etc/acpi/tables", 128 << 10),
  blockOf("vga.vram", 16 << 20),
);

/** A multifd channel on its own. */
export function tryMultifd(bytes: Uint8Array): string {
  return codeOf(() =>
    void readChannel(bytes, {
      blocks: BLOCKS,
      pageBytes: 4096,
      content: true,
      newDecompressor: newMultifdDecompressor,
    })
  );
}

/** A recorded return path. */
export function tryReturnPath(bytes: Uint8Array): string {
  return codeOf(() => {
    for (const _ of readReturnPath(new BytesSource(bytes)));
  });
}

/** JSON of any kind. */
export function tryJson(bytes: Uint8Array): string {
  const text = new TextDecoder().decode(bytes);
  return codeOf(() => {
    const printed = printPythonJson(parseJson(text));
    if (printPythonJson(parseJson(printed)) !== printed) throw new Error("JSON printed twice");
    compatDescription({ offset: 0, text: bytes });
  });
}

/** An XBZRLE delta. */
export function tryXbzrle(bytes: Uint8Array): string {
  return codeOf(() => decodeXbzrle(bytes, new Uint8Array(4096)));
}

/** The header of a save image. */
export function tryLibvirt(bytes: Uint8Array): string {
  return codeOf(() => void decodeLibvirtSave(new ByteReader(new BytesSource(bytes))));
}

/** A physical map written by hand. */
export function tryMap(bytes: Uint8Array): string {
  try {
    parseGivenMap(new TextDecoder().decode(bytes), [...BLOCKS.values()]);
    return "ok";
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof RangeError) return "refused";
    throw error;
  }
}

/** Bytes that damaged compressed data may become. */
const DECOMPRESSED_BYTES = 64 << 20;

/** Compressed data. */
export async function tryDecompressor(
  compression: Compression,
  bytes: Uint8Array,
): Promise<string> {
  try {
    using data = await openDecompressor(compression, new BytesSource(bytes), 0);
    const into = new Uint8Array(65536);
    let total = 0;
    for (;;) {
      const got = data.readSync(into);
      if (got === null) return "ok";
      if (got === 0) throw new Error("a read that gave nothing");
      total += got;
      if (total > DECOMPRESSED_BYTES) return "long";
    }
  } catch (error) {
    if (!isFormatError(error)) throw error;
    return error.code;
  }
}
