/**
 * The payload of the `globalstate` section: the run state of the source before saving began. A vmstate section, described like
 * other devices, but one that every question about a stream wants to know (QEMU's `GlobalState`).
 *
 * ```text
 * QEMU 9.0 and later                                up to 8.2
 *   0   4 be32  size: length of the name + 1          0    4 be32  size
 *   4  32       run state, padded with NUL            4  100       run state, padded with NUL
 *  36   1 u8    has_vm_was_suspended: 1
 *  37   1 u8    vm_was_suspended
 *  38  66       unused, 0
 * ```
 *
 * Both are 104 bytes. Nobody checks `size`.
 *
 * @module
 */

import { badPayload } from "./chunk.ts";
import type { ByteReader } from "./reader.ts";
import { decodeText, encodeText, hexBytes, quoteText } from "./text.ts";
import type { ByteWriter } from "./writer.ts";

/** Name of the section's entry. */
export const GLOBAL_STATE_IDSTR = "globalstate";
/** The only version of the section. */
export const GLOBAL_STATE_VERSION = 1;
/** Bytes of the payload in either layout. */
export const GLOBAL_STATE_BYTES = 104;

/** Bytes of the run state's field in either layout. */
export const GLOBAL_STATE_NAME_BYTES = { split: 32, single: 100 } as const;

/** The run states that QEMU knows (`RunState`); it refuses to load others. */
export const RUN_STATES = [
  "debug",
  "inmigrate",
  "internal-error",
  "io-error",
  "paused",
  "postmigrate",
  "prelaunch",
  "finish-migrate",
  "restore-vm",
  "running",
  "save-vm",
  "shutdown",
  "suspended",
  "watchdog",
  "guest-panicked",
  "colo",
] as const;

/** The run state of the source. */
export interface GlobalState {
  /** `split` is QEMU 9.0's layout, `single` the older one. */
  readonly layout: "split" | "single";
  /** Length of the name + 1. */
  readonly sizeBytes: number;
  /** The run state, one of {@link RUN_STATES} in a stream that QEMU loads. */
  readonly runState: string;
  /** Whether `vmWasSuspended` means anything: 0 or 1; always 0 in the older layout. */
  readonly hasVmWasSuspended: number;
  /** Whether the guest was suspended before it was stopped: 0 or 1. */
  readonly vmWasSuspended: number;
  /** The 99 or fewer bytes behind the name's NUL and the two flags, if they are not all 0, as they are in every real stream. */
  readonly padding?: Uint8Array;
}

/**
 * Decodes the payload. The layouts differ in bytes 36 and 37 only, which are 0 in the older one: what has one there is taken for the newer.
 */
export function decodeGlobalState(reader: ByteReader): GlobalState {
  const sizeBytes = reader.u32("size of the run state");
  const offset = reader.offset;
  const field = reader.bytes(GLOBAL_STATE_NAME_BYTES.single, "run state");
  const nul = field.indexOf(0);
  const split = GLOBAL_STATE_NAME_BYTES.split;
  // A longer name reaches over the place of the flags.
  const layout = field[split] !== 0 && nul < split ? "split" : "single";
  if (nul === -1) {
    throw badPayload(reader, "Cannot decode globalstate: the run state has no end", {
      offset,
      expected: "a NUL",
      found: hexBytes(field),
    });
  }
  const flags = layout === "split" ? field.slice(split, split + 2) : new Uint8Array(2);
  const rest = paddingOf(field, nul, layout);
  return {
    layout,
    sizeBytes,
    runState: decodeText(field.subarray(0, nul)),
    hasVmWasSuspended: flags[0]!,
    vmWasSuspended: flags[1]!,
    ...(rest.every((byte) => byte === 0) ? {} : { padding: rest }),
  };
}

function paddingOf(field: Uint8Array, nul: number, layout: GlobalState["layout"]): Uint8Array {
  if (layout === "single") return field.slice(nul + 1);
  const { split } = GLOBAL_STATE_NAME_BYTES;
  const rest = new Uint8Array(field.length - nul - 3);
  rest.set(field.subarray(nul + 1, split));
  rest.set(field.subarray(split + 2), split - nul - 1);
  return rest;
}

/** A global state as QEMU would save it. */
export function makeGlobalState(
  runState: string,
  layout: GlobalState["layout"] = "split",
  vmWasSuspended = false,
): GlobalState {
  return {
    layout,
    sizeBytes: encodeText(runState).length + 1,
    runState,
    hasVmWasSuspended: layout === "split" ? 1 : 0,
    vmWasSuspended: vmWasSuspended ? 1 : 0,
  };
}

/** Encodes the payload. */
export function encodeGlobalState(writer: ByteWriter, state: GlobalState): void {
  const name = encodeText(state.runState);
  const room = GLOBAL_STATE_NAME_BYTES[state.layout] - 1;
  if (name.length > room || name.includes(0)) {
    throw writer.error(
      "Cannot encode globalstate: the run state does not fit",
      `at most ${room} bytes without NUL`,
      quoteText(state.runState),
    );
  }
  const isSplit = state.layout === "split";
  if (!isSplit && (state.hasVmWasSuspended !== 0 || state.vmWasSuspended !== 0)) {
    throw writer.error("Cannot encode globalstate: no place for flags", "0", "1");
  }
  const before = room - name.length;
  const after = isSplit ? 66 : 0;
  const padding = state.padding ?? new Uint8Array(before + after);
  if (padding.length !== before + after) {
    const found = `${padding.length} bytes`;
    throw writer.error("Cannot encode globalstate: padding", `${before + after} bytes`, found);
  }
  writer.u32(state.sizeBytes, "size of the run state");
  writer.bytes(name);
  writer.u8(0, "end of the run state");
  writer.bytes(padding.subarray(0, before));
  if (!isSplit) return;
  writer.u8(state.hasVmWasSuspended, "has_vm_was_suspended");
  writer.u8(state.vmWasSuspended, "vm_was_suspended");
  writer.bytes(padding.subarray(before));
}
