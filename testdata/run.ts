/**
 * Plays one case: guest, migration, recording, truth.
 *
 * @module
 */

import type { CaseSpec } from "./case.ts";
import type { FileRole, TestCase, Truth } from "./manifest.ts";
import { delay, Qemu } from "./qemu.ts";
import type { JsonObject } from "./qmp.ts";
import { Proxy, type Recording, Sink } from "./record.ts";
import { readTruth } from "./truth.ts";

/** One recorded file, before it is stored. */
export interface RecordedFile {
  readonly role: FileRole;
  readonly channel?: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** A finished case. */
export interface CaseResult {
  /** Its entry in the manifest, but for the files. */
  readonly description: Omit<TestCase, "files">;
  readonly files: readonly RecordedFile[];
}

/** Long enough for the guest programs to do what they do once. */
const SETTLE_MS = 400;
const STREAM_MAGIC = 0x5145564d;
const MULTIFD_MAGIC = 0x11223344;
const MULTIFD_ID_OFFSET = 24;

/** Runs a case in a temporary folder. */
export async function runCase(spec: CaseSpec, binary: string): Promise<CaseResult> {
  const cwd = await Deno.makeTempDir({ prefix: "testdata-" });
  try {
    await prepareFolder(spec, cwd);
    return await play(spec, binary, cwd);
  } finally {
    await Deno.remove(cwd, { recursive: true });
  }
}

async function play(spec: CaseSpec, binary: string, cwd: string): Promise<CaseResult> {
  await using vm = await Qemu.start({ binary, args: spec.args.split(" "), cwd });
  await using target = await openTarget(spec, binary, cwd);
  await spec.prepare?.(vm);
  await bringToState(vm, spec);
  const before = spec.truthBefore ? await truthBefore(vm, spec) : undefined;
  const extra = await spec.extraTruth?.(vm);
  const queryMigrate = await migrate(vm, target.uri, spec);
  const ram = queryMigrate.ram as JsonObject | undefined;
  const pageSizeBytes = Number(ram?.["page-size"]);
  const truth = before ?? await readTruth(vm, { ...spec, pageSizeBytes });
  return {
    description: {
      name: spec.name,
      about: spec.about,
      qemu: await vm.version(),
      arch: spec.target,
      guest: spec.guest,
      commandLine: vm.commandLine,
      transport: target.uri.replace(/:.*/, ""),
      streamOffset: spec.streamOffset ?? 0,
      capabilities: spec.capabilities ?? [],
      parameters: spec.parameters ?? {},
      queryMigrate,
      truth: { ...truth, ...extra },
    },
    files: await target.finish(),
  };
}

async function prepareFolder(spec: CaseSpec, cwd: string): Promise<void> {
  for (const [name, bytes] of Object.entries(spec.files ?? {})) {
    await Deno.writeFile(`${cwd}/${name}`, bytes);
  }
  if (spec.args.includes("disk.qcow2")) {
    const args = ["create", "-q", "-f", "qcow2", `${cwd}/disk.qcow2`, "1M"];
    const { success } = await new Deno.Command("qemu-img", { args }).output();
    if (!success) throw new Error("Cannot create a disk image");
  }
  if (spec.streamOffset !== undefined) {
    const foreign = new Uint8Array(spec.streamOffset).fill(0x2e);
    await Deno.writeFile(`${cwd}/stream.mig`, foreign);
  }
}

async function bringToState(vm: Qemu, spec: CaseSpec): Promise<void> {
  if (spec.guest === "stopped") return;
  await vm.qmp("cont");
  await delay(SETTLE_MS);
  if (spec.guest === "ran") await vm.qmp("stop");
}

/** All cases that need this have an x86 guest; the registers of a running guest are no truth. */
async function truthBefore(vm: Qemu, spec: CaseSpec): Promise<Truth> {
  const truth = await readTruth(vm, { ...spec, pageSizeBytes: 4096 });
  if (spec.guest !== "live") return truth;
  const { registers: _, ...rest } = truth;
  return rest;
}

async function migrate(vm: Qemu, uri: string, spec: CaseSpec): Promise<JsonObject> {
  await vm.startMigration(uri, {
    capabilities: spec.capabilities ?? [],
    parameters: spec.parameters ?? {},
    arguments: spec.migrateArguments ?? {},
  });
  await spec.during?.(vm);
  const status = await vm.waitMigration();
  if (status.status !== "completed" && !spec.truthBefore) {
    throw new Error(`Migration ended ${JSON.stringify(status)}`);
  }
  return status;
}

/** Where a case migrates to. */
interface Target extends AsyncDisposable {
  readonly uri: string;
  /** Everything that was recorded; call it when the migration has ended. */
  finish(): Promise<RecordedFile[]>;
}

async function openTarget(spec: CaseSpec, binary: string, cwd: string): Promise<Target> {
  if (spec.transport === "sink") return sinkTarget(cwd);
  if (spec.transport === "proxy") return await proxyTarget(spec, binary, cwd);
  const offset = spec.streamOffset === undefined ? "" : `,offset=${spec.streamOffset}`;
  const uris = {
    file: `file:stream.mig${offset}`,
    exec: "exec:cat > stream.mig",
    lateExec: "exec:(sleep 1; cat) > stream.mig",
  };
  return {
    uri: uris[spec.transport],
    finish: async () => [{ role: "stream", bytes: await Deno.readFile(`${cwd}/stream.mig`) }],
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

function sinkTarget(cwd: string): Target {
  const sink = new Sink(`${cwd}/source.sock`);
  return {
    uri: "unix:source.sock",
    finish: async () => sortRecordings(await sink.recordings()),
    [Symbol.asyncDispose]: async () => {
      sink[Symbol.dispose]();
      await Promise.resolve();
    },
  };
}

async function proxyTarget(spec: CaseSpec, binary: string, cwd: string): Promise<Target> {
  const args = [...spec.args.split(" "), "-incoming", "defer"];
  const destination = await Qemu.start({ binary, args, cwd });
  const proxy = new Proxy(`${cwd}/source.sock`, `${cwd}/destination.sock`);
  await destination.setCapabilities(spec.capabilities ?? []);
  if (spec.destinationRuns) await destination.qmp("cont");
  await destination.qmp("migrate-incoming", { uri: "unix:destination.sock" });
  return {
    uri: "unix:source.sock",
    finish: async () => {
      const { status } = await destination.waitMigration();
      if (status !== "completed") throw new Error(`Destination ended ${status}`);
      return sortRecordings(await proxy.recordings());
    },
    [Symbol.asyncDispose]: async () => {
      proxy[Symbol.dispose]();
      await destination.quit();
    },
  };
}

/** Tells the connections apart by how they begin. */
function sortRecordings(recordings: readonly Recording[]): RecordedFile[] {
  const files: RecordedFile[] = recordings.map(({ forward: bytes }) => {
    const magic = bytes.length < 4 ? undefined : new DataView(bytes.buffer).getUint32(0);
    if (magic === STREAM_MAGIC) return { role: "main", bytes };
    if (magic !== MULTIFD_MAGIC) return { role: "preempt", bytes };
    return { role: "multifd", channel: bytes[MULTIFD_ID_OFFSET] ?? 0, bytes };
  });
  for (const { backward: bytes } of recordings) {
    if (bytes.length > 0) files.push({ role: "returnPath", bytes });
  }
  const ranks = ["main", "multifd", "preempt", "returnPath"];
  files.sort((a, b) =>
    ranks.indexOf(a.role) - ranks.indexOf(b.role) || (a.channel ?? 0) - (b.channel ?? 0)
  );
  const [first] = files;
  return files.length === 1 && first !== undefined ? [{ ...first, role: "stream" }] : files;
}
