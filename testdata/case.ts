/**
 * What a case is made of. The tables of cases are `cases_x86.ts` and `cases_targets.ts`.
 *
 * @module
 */

import type { GuestState, Truth } from "./manifest.ts";
import type { JsonObject } from "./qmp.ts";
import { delay, type Qemu } from "./qemu.ts";

/** The releases of QEMU that the cases need. */
export type Series = "7.2" | "10.0" | "11.1";

/**
 * Where the stream goes:
 *
 * | value      | target                                                       |
 * |------------|--------------------------------------------------------------|
 * | `file`     | `file:` target, QEMU 8.2 and later                           |
 * | `exec`     | a pipe into a shell command                                  |
 * | `lateExec` | the same, but the command starts to read a second later      |
 * | `sink`     | unix sockets of a recorder that never answers                |
 * | `proxy`    | unix sockets to a second QEMU, through a recorder            |
 */
export type Transport = "file" | "exec" | "lateExec" | "sink" | "proxy";

/** One case to make. */
export interface CaseSpec {
  readonly name: string;
  readonly about: string;
  readonly series: Series;
  /** Target architecture, as in `qemu-system-<target>`. */
  readonly target: string;
  /** Arguments, separated by blanks; file names are relative to the working directory. */
  readonly args: string;
  /** Files in the working directory. */
  readonly files?: Readonly<Record<string, Uint8Array>>;
  readonly guest: GuestState;
  readonly transport: Transport;
  readonly streamOffset?: number;
  readonly capabilities?: readonly string[];
  readonly parameters?: JsonObject;
  readonly migrateArguments?: JsonObject;
  /** Whether the destination of a `proxy` runs its guest when it has it. */
  readonly destinationRuns?: true;
  /** Keep the stream as `<name>.mig`, not compressed. */
  readonly plain?: true;
  /** Runs before the guest is started. */
  readonly prepare?: (vm: Qemu) => Promise<void>;
  /** Runs as soon as the migration is under way. */
  readonly during?: (vm: Qemu) => Promise<void>;
  /** When the truth is read: by default at the end, when the guest is stopped for good. */
  readonly truthBefore?: true;
  /** Truth that only this case has; read just before the migration. */
  readonly extraTruth?: (vm: Qemu) => Promise<Partial<Truth>>;
  readonly guestAddresses?: Readonly<Record<string, number>>;
  readonly ignoredBlocks?: readonly string[];
}

/**
 * Parameters so slow that a live migration does not converge by itself. QEMU sleeps whenever a tenth
 * of the bandwidth has been used, and the guest makes pages dirty meanwhile; so one round must need
 * more than a tenth.
 */
export const SLOW: JsonObject = slow(150_000);

/** Like {@linkcode SLOW}, with another bandwidth, for rounds that need fewer bytes. */
export function slow(bytesPerSecond: number): JsonObject {
  return { "max-bandwidth": bytesPerSecond, "downtime-limit": 1 };
}

/** Parameters that let it converge at once. */
export const FAST: JsonObject = { "max-bandwidth": 1_000_000_000, "downtime-limit": 2000 };

/** Lets a slow live migration run for some rounds, presses a key in the guest, and ends it. */
export async function severalRounds(vm: Qemu): Promise<void> {
  await vm.waitMigration((status) => rounds(status) >= 3);
  await pressKey(vm);
  await vm.waitMigration((status) => rounds(status) >= 7);
  await vm.qmp("migrate-set-parameters", FAST);
}

/** Switches a slow live migration to postcopy before all pages were sent once. */
export async function switchToPostcopy(vm: Qemu): Promise<void> {
  await vm.waitMigration((status) => Number(ramOf(status).transferred ?? 0) > 80_000);
  await vm.qmp("migrate-start-postcopy");
}

/** Makes the guest write while its snapshot is being saved, into a pipe that is full by then. */
export async function writeDuringSnapshot(vm: Qemu): Promise<void> {
  await vm.waitMigration((status) => status.status === "active");
  await delay(200);
  await pressKey(vm);
}

async function pressKey(vm: Qemu): Promise<void> {
  await vm.qmp("send-key", { keys: [{ type: "qcode", data: "a" }] });
}

function rounds(status: JsonObject): number {
  return Number(ramOf(status)["dirty-sync-count"] ?? 0);
}

function ramOf(status: JsonObject): JsonObject {
  return (status.ram ?? {}) as JsonObject;
}
