/**
 * `migstream read`: prints a part of a guest's memory.
 *
 * @module
 */

import { HexDump } from "../analyze/hex_dump.ts";
import type { PhysicalMap } from "../analyze/memory/physical_map.ts";
import { escapeText, hex } from "../format/text.ts";
import { type LoadedMemory, loadMemory, type LoadMemoryOptions } from "./load_memory.ts";
import { EXIT, type Streams, UsageError } from "./main.ts";

/** Options of `read`. */
export interface ReadCommandOptions extends LoadMemoryOptions {
  /** Guest-physical address of the first byte. */
  readonly physical?: number | undefined;
  /** Name of the block to read from. */
  readonly block?: string | undefined;
  /** Address in the block of the first byte. */
  readonly address?: number | undefined;
  /** Bytes to read. */
  readonly length: number;
  /** Whether the bytes are printed as they are. */
  readonly raw?: boolean | undefined;
}

/** Bytes read at once: a multiple of a dump's line and of most pages. */
const CHUNK_BYTES = 256 * 1024;

/** Where bytes are read from. */
interface Origin {
  /** Address of the first byte, as it is shown. */
  readonly address: number;
  /** Reads bytes from an address on and returns how many there are. */
  read(address: number, into: Uint8Array): number;
  /** What is wrong with an address where nothing can be read. */
  problem(address: number): string;
}

/** Prints a part of the guest's memory. */
export async function runRead(
  path: string,
  options: ReadCommandOptions,
  streams: Streams,
): Promise<number> {
  const { physical, block, address } = options;
  if ((physical === undefined) === (block === undefined)) {
    throw new UsageError("give either --physical, or --block and --address");
  }
  if (physical !== undefined && address !== undefined) {
    throw new UsageError("--address goes with --block");
  }
  using loaded = await loadMemory(path, options);
  const origin = physical === undefined
    ? blockOrigin(loaded, block!, address ?? 0, options.length)
    : physicalOrigin(loaded, physical);
  const problem = print(origin, options, streams);
  if (problem !== undefined) throw new UsageError(problem);
  return loaded.conclude(EXIT.DONE, streams);
}

function blockOrigin(loaded: LoadedMemory, name: string, address: number, length: number): Origin {
  const { memory } = loaded;
  const block = loaded.block(name);
  const size = block.usedLengthBytes;
  const problem = (at: number) =>
    `block ${escapeText(name)} has ${hex(size)} bytes: there are no ${length} bytes at ${hex(at)}`;
  if (address + length > size) throw new UsageError(problem(address));
  const read = (at: number, into: Uint8Array) => {
    memory.read(block, at, into);
    return into.length;
  };
  return { address, read, problem };
}

function physicalOrigin(loaded: LoadedMemory, address: number): Origin {
  loaded.usePhysicalMap();
  const { memory } = loaded;
  const map = memory.physicalMap!;
  return {
    address,
    read: (at, into) => memory.readPhysical(at, into),
    problem: (at) =>
      `no memory is known at guest-physical address ${hex(at)}${neighbours(map, at)}`,
  };
}

/** The mapped ranges before and behind an address. */
function neighbours(map: PhysicalMap, address: number): string {
  const before = map.ranges.findLast(({ guestAddress }) => guestAddress <= address);
  const behind = map.ranges.find(({ guestAddress }) => guestAddress > address);
  const described = [before, behind].filter((range) => range !== undefined).map((range) => {
    const last = range.guestAddress + range.lengthBytes - 1;
    return `${hex(range.guestAddress)} to ${hex(last)} (${escapeText(range.block.name)})`;
  });
  return described.length === 0 ? "" : `; around it are ${described.join(" and ")}`;
}

/** Prints what there is, in pieces, and says what is wrong if that is not all. */
function print(
  { address, read, problem }: Origin,
  { length, raw = false }: ReadCommandOptions,
  { out }: Streams,
): string | undefined {
  const write = (bytes: Uint8Array) => out.bytes(bytes);
  const dump = new HexDump(address, write);
  const buffer = new Uint8Array(Math.min(length, CHUNK_BYTES));
  let done = 0;
  while (done < length) {
    const part = buffer.subarray(0, Math.min(buffer.length, length - done));
    const got = read(address + done, part);
    if (raw) write(part.subarray(0, got));
    else dump.write(part.subarray(0, got));
    done += got;
    if (got < part.length) break;
  }
  if (!raw && done > 0) dump.end();
  return done < length ? problem(address + done) : undefined;
}
