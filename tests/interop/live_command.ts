/**
 * `migstream capture` and `migstream send` beside a running QEMU.
 *
 * @module
 */

import { toText } from "@std/streams/to-text";
import { assertEquals } from "@std/assert";
import { migstreamCommand, type ProcessResult } from "../process.ts";
import type { JsonObject, Qemu } from "../../testdata/qemu.ts";
import { type GuestTruth, type Scene, startQemu } from "./scene.ts";

/** Permissions that the commands need with unix sockets. */
const PERMISSIONS = ["-R", "-W", "-N"];

/** A capture that is under way. */
export interface RunningCapture extends AsyncDisposable {
  /** Waits for its end. */
  finished(): Promise<Omit<ProcessResult, "bytes">>;
}

/** Starts a capture and waits until it listens. */
export async function startCapture(...args: string[]): Promise<RunningCapture> {
  const child = migstreamCommand(["capture", ...args], PERMISSIONS).spawn();
  await child.stdin.close();
  const stdout = toText(child.stdout);
  const [first, rest] = child.stderr.tee();
  const stderr = toText(rest);
  const reader = first.pipeThrough(new TextDecoderStream()).getReader();
  for (let text = ""; !text.includes("\n");) {
    const { done, value } = await reader.read();
    if (done) throw new Error(`capture does not listen: ${await stderr}`);
    text += value;
  }
  // The other branch keeps what comes; this one is read on, or it would be kept twice.
  const drained = (async () => {
    while (!(await reader.read()).done);
  })();
  const finished = async () => {
    const { code } = await child.status;
    await drained;
    return { code, out: await stdout, err: await stderr };
  };
  return {
    finished,
    async [Symbol.asyncDispose]() {
      try {
        child.kill("SIGKILL");
      } catch {
        // It has ended already.
      }
      await finished();
    },
  };
}

/** Runs `migstream send` to its end, which has to be a good one, and returns what it printed. */
export async function send(...args: string[]): Promise<string> {
  const child = migstreamCommand(["send", ...args], PERMISSIONS).spawn();
  await child.stdin.close();
  const { code, stdout, stderr } = await child.output();
  assertEquals(code, 0, new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout);
}

/** What of a guest has to be the same in two QEMUs. */
export function comparable({ blocks, registers }: GuestTruth): unknown {
  return [
    registers,
    blocks.map(({ name, bytes, usedLengthBytes }) => [name, usedLengthBytes, bytes]),
  ];
}

/** What a destination is set to. */
export interface Destination {
  /** Migration capabilities. */
  readonly capabilities?: readonly string[];
  /** Migration parameters. */
  readonly parameters?: JsonObject;
}

/** Starts a QEMU that waits at `incoming.sock`. */
export async function startDestination(
  folder: string,
  scene: Scene,
  { capabilities = [], parameters = {} }: Destination,
): Promise<Qemu> {
  const vm = await startQemu(folder, scene, ["-incoming", "defer"]);
  await vm.setCapabilities(capabilities);
  if (Object.keys(parameters).length > 0) await vm.qmp("migrate-set-parameters", parameters);
  await vm.qmp("migrate-incoming", { uri: `unix:${folder}/incoming.sock` });
  return vm;
}
