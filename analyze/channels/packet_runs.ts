/**
 * The pages of a multifd packet as runs of records, in the form in which a stream's visitor takes those of the main channel.
 *
 * @module
 */

import type { MultifdRamPacket } from "../../format/multifd/channel.ts";
import { MULTIFD_PACKET_BYTES } from "../../format/multifd/offsets.ts";
import { RAM_SAVE_FLAG } from "../../format/ram.ts";
import { newRamRun, NOT_IN_INPUT, type RamRun } from "../../format/ram_scanner.ts";

const EMPTY = new Uint8Array(0);

/** Makes runs of packets. */
export class PacketRuns {
  readonly #sorted: boolean;
  readonly #onRun: (run: RamRun) => void;
  #staging: Uint8Array | undefined;
  /** Reused, as those of a RAM scanner are. */
  readonly #run: RamRun = newRamRun(EMPTY);

  /** Calls `onRun` with each run. `sorted`: pages come by ascending address, copied together. */
  constructor(sorted: boolean, onRun: (run: RamRun) => void) {
    this.#sorted = sorted;
    this.#onRun = onRun;
  }

  /** Makes the runs of a packet; `baseOffset` is added to the offsets of contents. */
  emit(packet: MultifdRamPacket, pageBytes: number, baseOffset: number): void {
    if (packet.block === undefined) return;
    if (packet.normal.length > 0) this.#normal(packet, pageBytes, baseOffset);
    if (packet.zero.length > 0) this.#zero(packet, pageBytes);
  }

  #begin(packet: MultifdRamPacket, kind: "page" | "zero"): RamRun {
    const run = this.#run;
    run.kind = kind;
    run.flags = kind === "page" ? RAM_SAVE_FLAG.PAGE : RAM_SAVE_FLAG.ZERO;
    run.offset = packet.offset;
    run.block = packet.block;
    return run;
  }

  #normal(packet: MultifdRamPacket, pageBytes: number, baseOffset: number): void {
    const { normal, content } = packet;
    const run = this.#begin(packet, "page");
    run.strideBytes = pageBytes;
    run.dataBytes = pageBytes;
    const isPlain = packet.method === "none" && !this.#sorted;
    const order = this.#sorted && content !== undefined ? ascending(normal) : undefined;
    run.buffer = order === undefined ? content ?? EMPTY : this.#gather(content!, order, pageBytes);
    for (let first = 0, end = 0; first < normal.length; first = end) {
      const at = (index: number) => normal[order?.[index] ?? index]!;
      end = first + 1;
      while (end < normal.length && at(end) === at(end - 1) + pageBytes) end += 1;
      run.address = at(first);
      run.count = end - first;
      run.dataOffset = isPlain
        ? baseOffset + packet.payloadOffset + first * pageBytes
        : NOT_IN_INPUT;
      run.dataStart = first * pageBytes;
      run.lengthBytes = run.count * pageBytes;
      this.#onRun(run);
    }
  }

  /** The pages of a packet in another order. */
  #gather(content: Uint8Array, order: readonly number[], pageBytes: number): Uint8Array {
    const staging = this.#staging ??= new Uint8Array(MULTIFD_PACKET_BYTES);
    for (const [to, from] of order.entries()) {
      staging.set(content.subarray(from * pageBytes, (from + 1) * pageBytes), to * pageBytes);
    }
    return staging;
  }

  #zero(packet: MultifdRamPacket, pageBytes: number): void {
    const run = this.#begin(packet, "zero");
    const addresses = isAscending(packet.zero)
      ? packet.zero
      : packet.zero.toSorted((a, b) => a - b);
    run.fill = 0;
    run.buffer = EMPTY;
    run.dataBytes = 0;
    run.strideBytes = 0;
    run.lengthBytes = 0;
    for (let first = 0, end = 0; first < addresses.length; first = end) {
      end = first + 1;
      while (end < addresses.length && addresses[end] === addresses[end - 1]! + pageBytes) end += 1;
      run.address = addresses[first]!;
      run.count = end - first;
      this.#onRun(run);
    }
  }
}

function isAscending(addresses: readonly number[]): boolean {
  for (let index = 1; index < addresses.length; index++) {
    if (addresses[index]! < addresses[index - 1]!) return false;
  }
  return true;
}

/** The indices of addresses, by ascending address; `undefined` if they are that already. */
function ascending(addresses: readonly number[]): number[] | undefined {
  if (isAscending(addresses)) return undefined;
  return Array.from(addresses, (_, index) => index)
    .sort((a, b) => addresses[a]! - addresses[b]!);
}
