/**
 * Streams of the obsolete version 2: records with lengths.
 *
 * @module
 */

import { assertEquals, assertThrows } from "@std/assert";
import { FormatError } from "../format/error.ts";
import { encodeCompatRecord, encodeFileHeader } from "../format/header.ts";
import { BytesSource } from "../format/source.ts";
import { StreamReader } from "../format/stream.ts";
import { ByteWriter } from "../format/writer.ts";

const RECORDS = [
  { idstr: "timer", instanceId: 0, versionId: 2, data: new Uint8Array(3) },
  { idstr: "ram", instanceId: 1, versionId: 3, data: new Uint8Array(40) },
];

function obsoleteStream(): Uint8Array {
  const body = new ByteWriter();
  for (const { idstr, instanceId, versionId, data } of RECORDS) {
    encodeCompatRecord(body, { idstr, instanceId, versionId, lengthBytes: data.length });
    body.bytes(data);
  }
  const writer = new ByteWriter();
  encodeFileHeader(writer, { version: 2, compatTotalBytes: body.lengthBytes });
  writer.bytes(body.finish());
  return writer.finish();
}

function read(bytes: Uint8Array) {
  return [...new StreamReader(new BytesSource(bytes)).items()];
}

Deno.test("version 2: header and records tile the stream", () => {
  const bytes = obsoleteStream();
  const items = read(bytes);
  assertEquals(items.map(({ kind, offset, lengthBytes }) => [kind, offset, lengthBytes]), [
    ["header", 0, 16],
    ["compat-record", 16, 1 + 5 + 12 + 3],
    ["compat-record", 37, 1 + 3 + 12 + 40],
  ]);
  const records = items.flatMap((item) => item.kind === "compat-record" ? item.record : []);
  assertEquals(
    records,
    RECORDS.map(({ data, ...head }) => ({ ...head, lengthBytes: data.length })),
  );
});

Deno.test("version 2: what follows the records is trailing, a record beyond the total is refused", () => {
  const bytes = obsoleteStream();
  const longer = new Uint8Array(bytes.length + 5);
  longer.set(bytes);
  assertEquals(read(longer).at(-1)?.kind, "trailing");
  const short = bytes.slice();
  new DataView(short.buffer).setUint32(12, 20);
  assertEquals(assertThrows(() => read(short), FormatError).code, "truncated");
});

Deno.test("version 2: cut off at any byte it is refused with an offset inside", () => {
  const bytes = obsoleteStream();
  for (let length = 0; length < bytes.length; length++) {
    const error = assertThrows(() => read(bytes.subarray(0, length)), FormatError);
    assertEquals([error.code, error.offset <= length], ["truncated", true]);
  }
});
