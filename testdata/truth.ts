/**
 * Reads the truth about a guest from the running QEMU: its monitor and the memory of its process.
 *
 * @module
 */

import type { DirtyBitmapTruth, RamBlockTruth, Truth } from "./manifest.ts";
import type { JsonObject } from "./qmp.ts";
import type { Qemu, RamBlockInfo } from "./qemu.ts";

/** What the reader of the truth has to be told about a case. */
export interface TruthOptions {
  /** Guest addresses of blocks, for a QEMU that doesn't tell where it keeps them. */
  readonly guestAddresses?: Readonly<Record<string, number>>;
  /** Blocks that the migration leaves out. */
  readonly ignoredBlocks?: readonly string[];
  /** Page size of the target, if known already. */
  readonly pageSizeBytes?: number;
}

/** Lower-case hexadecimal SHA-256. */
export async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Everything that can be told of a stopped guest. */
export async function readTruth(vm: Qemu, options: TruthOptions): Promise<Truth> {
  const ramBlocks: RamBlockTruth[] = [];
  for (const block of await vm.ramBlocks()) ramBlocks.push(await readBlock(vm, block, options));
  const registers = await vm.hmp("info registers -a");
  return {
    machine: String(await vm.qmp("qom-get", { path: "/machine", property: "type" })),
    ...(options.pageSizeBytes === undefined ? {} : { pageSizeBytes: options.pageSizeBytes }),
    ramBlocks,
    registers,
  };
}

/** The dirty bitmaps of all nodes, disabled ones included. */
export async function readDirtyBitmaps(vm: Qemu): Promise<DirtyBitmapTruth[]> {
  const found: DirtyBitmapTruth[] = [];
  for (const node of await vm.qmp("query-named-block-nodes") as JsonObject[]) {
    const bitmaps = (node["dirty-bitmaps"] ?? []) as JsonObject[];
    for (const bitmap of bitmaps) {
      const id = { node: String(node["node-name"]), name: String(bitmap.name) };
      const hash = await vm.query("x-debug-block-dirty-bitmap-sha256", id);
      found.push({
        ...id,
        granularityBytes: Number(bitmap.granularity),
        persistent: bitmap.persistent === true,
        recording: bitmap.recording === true,
        dirtyBytes: Number(bitmap.count),
        sha256: String(hash.sha256),
      });
    }
  }
  return found;
}

async function readBlock(
  vm: Qemu,
  block: RamBlockInfo,
  options: TruthOptions,
): Promise<RamBlockTruth> {
  const { name, usedLengthBytes, maxLengthBytes } = block;
  const ignored = options.ignoredBlocks?.includes(name) ? { ignored: true as const } : {};
  const truth = { name, usedLengthBytes, maxLengthBytes, ...ignored };
  const guestAddress = options.guestAddresses?.[name];
  const address = block.hostAddress ??
    (guestAddress === undefined ? undefined : await vm.hostAddress(guestAddress));
  if (address === undefined) return truth;
  const bytes = vm.readHostMemory(address, usedLengthBytes);
  const zeroPages = options.pageSizeBytes === undefined
    ? {}
    : { zeroPages: countZeroPages(bytes, options.pageSizeBytes) };
  return { ...truth, sha256: await sha256(bytes), ...zeroPages };
}

function countZeroPages(bytes: Uint8Array<ArrayBuffer>, pageSizeBytes: number): number {
  let count = 0;
  for (let at = 0; at < bytes.length; at += pageSizeBytes) {
    const page = new Uint32Array(bytes.buffer, at, pageSizeBytes / 4);
    if (page.every((word) => word === 0)) count++;
  }
  return count;
}
