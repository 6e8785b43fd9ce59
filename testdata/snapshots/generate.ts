/**
 * Makes the qcow2 images of this folder, and `manifest.json`, with qemu-img and qemu-system-x86_64 of QEMU 10.0 on PATH.
 *
 * ```sh
 * deno run -A testdata/snapshots/generate.ts
 * ```
 *
 * @module
 */

import { constants, zstdCompressSync, zstdDecompressSync } from "node:zlib";
import { x86Rom } from "../guest.ts";
import { delay, Qemu } from "../qemu.ts";
import { sha256 } from "../truth.ts";
import type { DiskTruth, ImageTruth, SnapshotManifest, SnapshotTruth } from "./manifest.ts";

/** What an image is made of. */
interface ImageSpec {
  readonly name: string;
  readonly about: string;
  /** Options of `qemu-img create`. */
  readonly options: string;
  /** Names of snapshots with the state of the machine. */
  readonly states: readonly string[];
  /** Names of snapshots of the disk alone, taken afterwards. */
  readonly disks?: readonly string[];
}

const IMAGES: readonly ImageSpec[] = [
  {
    name: "v3-64k",
    about: "what `qemu-img create` makes by default",
    options: "compat=1.1",
    states: ["before"],
  },
  {
    name: "v2-4k",
    about:
      "version 2 with small clusters: two states, one of them named like the other's id, and a disk",
    options: "compat=0.10,cluster_size=4K",
    states: ["2", "after"],
    disks: ["disk only"],
  },
  {
    name: "v3-2m",
    about: "the largest clusters",
    options: "compat=1.1,cluster_size=2M",
    states: ["large"],
  },
  {
    name: "v3-subclusters",
    about: "extended L2 entries",
    options: "compat=1.1,cluster_size=16K,extended_l2=on",
    states: ["sub"],
  },
];

/** Options of `qemu-img convert -c` by the name of the image. */
const COMPRESSED: readonly (readonly [name: string, options: string])[] = [
  ["compressed-deflate", "compat=0.10,cluster_size=8K"],
  ["compressed-zstd", "compat=1.1,compression_type=zstd,cluster_size=4K"],
  ["compressed-subclusters", "compat=1.1,extended_l2=on,cluster_size=16K"],
];
const COMPRESSED_STREAM = "pc-stopped";

const HERE = new URL(".", import.meta.url);
const ABOUT = "qcow2 images of a real QEMU, made by generate.ts; manifest.ts explains the fields.";
const ARGS = "-machine pc,acpi=off -m 1M -bios rom.bin -drive file=disk.qcow2,if=none,id=d0";
/** Long enough for the guest program to fill its memory, and for a second state to differ. */
const SETTLE_MS = 400;

async function qemuImg(cwd: string, ...args: string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command("qemu-img", { args, cwd }).output();
  const decoder = new TextDecoder();
  if (!success) throw new Error(`qemu-img ${args.join(" ")}: ${decoder.decode(stderr)}`);
  return decoder.decode(stdout);
}

/** Saves one state after the other, and each also to a file; gives the version of QEMU and the files' hashes. */
async function saveStates(
  cwd: string,
  states: readonly string[],
): Promise<{ version: string; hashes: Map<string, string> }> {
  await using vm = await Qemu.start({ binary: "qemu-system-x86_64", args: ARGS.split(" "), cwd });
  const hashes = new Map<string, string>();
  for (const name of states) {
    await vm.qmp("cont");
    await delay(SETTLE_MS);
    await vm.qmp("stop");
    const answer = await vm.hmp(`savevm "${name}"`);
    if (answer !== "") throw new Error(`savevm ${name}: ${answer}`);
    await vm.migrate("file:stream.mig");
    hashes.set(name, await sha256(await Deno.readFile(`${cwd}/stream.mig`)));
  }
  return { version: await vm.version(), hashes };
}

interface ImgInfo {
  readonly "cluster-size": number;
  readonly "virtual-size": number;
  readonly snapshots: readonly Record<string, string | number>[];
}

async function make(spec: ImageSpec): Promise<ImageTruth> {
  const { name, about, options, states, disks = [] } = spec;
  const cwd = await Deno.makeTempDir({ prefix: "snapshots-" });
  try {
    await Deno.writeFile(`${cwd}/rom.bin`, x86Rom("churn"));
    await qemuImg(cwd, "create", "-q", "-f", "qcow2", "-o", options, "disk.qcow2", "1M");
    const { version, hashes } = await saveStates(cwd, states);
    for (const disk of disks) await qemuImg(cwd, "snapshot", "-c", disk, "disk.qcow2");
    const json = await qemuImg(cwd, "info", "--output=json", "disk.qcow2");
    const info = JSON.parse(json) as ImgInfo;
    const bytes = await Deno.readFile(`${cwd}/disk.qcow2`);
    return {
      name,
      about,
      file: await store(name, bytes),
      sizeBytes: bytes.length,
      sha256: await sha256(bytes),
      qemu: version,
      options,
      clusterBytes: info["cluster-size"],
      diskBytes: info["virtual-size"],
      snapshots: info.snapshots.map((each) => snapshotTruth(each, hashes)),
    };
  } finally {
    await Deno.remove(cwd, { recursive: true });
  }
}

async function store(name: string, bytes: Uint8Array): Promise<string> {
  const file = `${name}.qcow2.zst`;
  const params = { [constants.ZSTD_c_compressionLevel]: 19 };
  await Deno.writeFile(new URL(file, HERE), zstdCompressSync(bytes, { params }));
  return file;
}

/** Makes an image whose disk is a stream. */
async function makeDisk(name: string, options: string): Promise<DiskTruth> {
  const cwd = await Deno.makeTempDir({ prefix: "snapshots-" });
  try {
    const stored = await Deno.readFile(new URL(`../${COMPRESSED_STREAM}.zst`, HERE));
    await Deno.writeFile(`${cwd}/disk.raw`, zstdDecompressSync(stored));
    const formats = ["-f", "raw", "-O", "qcow2", "-c", "-o", options];
    await qemuImg(cwd, "convert", ...formats, "disk.raw", "disk.qcow2");
    await qemuImg(cwd, "snapshot", "-c", "disk", "disk.qcow2");
    const file = await store(name, await Deno.readFile(`${cwd}/disk.qcow2`));
    return { name, file, options, stream: COMPRESSED_STREAM };
  } finally {
    await Deno.remove(cwd, { recursive: true });
  }
}

function snapshotTruth(
  info: Record<string, string | number>,
  hashes: ReadonlyMap<string, string>,
): SnapshotTruth {
  const name = String(info.name);
  const streamSha256 = hashes.get(name);
  return {
    id: String(info.id),
    name,
    dateSeconds: Number(info["date-sec"]),
    dateNanoseconds: Number(info["date-nsec"]),
    clockSeconds: Number(info["vm-clock-sec"]) + Number(info["vm-clock-nsec"]) / 1e9,
    stateBytes: Number(info["vm-state-size"]),
    ...(streamSha256 === undefined ? {} : { streamSha256 }),
  };
}

if (import.meta.main) {
  const images: ImageTruth[] = [];
  for (const spec of IMAGES) {
    const image = await make(spec);
    images.push(image);
    console.log(`${image.name}: ${image.snapshots.map(({ name }) => name).join(", ")}`);
  }
  const disks: DiskTruth[] = [];
  for (const [name, options] of COMPRESSED) disks.push(await makeDisk(name, options));
  const manifest: SnapshotManifest = { about: ABOUT, images, disks };
  const text = JSON.stringify(manifest, null, 1) + "\n";
  await Deno.writeTextFile(new URL("manifest.json", HERE), text);
}
