/** The payloads that are one small value: clock, user-mode networking, run state, Proxmox's state, and the CPR channel's head. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import fc from "fast-check";
import { decodeCprHeader, encodeCprHeader } from "../format/cpr.ts";
import {
  decodeGlobalState,
  encodeGlobalState,
  GLOBAL_STATE_BYTES,
  type GlobalState,
  makeGlobalState,
  RUN_STATES,
} from "../format/global_state.ts";
import { encodePbsState, readPbsState } from "../format/pbs_state.ts";
import { decodeSlirp, encodeSlirp, SLIRP_LIMIT_BYTES } from "../format/slirp.ts";
import { decodeTodClock, encodeTodClock } from "../format/todclock.ts";
import { annotated, failureOf, readerOf, written } from "./annotated.ts";

/** Every prefix of `bytes` must be an error of the code `truncated`. */
function noticesCuts(bytes: Uint8Array, decode: (bytes: Uint8Array) => unknown): void {
  for (let length = 0; length < bytes.length; length++) {
    assertStringIncludes(failureOf(() => decode(bytes.slice(0, length))), "[truncated]");
  }
}

Deno.test("todclock: a real clock, and none", () => {
  const bytes = annotated("01 00 de 98 29 e2 c5 42 1c 24");
  const clock = decodeTodClock(readerOf(bytes));
  assertEquals(clock, { high: 0, low: 0xde9829e2c5421c24n });
  assertEquals(written((writer) => encodeTodClock(writer, clock)), bytes);
  noticesCuts(bytes, (cut) => decodeTodClock(readerOf(cut)));
  assertEquals(decodeTodClock(readerOf(annotated("00 ff"))), undefined);
  assertEquals(written((writer) => encodeTodClock(writer, undefined)), annotated("00"));
  const found = failureOf(() => decodeTodClock(readerOf(annotated("02 00*9"))));
  assertStringIncludes(found, "expected 0 or 1; found 2 [bad-payload]");
});

Deno.test("slirp: an idle network, DHCP clients, connections, and what is not known", () => {
  const tail = `00 12 34 00 01 52 54 00 12 34 56 ${"00 00 00*6 ".repeat(15)}`;
  const cases: readonly [hex: string, kind: string, connections: number][] = [
    ["00*131", "state", 0],
    [tail, "state", 0],
    [`2a 01 02 03 ${tail}`, "state", 4],
    [`2b 01 02 03 ${tail}`, "raw", 0],
    ["00*130", "raw", 0],
    ["01 00*130", "raw", 0],
    ["", "raw", 0],
  ];
  for (const [hex, kind, connections] of cases) {
    const bytes = annotated(hex);
    const reader = readerOf(Uint8Array.from([...bytes, 0x7e]));
    const slirp = decodeSlirp(reader, bytes.length);
    assertEquals(reader.offset, bytes.length);
    assertEquals(slirp.kind, kind);
    assertEquals(written((writer) => encodeSlirp(writer, slirp)), bytes);
    if (slirp.kind !== "state") continue;
    assertEquals(slirp.connections.length, connections);
    assertEquals(slirp.ipId, hex === "00*131" ? 0 : 0x1234);
    assertEquals(slirp.bootpClients[0]?.allocated, hex === "00*131" ? 0 : 1);
  }
  const bytes = annotated(tail);
  noticesCuts(bytes, (cut) => decodeSlirp(readerOf(cut), bytes.length));
  const long = failureOf(() => decodeSlirp(readerOf(bytes), SLIRP_LIMIT_BYTES + 1));
  assertStringIncludes(long, "[limit-exceeded]");
});

Deno.test("slirp: what has no form is not encoded", () => {
  const state = { kind: "state", connections: new Uint8Array(0), ipId: 0 } as const;
  const macs = (lengths: number[]) =>
    lengths.map((length) => ({ allocated: 0, macAddress: new Uint8Array(length) }));
  for (const bootpClients of [macs([]), macs([...new Array<number>(15).fill(6), 5])]) {
    const encode = () => written((writer) => encodeSlirp(writer, { ...state, bootpClients }));
    assertStringIncludes(failureOf(encode), "[not-encodable]");
  }
});

const NEW_STATE = annotated(`
  00 00 00 0a               # size: 9 + 1
  "prelaunch" 00*23
  01 00                     # has_vm_was_suspended, vm_was_suspended
  00*66
`);
const OLD_STATE = annotated(`00 00 00 08 "running" 00*93`);

Deno.test("globalstate: the layouts of QEMU 10.0.2 and 7.2.22", () => {
  const fresh = decodeGlobalState(readerOf(NEW_STATE));
  const flags = { hasVmWasSuspended: 1, vmWasSuspended: 0 };
  assertEquals(fresh, { layout: "split", sizeBytes: 10, runState: "prelaunch", ...flags });
  const old = decodeGlobalState(readerOf(OLD_STATE));
  const none = { hasVmWasSuspended: 0, vmWasSuspended: 0 };
  assertEquals(old, { layout: "single", sizeBytes: 8, runState: "running", ...none });
  assertEquals(written((writer) => encodeGlobalState(writer, fresh)), NEW_STATE);
  assertEquals(written((writer) => encodeGlobalState(writer, old)), OLD_STATE);
  assertEquals(fresh, makeGlobalState("prelaunch"));
  assertEquals(old, makeGlobalState("running", "single"));
  noticesCuts(NEW_STATE, (cut) => decodeGlobalState(readerOf(cut)));
});

Deno.test("globalstate: every run state in either layout", () => {
  for (const runState of RUN_STATES) {
    for (const layout of ["split", "single"] as const) {
      const state = makeGlobalState(runState, layout, layout === "split" && runState === "paused");
      const bytes = written((writer) => encodeGlobalState(writer, state));
      assertEquals(bytes.length, GLOBAL_STATE_BYTES);
      assertEquals(decodeGlobalState(readerOf(bytes)), state);
    }
  }
});

Deno.test("globalstate: any bytes encode to themselves, as long as the name ends", () => {
  const texts = fc.string({ maxLength: 99, unit: fc.constantFrom("a", "\0", "\u{ff}") });
  const bytes = fc.oneof(
    fc.uint8Array({ minLength: GLOBAL_STATE_BYTES, maxLength: GLOBAL_STATE_BYTES }),
    texts.map((text) => Uint8Array.from({ length: 104 }, (_, at) => text.charCodeAt(at - 4) || 0)),
  );
  fc.assert(fc.property(bytes, (bytes) => {
    if (bytes.indexOf(0, 4) === -1) {
      assertStringIncludes(failureOf(() => decodeGlobalState(readerOf(bytes))), "has no end");
      return;
    }
    const state = decodeGlobalState(readerOf(bytes));
    assertEquals(written((writer) => encodeGlobalState(writer, state)), bytes);
  }));
});

Deno.test("globalstate: what has no form is not encoded", () => {
  const state = makeGlobalState("paused");
  const states: GlobalState[] = [
    { ...state, runState: "x".repeat(32) },
    { ...state, runState: "a\0b" },
    { ...state, layout: "single" },
    { ...state, padding: new Uint8Array(1) },
    { ...state, sizeBytes: -1 },
  ];
  for (const wrong of states) {
    const encode = () => written((writer) => encodeGlobalState(writer, wrong));
    assertStringIncludes(failureOf(encode), "[not-encodable]");
  }
});

Deno.test("pbs-state: opaque bytes with their length before them", () => {
  const bytes = annotated("00*7 03 01 02 03");
  const reader = readerOf(Uint8Array.from([...bytes, 0x7e]));
  assertEquals(readPbsState(reader), { offset: 0, dataOffset: 8, dataBytes: 3 });
  assertEquals(reader.offset, 11);
  const data = annotated("01 02 03");
  assertEquals(written((writer) => encodePbsState(writer, { data })), bytes);
  assertEquals(written((writer) => encodePbsState(writer, {})), annotated("00*8"));
  noticesCuts(bytes, (cut) => readPbsState(readerOf(cut)));
});

Deno.test("cpr: the channel's head", () => {
  const bytes = written(encodeCprHeader);
  assertEquals(bytes, annotated(`"QCPR" 00 00 00 01`));
  decodeCprHeader(readerOf(bytes));
  noticesCuts(bytes, (cut) => decodeCprHeader(readerOf(cut)));
  const head = (hex: string) => failureOf(() => decodeCprHeader(readerOf(annotated(hex))));
  assertStringIncludes(head(`"QEVM" 00 00 00 01`), "[bad-magic]");
  assertStringIncludes(head(`"QCPR" 00 00 00 02`), "[unsupported-version]");
});
