/** Migrations of a real QEMU are captured: from its source alone, or on the way to a real destination. */

import { assert, assertEquals, assertGreater, assertMatch } from "@std/assert";
import { readGuestMemory } from "../../analyze/memory/open_memory.ts";
import { openInput } from "../../container/open.ts";
import type { CaptureDescription } from "../../container/capture_folder.ts";
import { SLOW, switchToPostcopy } from "../../testdata/case.ts";
import { isFinal, type JsonObject, type Qemu } from "../../testdata/qemu.ts";
import { comparable, type RunningCapture, startCapture, startDestination } from "./live_command.ts";
import { interopTest, waitFor, withFolder } from "./qemu.ts";
import { churnCount, type GuestTruth, readGuest, type Scene, startQemu } from "./scene.ts";

const PC: Scene = { args: "-machine pc,acpi=off -m 1M -bios rom.bin", program: "churn" };

/** Lets the guest write for a moment, and stops it. */
async function runAndStop(vm: Qemu): Promise<void> {
  await run(vm);
  await vm.qmp("stop");
}

async function run(vm: Qemu): Promise<void> {
  await vm.qmp("cont");
  await waitFor("the guest to write", async () => await churnCount(vm) > 0 || undefined);
}

async function describe(folder: string): Promise<CaptureDescription> {
  return JSON.parse(await Deno.readTextFile(`${folder}/capture.json`));
}

/** Names of the files of a capture, in its order. */
function filesOf({ files }: CaptureDescription): string[] {
  return files.map(({ file }) => file).sort();
}

/** The memory in a capture is that of the guest, block by block. */
async function checkMemory(folder: string, truth: GuestTruth): Promise<void> {
  using input = await openInput(folder);
  using guest = readGuestMemory(input);
  assertEquals(guest.missingChannels, undefined);
  for (const block of guest.memory.blocks) {
    const bytes = new Uint8Array(block.usedLengthBytes);
    guest.memory.read(block, 0, bytes);
    const { bytes: expected } = truth.blocks.find(({ name }) => name === block.name) ?? {};
    assert(expected !== undefined, `the guest has no block ${block.name}`);
    assertEquals(bytes, expected, block.name);
  }
  assertGreater(guest.memory.blocks.length, 0);
}

/** Waits for the end of a capture, which has to be a good one. */
async function finish(capture: RunningCapture, out: string): Promise<CaptureDescription> {
  const { code, err } = await capture.finished();
  const description = await describe(out);
  assertEquals([code, description.problems], [0, []], err);
  assertEquals(description.complete, true);
  for (const { file, bytes, complete } of description.files) {
    assertEquals([(await Deno.stat(`${out}/${file}`)).size, complete], [bytes, true], file);
  }
  return description;
}

/** Migrates a stopped guest into a capture. */
async function captureStopped(
  folder: string,
  capabilities: readonly string[],
  parameters: JsonObject = {},
  ...args: string[]
): Promise<CaptureDescription> {
  const listen = `unix:${folder}/capture.sock`;
  const out = `${folder}/captured`;
  await using vm = await startQemu(folder, PC);
  await runAndStop(vm);
  const truth = await readGuest(vm);
  await using capture = await startCapture("--listen", listen, "--out", out, ...args);
  await vm.migrate(listen, { capabilities, parameters });
  const description = await finish(capture, out);
  await checkMemory(out, truth);
  return description;
}

for (const compression of ["none", "zlib", "zstd"]) {
  for (const channels of [1, 2, 4]) {
    for (const detection of ["legacy", "multifd"]) {
      const name =
        `captured: multifd, ${channels} channel(s), ${compression}, zeros by ${detection}`;
      interopTest(name, {
        capabilities: ["multifd"],
        parameters: ["zero-page-detection"],
      }, async () => {
        await withFolder(async (folder) => {
          const parameters = {
            "multifd-channels": channels,
            "multifd-compression": compression,
            "zero-page-detection": detection,
          };
          const count = String(channels);
          const description = await captureStopped(
            folder,
            ["multifd"],
            parameters,
            "--channels",
            count,
          );
          const ids = Array.from({ length: channels }, (_, id) => `multifd-${id}.bin`);
          assertEquals(filesOf(description), ["main.bin", ...ids]);
        });
      });
    }
  }
}

for (
  const capabilities of [
    [],
    ["return-path"],
    ["return-path", "switchover-ack"],
    ["return-path", "multifd"],
    ["postcopy-ram"],
  ]
) {
  const name = ["captured: one without a destination", ...capabilities].join(", ");
  interopTest(name, { capabilities }, async () => {
    await withFolder(async (folder) => {
      await captureStopped(folder, capabilities);
    });
  });
}

interopTest("captured: a machine that sends no description", {
  capabilities: ["return-path"],
}, async () => {
  await withFolder(async (folder) => {
    const listen = `unix:${folder}/capture.sock`;
    const out = `${folder}/captured`;
    const args = PC.args.replace("acpi=off", "acpi=off,suppress-vmdesc=on");
    await using vm = await startQemu(folder, { ...PC, args });
    await using capture = await startCapture("--listen", listen, "--out", out);
    await vm.migrate(listen, { capabilities: ["return-path"] });
    await finish(capture, out);
  });
});

interopTest("captured: over TCP, while the guest runs", {}, async () => {
  await withFolder(async (folder) => {
    const out = `${folder}/captured`;
    await using vm = await startQemu(folder, PC);
    await run(vm);
    const port = freePort();
    await using capture = await startCapture("--listen", `tcp:${port}`, "--out", out);
    await vm.migrate(`tcp:127.0.0.1:${port}`);
    await finish(capture, out);
    await checkMemory(out, await readGuest(vm));
  });
});

function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

interopTest("captured: a migration that is cancelled is no whole one", {}, async () => {
  await withFolder(async (folder) => {
    const listen = `unix:${folder}/capture.sock`;
    const out = `${folder}/captured`;
    await using vm = await startQemu(folder, PC);
    await run(vm);
    await using capture = await startCapture("--listen", listen, "--out", out);
    await vm.startMigration(listen, { parameters: SLOW });
    await waitFor("the first bytes", async () => {
      const status = await vm.query("query-migrate");
      return status.status === "active" || undefined;
    });
    await vm.qmp("migrate_cancel");
    const { code, err } = await capture.finished();
    const { complete, files } = await describe(out);
    assertEquals([code, complete, files.map((file) => file.complete)], [2, false, [false]]);
    assertMatch(err, /error: connection 0: .*\[truncated\]/);
  });
});

/** A migration to a real destination, with a capture between. */
interface Passage {
  readonly name: string;
  readonly capabilities: readonly string[];
  readonly parameters?: JsonObject;
  readonly during?: (vm: Qemu) => Promise<void>;
  /** Files that the capture has to have. */
  readonly files: readonly string[];
}

const SLOW_POSTCOPY = { ...SLOW, "max-postcopy-bandwidth": 150_000 };

const PASSAGES: readonly Passage[] = [
  { name: "precopy", capabilities: [], files: ["main.bin"] },
  {
    name: "multifd with a return path",
    capabilities: ["multifd", "return-path"],
    parameters: { "multifd-channels": 2, "multifd-compression": "zlib" },
    files: ["main.bin", "main.return.bin", "multifd-0.bin", "multifd-1.bin"],
  },
  {
    name: "postcopy",
    capabilities: ["postcopy-ram"],
    parameters: SLOW_POSTCOPY,
    during: switchToPostcopy,
    files: ["main.bin", "main.return.bin"],
  },
  {
    name: "postcopy with preemption",
    capabilities: ["postcopy-ram", "postcopy-preempt"],
    parameters: SLOW_POSTCOPY,
    during: switchToPostcopy,
    files: ["main.bin", "main.return.bin"],
  },
];

for (const { name, capabilities, parameters = {}, during, files } of PASSAGES) {
  interopTest(`passed on: ${name}`, { capabilities }, async () => {
    await withFolder(async (folder) => {
      const listen = `unix:${folder}/capture.sock`;
      const forward = `unix:${folder}/incoming.sock`;
      const out = `${folder}/captured`;
      await using destination = await startDestination(folder, PC, { capabilities, parameters });
      await using vm = await startQemu(folder, PC);
      await run(vm);
      await using capture = await startCapture(
        ...["--listen", listen, "--forward", forward, "--out", out],
      );
      await vm.startMigration(listen, { capabilities, parameters });
      await during?.(vm);
      const ended = await vm.waitMigration(isFinal);
      assertEquals(ended.status, "completed", JSON.stringify(ended));
      const arrived = await destination.waitMigration(isFinal);
      assertEquals(arrived.status, "completed", JSON.stringify(arrived));
      const description = await finish(capture, out);
      for (const file of files) assert(filesOf(description).includes(file), file);

      const there = await readGuest(destination);
      assertEquals(comparable(there), comparable(await readGuest(vm)));
      await checkMemory(out, there);
      const messages = description.returnPath?.messages;
      assertEquals(messages?.SHUT, files.includes("main.return.bin") ? 1 : undefined);

      const before = await churnCount(destination);
      await destination.qmp("cont");
      await waitFor("the guest to run on", async () => {
        const { status } = await destination.query("query-status");
        return status === "running" && await churnCount(destination) > before || undefined;
      });
    });
  });
}

interopTest("passed on: a refusal of the destination reaches the source", {}, async () => {
  await withFolder(async (folder) => {
    const listen = `unix:${folder}/capture.sock`;
    const out = `${folder}/captured`;
    const other = { ...PC, args: PC.args.replace("-m 1M", "-m 2M") };
    await using _destination = await startDestination(folder, other, {});
    await using vm = await startQemu(folder, PC);
    await run(vm);
    await using capture = await startCapture(
      ...["--listen", listen, "--forward", `unix:${folder}/incoming.sock`, "--out", out],
    );
    await vm.startMigration(listen, { parameters: SLOW });
    const { status } = await vm.waitMigration(isFinal);
    assertEquals(status, "failed");
    const { code, err } = await capture.finished();
    assertEquals([code, (await describe(out)).complete], [2, false]);
    assertMatch(err, /the destination closed connection 0 at byte \d+ or before/);
  });
});
