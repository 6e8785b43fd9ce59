/**
 * Makes the recorded streams of this folder, and `manifest.json`, with real QEMU binaries.
 *
 * ```sh
 * deno run -A testdata/generate.ts [--qemu PATH] [--qemu72 PATH] [--qemu100 PATH] [--qemu111 PATH] [--only NAME]
 * ```
 *
 * Each PATH is a folder with binaries named `qemu-system-<target>` or one such binary; the environment
 * variables QEMU72, QEMU100 and QEMU111 do the same, and `--qemu` is short for `--qemu100`, whose
 * default is whatever PATH holds. A case whose release is missing is left as it is.
 *
 * @module
 */

import { constants, zstdCompressSync } from "node:zlib";
import { parseArgs } from "node:util";
import type { CaseSpec, Series } from "./case.ts";
import { TARGET_CASES } from "./cases_targets.ts";
import { X86_CASES } from "./cases_x86.ts";
import type { Manifest, StreamFile, TestCase } from "./manifest.ts";
import { type CaseResult, type RecordedFile, runCase } from "./run.ts";
import { sha256 } from "./truth.ts";

const CASES = [...X86_CASES, ...TARGET_CASES];
const ATTEMPTS = 4;
const HERE = new URL(".", import.meta.url);
const MANIFEST = new URL("manifest.json", HERE);
const ABOUT =
  "Streams of real QEMU binaries, made by generate.ts; manifest.ts explains the fields.";

/** Folders or binaries by release; "" stands for PATH. */
type Binaries = Partial<Record<Series, string>>;

async function main(): Promise<void> {
  const { values } = parseArgs({
    args: Deno.args,
    options: {
      qemu: { type: "string" },
      qemu72: { type: "string" },
      qemu100: { type: "string" },
      qemu111: { type: "string" },
      only: { type: "string", multiple: true },
    },
  });
  const qemu72 = values.qemu72 ?? Deno.env.get("QEMU72");
  const qemu111 = values.qemu111 ?? Deno.env.get("QEMU111");
  const binaries: Binaries = {
    "10.0": values.qemu ?? values.qemu100 ?? Deno.env.get("QEMU100") ?? "",
    ...(qemu72 === undefined ? {} : { "7.2": qemu72 }),
    ...(qemu111 === undefined ? {} : { "11.1": qemu111 }),
  };
  const chosen = values.only === undefined
    ? CASES
    : CASES.filter(({ name }) => values.only?.includes(name));
  if (chosen.length === 0) throw new Error("No such case");
  const failures: string[] = [];
  for (const spec of chosen) {
    try {
      await make(spec, binaries);
    } catch (error) {
      failures.push(spec.name);
      console.error(`${spec.name}: ${error instanceof Error ? error.message : error}`);
    }
  }
  if (failures.length > 0) throw new Error(`Not made: ${failures.join(", ")}`);
}

async function make(spec: CaseSpec, binaries: Binaries): Promise<void> {
  const where = binaries[spec.series];
  if (where === undefined) {
    console.log(`${spec.name}: left as it is, no QEMU ${spec.series} given`);
    return;
  }
  const { description, files } = await attempt(spec, await binaryFor(where, spec.target));
  if (!description.qemu.startsWith(`${spec.series}.`)) {
    throw new Error(`Needs QEMU ${spec.series}, got ${description.qemu}`);
  }
  const stored: StreamFile[] = [];
  for (const file of files) stored.push(await store(spec, file));
  await updateManifest({ ...description, files: stored });
  console.log(`${spec.name}: ${stored.map(({ sizeBytes }) => sizeBytes).join(" + ")} bytes`);
}

/** Plays a case. Live migrations are a race that may be lost, so it has some tries. */
async function attempt(spec: CaseSpec, binary: string): Promise<CaseResult> {
  for (let left = ATTEMPTS - 1;; left--) {
    try {
      return await runCase(spec, binary);
    } catch (error) {
      if (left === 0 || spec.guest !== "live") throw error;
    }
  }
}

/** The binary of a target, next to or in what the user named. */
async function binaryFor(where: string, target: string): Promise<string> {
  const name = `qemu-system-${target}`;
  if (where === "") return name;
  const { isDirectory } = await Deno.stat(where);
  return `${isDirectory ? where : where.replace(/\/[^/]*$/, "")}/${name}`;
}

/** Writes one file of a case, compressed unless the case says otherwise. */
async function store(spec: CaseSpec, recorded: RecordedFile): Promise<StreamFile> {
  const { bytes, role, channel } = recorded;
  const label = {
    stream: "",
    main: "",
    multifd: `.multifd${channel}`,
    returnPath: ".return",
    preempt: ".preempt",
  };
  const file = `${spec.name}${label[role]}${spec.plain ? ".mig" : ".zst"}`;
  const level = { [constants.ZSTD_c_compressionLevel]: 19 };
  await Deno.writeFile(
    new URL(file, HERE),
    spec.plain ? bytes : zstdCompressSync(bytes, { params: level }),
  );
  return {
    file,
    role,
    ...(channel === undefined ? {} : { channel }),
    sizeBytes: bytes.length,
    sha256: await sha256(bytes),
  };
}

/** Puts a case into the manifest, in the order of the tables. */
async function updateManifest(made: TestCase): Promise<void> {
  const before = await readManifest();
  const kept = before.cases.filter(({ name }) => name !== made.name);
  const order = CASES.map(({ name }) => name);
  const cases = [...kept, made]
    .filter(({ name }) => order.includes(name))
    .sort((a, b) => order.indexOf(a.name) - order.indexOf(b.name));
  await Deno.writeTextFile(MANIFEST, JSON.stringify({ about: ABOUT, cases }, null, 1) + "\n");
}

async function readManifest(): Promise<Manifest> {
  try {
    return JSON.parse(await Deno.readTextFile(MANIFEST));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return { about: ABOUT, cases: [] };
    throw error;
  }
}

if (import.meta.main) await main();
