/** Saves of a PC that runs on meanwhile. */

import { assert, assertEquals, assertGreater } from "@std/assert";
import { FAST, slow } from "../../testdata/case.ts";
import { isFinal, type JsonObject, type Qemu } from "../../testdata/qemu.ts";
import { checkSaved, checkTiling, sectionsOf } from "./checks.ts";
import { interopTest, waitFor, withFolder } from "./qemu.ts";
import { churnCount, save, type Saved, type Scene } from "./scene.ts";

const LIVE: Scene = {
  args: "-machine pc,acpi=off -m 1M -bios rom.bin",
  program: "churn",
  truthAt: "end",
};

/** So slow that the guest makes pages dirty faster than they are sent. */
const SLOW_ROUNDS = slow(600_000);
/** The same for pages that are sent as differences. */
const SLOW_DELTAS = slow(15_000);
const ENOUGH_ROUNDS = 7;
const ENOUGH_DELTAS = 30;
/** A machine that starves the guest may end a migration too early; then it is tried again. */
const ATTEMPTS = 5;

/** Below version 8 a running guest of TCG loses writes: what QEMU itself loads is not what its guest had. */
const LIVE_VERSION = [8, 0] as const;

/** A number of `query-migrate`, of its member `group`. */
function counter(status: JsonObject, group: string, name: string): number {
  const values = (status[group] ?? {}) as JsonObject;
  return Number(values[name] ?? 0);
}

function rounds(status: JsonObject): number {
  return counter(status, "ram", "dirty-sync-count");
}

/** Differences that were sent, at most: QEMU also counts pages that had not changed after all. */
function deltas(status: JsonObject): number {
  return counter(status, "xbzrle-cache", "pages") - counter(status, "xbzrle-cache", "overflow");
}

/** Waits until the migration is as far as asked, or has ended. */
async function reach(vm: Qemu, far: (status: JsonObject) => boolean): Promise<JsonObject> {
  return await vm.waitMigration((status) => far(status) || isFinal(status));
}

/** Presses a key after some rounds, and ends after some more. */
async function severalRounds(vm: Qemu): Promise<void> {
  await reach(vm, (status) => rounds(status) >= 3);
  await vm.qmp("send-key", { keys: [{ type: "qcode", data: "a" }] });
  await reach(vm, (status) => rounds(status) >= ENOUGH_ROUNDS);
  await vm.qmp("migrate-set-parameters", FAST);
}

/** Lets the first round pass quickly, and ends after enough differences. */
async function manyDeltas(vm: Qemu): Promise<void> {
  await reach(vm, (status) => rounds(status) >= 2);
  await vm.qmp("migrate-set-parameters", SLOW_DELTAS);
  await reach(vm, (status) => deltas(status) >= ENOUGH_DELTAS);
  await vm.qmp("migrate-set-parameters", FAST);
}

/** Saves until it took as long as wanted. */
async function saveLive(
  folder: string,
  scene: Scene,
  enough: (status: JsonObject) => boolean,
): Promise<Saved> {
  for (let attempt = 1;; attempt++) {
    const own = `${folder}/${attempt}`;
    await Deno.mkdir(own);
    const saved = await save(own, scene);
    if (enough(saved.status)) return saved;
    if (attempt === ATTEMPTS) throw new Error(`Ended early: ${JSON.stringify(saved.status)}`);
    console.warn(`*** attempt ${attempt} ended early, once more`);
  }
}

/** Pages in records of each kind. */
function pageCounts(saved: Saved): { zero: number; normal: number; delta: number } {
  const counts = { zero: 0, normal: 0, delta: 0 };
  for (const { payload } of sectionsOf(checkTiling(saved))) {
    if (payload?.kind !== "ram") continue;
    counts.zero += payload.summary.zeroPages;
    counts.normal += payload.summary.normalPages;
    counts.delta += payload.summary.deltaPages;
  }
  return counts;
}

/** Number of pages that the guest has. */
function guestPages({ truth }: Saved): number {
  return truth.blocks.reduce((sum, block) => sum + block.usedLengthBytes, 0) / 4096;
}

for (const capabilities of [[], ["mapped-ram"], ["mapped-ram", "multifd"]]) {
  const name = ["saved live", ...capabilities].join(", ");
  interopTest(name, { version: LIVE_VERSION, capabilities }, async (t) => {
    await withFolder(async (folder) => {
      const channels = capabilities.includes("multifd") ? { "multifd-channels": 2 } : {};
      const parameters = { ...SLOW_ROUNDS, ...channels };
      const scene = { ...LIVE, capabilities, parameters, during: severalRounds };
      const saved = await saveLive(folder, scene, (status) => rounds(status) >= ENOUGH_ROUNDS);
      await checkSaved(t, saved);
      if (capabilities.length > 0) return;
      await t.step("pages were sent again", () => {
        const { zero, normal } = pageCounts(saved);
        assertGreater(zero + normal, guestPages(saved));
      });
    });
  });
}

interopTest(
  "saved live, xbzrle",
  { version: LIVE_VERSION, capabilities: ["xbzrle"] },
  async (t) => {
    await withFolder(async (folder) => {
      const scene = {
        ...LIVE,
        capabilities: ["xbzrle"],
        parameters: SLOW_ROUNDS,
        during: manyDeltas,
      };
      const saved = await saveLive(folder, scene, (status) => deltas(status) >= ENOUGH_DELTAS);
      await checkSaved(t, saved);
      await t.step("pages were sent as differences", () => {
        const { delta } = pageCounts(saved);
        assert(delta > 0 && delta <= deltas(saved.status), `${delta} differences`);
      });
    });
  },
);

/** Lets the guest write as soon as QEMU waits for the reader of the pipe, and only then lets the reader read. */
async function writeDuringSnapshot(vm: Qemu, folder: string): Promise<void> {
  await vm.waitMigration((status) => status.status === "active");
  await waitFor("the guest to run on", async () => {
    const { status } = await vm.query("query-status");
    return status === "running" || undefined;
  });
  await vm.qmp("send-key", { keys: [{ type: "qcode", data: "a" }] });
  await waitFor("the guest to write", async () => await churnCount(vm) > 0 || undefined);
  await Deno.writeTextFile(`${folder}/go`, "");
}

/** Reads nothing before there is a file `go`; ends with QEMU, its parent. */
const LATE_READER =
  "while [ ! -e go ] && kill -0 $PPID; do sleep 0.05; done 2>&-; cat > stream.mig";

interopTest(
  "background snapshot",
  { capabilities: ["background-snapshot"] },
  async (t) => {
    await withFolder(async (folder) => {
      const saved = await save(folder, {
        ...LIVE,
        program: "wait",
        truthAt: "before",
        capabilities: ["background-snapshot"],
        command: LATE_READER,
        during: (vm) => writeDuringSnapshot(vm, folder),
      });
      // The processor went round in its waiting loop between the look at its registers and the snapshot.
      await checkSaved(t, saved, { registers: null });
      await t.step("each page once, no END", () => {
        const { zero, normal } = pageCounts(saved);
        assertEquals(zero + normal, guestPages(saved));
        assert(sectionsOf(checkTiling(saved)).every(({ type }) => type !== "end"));
      });
    });
  },
);
