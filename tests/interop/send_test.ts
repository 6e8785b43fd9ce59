/** Images are sent to a QEMU that waits for a migration: it has the guest then, and the guest runs on. */

import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { SLOW, switchToPostcopy } from "../../testdata/case.ts";
import { isFinal } from "../../testdata/qemu.ts";
import {
  comparable,
  type Destination,
  send,
  startCapture,
  startDestination,
} from "./live_command.ts";
import { interopTest, waitFor, withFolder } from "./qemu.ts";
import { churnCount, type GuestTruth, readGuest, save, type Scene, startQemu } from "./scene.ts";

/** A guest that was stopped while it wrote, so that it can be seen to run on. */
const PC: Scene = {
  args: "-machine pc,acpi=off -m 2M -bios rom.bin",
  program: "churn",
  prepare: async (vm) => {
    await vm.qmp("cont");
    await waitFor("the guest to write", async () => await churnCount(vm) > 0 || undefined);
    await vm.qmp("stop");
  },
};

/** How a sent image is told of: one that is made anew opens a return path, on which the destination confirms. */
const MADE_ANEW = "the destination has the guest";
const AS_IT_IS = "the destination has read everything";

/** Sends an image; the destination has to have the very guest, and to run it. */
async function checkSent(
  folder: string,
  image: string,
  truth: GuestTruth,
  destination: Destination = {},
  args: readonly string[] = [],
  word = MADE_ANEW,
): Promise<void> {
  await using vm = await startDestination(folder, PC, destination);
  const out = await send(image, `unix:${folder}/incoming.sock`, ...args);
  const status = await vm.waitMigration(isFinal);
  assertEquals(status.status, "completed", JSON.stringify(status));
  assertEquals(comparable(await readGuest(vm)), comparable(truth));
  const before = await churnCount(vm);
  await vm.qmp("cont");
  await waitFor("the guest to run on", async () => await churnCount(vm) > before || undefined);
  assertStringIncludes(out, word);
}

const MULTIFD = (channels: number, compression = "none") => ({
  capabilities: ["multifd"],
  parameters: { "multifd-channels": channels, "multifd-compression": compression },
});

interopTest(
  "sent: a classic image, as it is and made anew",
  { capabilities: ["multifd"] },
  async (t) => {
    await withFolder(async (folder) => {
      const { path, truth } = await save(folder, PC);
      await t.step("as it is", () => checkSent(folder, path, truth, {}, [], AS_IT_IS));
      for (const compression of ["none", "zlib", "zstd"]) {
        await t.step(`over multifd, ${compression}`, () => {
          const args = ["--multifd", "2", "--compression", compression];
          return checkSent(folder, path, truth, MULTIFD(2, compression), args);
        });
      }
      await t.step("compressed", async () => {
        const { success } = await new Deno.Command("gzip", { args: ["-k", path] }).output();
        assertEquals(success, true);
        await checkSent(folder, `${path}.gz`, truth, {}, [], AS_IT_IS);
      });
    });
  },
);

interopTest("sent: a mapped-ram file", { capabilities: ["mapped-ram", "multifd"] }, async (t) => {
  await withFolder(async (folder) => {
    const { path, truth } = await save(folder, { ...PC, capabilities: ["mapped-ram"] });
    await t.step("page by page", () => checkSent(folder, path, truth));
    await t.step("over multifd", () =>
      checkSent(folder, path, truth, MULTIFD(4, "zstd"), [
        ..."--multifd 4 --compression zstd --level 3".split(" "),
      ]));
  });
});

interopTest("sent: an image of an older machine type", {
  capabilities: ["multifd"],
  machine: "pc-i440fx-7.2",
}, async () => {
  await withFolder(async (folder) => {
    const args = PC.args.replace("pc,", "pc-i440fx-7.2,");
    const { path, truth } = await save(folder, { ...PC, args });
    await using vm = await startDestination(folder, { ...PC, args }, MULTIFD(2));
    await send(path, `unix:${folder}/incoming.sock`, "--multifd", "2");
    const status = await vm.waitMigration(isFinal);
    assertEquals(status.status, "completed", JSON.stringify(status));
    assertEquals(comparable(await readGuest(vm)), comparable(truth));
  });
});

for (const compression of ["none", "zlib", "zstd"]) {
  interopTest(`sent: a captured multifd migration, ${compression}`, {
    capabilities: ["multifd"],
  }, async (t) => {
    await withFolder(async (folder) => {
      const listen = `unix:${folder}/capture.sock`;
      const out = `${folder}/captured`;
      const settings = MULTIFD(2, compression);
      let truth: GuestTruth;
      {
        await using vm = await startQemu(folder, PC);
        await PC.prepare!(vm);
        truth = await readGuest(vm);
        await using capture = await startCapture("--listen", listen, "--out", out);
        await vm.migrate(listen, settings);
        const { code, err } = await capture.finished();
        assertEquals(code, 0, err);
      }
      await t.step("as it is", () => checkSent(folder, out, truth, settings, [], AS_IT_IS));
      await t.step("made anew", () => {
        const args = ["--multifd", "3", "--compression", compression];
        return checkSent(folder, out, truth, MULTIFD(3, compression), args);
      });
    });
  });
}

interopTest("sent: a captured postcopy migration, as one of precopy", {
  capabilities: ["postcopy-ram"],
}, async () => {
  await withFolder(async (folder) => {
    const listen = `unix:${folder}/capture.sock`;
    const out = `${folder}/captured`;
    let truth: GuestTruth;
    {
      await using vm = await startQemu(folder, PC);
      await vm.qmp("cont");
      await waitFor("the guest to write", async () => await churnCount(vm) > 0 || undefined);
      await using capture = await startCapture("--listen", listen, "--out", out);
      await vm.startMigration(listen, {
        capabilities: ["postcopy-ram"],
        parameters: { ...SLOW, "max-postcopy-bandwidth": 1_000_000 },
      });
      await switchToPostcopy(vm);
      const { status } = await vm.waitMigration(isFinal);
      const { code, err } = await capture.finished();
      assertEquals([status, code], ["completed", 0], err);
      assertStringIncludes(err, "note: the source may go over to postcopy");
      truth = await readGuest(vm);
    }
    await checkSent(folder, out, truth);
  });
});

interopTest("sent: what the destination refuses is told", {}, async () => {
  await withFolder(async (folder) => {
    const { path } = await save(folder, PC);
    // Another size of memory: the block list does not fit.
    const other = { ...PC, args: PC.args.replace("-m 2M", "-m 3M") };
    await using _vm = await startDestination(folder, other, {});
    const command = send(path, `unix:${folder}/incoming.sock`);
    const error = await command.then(() => undefined, (reason) => String(reason));
    assertMatch(error ?? "sent", /the destination closed the connection/);
  });
});
