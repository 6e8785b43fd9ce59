/**
 * Device sections made up for what a description can say: arrays of pointers in all readings, containers with repeated members, and
 * descriptions that ask for more than there is.
 */
import { assert, assertEquals } from "@std/assert";
import { compatState } from "../analyze/compat/compat.ts";
import { readState } from "../analyze/state.ts";
import type { DeviceState } from "../format/items.ts";
import { BytesSource } from "../format/source.ts";
import { readItems } from "./reading.ts";
import { annotated } from "./annotated.ts";
import { StreamBuilder } from "./streams.ts";
import { caseNames, loadStream } from "./testdata.ts";

/** A stream with one device; `members` is what its description says beside the names. */
function deviceStream(payload: string, members: string): Uint8Array {
  return new StreamBuilder().section("full", 9, "dev", annotated(payload)).eof().description(
    `{"devices": [{"name": "dev", "instance_id": 0, "vmsd_name": "dev", "version": 1, ${members}}]}`,
  ).bytes();
}

function decode(payload: string, members: string): { device: DeviceState; printed: unknown } {
  const state = readState(new BytesSource(deviceStream(payload, members)));
  const { device } = state.entries[0]!.first;
  assert(device !== undefined);
  assertEquals(device.bytes, annotated(payload));
  return { device, printed: JSON.parse(compatState(state))["dev (9)"] };
}

const STRUCT = `"type": "struct", "size": 2, "struct": {"vmsd_name": "s", "version": 1, ` +
  `"fields": [{"name": "v", "type": "uint16", "size": 2}]}`;
const NULL = `"type": "nullptr", "size": 1`;

Deno.test("readings: an array as it is described", () => {
  const { device, printed } = decode(
    "00 01 30 00 02",
    `"fields": [{"name": "p", "index": 0, ${STRUCT}}, {"name": "p", "index": 1, ${NULL}}, ` +
      `{"name": "p", "index": 2, ${STRUCT}}]`,
  );
  assertEquals(device.reading, "described");
  assertEquals(printed, { p: [{ v: "0x0001" }, "nullptr", { v: "0x0002" }] });
});

Deno.test("readings: the first run's length is the whole array's", () => {
  const { device, printed } = decode(
    "00 01 00 02 30 00 03",
    `"fields": [{"name": "p", "array_len": 4, ${STRUCT}}, {"name": "p", "index": 2, ${NULL}}, ` +
      `{"name": "p", "index": 3, ${STRUCT}}]`,
  );
  assertEquals(device.reading, "runs");
  assertEquals(printed, {
    p: [{ v: "0x0001" }, { v: "0x0002" }, "nullptr", { v: "0x0003" }],
  });
});

Deno.test("readings: null elements that the description does not tell", () => {
  const { device, printed } = decode(
    "00 01 30 00 02 30",
    `"fields": [{"name": "p", "array_len": 4, ${STRUCT}}]`,
  );
  assertEquals(device.reading, "nulls");
  assertEquals(printed, { p: [{ v: "0x0001" }, "nullptr", { v: "0x0002" }, "nullptr"] });
});

Deno.test("readings: recorded arrays of pointers are described as they are", () => {
  const types = new Set<string>();
  for (const name of caseNames(({ arch }) => arch === "s390x")) {
    for (const item of readItems(new BytesSource(loadStream(name))).items) {
      if (item.kind !== "section" || item.device === undefined) continue;
      assertEquals(item.device.reading, "described");
      for (const { type } of item.device.state.fields) types.add(type);
    }
  }
  assert(types.has("nullptr") || types.has("ptr-marker"), [...types].join());
});

/** An element's description, as it stands among the members of its field. */
const ELEMENT =
  `"vmsd_name": "e", "version": 1, "fields": [{"name": "v", "type": "uint8", "size": 1}]`;
const PAIR =
  `"vmsd_name": "k", "version": 1, "fields": [{"name": "key", "type": "uint16", "size": 2}]`;

Deno.test("readings: containers repeat the members of their elements", () => {
  for (const type of ["qtailq", "qlist"]) {
    const { device } = decode(
      "01 07 01 08 00 ff",
      `"fields": [{"name": "q", "type": "${type}", ${ELEMENT}, ${ELEMENT}, "size": 5}, ` +
        `{"name": "z", "type": "uint8", "size": 1}]`,
    );
    const [queue, last] = device.state.fields;
    assertEquals(queue?.elements?.map(({ vmsdName, offset }) => [vmsdName, offset]), [["e", 1], [
      "e",
      3,
    ]]);
    assertEquals([queue?.lengthBytes, last?.offset], [5, 5]);
  }
  const empty = decode("00", `"fields": [{"name": "q", "type": "qtailq", "size": 1}]`);
  assertEquals(empty.device.state.fields[0]?.elements, []);
});

Deno.test("readings: trees have keys of their own or plain numbers", () => {
  const described = decode(
    "00 00 00 02 01 00 01 0a 01 00 02 0b 00",
    `"fields": [{"name": "t", "type": "gtree", ${PAIR}, ${ELEMENT}, ${PAIR}, ${ELEMENT}, "size": 13}]`,
  );
  const names = described.device.state.fields[0]?.elements?.map(({ vmsdName }) => vmsdName);
  assertEquals(names, ["k", "e", "k", "e"]);
  const numbers = decode(
    "00 00 00 01 01 00*7 05 0a 00",
    `"fields": [{"name": "t", "type": "gtree", ${ELEMENT}, "size": 15}]`,
  );
  assertEquals(numbers.device.state.fields[0]?.keys, [5n]);
  const empty = decode("00 00 00 00 00", `"fields": [{"name": "t", "type": "gtree", "size": 5}]`);
  assertEquals(empty.device.state.fields[0]?.elements, []);
});

Deno.test("readings: vstruct, tmp and subsections have structures inside", () => {
  for (const type of ["vstruct", "tmp"]) {
    const { device } = decode(
      "2a",
      `"fields": [{"name": "x", "type": "${type}", ${ELEMENT}, "size": 1}]`,
    );
    assertEquals(device.state.fields[0]?.elements?.[0]?.vmsdName, "e");
  }
  const { printed } = decode(
    '01 05 05 "dev/s" 00 00 00 03 02 05 05 "dev/t" 00 00 00 01 03',
    `"fields": [{"name": "x", "type": "uint8", "size": 1}], "subsections": [` +
      `{"vmsd_name": "dev/s", "version": 3, "fields": [{"name": "y", "type": "uint8", "size": 1}]}, ` +
      `{"vmsd_name": "dev/t", "version": 1, "fields": [{"name": "y", "type": "int8", "size": 1}]}]`,
  );
  assertEquals(printed, { x: "0x01", "dev/s": { y: "0x02" }, "dev/t": { y: "0x03" } });
});

/** What reading such a stream ends with. */
function codeOf(payload: string, members: string): string | undefined {
  return readItems(new BytesSource(deviceStream(payload, members))).error?.code;
}

Deno.test("readings: what does not fit is refused", () => {
  const refused: readonly [string, string][] = [
    // A container with more and with fewer elements than described, and of another size.
    ["01 07 01 08 00", `"fields": [{"name": "q", "type": "qtailq", ${ELEMENT}, "size": 3}]`],
    ["01 07 00", `"fields": [{"name": "q", "type": "qtailq", ${ELEMENT}, ${ELEMENT}, "size": 5}]`],
    ["01 07 00", `"fields": [{"name": "q", "type": "qtailq", ${ELEMENT}, "size": 4}]`],
    // A structure of another size than its members.
    ["00 00", `"fields": [{"name": "p", ${STRUCT.replace('"size": 2', '"size": 1')}}]`],
    // Another subsection, another version of it, none at all.
    ['05 01 "b" 00 00 00 01', `"subsections": [{"vmsd_name": "a", "version": 1}]`],
    ['05 01 "a" 00 00 00 02', `"subsections": [{"vmsd_name": "a", "version": 1}]`],
    ["07", `"subsections": [{"vmsd_name": "a", "version": 1}]`],
    // More bytes and fewer bytes than there are.
    ["01 02", `"fields": [{"name": "x", "type": "buffer", "size": 3}]`],
    ["01 02", `"fields": [{"name": "x", "type": "buffer", "size": 1}]`],
  ];
  for (const [payload, members] of refused) {
    assertEquals(codeOf(payload, members), "device-mismatch", members);
  }
});

Deno.test("readings: what takes no bytes cannot be had without bound", () => {
  const EMPTY =
    `"type": "struct", "size": 0, "struct": {"vmsd_name": "s", "version": 1, "fields": []}`;
  for (const length of ["1000000000", "9007199254740991"]) {
    for (const element of [EMPTY, `"type": "uint8", "size": 0`]) {
      const members = `"fields": [{"name": "p", "array_len": ${length}, ${element}}]`;
      assertEquals(codeOf("", members), "limit-exceeded", members);
    }
  }
  const fine = decode(
    "01",
    `"fields": [{"name": "p", "array_len": 100, ${EMPTY}}, ` +
      `{"name": "x", "type": "uint8", "size": 1}]`,
  );
  assertEquals(fine.device.state.fields[0]?.count, 100);
  const huge = `"fields": [{"name": "x", "type": "buffer", "size": 9007199254740991}]`;
  assertEquals(codeOf("01", huge), "limit-exceeded");
});
